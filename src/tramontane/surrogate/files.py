"""A saved surrogate: one self-contained directory, every file hashed, no pickle anywhere."""

from __future__ import annotations

import json
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tramontane.design import file_sha256
from tramontane.errors import SurrogateError

FORMAT_VERSION = 7
MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"


def write_surrogate(path: Path, *, tensors: dict[str, Tensor], documents: dict[str, Any], licence: str) -> None:
    """Write a surrogate's directory whole or not at all.

    Args:
        path: The directory; an earlier surrogate there is replaced, anything else is refused.
        tensors: Weights and other arrays by name.
        documents: JSON documents by file name without ``.json``.
        licence: Under which the weights may be used; the user's to say.

    Raises:
        SurrogateError: Something that is no surrogate stands at ``path``.
    """
    if path.exists() and not (path / MANIFEST).exists():
        raise SurrogateError(f"{path}: exists and is no saved surrogate; choose another directory with -o")
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, temporary / WEIGHTS)
    for name, document in documents.items():
        (temporary / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    manifest = {
        "format": "tramontane surrogate",
        "format_version": FORMAT_VERSION,
        "licence": licence,
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("tramontane", "torch", "numpy", "safetensors")},
        "sha256": {file.name: file_sha256(file) for file in sorted(temporary.iterdir())},
    }
    (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    # safetensors writes a file that its owner alone can read; a server often runs as another user.
    shutil.copymode(temporary / MANIFEST, temporary / WEIGHTS)
    put_in_place(temporary, path)


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a finished directory; one that stands there is replaced, or stays where it cannot be."""
    if path.exists():
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        path.replace(old)
        try:
            temporary.replace(path)
        except OSError:
            old.replace(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.replace(path)


def may_not_be_read(file: Path) -> SurrogateError:
    """The error for a surrogate's file that the program's user has no right to read."""
    return SurrogateError(f"{file}: may not be read by the user that this program runs as; allow it, for example "
                          f"with `chmod -R a+rX {file.parent}`")  # fmt: skip


def read_surrogate(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Arrays and JSON documents of a saved surrogate, every file checked against its hash.

    Raises:
        SurrogateError: Not a surrogate, of a newer format version, or a file is missing, changed or not to be read.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SurrogateError(f"{path}: is no saved surrogate ({MANIFEST} is missing); name the directory "
                             "that `tramontane train -o` wrote") from None  # fmt: skip
    except PermissionError:
        raise may_not_be_read(path / MANIFEST) from None
    except (OSError, ValueError) as error:
        raise SurrogateError(f"{path / MANIFEST}: cannot be read ({error}); copy the directory again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != "tramontane surrogate":
        raise SurrogateError(f"{path / MANIFEST}: is not a surrogate's manifest; name the directory of a surrogate")
    found = manifest.get("format_version")
    if not isinstance(found, int) or found > FORMAT_VERSION:
        raise SurrogateError(
            f"{path}: has format version {found}, this program reads up to {FORMAT_VERSION}; upgrade tramontane"
        )
    if found < FORMAT_VERSION:
        raise SurrogateError(f"{path}: has format version {found}, which this program no longer reads; train it anew")
    hashes = manifest.get("sha256", {})
    for name in hashes:
        file = path / Path(name).name
        if not file.is_file():
            raise SurrogateError(f"{file}: is missing; copy the directory again")
        try:
            found_hash = file_sha256(file)
        except PermissionError:
            raise may_not_be_read(file) from None
        if found_hash != hashes[name]:
            raise SurrogateError(f"{file}: has changed since it was saved; copy the directory again or retrain")
    if WEIGHTS not in hashes:
        raise SurrogateError(f"{path / MANIFEST}: does not list {WEIGHTS}; copy the directory again")
    try:
        tensors = load_file(path / WEIGHTS)
        documents = {
            name.removesuffix(".json"): json.loads((path / name).read_text(encoding="utf-8"))
            for name in hashes
            if name.endswith(".json")
        }
    except (SafetensorError, ValueError, OSError) as error:
        raise SurrogateError(f"{path}: cannot be read ({error}); copy the directory again") from error
    return tensors, documents | {"manifest": manifest}
