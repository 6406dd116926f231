"""What was answered before, kept within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from tramontane.models.recent import BUDGET

Value = TypeVar("Value")


class ByteCache(Generic[Value]):
    """The values used last, up to so many bytes; safe to use from many threads.

    Args:
        limit: Bytes of all values together; those of all caches together are bounded as well, see `BUDGET`.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.size = limit, 0
        self._values: OrderedDict[str, tuple[Value, int, int]] = OrderedDict()
        self._lock = threading.Lock()
        BUDGET.add(self)

    def get(self, key: str) -> Value | None:
        """The value of a key, or None."""
        with self._lock:
            if key not in self._values:
                return None
            value, size, _ = self._values.pop(key)
            self._values[key] = value, size, BUDGET.tick()
            return value

    def put(self, key: str, value: Value, size: int) -> None:
        """Keep a value of so many bytes; one that is larger than a quarter of all there is room for is not kept."""
        if size > self.limit // 4:
            return
        with self._lock:
            self._drop(key)
            self._values[key] = value, size, BUDGET.tick()
            self.size += size
            while self.size > self.limit:
                self._drop(next(iter(self._values)))
        BUDGET.trim()

    def drop(self, key: str) -> None:
        """Forget a value, if it is there."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: str) -> None:
        if key in self._values:
            self.size -= self._values.pop(key)[1]

    # -- for the budget --------------------------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """That all values take."""
        return self.size

    def oldest(self) -> int | None:
        """When the value was used that was used longest ago."""
        with self._lock:
            return next(iter(self._values.values()))[2] if self._values else None

    def drop_oldest(self) -> None:
        """Forget it."""
        with self._lock:
            if self._values:
                self._drop(next(iter(self._values)))
