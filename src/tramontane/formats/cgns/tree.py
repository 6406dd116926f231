"""The nodes of a CGNS file in HDF5, one by one, with h5py (the extra ``hdf5``).

Node names, labels and how both stand in HDF5 are those of CGNS's standard (SIDS and its mapping to HDF5,
https://cgns.org): a node is a group with the attribute ``label`` and its values in the dataset `` data``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.hdf5_links import check_links
from tramontane.formats.isolation.isolated import memory_for

EXTRA = 'pip install "tramontane[hdf5]"'


def is_installed() -> bool:
    """Whether h5py is."""
    return importlib.util.find_spec("h5py") is not None


@contextlib.contextmanager
def open_tree(file: Path) -> Iterator[Tree]:
    """Open a file; what goes wrong while its nodes are looked at is an error that names it.

    Raises:
        FormatError: h5py is not installed, or the file is damaged or no HDF5.
    """
    if not is_installed():
        raise FormatError(f"{file}: CGNS files need h5py; {EXTRA}")
    h5py: Any = importlib.import_module("h5py")
    check_links(file)
    try:
        with h5py.File(file, "r") as root:
            yield Tree(file, root, memory_for(file.stat().st_size))
    # h5py raises errors of many kinds on damaged files.
    except (OSError, KeyError, IndexError, RuntimeError, ValueError, TypeError, AttributeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise FormatError(f"{file}: cannot be read as CGNS ({reason}); write or copy it again") from error


@dataclass
class Tree:
    """The nodes of one file.

    Attributes:
        file: For messages.
        root: The node of all.
        left: Bytes that arrays may still claim: compressed ones may hold far more than the file.
    """

    file: Path
    root: Any
    left: int

    def children(self, node: Any, label: str) -> Iterator[tuple[str, Any]]:
        """The nodes below a node that have a label, with their names."""
        for name in node:
            child = node[name] if not str(name).startswith(" ") else None
            if child is not None and label_of(child) == label:
                yield str(name), child

    def values(self, node: Any) -> NDArray[Any]:
        """The values of a node, in one row.

        Raises:
            FormatError: There are more than a file of this size may hold.
        """
        data = node[" data"]
        claimed = data.size * data.dtype.itemsize
        stored = data.chunks is not None or claimed <= self.file.stat().st_size
        if not stored or claimed > self.left:
            raise FormatError(f"{self.file}: {data.name} claims {claimed} bytes in a file of "
                              f"{self.file.stat().st_size}; write or copy it again")  # fmt: skip
        self.left -= claimed
        return np.asarray(data[...]).ravel()

    def text(self, node: Any, *, strip: bool = True) -> str:
        """The text of a node; none where it has no values."""
        text = self.values(node).astype(np.uint8).tobytes().decode("ascii", "replace") if " data" in node else ""
        return text.strip("\0 ") if strip else text


def label_of(node: Any) -> str:
    """What kind of node this is."""
    label = node.attrs.get("label", b"")
    return (label.decode("ascii", "replace") if isinstance(label, bytes) else str(label)).strip("\0 ")
