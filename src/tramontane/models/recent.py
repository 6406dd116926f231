"""What was computed of the last few geometries, so that only what follows from other parameters is computed again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

Value = TypeVar("Value")


class Recent:
    """The last few values by key. Threads that ask for the same at once may each make it.

    Args:
        count: How many are kept; the one that was asked for longest ago goes first.
        room: Bytes that all values together may take; one that takes more is not kept. None sets no bound.
    """

    def __init__(self, count: int, *, room: int | None = None) -> None:
        self.count, self.room = count, room
        self._values: dict[Any, tuple[Any, int]] = {}

    def get(self, key: Any, make: Callable[[], Value], *, size: Callable[[Value], int] = lambda _: 0) -> Value:
        """The value of a key.

        Args:
            key: Whatever the value depends on.
            make: Makes it where it is not there.
            size: Bytes of a new value.
        """
        # No lock: each of these steps is one of the interpreter's own, and a surrogate must pickle.
        held: tuple[Value, int] | None = self._values.pop(key, None)
        if held is None:
            value = make()
            held = value, size(value)
            if self._over(held[1]):
                return value
        self._values[key] = held
        while len(self._values) > self.count or self._over(sum(took for _, took in list(self._values.values()))):
            self._values.pop(next(iter(list(self._values))), None)
        return held[0]

    def _over(self, took: int) -> bool:
        return self.room is not None and took > self.room


def digest(*arrays: Any) -> bytes:
    """The same for equal arrays, and for no others."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        plain = np.ascontiguousarray(array)
        found.update(f"{plain.dtype}{plain.shape}".encode())
        found.update(plain.data)
    return found.digest()
