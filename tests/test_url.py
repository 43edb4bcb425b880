"""`crawler.url`: normal forms against the URL Standard, the resolver against ada, domains against the PSL."""

from __future__ import annotations

import time
from typing import Any

import ada_url
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.torture.fuzz import by_ada
from crawler import url
from crawler.url import URL_BYTES_MAX, Domains, Refusal, Resolver, Target, domains_of, normalise
from tests.compiled import interpreted
from tests.vectors import load

PAGE = "https://www.example.org/a/b/page.html?x=1"
BASES = (
    PAGE,
    "http://example.com/",
    "http://example.com:8080/deep/er/and/deeper/",
    "https://[2001:db8::1]/x",
    "http://192.0.2.7:81/a?b=c/d",
)


def case_id(row: dict[str, Any]) -> str:
    return f"{row['input']!r} on {row['base']!r}"


def without_userinfo_and_fragment(row: dict[str, Any]) -> str | None:
    if row.get("failure") or row["protocol"] not in {"http:", "https:"}:
        return None
    userinfo = row["username"] + (":" + row["password"] if row["password"] else "")
    href: str = row["href"].partition("#")[0]
    return href.replace(f"//{userinfo}@", "//", 1) if userinfo else href


@pytest.mark.parametrize("row", load("url_wpt.json"), ids=case_id)
def test_ada_agrees_with_the_url_standard(row: dict[str, Any]) -> None:
    base = row["base"]
    try:
        href: str | None = ada_url.normalize_url(row["input"]) if base is None else ada_url.join_url(base, row["input"])
    except ValueError:
        href = None
    assert href == row.get("href")


@pytest.mark.parametrize("row", load("url_wpt.json"), ids=case_id)
def test_normal_form_is_the_standards_without_fragment_and_userinfo(row: dict[str, Any]) -> None:
    found = normalise(row["input"], row["base"])
    assert found == without_userinfo_and_fragment(row)
    if found is not None:
        assert url.host_of(found) == row["hostname"]
        assert url.origin_of(found) == row.get("origin", url.origin_of(found))
        assert url.origin_of(found) + url.path_of(found) == found
        assert normalise(found) == found


RESOLVED = [
    ("absolute path", "/c/d.html", "https://www.example.org/c/d.html", None),
    ("relative path", "d.html", "https://www.example.org/a/b/d.html", None),
    ("own name without fragment is a self link", "page.html?x=1", PAGE, None),
    ("query alone replaces the query", "?y=2", "https://www.example.org/a/b/page.html?y=2", None),
    ("parent folder", "../c", "https://www.example.org/a/c", None),
    ("climbing past the root stays at the root", "../../../../c", "https://www.example.org/c", None),
    ("climbing to a folder", "../", "https://www.example.org/a/", None),
    ("current folder", "./c", "https://www.example.org/a/b/c", None),
    ("dot segment inside", "/a/./b/../c", "https://www.example.org/a/c", None),
    ("percent-encoded dot segment", "/a/%2e%2E/c", "https://www.example.org/c", None),
    ("hidden name is no dot segment", "/.well-known/x", "https://www.example.org/.well-known/x", None),
    ("other host", "http://other.example/p?q#f", "http://other.example/p?q", "f"),
    ("host alone gets a path", "https://other.example", "https://other.example/", None),
    ("host in upper case", "HTTP://OTHER.Example/A", "http://other.example/A", None),
    ("default port goes", "https://other.example:443/", "https://other.example/", None),
    ("other port stays", "https://other.example:8443/", "https://other.example:8443/", None),
    ("scheme-relative", "//other.example/p", "https://other.example/p", None),
    ("scheme without slashes is relative", "https:c", "https://www.example.org/a/b/c", None),
    ("userinfo goes", "https://me:secret@other.example/p", "https://other.example/p", None),
    ("IDN becomes punycode", "https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC", None),
    ("number as host is an IPv4 address", "http://3221225991/", "http://192.0.2.7/", None),
    ("spaces around go", "  /c \n", "https://www.example.org/c", None),
    ("tab and newline inside go", "/c\t/\nd", "https://www.example.org/c/d", None),
    ("space inside is encoded", "/c d", "https://www.example.org/c%20d", None),
    ("backslash is a slash", "\\c\\d", "https://www.example.org/c/d", None),
    ("colon in the query of a relative path", "go?to=http://x.example/", None, None),
    ("fragment of another page", "/c#part", "https://www.example.org/c", "part"),
    ("fragment with spaces is encoded", "/c#a b", "https://www.example.org/c", "a%20b"),
    ("empty fragment is none", "/c#", "https://www.example.org/c", None),
]


