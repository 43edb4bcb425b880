"""Pages of Debian's documentation trees on which libxml2 and the HTML Standard part: URL -> reason and links.

On each of them the crawler's links are those of the Standard's tree construction (html5lib 1.1 finds the same ones on
every page of the trees). A page leaves this table, and a test says so, when its package mends the markup.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.docs_oracle import Link


class Difference(NamedTuple):
    """Links of one page that only one of the two finds, with how many times more."""

    reason: str
    crawler: dict[Link, int]
    libxml2: dict[Link, int]


AFTER_HTML: Final = (
    "The link stands after </html>. The Standard reads on as in the body (section 13.2.6.4.22, after after body); "
    "libxml2 drops it."
)
UNCLOSED: Final = (
    "An <a> is not closed before </li>, so it is still an active formatting element: the Standard opens it again for "
    "the white space after </li> (reconstruction, section 13.2.4.3), and the next <a> splits that copy at its <li> "
    "(adoption agency, section 13.2.6.4.7): two more anchors without text. libxml2 knows neither rule."
)
NESTED: Final = (
    "An <a> within <a><em>. The Standard closes the outer one first (section 13.2.6.4.7, a start tag whose name is a): "
    "it keeps an empty <em> and has no text. libxml2 nests them, so both have the text."
)

SQLITE: Final = "http://sqlite.docs.test/"
POSTGRESQL: Final = "http://postgresql.docs.test/"


def _after_html(modified: str) -> Difference:
    return Difference(AFTER_HTML, {Link("https://sqlite.org/docsrc/honeypot", None, modified): 1}, {})


def _unclosed(times: int) -> Difference:
    return Difference(UNCLOSED, {Link("https://sqlite.org/fiddle", None, ""): 2 * times}, {})


def _nested(**terms: str) -> Difference:
    """Describe nested links to the glossary; `terms` are their texts by fragment, without GLOSSARY- and in order."""
    glossary = f"{POSTGRESQL}glossary.html"
    links = [Link(glossary, f"GLOSSARY-{term.replace('_', '-')}", text) for term, text in terms.items()]
    return Difference(NESTED, {links[0]._replace(anchor=""): len(links)}, dict.fromkeys(links, 1))


DIFFERENCES: Final = {
    f"{SQLITE}consortium.html": _after_html("2020-08-28 15:34:44"),
    f"{SQLITE}prosupport.html": _after_html("2022-03-14 21:40:46"),
    f"{SQLITE}docs.html": _unclosed(1),
    f"{SQLITE}": _unclosed(2),
    f"{SQLITE}index.html": _unclosed(2),
    f"{POSTGRESQL}collation.html": _nested(DOMAIN="domain"),
    f"{POSTGRESQL}connect-estab.html": _nested(
        CLIENT="client process",
        BACKEND="backend process",
        POSTMASTER="postmaster",
        INSTANCE="instance",
        SHARED_MEMORY="shared memory",
    ),
    f"{POSTGRESQL}datatype-datetime.html": _nested(UTC="Universal Coordinated Time"),
    f"{POSTGRESQL}earthdistance.html": _nested(DOMAIN="domain"),
    f"{POSTGRESQL}infoschema-domains.html": _nested(DOMAIN="domains"),
    f"{POSTGRESQL}lo.html": _nested(DOMAIN="domain"),
    f"{POSTGRESQL}rowtypes.html": _nested(DOMAIN="domain"),
}
