"""Time of the hot functions of url, guard, extract, robots and seen, in microseconds: best of several rounds.

Run `python -m bench.micro`. The pages are made from a seed: boilerplate in nav and footer, an article with text, every
sort of href. `--no-mallopt` leaves the allocator as it is, to see what it costs.
"""

from __future__ import annotations

import random
import sys
import time
import timeit
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from crawler.extract import ExtractSettings, extract
from crawler.extract.anchor import collapse
from crawler.extract.tree import parse
from crawler.extract.walk import wanted_elements
from crawler.guard import judge
from crawler.memory import keep_freed_memory
from crawler.robots import parse as parse_robots
from crawler.robots_rules import Rules
from crawler.seen import LATELY, Seen
from crawler.url import Resolver, domains_of, fingerprint, host_of, normalise

PAGE_URL: Final = "https://www.example.org/posts/2024/page.html"
PROFILES: Final = {"4 KB": (4_000, 20), "40 KB": (40_000, 60), "130 KB": (130_000, 75), "1 MB": (1_000_000, 500)}
"""Bytes and hyperlinks; the largest shows best what `--no-mallopt` costs."""

SEEN_LINKS: Final = 50
NEW_LINKS: Final = 10

ROUNDS: Final = 7
ROUND_S: Final = 0.1

WORDS: Final = (
    "the of crawler link page index archive river mountain report company research result system morning water people"
    " history science market garden number letter public house with from that this have been more about their would"
).split()

HREFS: Final = (
    "/posts/2024/{n}/{word}-{other}.html",
    "https://www.site{n}.example/{word}/{other}",
    "item-{n}.html",
    "https://www.example.org/tag/{word}",
    "/search?q={word}&page={n}",
    "/posts/{n}#comments",
    "/{word}/{n}",
    "https://en.wiki.example/wiki/{word}_{n}",
    "../{word}/{n}.html",
    "/{word}/{other}/{n}/",
)


class Row(NamedTuple):
    """One measurement."""

    name: str
    us: float
    each: int
    """How many things one call handles."""