@pytest.mark.parametrize(("href", "target", "fragment"), [case[1:] for case in RESOLVED], ids=[c[0] for c in RESOLVED])
def test_href_resolves(href: str, target: str | None, fragment: str | None) -> None:
    target = target or "https://www.example.org/a/b/go?to=http://x.example/"
    assert Resolver(PAGE).resolve(href) == Target(target, url.host_of(target), fragment)


REFUSED = [
    ("empty", "", Refusal.SAME_DOCUMENT),
    ("white space", " \t\n", Refusal.SAME_DOCUMENT),
    ("fragment", "#x", Refusal.SAME_DOCUMENT),
    ("fragment after spaces", "  #x", Refusal.SAME_DOCUMENT),
    ("fragment with odd characters", "#a b", Refusal.SAME_DOCUMENT),
    ("own URL and fragment", PAGE + "#x", Refusal.SAME_DOCUMENT),
    ("own name and fragment", "page.html?x=1#x", Refusal.SAME_DOCUMENT),
    ("own URL the long way and fragment", "../../a/b/./page.html?x=1#x y", Refusal.SAME_DOCUMENT),
    ("own URL and empty fragment", "page.html?x=1#", Refusal.SAME_DOCUMENT),
    ("javascript", "javascript:void(0)", Refusal.OTHER_SCHEME),
    ("javascript in odd case with a line break", "JavaScr\nipt:go('#top')", Refusal.OTHER_SCHEME),
    ("mailto", "mailto:a@example.org", Refusal.OTHER_SCHEME),
    ("tel", "tel:+1-555", Refusal.OTHER_SCHEME),
    ("data", "data:text/html,<a href=/x>", Refusal.OTHER_SCHEME),
    ("long data", "data:image/png;base64," + "A" * 5000, Refusal.OTHER_SCHEME),
    ("blob", "blob:https://www.example.org/1", Refusal.OTHER_SCHEME),
    ("ftp", "ftp://ftp.example.org/x", Refusal.OTHER_SCHEME),
    ("web socket", "wss://www.example.org/x", Refusal.OTHER_SCHEME),
    ("unknown scheme", "android-app://org.example/x", Refusal.OTHER_SCHEME),
    ("broken host", "http://[bad/", Refusal.BAD),
    ("broken port", "http://a.example:99999/", Refusal.BAD),
    ("host with a forbidden character", "https://a^b.example/", Refusal.BAD),
    ("lone surrogate", "/\ud800", Refusal.BAD),
    ("broken host of an unknown scheme", "a://b:c:", Refusal.BAD),
    ("the same behind a tab", "a:\t//b:c:", Refusal.BAD),
    ("the same behind a line break", "a:\n//[b", Refusal.BAD),
]


