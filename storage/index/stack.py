"""Which layers a generation is made of, and which of them the next one keeps.

A layer is the index of the pages fetched in a range of segments, each with all its visits. A page that was fetched
again belongs to the newest layer that has it; in the older ones it is covered. Rule: a layer is never changed: the next
generation links its files, or builds it anew together with all newer ones.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import orjson

FILE: Final = "layers.json"

FORMAT: Final = 4
"""Of everything below a generation's directory, and of the policy it was judged by: of another one nothing is kept."""

LARGER: Final = 2
"""A layer is kept below one of half its rows at most: rows are written anew as often as they double."""

MOST_LAYERS: Final = 6
"""A question reads a row group or two of every layer."""


class Layer(NamedTuple):
    """One layer, oldest first in its stack."""

    folder: str
    last_segment: int
    """It has the pages of segments after those of the layer below, up to this one."""
    pages: int
    links: int
    sources: int
    covered_links: int
    """Links of sources that newer layers cover."""

    @property
    def rows(self) -> int:
        """What it would save to keep it."""
        return self.links + self.pages

    def path(self, generation: Path) -> Path:
        """Return its directory."""
        return generation / self.folder


class Stack(NamedTuple):
    """The layers of one generation."""

    naming: str
    """What the domains of its hosts depend on."""
    layers: tuple[Layer, ...]

    def write(self, generation: Path) -> None:
        """Store the list."""
        content = {"format": FORMAT, "naming": self.naming, "layers": [layer._asdict() for layer in self.layers]}
        (generation / FILE).write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))

    @classmethod
    def read(cls, generation: Path) -> Stack:
        """Return the list of a generation; of another format it is empty."""
        content = orjson.loads((generation / FILE).read_bytes())
        if content["format"] != FORMAT:
            return cls("", ())
        return cls(content["naming"], tuple(Layer(**layer) for layer in content["layers"]))


def kept(layers: Sequence[Layer], new_rows: Sequence[int]) -> int:
    """Return how many layers stay; `new_rows` of segments after each of them, and half of each must still be in use."""
    count = min(len(layers), MOST_LAYERS - 1)
    while count and layers[count - 1].rows < LARGER * new_rows[count - 1]:
        count -= 1
    for at, layer in enumerate(layers[:count]):
        if layer.covered_links * 2 > layer.links:
            return at
    return count


def link_layer(old: Path, new: Path) -> None:
    """Have all files of a layer in a new generation too, without copying them where the file system can."""
    for folder, _, names in os.walk(old):
        there = new / Path(folder).relative_to(old)
        there.mkdir(parents=True)
        for name in names:
            try:
                os.link(Path(folder, name), there / name)
            except OSError:
                shutil.copyfile(Path(folder, name), there / name)
