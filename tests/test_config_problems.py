"""Every way in which settings can be wrong is one line that names file, key, value and what to write instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigError, load, load_crawl
from config.diagnosis import SECTIONS

CONTACT: Final = '\n[fetch]\ncontact = "crawler@example.org"\n'
LOOPBACK: Final = '\n[network]\nallow_addresses = ["127.0.0.0/8", "::1"]\n'
MAPPED: Final = f'{LOOPBACK}hosts = {{ "*.test" = "127.0.0.1:81", "one.example" = "[::1]:81" }}\n'

KEYS: Final = [f"{name}.{key}" for name in SECTIONS for key in SECTIONS[name]]
VALUES: Final = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12).map(json.dumps),
    st.sampled_from(["2 min", "8 MiB", "*.a", "re:(", "::1", "a.example", "~", "any"]).map(json.dumps),
    st.sampled_from(["1", "0", "-1.5", "nan", "true", "[1]", '["a"]', '["*.ü/"]', "{ a = 1 }", "2026-01-01"]),
)
ONE_OVERRIDE: Final = '[[politeness.overrides]]\nmatch = "a.example"\n'

# Name of the case: the file, how its line begins, what else the line says.
SYNTAX: Final = {
    "open table": ("[crawl\n", "line 1, column 7: is not TOML", "Expected ']'"),
    "endless number": (f"[crawl]\nmax_pages = {'9' * 5000}\n", "is not TOML", ""),
    "open text": ('[crawl]\nname = "a', "at the end: is not TOML", "Unterminated string"),
    "key twice": ("[crawl]\nname = 1\nname = 2\n", "line 3, column 9: is not TOML", "overwrite"),
}
UNKNOWN: Final = {
    "section": ("[politness]\ndelay = 1", "politness: is not a known key", "did you mean politeness?"),
    "key": ("[crawl]\nmax_page = 1", "crawl.max_page: is not a known key", "did you mean crawl.max_pages?"),
    "key of another section": ("[crawl]\ndelay = 1", "crawl.delay: is not", "did you mean politeness.delay?"),
    "key outside its section": ("max_pages = 1", "max_pages: is not a known key", "did you mean crawl.max_pages?"),
    "key like no other": ("[log]\nxyzzy = 1", "log.xyzzy: is not", "known are file, format, level, period"),
    "key of an override": (
        f"{ONE_OVERRIDE}delay = 1\ndely = 1",
        "politeness.overrides[0].dely: is not a known key",
        "did you mean politeness.overrides[0].delay?",
    ),
}
WRONG_TYPE: Final = {
    "section": ("crawl = 7", "crawl: 7 is not a table", ""),
    "text for number": ('[crawl]\nmax_pages = "1"', 'crawl.max_pages: "1" is not a whole number', ""),
    "part of a number": ("[crawl]\nmax_pages = 1.5", "crawl.max_pages: 1.5 is not a whole number", ""),
    "number for text": ("[crawl]\nname = 1", "crawl.name: 1 is not text", "in quotes"),
    "number for path": ("[crawl]\ndata_dir = 1", "crawl.data_dir: 1 is not a path", "in quotes"),
    "home of nobody": (
        '[crawl]\ndata_dir = "~no-such-user/x"',
        'crawl.data_dir: "~no-such-user/x" begins with',
        "home",
    ),
    "text for list": ('[crawl]\nseeds = "a"', 'crawl.seeds: "a" is not a list', "in [ ]"),
    "text for truth": ('[politeness]\nrobots = "no"', 'politeness.robots: "no" is not true or false', ""),
    "text for table": ('[network]\nhosts = "a"', 'network.hosts: "a" is not a table', ""),
    "number in a list": ("[crawl]\nseeds = [1]", "crawl.seeds[0]: 1 is not text", ""),
    "match missing": ("[[politeness.overrides]]\ndelay = 1", "politeness.overrides[0].match: is missing", ""),
}
OUT_OF_BOUNDS: Final = {
    "below zero": ("[crawl]\nmax_pages = -1", "crawl.max_pages: -1 is too small", "0 or more"),
    "not above zero": ("[log]\nperiod = 0", "log.period: 0 is too small", "more than 0"),
    "too much": ("[fetch]\nconcurrency = 100_000", "fetch.concurrency: 100000 is too large", "10000 or less"),
    "too little memory": ('[storage]\nindex_memory = "1 MiB"', 'storage.index_memory: "1 MiB" is', "be 64 MiB or more"),
    "too few bytes": ("[storage]\nindex_memory = 9", "storage.index_memory: 9 is too small", "be 67108864 or more"),
    "too small a body": ('[fetch]\nmax_body_bytes = "1 B"', 'fetch.max_body_bytes: "1 B" is', "be 1 KiB or more"),
}
WRONG_VALUE: Final = {
    "duration": ('[politeness]\ndelay = "fast"', 'politeness.delay: "fast" is not a duration', '"1.5s"'),
    "duration of an override": (
        f'{ONE_OVERRIDE}delay = 1\n[[politeness.overrides]]\nmatch = "b"\ndelay = "fast"',
        'politeness.overrides[1].delay: "fast" is not a duration',
        '"2 min"',
    ),
    "size": ('[crawl]\nmax_bytes = "2 MiC"', 'crawl.max_bytes: "2 MiC" is not a size', '"2 MiB"'),
    "choice": ('[scope]\nfollow = "all"', 'scope.follow: "all" is not known', "'host', 'domain', 'any' or 'listed'"),
    "kind of link": ('[extract]\nkinds = ["a", "img"]', 'extract.kinds[1]: "img" is not known', "'embed'"),
    "name": ('[crawl]\nname = "../x"', 'crawl.name: "../x" is not a name', "letters, digits"),
    "seed's scheme": ('[crawl]\nseeds = ["ftp://a/"]', 'crawl.seeds[0]: "ftp://a/" is not a URL', "http or https"),
    "seed without host": ('[crawl]\nseeds = ["http:///a"]', 'crawl.seeds[0]: "http:///a" is not', "with a host"),
    "seed with a blank": ('[crawl]\nseeds = ["a b"]', 'crawl.seeds[0]: "a b" is not a URL', "https://example.org/"),
    "path of nothing": ('[crawl]\ndata_dir = ""', 'crawl.data_dir: "" is empty', '"." for the folder of this file'),
    "pattern of hosts": ('[[politeness.overrides]]\nmatch = "a/b"', 'politeness.overrides[0].match: "a/b" is', "*."),
    "product": ('[fetch]\nproduct = "Mill/2"', 'fetch.product: "Mill/2" is not a product token', "RFC 9309"),
    "contact": ('[fetch]\ncontact = "me"', 'fetch.contact: "me" is neither a URL nor an e-mail', "https://"),
    "contact with a bracket": ('[fetch]\ncontact = "a(@example.org"', 'fetch.contact: "a(@example.org" is', "neither"),
    "header of the fetcher": ('[fetch]\nheaders.HOST = "a"', 'fetch.headers.HOST: "HOST" may not be set', "the URL"),
    "header's name": ('[fetch]\nheaders."a b" = "a"', 'fetch.headers."a b": "a b" is not the name', "RFC 9110"),
    "line break in a key": (
        '[fetch]\nheaders."A\\nB" = "a"',
        'fetch.headers."A\\nB": "A\\nB" is not the name',
        "RFC 9110",
    ),
    "terminal's commands in a key": (
        '[fetch]\nheaders."A\\u001b[31mB\\u009b" = "a"',
        'fetch.headers."A\\u001b[31mB\\u009b": "A\\u001b[31mB\\u009b" is not',
        "",
    ),
    "line break in an unknown key": ('[crawl]\n"a\\nb" = 1', 'crawl."a\\nb": is not a known key', "known are"),
    "header twice": (
        '[fetch]\nheaders = { X-A = "a", x-a = "b" }',
        "fetch.headers: ",
        'names one header twice, as "X-A" and "x-a"; leave one of them out',
    ),
    "header's value": ('[fetch]\nheaders.X = "a\\nb"', 'fetch.headers.X: "a\\nb" is not the value', "in one line"),
    "expression": ('[scope]\ninclude = ["re:(a"]', 'scope.include[0]: "re:(a" is not', "RE2 can run: missing )"),
    "expression beyond RE2": ('[scope]\nexclude = ["re:(?=a)"]', "scope.exclude[0]:", "invalid perl operator"),
    "neither prefix nor glob": ('[scope]\ninclude = ["/a/"]', 'scope.include[0]: "/a/" is not a rule', "a glob with *"),
    "glob with a blank": ('[scope]\ninclude = ["*/a b"]', 'scope.include[0]: "*/a b" is not a rule', "%20"),
    "glob of another scheme": ('[scope]\ninclude = ["ftp://*"]', 'scope.include[0]: "ftp://*" can match nothing', ""),
    "network's prefix": (
        '[network]\nallow_addresses = ["10.1.0.0/8"]',
        'network.allow_addresses[0]: "10.1.0.0/8" has bits set',
        'write "10.0.0.0/8"',
    ),
    "network": ('[network]\nallow_addresses = ["lan"]', 'network.allow_addresses[0]: "lan" is not', "127.0.0.0/8"),
    "address": ('[network]\nhosts."*.test" = "a:1"', 'network.hosts."*.test": "a:1" is not an IP', "127.0.0.1:8080"),
    "port": ('[network]\nnameservers = ["9.9.9.9:0"]', 'network.nameservers[0]: "9.9.9.9:0" is not', "a port"),
    "name in the map": ('[network]\nhosts."a*b" = "127.0.0.1"', 'network.hosts."a*b": "a*b" is not a host name', ""),
    "host twice in the map": (
        '[network]\nhosts = { "bücher.test" = "127.0.0.1", "BÜCHER.test." = "127.0.0.2" }',
        "network.hosts: ",
        'names one host twice, as "bücher.test" and "BÜCHER.test."; leave one of them out',
    ),
    "host encoded and not": (
        '[network]\nhosts = { "*.xn--bcher-kva.test" = "127.0.0.1", "*.bücher.test" = "127.0.0.1" }',
        "network.hosts: ",
        'as "*.xn--bcher-kva.test" and "*.bücher.test"',
    ),
    "proxy": ('[network]\nproxy = "socks5://a:1"', 'network.proxy: "socks5://a:1" is not', "http://proxy"),
    "override without effect": (
        ONE_OVERRIDE,
        'politeness.overrides[0]: {"match": "a.example"} changes nothing',
        "it needs delay or connections",
    ),
    "override twice": (f"{ONE_OVERRIDE}delay = 1\n" * 2, "politeness.overrides: ", '"a.example" more than once'),
}
CONFLICT: Final = {
    "nothing to crawl": (CONTACT, "crawl.seeds: [] leaves nothing to start from", "crawl.seeds_file"),
    "no such file of seeds": (f'[crawl]\nseeds_file = "none"{CONTACT}', "crawl.seeds_file: ", "is not a file"),
    "a file for a folder": (
        f'[crawl]\nseeds = ["example.org"]\ndata_dir = "crawl.toml"{CONTACT}',
        "crawl.data_dir: ",
        "is not a folder",
    ),
    "nothing listed": (
        f'[crawl]\nseeds = ["example.org"]\n[scope]\nfollow = "listed"{CONTACT}',
        'scope.follow: "listed" follows nothing',
        "scope.include",
    ),
    "more connections per host than per address": (
        f'[crawl]\nseeds = ["example.org"]\n[politeness]\nconnections_per_host = 4{CONTACT}',
        "politeness.connections_per_host: 4 is more than",
        "connections_per_ip allows (2)",
    ),
    "more connections by an override": (
        f'[crawl]\nseeds = ["example.org"]\n{ONE_OVERRIDE}connections = 3{CONTACT}',
        "politeness.overrides[0].connections: 3 is more than",
        "connections_per_ip allows (2)",
    ),
    "time-out that cannot pass": (
        f'[crawl]\nseeds = ["example.org"]{CONTACT}read_timeout = "2 min"',
        "fetch.read_timeout: 120 s cannot pass",
        "fetch.total_timeout ends a request after 60 s",
    ),
    "map to an address that is refused": (
        f'[crawl]\nseeds = ["example.org"]{CONTACT}[network]\nhosts."a.test" = "127.0.0.1"',
        'network.hosts."a.test": "127.0.0.1" is not public',
        "network.allow_addresses",
    ),
    "seed at an address that is refused": (
        f'[crawl]\nseeds = ["http://10.1.2.3/"]{CONTACT}',
        'crawl.seeds[0]: "http://10.1.2.3/" is at 10.1.2.3, which is not public',
        "network.allow_addresses",
    ),
    "map beside a proxy": (
        f'[crawl]\nseeds = ["example.org"]{CONTACT}{MAPPED}proxy = "http://127.0.0.1:3128"',
        "network.hosts: ",
        "no effect; names are resolved by network.proxy",
    ),
    "proxy without contact": (
        f'[crawl]\nseeds = ["http://127.0.0.1/"]{LOOPBACK}proxy = "http://127.0.0.1:3128"',
        'fetch.contact: "" is empty',
        "network.proxy reaches any address",
    ),
}


def table(**groups: Mapping[str, tuple[str, str, str]]) -> pytest.MarkDecorator:
    cases = [pytest.param(*row, id=f"{group}: {name}") for group, rows in groups.items() for name, row in rows.items()]
    return pytest.mark.parametrize(("toml", "begins", "says"), cases)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "crawl.toml"


def problems(path: Path) -> list[str]:
    """Return the lines said about a file, without its name."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == "\n".join(caught.value.lines)
    return [line.removeprefix(f"{path}: ") for line in caught.value.lines]


