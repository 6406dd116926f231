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
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._values: dict[Any, Any] = {}

    def get(self, key: Any, make: Callable[[], Value], *, keep: Callable[[Value], bool] = lambda _: True) -> Value:
        """The value of a key.

        Args:
            key: Whatever the value depends on.
            make: Makes it where it is not there.
            keep: Whether a new value is kept.
        """
        # No lock: each of these steps is one of the interpreter's own, and a surrogate must pickle.
        value: Value | None = self._values.pop(key, None)
        if value is None:
            value = make()
            if not keep(value):
                return value
        self._values[key] = value
        while len(self._values) > self.count:
            self._values.pop(next(iter(list(self._values))), None)
        return value


def digest(*arrays: Any) -> bytes:
    """The same for equal arrays, and for no others."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        plain = np.ascontiguousarray(array)
        found.update(f"{plain.dtype}{plain.shape}".encode())
        found.update(plain.data)
    return found.digest()
