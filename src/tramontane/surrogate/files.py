"""A saved surrogate: one self-contained directory, every file hashed, no pickle anywhere."""

from __future__ import annotations

import json
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tramontane.errors import SurrogateError
from tramontane.io.atomic import cannot
from tramontane.io.hashes import file_sha256
from tramontane.surrogate.in_place import put_in_place, read_whole
from tramontane.surrogate.saved_documents import may_not_be_read, read_document, to_text
from tramontane.training.checkpoint import write_tensors

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
        FileError: The system does not let it be written; what stood there stays.
    """
    check_place(path)
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        _write(temporary, tensors, documents, licence, path)
        put_in_place(temporary, path)
    except OSError as error:
        raise cannot("written", error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_place(path: Path) -> None:
    """Raise where something stands that a surrogate must not replace.

    Raises:
        SurrogateError: Something that is no surrogate does.
    """
    if path.exists() and not (path / MANIFEST).exists():
        raise SurrogateError(f"{path}: exists and is no saved surrogate; choose another directory with -o")


def _write(temporary: Path, tensors: dict[str, Tensor], documents: dict[str, Any], licence: str, path: Path) -> None:
    temporary.mkdir(parents=True)
    write_tensors(temporary / WEIGHTS, tensors, target=path)
    for name, document in documents.items():
        (temporary / f"{name}.json").write_text(to_text(name, document), encoding="utf-8")
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


def read_surrogate(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Arrays and JSON documents of a saved surrogate, every file checked against its hash.

    A surrogate that is replaced while it is read is read again.

    Raises:
        SurrogateError: Not a surrogate, of a newer format version, or a file is missing, changed or not to be read.
    """
    return read_whole(path, _read)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        manifest = read_document(path / MANIFEST) if (path / MANIFEST).exists() else None
    except PermissionError:  # of the folder
        raise may_not_be_read(path / MANIFEST) from None
    if manifest is None:
        raise SurrogateError(f"{path}: is no saved surrogate ({MANIFEST} is missing); name the directory "
                             "that `tramontane train -o` wrote")  # fmt: skip
    if not isinstance(manifest, dict) or manifest.get("format") != "tramontane surrogate":
        raise SurrogateError(f"{path / MANIFEST}: is not a surrogate's manifest; name the directory of a surrogate")
    version = manifest.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise SurrogateError(
            f"{path}: has format version {str(version)[:40]}, this program reads up to {FORMAT_VERSION}; upgrade "
            "tramontane"
        )
    if version < FORMAT_VERSION:
        raise SurrogateError(f"{path}: has format version {version}, which this program no longer reads; train it anew")
    hashes = manifest.get("sha256", {})
    if not isinstance(hashes, dict):
        raise SurrogateError(f"{path / MANIFEST}: does not list the files' hashes; copy the directory again")
    for name in hashes:
        file = path / Path(name).name
        if not file.is_file():
            raise SurrogateError(f"{file}: is missing; copy the directory again")
        try:
            found_hash = file_sha256(file)
        except PermissionError:
            raise may_not_be_read(file) from None
        except OSError as error:
            raise SurrogateError(f"{file}: cannot be read ({error}); copy the directory again") from error
        if found_hash != hashes[name]:
            raise SurrogateError(f"{file}: has changed since it was saved; copy the directory again or retrain")
    if WEIGHTS not in hashes:
        raise SurrogateError(f"{path / MANIFEST}: does not list {WEIGHTS}; copy the directory again")
    try:
        tensors = load_file(path / WEIGHTS)
    except (SafetensorError, ValueError, OSError, MemoryError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SurrogateError(f"{path / WEIGHTS}: cannot be read ({reason}); copy the directory again") from error
    documents = {
        name.removesuffix(".json"): read_document(path / Path(name).name) for name in hashes if name.endswith(".json")
    }
    return tensors, documents | {"manifest": manifest}
