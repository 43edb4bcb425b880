"""Rows of the public suites that are not met, each with its reason; a test fails when one of them comes to be met."""

from __future__ import annotations

from typing import Final

ROBOTS_MATCH: Final = {
    "robots-1187": (
        "It wants /foo/bar/baz unmatched by Allow: /foo/bar/%62%61%7A. Rows robots-0420 and robots-1787 want the "
        "opposite, as RFC 9309 section 2.2.2 does: an encoded unreserved octet is decoded before it is compared."
    ),
}

ROBOTS_DELAY_SITEMAPS: Final = {
    "SimpleRobotRulesParserTest.testHeritrixCases:705": (
        "Its user agent is a list of three names to be tried; a crawl has one product token."
    ),
    "SimpleRobotRulesParserTest.testRelativeSitemap:1082": (
        "It wants the sitemap resolved; rules keep the raw value, whoever fetches it resolves it."
    ),
    "TestProtego::test_no_leading_user_agent:504": (
        "It ignores a Crawl-delay before any User-agent line; rows of texting_robots and reppy obey it, and obeying "
        "is the politer reading."
    ),
}

CHARSET_HTML5LIB: Final = {
    "scripted/tests1.dat": "The meta element is written by a script, and the crawler runs none.",
}
