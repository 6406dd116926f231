"""Arrays in files of NumPy and PyTorch, read within the bound of memory that holds for all readers."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.isolation.isolated import memory_for


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a ``.npy``, ``.npz``, ``.pt`` or ``.pth`` file by name; the only one of the first has none.

    Nothing that could run code (a pickle) is read.

    Raises:
        FormatError: Damaged, or it claims more than a file of its size may hold.
    """
    try:
        _check_claims(file)
        if file.suffix.lower() in (".pt", ".pth"):
            import torch

            loaded = torch.load(file, map_location="cpu", weights_only=True)
            loaded = loaded if isinstance(loaded, Mapping) else {"": loaded}
            return {str(name): np.asarray(value) for name, value in loaded.items() if isinstance(value, torch.Tensor)}
        read = np.load(file, allow_pickle=False)
        if isinstance(read, np.ndarray):
            return {"": read}
        with read:
            return {name: np.asarray(read[name]) for name in read.files}
    except FormatError:
        raise
    except Exception as error:  # torch and zipfile raise errors of many kinds on damaged files
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise FormatError(f"{file}: cannot be read ({reason}); write or copy it again") from error


def _check_claims(file: Path) -> None:
    """The sizes that headers state, before anything of these sizes is asked for."""
    size = file.stat().st_size
    if file.suffix.lower() == ".npy":
        with file.open("rb") as stream:
            _check_array(file, stream, size)
        return
    if not zipfile.is_zipfile(file):
        return  # its reader says what is wrong
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if (claimed := sum(member.file_size for member in members)) > memory_for(size):
            raise FormatError(f"{file}: unpacks to {claimed} bytes from {size}; write or copy it again")
        for member in members:
            if member.filename.endswith(".npy"):
                with archive.open(member) as stream:
                    _check_array(file, stream, member.file_size)


def _check_array(file: Path, stream: IO[bytes], size: int) -> None:
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = header(stream)
    if (claimed := math.prod(shape) * kind.itemsize) > size:
        raise FormatError(f"{file}: is cut off or damaged (an array of {claimed} bytes in {size}); "
                          "write or copy it again")  # fmt: skip
