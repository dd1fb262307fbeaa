"""Names kept in the order of their keys."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Sorted(Generic[T]):
    """Names in the order of their keys; names with equal keys in their own."""

    __slots__ = ("_entries", "_keys")

    def __init__(self) -> None:
        self._entries: list[tuple[Any, str]] = []
        self._keys: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._keys

    def __getitem__(self, index: int) -> str:
        return self._entries[index][1]

    def __iter__(self) -> Iterator[str]:
        return (name for _, name in self._entries)

    def key(self, index: int) -> T:
        """That of the name at ``index``."""
        key: T = self._entries[index][0]
        return key

    def entries(self) -> list[tuple[T, str]]:
        """A copy of all, as pairs of key and name."""
        return self._entries[:]

    def first_at(self, key: T) -> int:
        """Index of the first name whose key is ``key`` or more; the length when there is none."""
        return bisect_left(self._entries, (key,))  # type: ignore[arg-type]

    def put(self, name: str, key: T) -> None:
        if self._keys.get(name) == key and name in self._keys:
            return
        self.drop(name)
        self._keys[name] = key
        insort(self._entries, (key, name))

    def drop(self, name: str) -> None:
        if name in self._keys:
            key = self._keys.pop(name)
            del self._entries[bisect_left(self._entries, (key, name))]
