"""Extraction: what one HTML page links to and says about itself.

Rule: pure and total; any bytes give a `Page`. Read `document` first (the order of work), then `walk` (from the tree to
plain data, with `place` and `anchors`), `elements` (what links), `words` and `rel` (the columns of a link), `rows`
(folding and counts), `head` (the page's own columns).
"""

from crawler.extract.document import extract, extract_header
from crawler.extract.page import ExtractSettings, Html, Page, Refresh

__all__ = ["ExtractSettings", "Html", "Page", "Refresh", "extract", "extract_header"]
