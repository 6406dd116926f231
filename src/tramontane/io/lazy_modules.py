"""Modules of optional packages, imported when they are first used; many modules, imported in less time."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any


class _LazyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self.__name__), name)
        setattr(self, name, value)
        return value


def lazy_module(name: str) -> Any:
    """A module that is imported when its first attribute is used, so that what needs it can be listed without it."""
    return _LazyModule(name)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Within the block, modules are imported: a fifth of the time would go into looking for garbage among them."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
