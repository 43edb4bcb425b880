"""The elements of a page that its readers want, in document order, each with all that they read of it.

Rule: plain data leaves this module, never a node. What elements are for is decided by `crawler.extract.elements`.
Where the package was compiled, `crawler.native` gives the same answer in a fifth of the time; the text around
links is read here alone.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, cast

from crawler.doubles import NATIVE
from crawler.extract.anchor import collapse, cut
from crawler.extract.anchors import INNER, TEXT_CHARACTERS_MAX, AnchorReader
from crawler.extract.page import ExtractSettings
from crawler.extract.place import PARTS, Ancestors, place_of_role
from crawler.extract.tree import HIDDEN, TAGS, TEXT, Attributes, Node, is_inside
from storage.records import Place

Element = tuple[int, Attributes, int, str, bool, list[str] | None, str | None, str | None]
"""tag number, attributes, place, text, text_cut, images, text_before, text_after.

The text is that of an <a>, collapsed and cut to size, or of a <title> as it stands; `images` are the texts of the
images in an <a>, None where it holds none.
"""

_A: Final = TAGS["a"]
_AREA: Final = TAGS["area"]
_TITLE: Final = TAGS["title"]
_SVG: Final = TAGS["svg"]

READ: Final = frozenset(
    TAGS[name]
    for name in (
        "a area audio base blockquote del embed form frame iframe img input ins link meta object q script source title"
        " track video"
    ).split()
)
"""Elements that are handed out; a <title> in a drawing is not."""

_WANTED: Final = READ | INNER | frozenset(PARTS)


def _walker() -> Any:  # noqa: ANN401
    """Return the native walk (`crawler/native.pyi`), None without one."""
    if NATIVE is None:
        return None
    tags = {"a": _A, "img": TAGS["img"], "svg": _SVG, "title": _TITLE, "-text": TEXT}
    return NATIVE.Walker(
        READ, PARTS, place_of_role, int(Place.OTHER), tags, HIDDEN, INNER, collapse, cut, TEXT_CHARACTERS_MAX
    )


_WALKER: Final = _walker()


def walk(root: Node, settings: ExtractSettings, anchors: bool = True) -> Collection[Element]:
    """Return the elements under `root` that are read, without <a> if `anchors` are not wanted."""
    if _WALKER is None or settings.context:
        return walk_slowly(root, settings, anchors)
    elements: Collection[Element] = _WALKER.walk(root, settings.anchor_bytes, anchors)
    return elements


def tagged(elements: Collection[Element], tag: int) -> list[Element]:
    """Return those with this tag number, of what `walk` found."""
    if isinstance(elements, list):
        return [element for element in elements if element[0] == tag]
    found: list[Element] = cast("Any", elements).tagged(tag)
    return found


def walk_slowly(root: Node, settings: ExtractSettings, anchors: bool = True) -> list[Element]:
    """Answer like `walk`, by way of a Python object for each node."""
    found = wanted_elements(root)
    others = [pair for pair in found if pair[0] != _A]
    ancestors = Ancestors(root, [pair for pair in others if pair[0] in PARTS])
    reader = AnchorReader(root, [pair for pair in others if pair[0] in INNER], ancestors, settings)
    elements: list[Element] = []
    for tag, node in found:
        if tag == _A:
            if anchors:
                elements.append((tag, node.attributes, ancestors.place(node), *reader.read(node)))
        elif tag in READ:
            if tag == _TITLE:
                if is_inside(node, _SVG):
                    continue
                text = node.text_lexbor()
            else:
                text = ""
            before, after = reader.around(node) if tag == _AREA else (None, None)
            elements.append((tag, node.attributes, ancestors.place(node), text, False, None, before, after))
    return elements


def wanted_elements(root: Node) -> list[tuple[int, Node]]:
    """Pick elements by tag number in document order: 0.09 us an element; ten selectors in C take twice as long."""
    found = []
    for node in root.traverse():
        tag = node.tag_id
        if tag in _WANTED:
            found.append((tag, node))
    return found