@pytest.mark.parametrize(("href", "refusal"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_href_is_refused(href: str, refusal: Refusal) -> None:
    assert Resolver(PAGE).resolve(href) is refusal


def test_declared_base_resolves_and_the_page_stays_the_same_document() -> None:
    resolver = Resolver("https://cdn.example/base/", page_url=PAGE)
    assert resolver.resolve("x") == Target("https://cdn.example/base/x", "cdn.example", None)
    assert resolver.resolve(PAGE + "#x") is Refusal.SAME_DOCUMENT
    assert resolver.resolve("#x") is Refusal.SAME_DOCUMENT


def test_query_is_encoded_in_the_pages_encoding() -> None:
    resolve = Resolver(PAGE, encoding="iso8859-15").resolve
    assert resolve("/♥/you?c=\n€&h=♥#€") == Target(
        "https://www.example.org/%E2%99%A5/you?c=%A4&h=%26%239829%3B", "www.example.org", "%E2%82%AC"
    )


PIECES = st.sampled_from(
    ["/", "//", "a", "B", "0", "é", ".", "..", "../", "./", "%2e", "%2F", "%", "?", "#", ":", "@", "'", "[", "]", "^"]
    + ["http://", "https://", "HTTP:", "www.example.org", "a.example", "xn--bcher-kva", "0x7f", "1.2", ":80", ":443"]
    + ["page.html?x=1", "javascript:", "mailto:", "ftp:", "ws:", " ", "\t", "\n", "\\", "\x00", "|", "{", "&", "=", "~"]
)
HREFS = st.lists(PIECES, max_size=9).map("".join) | st.text(max_size=12) | st.text(st.characters(max_codepoint=127))


@settings(max_examples=1500, deadline=None)
@given(HREFS, st.sampled_from(BASES))
@example("a/..", PAGE)
@example("..", PAGE)
@example("../..", PAGE)
@example("a:b", PAGE)
@example("http:/a", PAGE)
@example("https://1.2.3/", PAGE)
@example("https://a.example#x", PAGE)
@example("a #x", PAGE)
def test_fast_path_agrees_with_ada(href: str, base: str) -> None:
    assert Resolver(base).resolve(href) == by_ada(href, base)


@settings(max_examples=300, deadline=None)
@given(HREFS, st.sampled_from(BASES))
def test_every_target_is_a_normal_form(href: str, base: str) -> None:
    target = Resolver(base).resolve(href)
    if isinstance(target, Target):
        assert normalise(target.url) == target.url
        assert url.host_of(target.url) == target.host


@pytest.mark.parametrize("row", load("psl.json"), ids=lambda row: str(row["host"]))
def test_registered_domain_is_the_public_suffix_lists(row: dict[str, Any]) -> None:
    host = row["host"] or ""
    assert url.registered_domain(host) == row["registered_domain"]


DOMAINS = [
    ("www.example.co.uk", "example.co.uk", "example.co.uk"),
    ("me.github.io", "github.io", "me.github.io"),
    ("github.io", "github.io", "github.io"),
    ("co.uk", "co.uk", "co.uk"),
    ("localhost", "localhost", "localhost"),
    ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
    ("[2001:db8::1]", "[2001:db8::1]", "[2001:db8::1]"),
    ("www.xn--bcher-kva.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
]


@pytest.mark.parametrize(("host", "domain", "private"), DOMAINS, ids=[case[0] for case in DOMAINS])
def test_host_has_two_registered_domains(host: str, domain: str, private: str) -> None:
    assert domains_of(host) == Domains(domain, private)
    assert domains_of(host) is domains_of(host)


@interpreted
def test_remembered_hosts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url, "HOSTS_REMEMBERED", 3)
    url._domains.clear()
    for number in range(10):
        domains_of(f"h{number}.example")
        assert len(url._domains) <= 3


def test_shard_and_fingerprint_are_xxh3() -> None:
    assert url.shard_of("example.org") == url.fingerprint("example.org") & 4095
    assert url.fingerprint("") == 0x2D06800538D394C2


BASE = "https://a.example/dir/"
SHORT = "x" * (URL_BYTES_MAX - len(BASE))


@pytest.mark.parametrize(
    "href",
    [
        pytest.param("{}", id="relative"),
        pytest.param("/dir/{}", id="from the root"),
        pytest.param("https://a.example/dir/{}", id="absolute"),
        pytest.param("../dir/{}", id="climbing"),
        pytest.param("./{}", id="with a dot"),
        pytest.param("HTTPS://a.example/dir/{}", id="through the parser"),
    ],
)
def test_href_is_bad_when_its_url_would_be_too_long(href: str) -> None:
    resolver = Resolver(BASE)
    assert resolver.resolve(href.format(SHORT)) == Target(BASE + SHORT, "a.example", None)
    assert resolver.resolve(href.format("x" * 2 * URL_BYTES_MAX)) is Refusal.BAD
    fragment = "f" * (URL_BYTES_MAX - 1)
    assert resolver.resolve(href.format("x#" + fragment)) == Target(BASE + "x", "a.example", fragment)
    assert resolver.resolve(href.format("x#" + 2 * fragment)) is Refusal.BAD


def test_url_that_is_too_long_has_no_normal_form() -> None:
    assert url.normalise(BASE + SHORT) == BASE + SHORT
    assert url.normalise(BASE + SHORT + "x") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("http://u:p@a.example/x@y", "http://a.example/x@y", id="user and password"),
        pytest.param("//u@v@a.example/", "//a.example/", id="no scheme, an at sign in the name"),
        pytest.param("HTTPS:/\\u:p@a.example", "HTTPS:/\\a.example", id="odd slashes"),
        pytest.param("https:u:p@a.example", "https:a.example", id="no slashes"),
        pytest.param("error: url='http://u:p@10.0.0.1:3128', x", "error: url='http://10.0.0.1:3128', x", id="in words"),
        pytest.param("http://a.example/?q=u:p@b", "http://a.example/?q=u:p@b", id="in a query"),
        pytest.param("mailto:me@a.example", "mailto:me@a.example", id="an e-mail address"),
    ],
)
def test_userinfo_is_taken_out_of_text_for_people(text: str, shown: str) -> None:
    assert url.without_userinfo(text) == shown


def test_taking_userinfo_out_is_quick_on_hostile_text() -> None:
    start = time.process_time()
    url.without_userinfo("http:" * 100_000)
    assert time.process_time() - start < 0.1
