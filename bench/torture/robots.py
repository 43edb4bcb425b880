"""Files that a hostile robots.txt may be, and what parsing them and asking about hostile paths costs.

Run `python -m bench.torture.robots`: every file has to parse in under 100 ms and answer for every path in under 1 ms
of CPU, the best of several tries. The tests take the same files.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import inf
from typing import Final

from bench.torture.figures import Figure, play
from crawler.memory import collecting_seldom
from crawler.robots import parse
from crawler.robots_rules import Rules

PARSE_MS: Final = 100.0
MATCH_MS: Final = 1.0
TRIES: Final = 5
FULL_BYTES: Final = 512 * 1024
"""What is parsed of a file."""
LONG_FILE_BYTES: Final = 10_000_000
PATH_BYTES: Final = 2048
"""The longest URL that is followed by default."""

HEAD: Final = b"User-agent: *\n"
COMMAND: Final = "python -m bench.torture.robots"


def _rules(lines: Iterable[bytes], end: bytes = b"\n") -> bytes:
    """Return a file of as many of these lines as are parsed."""
    parts, size = [HEAD], len(HEAD)
    for line in lines:
        parts.append(line)
        size += len(line) + 1
        if size > FULL_BYTES:
            break
    return end.join(parts)


def _each(line: bytes, first: int = 0, last: int = 100_000) -> Iterator[bytes]:
    return (line % number for number in range(first, last))


def _letters(number: int) -> bytes:
    return f"{number:015b}".translate({ord("0"): "a", ord("1"): "b"}).encode()


def files() -> dict[str, bytes]:
    """Return the files by what is bad about them."""
    noise = random.Random(1)
    letters = b"".join(b"a%d\n" % number for number in range(FULL_BYTES // 8))
    return {
        "10 MB of rules": HEAD + b"\n".join(b"Disallow: /path/%d" % number for number in range(600_000)),
        "10 MB of blank lines": b"\n" * LONG_FILE_BYTES,
        "10 MB on one line": HEAD + b"Disallow: /" + b"a" * LONG_FILE_BYTES,
        "10 MB of noise": noise.randbytes(LONG_FILE_BYTES),
        "100,000 rules": HEAD + b"\n".join(_each(b"Allow:/%x")),
        "100,000 wildcards": HEAD + b"\n".join(_each(b"Allow:/*%x")),
        "100,000 wildcards and ends": HEAD + b"\n".join(_each(b"Disallow: /*%d.html$")),
        "noise under a group": HEAD + noise.randbytes(FULL_BYTES),
        "UTF-16": ("\ufeffUser-agent: *\n" + "Disallow: /päth\n" * 20_000).encode("utf-16-le"),
        "CR only": b"User-agent: *\r" + b"\r".join(_each(b"Disallow: /%d")),
        "CR alone": b"\r" * FULL_BYTES,
        "10,000 stars": HEAD + b"Disallow: /" + b"*" * 10_000 + b"x$",
        "10,000 stars and letters": HEAD + b"Disallow: /" + b"*a" * 10_000 + b"b",
        "50 rules of 10,000 stars": _rules(b"Disallow: /" + b"*" * 10_000 + b"%d" % number for number in range(50)),
        "2,000 rules of 100 stars": _rules(b"Disallow: /" + b"*a" * 100 + b"*b%d" % number for number in range(2000)),
        "250 rules of 1,000 stars": _rules(b"Disallow: /" + b"*a" * 1000 + b"*%db" % number for number in range(250)),
        "percent signs": HEAD + b"Allow: /" + b"%41" * (FULL_BYTES // 3),
        "rules with an encoded query": _rules(_each(b"Allow:/?%%2F%d")),
        "octets that are no text": HEAD + b"Allow: /" + b"\xff" * FULL_BYTES,
        "bare lines": _rules(_each(b"Allow *%x")),
        "lines without a meaning": HEAD + letters,
        "two stars a rule": _rules(_each(b"Allow:*a*%x*b$")),
        "as many heads as rules": _rules(_each(b"Allow:%x*b*\xffc$")),
        "1,000 heads of a path": _rules(b"Disallow: /" + b"a" * number + b"*b" for number in range(1000)),
        "30 rules for each of 150 heads": _rules(
            b"Disallow: /" + b"a" * head + b"*b%d" % rule for head in range(150) for rule in range(30)
        ),
        "100 rules for each of 90 heads": _rules(
            b"Disallow: /" + b"a" * head + b"*b%d" % rule for head in range(90) for rule in range(100)
        ),
        "1,000 nested prefixes": _rules(b"Disallow: /" + b"a" * number for number in range(1024)),
        "one piece in all rules": _rules(_each(b"Disallow: /*aaaaaaaa*%d$")),
        "rules of two letters": _rules(b"Disallow: /*aaaaaaaa" + _letters(number) for number in range(1 << 15)),
        "literals almost there": _rules(b"Disallow: /*" + b"a" * (200 + number) + b"b" for number in range(1000)),
        "literals halfway there": _rules(
            b"Disallow: /*" + b"a" * 500 + b"b" + b"a" * 400 + b"%d" % number for number in range(500)
        ),
    }


def paths() -> tuple[str, ...]:
    """Return paths as long as URLs may be, and a few shorter ones, that resemble many of the rules."""
    noise = random.Random(2)
    return (
        "/" + "a" * (PATH_BYTES - 1),
        "/" + "a" * 500,
        "/" + "a" * 127,
        "/" + "ab" * (PATH_BYTES // 2 - 1),
        "/" + "".join(noise.choices("ab", k=PATH_BYTES - 1)),
        "/" + "".join(noise.choices("0123456789abcdef", k=PATH_BYTES - 1)),
        "/?" + "%2f%ff" * (PATH_BYTES // 6 - 1),
        "/" + "a" * 1000 + "b" + "a" * 1000,
    )


def best_ms(call: Callable[[], object], tries: int = TRIES) -> float:
    """Return the CPU milliseconds of the quickest of several calls."""
    best = inf
    for _ in range(tries):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best * 1000


def match_ms(rules: Rules, tries: int = TRIES) -> float:
    """Return the CPU milliseconds of the path that costs most."""
    return max(best_ms(partial(rules.allowed, path), tries) for path in paths())


def run(scale: float = 1.0) -> list[Figure]:
    """Measure every file; `scale` multiplies the rounds."""
    # In rounds, not one file's tries at once: whatever else this processor and its caches are busy with passes.
    rounds = max(1, round(TRIES * scale))
    bodies = files()
    parsed, matched = dict.fromkeys(bodies, inf), dict.fromkeys(bodies, inf)
    with collecting_seldom():  # as in a crawl
        for _ in range(rounds):
            for name, body in bodies.items():
                parsed[name] = min(parsed[name], best_ms(partial(parse, body, "Linkmill"), 1))
                matched[name] = min(matched[name], match_ms(parse(body, "Linkmill")))
    return [
        _worst("robots.txt: slowest hostile file to parse", parsed, PARSE_MS),
        _worst("robots.txt: slowest answer about a path", matched, MATCH_MS),
    ]


def _worst(name: str, costs: dict[str, float], bound_ms: float) -> Figure:
    worst = max(costs, key=lambda file: costs[file])
    value = f"{costs[worst]:.2f} ms ({worst}; {len(costs)} files)"
    return Figure(name, value, f"under {bound_ms:g} ms", costs[worst] < bound_ms, COMMAND)


if __name__ == "__main__":
    play(run, COMMAND, __doc__)