def make_page(size_bytes: int, links: int, seed: int = 1) -> bytes:
    """Return a page of about this size with so many <a href>."""
    rng = random.Random(seed)
    top, bottom = links // 4, links // 6
    head = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{_text(rng, 6)}</title>'
        f'<meta name="description" content="{_text(rng, 20)}"><link rel="canonical" href="{PAGE_URL}">'
        '<link rel="stylesheet" href="/static/main.css"><link rel="icon" href="/favicon.ico">'
        '<script src="/static/app.js"></script></head><body><header class="top"><nav><ul>'
    )
    parts = [head]
    parts += [f'<li class="menu-item"><a class="nav" href="/{w}/">{w} {w}</a></li>' for w in WORDS[:top]]
    parts.append('</ul></nav></header><main id="content"><article class="post">')
    middle = links - top - bottom
    left = size_bytes - sum(map(len, parts)) - bottom * 70
    parts += [_paragraph(rng, number, left // middle) for number in range(middle)]
    parts.append("</article></main><footer><ul>")
    parts += [
        f'<li><a href="https://www.example.org/about/{n}" rel="nofollow">{_text(rng, 2)}</a></li>'
        for n in range(bottom)
    ]
    parts.append("</ul></footer></body></html>")
    return "".join(parts).encode()


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def _paragraph(rng: random.Random, number: int, size_bytes: int) -> str:
    href = HREFS[number % len(HREFS)].format(n=number, word=rng.choice(WORDS), other=rng.choice(WORDS))
    rel = ' rel="nofollow noopener" target="_blank"' if number % 10 == 1 else ""
    image = f'<img src="/img/{number}.jpg" alt="{_text(rng, 2)}" width="10">' if number % 10 == 3 else ""
    title = f'<h3 id="s{number}">{_text(rng, 3)}</h3>'
    start = f'<div class="row"><div class="card">{title}<p class="lead"><em>{_text(rng, 1)}</em> '
    link = f'<a href="{href}"{rel} class="more">{image}{_text(rng, 3)}</a>'
    words = max(4, (size_bytes - len(start) - len(link) - 20) // 6)
    return f"{start}{_text(rng, words // 2)} {link} {_text(rng, words - words // 2)}</p></div></div>\n"


def _time(name: str, call: Callable[[], object], each: int = 1) -> Row:
    timer = timeit.Timer(call, timer=time.process_time)  # other work on the machine does not count
    number = max(1, int(ROUND_S / max(min(timer.repeat(3, 1)), 1e-7)))
    return Row(name, min(timer.repeat(ROUNDS, number)) / number * 1e6, each)


def url_rows() -> list[Row]:
    """Measure the functions of `crawler.url`, and `collapse`, over the links of the 130 KB page."""
    page = extract(make_page(*PROFILES["130 KB"]), "utf-8", PAGE_URL, ExtractSettings())
    hrefs = [form.format(n=n, word=WORDS[n], other=WORDS[-n]) for n in range(8) for form in HREFS]
    urls = [link.target for link in page.links]
    hosts = [link.target_host for link in page.links]

    def resolve(hrefs: list[str]) -> None:
        resolver = Resolver(PAGE_URL)
        known, parts = resolver.known, resolver.parts
        for href in hrefs:  # as `crawler.extract` asks
            known.get(href) or parts(href)

    each = len(hrefs)
    rows = [_time("resolve, a page's hrefs", lambda: resolve(hrefs), each)]
    rows.append(_time("resolve, met before", lambda: resolve(hrefs[:1] * each), each))
    rows.append(_time("resolve, //host/path", lambda: resolve([f"//site{n}.example/" for n in range(each)]), each))
    rows.append(_time("normalise (ada)", lambda: [normalise(url) for url in urls], len(urls)))
    rows.append(_time("host_of", lambda: [host_of(url) for url in urls], len(urls)))
    rows.append(_time("domains_of", lambda: [domains_of(host) for host in hosts], len(urls)))
    rows.append(_time("fingerprint", lambda: [fingerprint(url) for url in urls], len(urls)))
    anchors = [link.anchor for link in page.links]
    rows.append(_time("collapse", lambda: [collapse(f" {anchor}\n") for anchor in anchors], len(anchors)))
    return rows


def page_rows(name: str) -> list[Row]:
    """Measure parsing, walking and extracting a page of one profile."""
    body = make_page(*PROFILES[name])
    root = parse(body, "utf-8").root
    assert root is not None
    settings = ExtractSettings()
    stored = len(extract(body, "utf-8", PAGE_URL, settings).links)
    return [
        _time(f"{name}: guard", lambda: judge(body, "utf-8"), stored),
        _time(f"{name}: parse", lambda: parse(body, "utf-8"), stored),
        _time(f"{name}: walk", lambda: wanted_elements(root), stored),
        _time(f"{name}: extract", lambda: extract(body, "utf-8", PAGE_URL, settings), stored),
    ]


def robots_rows() -> list[Row]:
    """Measure a small robots.txt, and one as large shops have it: parsing it, and asking about a path."""
    small = "".join(f"Disallow: /{word}/\n" for word in WORDS[:16]) + "Disallow: /*?sort=\nDisallow: /*.pdf$\n"
    large = "".join(f"User-agent: bot{n}\nDisallow: /\n\n" for n in range(40)) + "User-agent: *\n"
    large += "".join(f"Disallow: /{word}/{n}/\nDisallow: /*&{word}{n}=\n" for word in WORDS[:16] for n in range(4))
    large += "".join(f"Disallow: /*?{word}=\nDisallow: /{word}/*/print$\n" for word in WORDS[:16])
    paths = [f"/posts/{n}/{word}.html?page={n}" for n in range(4) for word in WORDS] + [
        "/wiki/caf%C3%A9?u=http%3A%2F%2Fe"
    ]
    rows = []
    for name, text in (("small", f"User-agent: *\n{small}"), ("large", large)):
        body = text.encode()
        rules = parse_robots(body, "Linkmill")
        rows.append(_time(f"robots, {name}: parse", partial(parse_robots, body, "Linkmill"), text.count("\n")))
        rows.append(_time(f"robots, {name}: match", partial(_ask, rules, paths), len(paths)))
    return rows


def _ask(rules: Rules, paths: list[str]) -> None:
    for path in paths:
        rules.allowed(path)


def seen_rows() -> list[Row]:
    """Measure asking for the links of a page and adding the new ones, with 10,000 and 10 million URLs seen before."""
    chance, rows = random.Random(3), []
    pool = [chance.getrandbits(64) for _ in range(20_000)]
    for name, size in (("10,000", 10_000), ("10 million", 10_000_000)):
        seen = Seen(np.random.default_rng(1).integers(0, 2**64, size, dtype=np.uint64))
        rows.append(_time(f"seen, {name}: a page", partial(_see, seen, pool, chance), SEEN_LINKS + NEW_LINKS))
        new = np.random.default_rng(2).integers(0, 2**64, LATELY, dtype=np.uint64)
        rows.append(Row(f"seen, {name}: longest step", _longest_us(seen, new.tolist()), 1))
    return rows


def _see(seen: Seen, pool: list[int], chance: random.Random) -> None:
    marks = chance.choices(pool, k=SEEN_LINKS) + [chance.getrandbits(64) for _ in range(NEW_LINKS)]
    lately = seen.lately
    for mark in marks:  # as `crawler.admission` asks
        if not (mark in lately or mark in seen):
            seen.add(mark)


def _longest_us(seen: Seen, marks: list[int]) -> float:
    longest = 0.0
    for mark in marks:
        begun = time.process_time()
        seen.add(mark)
        longest = max(longest, time.process_time() - begun)
    return longest * 1e6


def main() -> None:
    """Print a line for each measurement: microseconds a call, and for each link or URL of it."""
    if "--no-mallopt" not in sys.argv:
        keep_freed_memory()
    print(f"{'':32}{'us':>10}{'us each':>10}")
    for row in url_rows() + robots_rows() + seen_rows() + [row for name in PROFILES for row in page_rows(name)]:
        print(f"{row.name:32}{row.us:10.1f}{row.us / row.each:10.3f}")


if __name__ == "__main__":
    main()
