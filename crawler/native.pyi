from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

def join_url(base: str, href: str) -> str: ...
def sort_of(href: str, characters_max: int) -> int: ...
def find_marks(body: bytes, pairs: bytes, names: tuple[bytes, ...]) -> tuple[int, list[int]]: ...

class Walker:
    def __init__(
        self,
        read: Collection[int],
        parts: Mapping[int, int],
        place_of_role: Callable[[str], int | None],
        nowhere: int,
        tags: Mapping[str, int],
        hidden: Collection[int],
        inner: Collection[int],
        collapse: Callable[[str], str],
        cut: Callable[[str, int], str],
        text_bytes_max: int,
    ) -> None: ...
    def walk(self, root: object, limit_bytes: int, anchors: bool) -> Elements: ...

class Elements:
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...
    def tagged(self, tag: int) -> list[tuple[Any, ...]]: ...

class Linker:
    def __init__(
        self,
        readers: Mapping[int, object],
        plain: Mapping[int, tuple[Any, ...]],
        rel_bits: Callable[[str], int],
        collapse: Callable[[str], str],
        cut: Callable[[str, int], str],
        plain_hosts: set[str],
        is_plain: Callable[[str], bool],
        row: type[tuple[Any, ...]],
        sources: Mapping[str, int],
        characters_max: int,
    ) -> None: ...
    def read(self, reading: object, elements: Elements) -> None: ...

def count_links(page: object, page_host: str, domains_of: Callable[[str], tuple[str, str]], nofollow: int) -> None: ...
