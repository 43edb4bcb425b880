"""Seeds, rules, patterns and mapped hosts arrive in the form in which the crawler compares URLs, or are refused."""

from __future__ import annotations

from typing import Final

import pytest

from config import PolitenessSettings, ScopeSettings
from config.urls import host_pattern, mapped_host, scope_rule, seed_url
from crawler.politeness import PaceTable
from crawler.scope import Rules
from crawler.url import host_of, normalise
from tests.vectors import load

OTHERS: Final = ("https://other.test/", "https://example.org.other.test/", "https://other.test/?u=https://example.org/")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("example.org", "https://example.org/"),
        ("example.org:8443/a", "https://example.org:8443/a"),
        ("http://example.org", "http://example.org/"),
        ("[::1]:80", "https://[::1]:80/"),
        ("bücher.example/ä?q", "https://xn--bcher-kva.example/%C3%A4?q"),
        ("HTTPS://EXAMPLE.org:443/A", "https://example.org/A"),
        ("http://name:secret@example.org/x/../y#z", "http://example.org/y"),
        ("http://127.1/", "http://127.0.0.1/"),
    ],
)
def test_seed_is_a_normal_form_and_means_https_without_a_scheme(text: str, url: str) -> None:
    assert seed_url(text) == url
    assert normalise(url) == url


@pytest.mark.parametrize("text", ["http://a^b.test/", "http://256.1.1.1/", "http://a%zz.test/", "ftp://a/", "a b"])
def test_seed_that_is_no_url_to_the_url_standard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a URL"):
        seed_url(text)


def test_normal_form_of_settings_is_the_one_of_links() -> None:
    compared = 0
    for row in load("url_wpt.json"):
        try:
            found = seed_url(row["input"] if "://" in row["input"] else "ftp:refused")
        except ValueError:
            continue
        compared += 1
        assert found == normalise(row["input"])
    assert compared > 50


@pytest.mark.parametrize(
    ("rule", "admitted"),
    [
        pytest.param("https://Example.ORG/", "https://example.org/x", id="prefix in capitals"),
        pytest.param("https://example.org", "https://example.org/x", id="prefix without a slash"),
        pytest.param("https://example.org:443/", "https://example.org/x", id="prefix with the usual port"),
        pytest.param("https://müller.de/", "https://müller.de/x", id="prefix of an international name"),
        pytest.param("https://example.org/ü", "https://example.org/übung", id="prefix with an international path"),
        pytest.param("https://example.org/a%20b", "https://example.org/a b", id="prefix with a blank"),
        pytest.param("https://me@example.org/./a", "https://example.org/a", id="prefix with what URLs do without"),
        pytest.param("*.Example.org/*", "https://www.example.org/x", id="glob in capitals"),
        pytest.param("*.example.org/*", "https://www.example.org:8443/x", id="glob on any port"),
        pytest.param("*.müller.de/*", "http://www.müller.de/x", id="glob over an international name"),
        pytest.param("müller.de/ü*", "https://müller.de/übung", id="glob with an international path"),
        pytest.param("*/Ü/*?ä=*", "https://example.org/x/Ü/y?ä=ö", id="glob over international paths and queries"),
        pytest.param("HTTPS://*.Example.org:443/*", "https://www.example.org/", id="glob with scheme and usual port"),
        pytest.param("http://*.example.org:81/*", "http://www.example.org:81/", id="glob with scheme and port"),
        pytest.param("*://example.org/*", "http://example.org/", id="glob over the scheme"),
        pytest.param("https://*", "https://example.org/x", id="glob over the rest"),
        pytest.param("example.org*", "https://example.org/x", id="glob that goes on behind the host"),
        pytest.param("*?sid=*", "https://example.org/x?sid=1", id="glob over the query"),
        pytest.param("example.org?sid=*", "https://example.org/?sid=1", id="glob over the query of a front page"),
        pytest.param("example.org/go?to=http://*", "https://example.org/go?to=http://x/", id="glob, URL in the query"),
        pytest.param("*/docs/*", "https://example.org/x/docs/y", id="glob over all hosts, anywhere in the path"),
        pytest.param("127.1/*", "http://127.0.0.1:8080/x", id="glob of an address"),
        pytest.param("[::0001]:81/*", "http://[::1]:81/x", id="glob of an IPv6 address"),
        pytest.param("re:Example", "https://x.test/Example", id="expressions stay as they are"),
    ],
)
def test_rule_admits_what_a_person_means_by_it(rule: str, admitted: str) -> None:
    rules, url = Rules(ScopeSettings(include=(rule,)).include), normalise(admitted)
    assert url is not None
    assert rules.match(url)
    assert scope_rule(scope_rule(rule)) == scope_rule(rule), "the form of the form is itself"