@table(
    syntax=SYNTAX, unknown=UNKNOWN, wrong_type=WRONG_TYPE, out_of_bounds=OUT_OF_BOUNDS, wrong_value=WRONG_VALUE
)  # fmt: skip
def test_wrong_value_is_one_line_with_key_value_and_advice(path: Path, toml: str, begins: str, says: str) -> None:
    path.write_text(toml, "utf-8")
    besides = ("crawl.seeds: [] leaves nothing to start from", 'fetch.contact: "" is empty')
    found = [line for line in problems(path) if not line.startswith(besides)]
    assert len(found) == 1
    assert found[0].startswith(begins)
    assert says in found[0]


@table(conflict=CONFLICT)
def test_impossible_combination_is_one_line(path: Path, toml: str, begins: str, says: str) -> None:
    path.write_text(toml, "utf-8")
    found = problems(path)
    assert len(found) == 1
    assert found[0].startswith(begins)
    assert says in found[0]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "127.9.9.9", "[::1]", "localhost", "www.localhost", "a.b.test", "one.example"]
)
def test_loopback_crawl_needs_no_contact(path: Path, host: str) -> None:
    path.write_text(f'[crawl]\nseeds = ["http://{host}/"]{MAPPED}', "utf-8")
    assert load(path).loopback_only


