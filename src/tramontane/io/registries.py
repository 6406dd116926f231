"""Registries that grow by a file: entries that the modules of a package hold under one name.

A solver, a format, a layout of a data set, an executor, a study, a physics check: each is an object in a module of its
own, and whoever asks the registry finds it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib import import_module
from typing import TypeVar

Entry = TypeVar("Entry")


def find_entries(package: str, attribute: str, kind: type[Entry], *, skip: Collection[str] = ()) -> Iterator[Entry]:
    """The entries of a package's modules, in the order of the modules.

    Args:
        package: Its modules, and those of the packages in it, are imported.
        attribute: The name under which a module holds an entry, or a tuple of entries.
        kind: Of the entries.
        skip: Full names of modules and packages that are not imported.

    Raises:
        TypeError: A module holds something else under that name.
    """
    for module_info in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        if module_info.name in skip:
            continue
        module = import_module(module_info.name)
        entries = getattr(module, attribute, ())
        for entry in entries if isinstance(entries, tuple) else (entries,):
            if not isinstance(entry, kind):
                raise TypeError(f"{module_info.name}.{attribute}: is a {type(entry).__name__}; make it a "
                                f"{kind.__name__}")  # fmt: skip
            yield entry
        if module_info.ispkg:
            yield from find_entries(module_info.name, attribute, kind, skip=skip)


def by_name(entries: Iterable[Entry], name: Callable[[Entry], str]) -> dict[str, Entry]:
    """Entries by their names.

    Raises:
        ValueError: Two have the same.
    """
    table: dict[str, Entry] = {}
    for entry in entries:
        if name(entry) in table:
            raise ValueError(f"{type(entry).__name__} {name(entry)!r} is there twice; rename one")
        table[name(entry)] = entry
    return table
