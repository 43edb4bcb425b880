"""What read a page, as its record says: the versions of the libraries whose answers are stored.

Rule: a file of its own, because a process that only reads pages (`crawler.sandboxed`) need not say so: finding the
versions of packages takes a fifth of its start.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from selectolax.lexbor import LEXBOR_VERSION_MAJOR, LEXBOR_VERSION_MINOR

PARSER: Final = f"lexbor {LEXBOR_VERSION_MAJOR}.{LEXBOR_VERSION_MINOR} selectolax {version('selectolax')}"
NORMALISER: Final = f"ada-url {version('ada-url')}"
PSL: Final = f"publicsuffixlist {version('publicsuffixlist')}"