@pytest.mark.parametrize("host", ["example.org", "test", "8.8.8.8", "localhost.example", "two.one.example"])
def test_crawl_beyond_loopback_needs_a_contact(path: Path, host: str) -> None:
    path.write_text(f'[crawl]\nseeds = ["http://a.test/", "http://{host}/"]{MAPPED}', "utf-8")
    found = problems(path)
    assert len(found) == 1
    assert found[0].startswith(f'fetch.contact: "" is empty, but http://{host}/ is beyond loopback; ')


def test_all_problems_are_told_at_once_and_none_that_follows_from_another(path: Path) -> None:
    path.write_text(
        '[crawl]\nseeds = ["ftp://a/"]\nmax_pages = "x"\n[scope]\nfollow = "listed"\n'
        '[fetch]\ncontact = "me"\ntotal_timeout = "1s"\n[nonsense]\n'
    )
    assert {line.partition(": ")[0] for line in problems(path)} == {
        "crawl.seeds[0]",
        "crawl.max_pages",
        "fetch.contact",
        "fetch.connect_timeout",
        "fetch.read_timeout",
        "nonsense",
        "scope.follow",
    }


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        pytest.param(
            'seeds = ["ftp://a/", "https://example.org/", "x y", "http://10.0.0.1/"]',
            ["crawl.seeds[0]", "crawl.seeds[2]", "crawl.seeds[3]", "fetch.contact"],
            id="some seeds",
        ),
        pytest.param('seeds = ["ftp://example.org/"]', ["crawl.seeds[0]", "fetch.contact"], id="all seeds"),
        pytest.param('seeds = ["ftp://localhost/", "x 127.1"]', ["crawl.seeds[0]", "crawl.seeds[1]"], id="loopback"),
        pytest.param(f'seeds = ["ftp://a/", "b.test"]{MAPPED}', ["crawl.seeds[0]"], id="mapped hosts"),
        pytest.param(
            'seeds = ["example.org"]\n[network]\nhosts = { "a b" = "127.0.0.1" }',
            ['network.hosts."a b"'],
            id="hosts that could be mapped",
        ),
        pytest.param('seeds = "example.org"', ["crawl.seeds", "fetch.contact"], id="no list"),
    ],
)
def test_bad_seed_hides_nothing_else(path: Path, toml: str, expected: list[str]) -> None:
    path.write_text(f"[crawl]\n{toml}", "utf-8")
    assert sorted(line.partition(": ")[0] for line in problems(path)) == expected


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_whatever_a_file_says_is_understood_or_refused(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("".join(f"{key} = {value}\n" for key, value in values.items()), "utf-8")
    try:
        load(path)
        refused: tuple[str, ...] = ()
    except ConfigError as error:
        refused = error.lines
    assert all(line.startswith(f"{path}: ") for line in refused)


def test_every_wrong_override_is_told(path: Path) -> None:
    second, third = (
        '[[politeness.overrides]]\nmatch = "b"\ndelay = "fast"\n',
        '[[politeness.overrides]]\nmatch = "c/"\n',
    )
    path.write_text(f'[crawl]\nseeds = ["http://a.test/"]\n{ONE_OVERRIDE}{second}{third}{MAPPED}', "utf-8")
    assert [line.partition(": ")[0] for line in problems(path)] == [
        "politeness.overrides[0]",
        "politeness.overrides[1].delay",
        "politeness.overrides[2].match",
    ]


def test_missing_file_is_named(path: Path) -> None:
    assert problems(path) == ["cannot be read: No such file or directory"]


def test_file_in_another_encoding_is_refused_with_its_line(path: Path) -> None:
    path.write_bytes(b"[crawl]\nname = '\xe4'\n")
    assert problems(path) == ["line 2: is not UTF-8; save the file in that encoding"]


def crawl_problems(path: Path) -> list[str]:
    """Return the lines said about a file and its seeds, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load_crawl(path)
    return [line.replace(f"{path.parent}/", "") for line in caught.value.lines]


@pytest.mark.parametrize("url", ["http://a^b.test/", "http://256.1.1.1/", "http://a.test:0/", "ftp://a.test/"])
def test_seed_that_is_no_url_is_told_with_its_position(path: Path, url: str) -> None:
    path.write_text(f'[crawl]\nseeds = ["http://a.test/", "{url}"]{MAPPED}', "utf-8")
    assert [line.partition(" is not")[0] for line in crawl_problems(path)] == [f'crawl.toml: crawl.seeds[1]: "{url}"']


def test_wrong_seeds_of_both_files_are_told_beside_all_other_problems(path: Path) -> None:
    path.with_name("seeds.txt").write_text(
        "# seeds\nexample.org\nftp://example.org/\n\nhttp://a^b.test/\nhttp://10.1.2.3/\n", "utf-8"
    )
    path.write_text(
        '[crawl]\nseeds = ["http://256.1.1.1/", "example.org", "http://a b/"]\nseeds_file = "seeds.txt"\n'
        f'[politeness]\ndelay = "fast"{CONTACT}'
    )
    assert [line.partition(' "')[0] for line in crawl_problems(path)] == [
        "crawl.toml: crawl.seeds[0]:",
        "crawl.toml: crawl.seeds[2]:",
        "crawl.toml: politeness.delay:",
        "seeds.txt:3:",
        "seeds.txt:5:",
        "seeds.txt:6:",
    ]


@pytest.mark.parametrize(
    ("seeds", "content", "lines"),
    [
        ("", b"example.org\nexample.com\n", ['crawl.toml: fetch.contact: "" is empty, but https://example.org/']),
        (
            'seeds = ["http://other.example/"]\n',
            b"example.org\n",
            ['crawl.toml: fetch.contact: "" is empty, but http://other.example/'],
        ),
        ("", b"# none\n", ["seeds.txt: has no seed; write one URL a line"]),
        ("", b"\xe4\n", ["seeds.txt: is not UTF-8; save the file in that encoding"]),
    ],
    ids=["contact missing", "contact missing for both", "no seed", "another encoding"],
)
def test_seeds_file_that_cannot_be_used_is_told_in_one_line(
    path: Path, seeds: str, content: bytes, lines: list[str]
) -> None:
    path.with_name("seeds.txt").write_bytes(content)
    path.write_text(f'[crawl]\n{seeds}seeds_file = "seeds.txt"\n', "utf-8")
    assert [line.partition(" is beyond")[0] for line in crawl_problems(path)] == lines
