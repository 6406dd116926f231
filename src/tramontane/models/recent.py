"""What was computed of the last few geometries, so that only what follows from other parameters is computed again."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable
from weakref import WeakSet

import numpy as np

Value = TypeVar("Value")


@runtime_checkable
class _Bounded(Protocol):
    """A cache as the budget sees it."""

    @property
    def bytes(self) -> int: ...
    def oldest(self) -> int | None: ...
    def drop_oldest(self) -> None: ...


class Budget:
    """A bound on what all caches of this process take together: what was used longest ago goes first, wherever it is.

    Attributes:
        limit: Bytes; None sets no bound beyond those of each cache.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self._caches: WeakSet[_Bounded] = WeakSet()
        self._lock = threading.Lock()
        self._ticks = itertools.count()

    def add(self, cache: _Bounded) -> None:
        """Count a cache from now on, as long as it is there."""
        with self._lock:
            self._caches.add(cache)

    def tick(self) -> int:
        """A number that is larger each time, by which uses are put in order."""
        return next(self._ticks)

    @property
    def bytes(self) -> int:
        """That all caches take."""
        with self._lock:
            return sum(cache.bytes for cache in self._caches)

    def trim(self) -> None:
        """Keep the bound."""
        if self.limit is None:
            return
        with self._lock:
            caches = list(self._caches)
            total = sum(cache.bytes for cache in caches)
            while total > self.limit:
                aged = [(tick, number) for number, cache in enumerate(caches) if (tick := cache.oldest()) is not None]
                if not aged:
                    return
                caches[min(aged)[1]].drop_oldest()
                total = sum(cache.bytes for cache in caches)


BUDGET = Budget()
"""Of this process."""


class Recent:
    """The last few values by key. Threads that ask for the same at once may each make it.

    Args:
        count: How many are kept; the one that was asked for longest ago goes first.
        room: Bytes that all values together may take; one that takes more is not kept. None sets no bound of its own.
    """

    def __init__(self, count: int, *, room: int | None = None) -> None:
        self.count, self.room = count, room
        self._values: dict[Any, tuple[Any, int, int]] = {}
        BUDGET.add(self)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled, such as with a surrogate that other processes are given: not the values."""
        return {"count": self.count, "room": self.room}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["count"], room=state["room"])  # type: ignore[misc]

    def get(self, key: Any, make: Callable[[], Value], *, size: Callable[[Value], int] | None = None) -> Value:
        """The value of a key.

        Args:
            key: Whatever the value depends on.
            make: Makes it where it is not there.
            size: Bytes of a new value; by default those of the arrays and meshes that it holds.
        """
        # No lock: each of these steps is one of the interpreter's own.
        entry: tuple[Value, int, int] | None = self._values.pop(key, None)
        made = entry is None
        if entry is None:
            value = make()
            entry = value, (size or size_of)(value), 0
            if self._over(entry[1]):
                return value
        self._values[key] = entry[0], entry[1], BUDGET.tick()
        while len(self._values) > self.count or self._over(self.bytes):
            self.drop_oldest()
        if made:
            BUDGET.trim()
        return entry[0]

    def grown(self, key: Any) -> None:
        """Measure a value again that was added to since it was made."""
        entry = self._values.get(key)
        if entry is not None:
            self._values[key] = entry[0], size_of(entry[0]), entry[2]
            BUDGET.trim()

    @property
    def bytes(self) -> int:
        """That all values take."""
        return sum(took for _, took, _ in list(self._values.values()))

    def oldest(self) -> int | None:
        """When the value was used that was used longest ago."""
        entry = next(iter(list(self._values.values())), None)
        return None if entry is None else entry[2]

    def drop_oldest(self) -> None:
        """Forget it."""
        self._values.pop(next(iter(list(self._values)), None), None)

    def _over(self, took: int) -> bool:
        return self.room is not None and took > self.room


def size_of(value: Any, _counted: set[int] | None = None) -> int:
    """About how many bytes arrays, tensors, meshes and trees take that a value holds; each counts once."""
    counted = set() if _counted is None else _counted
    if value is None or isinstance(value, str | bytes | int | float | complex | Recent) or id(value) in counted:
        return 0  # another cache counts itself
    counted.add(id(value))
    if (taken := getattr(value, "actual_memory_size", None)) is not None:  # of a mesh, KiB
        return 1024 * int(taken)
    if (taken := getattr(value, "nbytes", None)) is not None:
        base = getattr(value, "base", None)
        if base is None:
            return int(taken)
        return 0 if id(base) in counted else max(int(taken), size_of(base, counted))
    if isinstance(value, Mapping):
        return sum(size_of(each, counted) for each in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return sum(size_of(each, counted) for each in value)
    if isinstance(getattr(value, "data", None), np.ndarray):  # a tree: its points in order, indices and nodes
        return 2 * int(value.data.nbytes)
    return sum(size_of(each, counted) for each in getattr(value, "__dict__", {}).values())


def digest(*arrays: Any) -> bytes:
    """The same for equal arrays, and for no others."""
    checksum = hashlib.blake2b(digest_size=16)
    for array in arrays:
        plain = np.ascontiguousarray(array)
        checksum.update(f"{plain.dtype}{plain.shape}".encode())
        checksum.update(plain.data)
    return checksum.digest()
