"""Whether an HDF5 file leads out of its folder: its links and arrays may lie in any file that they name."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

from tramontane.formats.isolation.checks import beside


def check_links(file: Path) -> None:
    """Refuse external links, external storage and virtual arrays that name a file outside of this one's folder.

    Nothing is checked where h5py is not installed; what it cannot read is left to the file's own reader.

    Raises:
        FormatError: There is one.
    """
    if importlib.util.find_spec("h5py") is None:
        return
    h5py: Any = importlib.import_module("h5py")
    try:
        with h5py.File(file, "r") as root:
            names = _named(h5py, root)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, MemoryError, RecursionError):
        return
    for name in names:
        beside(file, name)


def _named(h5py: Any, root: Any) -> set[str]:
    """All files that are named."""
    names: set[str] = set()
    waiting, addresses = [root], set()
    while waiting:
        group = waiting.pop()
        for key in group:
            link = group.get(key, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                names.add(link.filename)
                continue
            if not isinstance(link, h5py.HardLink):
                continue
            item = group[key]
            if isinstance(item, h5py.Group):
                if (address := h5py.h5o.get_info(item.id).addr) not in addresses:  # groups may hold each other
                    addresses.add(address)
                    waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                # `%b` stands for the file's own name; an index may stand in it, too.
                names |= {name for name, *_ in item.external or ()}
                if item.is_virtual:
                    names |= {re.sub("%b", "", part.file_name) for part in item.virtual_sources()} - {"."}
    return names
