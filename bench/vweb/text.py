"""Words, sentences and anchors that look like text, in five languages.

Rule: everything here depends on the language alone, and is built once: pages are put together from these pools.
Word frequencies follow Zipf's law, so that bodies compress and tokenise like real ones.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from storage.records import AnchorSource

ANCHOR_BYTES: Final = 512
"""Longest anchor stored, in UTF-8 (`extract.anchor_bytes`)."""
VOCABULARY: Final = 3000
SENTENCES: Final = 1500
ANCHORS: Final = 400


class Language(NamedTuple):
    """What words of a language are made of."""

    code: str
    common: str
    """Its most frequent words, in order."""
    syllables: str
    gap: str
    """Between words."""
    stop: str
    """After a sentence."""


LANGUAGES: Final = {
    language.code: language
    for language in (
        Language(
            "en",
            "the of and to in a is that for it as was with be by on not he his but at are this have from which one had",
            "ta lin ser mo ver con ful ri ble ness ter pra gen tor mi sta per lo vin dal ing er land ship mark field",
            " ",
            ". ",
        ),
        Language(
            "de",
            "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an über größer",
            "ge ver stel lung frei kün ßer bäu tung schaft haus wä ler zeit mög keit straß grün en er lich tor haft",
            " ",
            ". ",
        ),
        Language(
            "fr",
            "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se été où déjà même",
            "mai son té lé ga ré vo lu tion ché ment pré si fè re çon neur â ge bel le tour né cou ra ble",
            " ",
            ". ",
        ),
        Language(
            "ru",
            "и в не на что он с как это по но из у за от так его для же все бы или был до если",
            "про сто ра ние го род мир ска зы ва тель ность вре мя до ро га пе ре ход ли ца ми ка но",
            " ",
            ". ",
        ),
        Language(
            "ja",
            "の は に を た が で て と し れ さ ある いる も する から こと など まで",
            "日 本 語 水 山 川 時 間 東 京 大 学 生 新 聞 電 車 カ タ ナ き み さ く 道 花 空 港 音 楽",
            "",
            "。",
        ),
    )
}


class Anchor(NamedTuple):
    """What stands inside a link element, and what is read from it."""

    text: str
    """As stored: white space collapsed, cut at 512 bytes."""
    source: AnchorSource
    cut: bool
    attributes: str
    """Written into the start tag, with a space before each."""
    html: str
    image: str | None
    """Path of the image that the anchor holds."""


NO_ANCHOR: Final = Anchor("", AnchorSource.NONE, False, "", "", None)


class Vocabulary:
    """Words of one language with their Zipf weights."""

    def __init__(self, language: Language) -> None:
        self.gap = language.gap
        rng = Random(language.code)
        words = dict.fromkeys(language.common.split())
        syllables = language.syllables.split()
        while len(words) < VOCABULARY:
            words["".join(rng.choices(syllables, k=rng.randint(2, 4)))] = None
        self.words = list(words)
        self.weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))

    def pick(self, rng: Random, count: int) -> list[str]:
        """Return `count` words, the common ones more often."""
        return rng.choices(self.words, cum_weights=self.weights, k=count)

    def phrase(self, rng: Random, count: int) -> str:
        """Return `count` words as running text."""
        return self.gap.join(self.pick(rng, count))


@cache
def vocabulary(code: str) -> Vocabulary:
    """Return the words of a language."""
    return Vocabulary(LANGUAGES[code])


@cache
def sentences(code: str, codec: str) -> list[bytes]:
    """Return a pool of sentences with some inline markup, encoded."""
    words, rng, stop = vocabulary(code), Random(f"{code} sentences"), LANGUAGES[code].stop
    pool = []
    for _ in range(SENTENCES):
        text = words.phrase(rng, rng.randint(4, 24)).capitalize()
        if rng.random() < 0.2:
            tag = rng.choice(("em", "strong", "code", "span"))
            text += f"{words.gap}<{tag}>{words.phrase(rng, 2)}</{tag}>{words.gap}{words.phrase(rng, 3)}"
        pool.append((text + stop).encode(codec))
    return pool


@cache
def sentence_bytes(code: str, codec: str) -> float:
    """Return the mean length of the pool's sentences."""
    pool = sentences(code, codec)
    return sum(map(len, pool)) / len(pool)


@cache
def phrases(code: str) -> list[str]:
    """Return a pool of titles and captions: two to six words, no markup."""
    words, rng = vocabulary(code), Random(f"{code} phrases")
    return [words.phrase(rng, rng.randint(2, 6)).capitalize() for _ in range(300)]


@cache
def anchors(code: str) -> list[Anchor]:
    """Return a pool of link contents of every kind, plain text the most."""
    rng = Random(f"{code} anchors")
    words = vocabulary(code)
    makers = (_plain, _marked, _ampersand, _alt, _pictured, _titled, _labelled, _bare, _long)
    kinds = rng.choices(makers, weights=(60, 12, 4, 9, 4, 4, 3, 3, 1), k=ANCHORS)
    return [make(words, rng) for make in kinds]


def _written(text: str, html: str, attributes: str = "", image: str | None = None) -> Anchor:
    return Anchor(text, AnchorSource.TEXT, False, attributes, html, image)


def _plain(words: Vocabulary, rng: Random) -> Anchor:
    text = " ".join(words.pick(rng, rng.randint(1, 5)))
    return _written(text, text, ' title="more"' if rng.random() < 0.1 else "")


def _marked(words: Vocabulary, rng: Random) -> Anchor:
    first, second, third = words.pick(rng, 3)
    return _written(f"{first} {second}{third}", f"\n      {first}\t <b>{second}</b><i>{third}</i>\n    ")


def _ampersand(words: Vocabulary, rng: Random) -> Anchor:
    first, second = words.pick(rng, 2)
    return _written(f"{first} & {second}", f"{first} &amp; {second}")


def _image(rng: Random) -> str:
    return f"/assets/{rng.randint(1, 60)}.png"


def _alt(words: Vocabulary, rng: Random) -> Anchor:
    text, image = " ".join(words.pick(rng, 2)), _image(rng)
    return Anchor(text, AnchorSource.ALT, False, "", f'<img src="{image}" alt="{text}">', image)


def _pictured(words: Vocabulary, rng: Random) -> Anchor:
    text, image = " ".join(words.pick(rng, 2)), _image(rng)
    return _written(text, f'<img src="{image}" alt=""> {text}', image=image)


def _titled(words: Vocabulary, rng: Random) -> Anchor:
    text = " ".join(words.pick(rng, 3))
    return Anchor(text, AnchorSource.TITLE, False, f' title="{text}"', '<span class="icon"></span>', None)


def _labelled(words: Vocabulary, rng: Random) -> Anchor:
    text = " ".join(words.pick(rng, 2))
    return Anchor(text, AnchorSource.ARIA_LABEL, False, f' aria-label="{text}"', "", None)


def _bare(words: Vocabulary, rng: Random) -> Anchor:
    return NO_ANCHOR._replace(html="<span></span>")


def _long(words: Vocabulary, rng: Random) -> Anchor:
    """Return an anchor whose cut falls inside a word of 200 letters, so that no white space is near."""
    start = "".join(words.pick(rng, 400)).encode()[: ANCHOR_BYTES - 100].decode(errors="ignore")
    whole = f"{start} {''.join(words.pick(rng, 400))[:200]} end"
    text = whole.encode()[:ANCHOR_BYTES].decode(errors="ignore")
    return Anchor(text, AnchorSource.TEXT, True, "", whole, None)
