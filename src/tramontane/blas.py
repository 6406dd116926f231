"""NumPy's matrix products in one thread, where they are many and small.

OpenBLAS starts threads for a product of 800 by 100 numbers, which take longer to wake than to multiply, and then wait
busily for the next one on the cores that others could use. What is saved is loaded under the same bound as it was
made: sums in another order have other last bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

_lock = Lock()
_inside = 0
_limit: Any = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it, BLAS and LAPACK as NumPy and SciPy call them have one thread; PyTorch's own are left as they are.

    The bound is the process's. Threads may enter and leave in any order: it is lifted when the last has left.
    """
    global _inside, _limit
    with _lock:
        if not _inside:
            _limit = _libraries().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _limit.restore_original_limits()


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
