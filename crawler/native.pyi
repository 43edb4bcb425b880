from collections.abc import Callable, Collection, Mapping
from typing import Any

def sort_of(href: str, characters_max: int) -> int: ...
def find_marks(body: bytes, pairs: bytes) -> tuple[int, list[int]]: ...

class Walker:
    def __init__(
        self,
        read: Collection[int],
        parts: Mapping[int, int],
        nowhere: int,
        tags: Mapping[str, int],
        hidden: Collection[int],
        inner: Collection[int],
        collapse: Callable[[str], str],
        cut: Callable[[str, int], str],
        text_bytes_max: int,
    ) -> None: ...
    def walk(self, root: int, roles: list[tuple[int, int]], limit_bytes: int, anchors: bool) -> list[Any]: ...
