"""The executors that designs can run on, by name."""

from __future__ import annotations

import functools

from tramontane.errors import TramontaneError
from tramontane.farm.executor import Executor
from tramontane.io.registries import by_name, find_entries


@functools.cache
def known_executors() -> dict[str, Executor]:
    """By name, the executors that the modules of `tramontane.farm` hold as ``EXECUTOR``."""
    return by_name(find_entries("tramontane.farm", "EXECUTOR", Executor), lambda executor: executor.name)


def executor_of(name: str) -> Executor:
    """The executor of that name.

    Raises:
        TramontaneError: There is none.
    """
    executors = known_executors()
    if name not in executors:
        raise TramontaneError(f"executor {name!r} is not known; choose one of {', '.join(sorted(executors))}")
    return executors[name]