@pytest.mark.parametrize(
    "rule",
    ["https://example.org", "https://Example.org/", "example.org/*", "*.example.org/*", "*://example.org/*"],
)
@pytest.mark.parametrize("url", [*OTHERS, "https://other.test/www.example.org/", "https://other.test/?x.example.org/"])
def test_rule_about_a_host_admits_no_other(rule: str, url: str) -> None:
    assert not Rules(ScopeSettings(include=(rule,)).include).match(url)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("*.example.org", 'a glob has a path: write "*.example.org/*" or "*/*.example.org"'),
        ("*.pdf", 'or "*/*.pdf"'),
        ("/docs/*", 'a glob begins with its host: write "*/docs/*"'),
        ("*.example.org:443/*", 'URLs do not show port 443: write "https://*.example.org/*"'),
        ("https://example.org/#/route", "the URL of a page has no fragment"),
        ("*/x#*", "the URL of a page has no fragment"),
        ("f*://example.org/*", "only http and https are crawled"),
        ("*.a^b.test/*", "is not a host or a pattern of hosts"),
        ("300.1.1.1/*", "is not a host or a pattern of hosts"),
        ("a:b:c/*", "its host is written like"),
        ("m*ü.test/*", "has a star in a label beyond ASCII"),
        ("https://a^b.test/", "its host is neither a name nor an address"),
    ],
)
def test_rule_that_could_match_nothing_is_refused(rule: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        scope_rule(rule)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "form", "host"),
    [
        ("*.Example.org", "*.example.org", "www.example.org"),
        ("*.müller.de", "*.xn--mller-kva.de", "www.müller.de"),
        ("BÜCHER.example", "xn--bcher-kva.example", "bücher.example"),
        ("[::0001]", "[::1]", "[::1]"),
        ("127.1", "127.0.0.1", "127.0.0.1"),
        ("10.*", "10.*", "10.1.2.3"),
        ("*", "*", "example.org"),
    ],
)
def test_pattern_of_hosts_matches_the_host_of_urls(pattern: str, form: str, host: str) -> None:
    assert host_pattern(pattern) == form
    settings = PolitenessSettings.model_validate({"overrides": [{"match": pattern, "delay": 7.0}]})
    url = normalise(f"http://{host}/")
    assert url is not None
    assert PaceTable(settings).pace_of(host_of(url)).delay_s == 7.0


@pytest.mark.parametrize("pattern", ["", "a/b", "[a-z].example", "*[1]", "a^b.test", "300.1.1.1", "a b", "x:80"])
def test_what_is_no_pattern_of_hosts_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a host or a pattern of hosts"):
        host_pattern(pattern)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Example.org", "example.org"),
        ("*.Müller.test", "*.xn--mller-kva.test"),
        ("*.test.", "*.test"),
        ("a_b.test", "a_b.test"),
    ],
)
def test_mapped_host_is_the_host_of_urls(name: str, form: str) -> None:
    assert mapped_host(name) == form


@pytest.mark.parametrize("name", ["", "*", "*.", "a*b", "a.*", "a^b", "a/b"])
def test_what_is_no_mapped_host_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a host name"):
        mapped_host(name)
