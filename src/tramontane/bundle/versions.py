"""Versions of a model: ``models/bracket@1``, ``@2`` and so on beside ``models/bracket``, the promoted one.

Each is a whole saved surrogate that can be used like any other. The promoted version stands a second time under the
plain name (its files are hard links where the system has these), so that whatever takes a model takes it there. Which
one it is follows from its manifest; what is on record of all of them stands in ``models/bracket.versions.json``.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tramontane.bundle.history import History, Promotion, Version, now
from tramontane.errors import SurrogateError
from tramontane.io.atomic import cannot
from tramontane.io.hashes import file_sha256
from tramontane.io.locks import claimed
from tramontane.surrogate.files import MANIFEST, check_place
from tramontane.surrogate.in_place import put_in_place
from tramontane.surrogate.surrogate import Surrogate

_VERSION = re.compile(r"(?P<name>.+)@(?P<number>[1-9]\d{0,8})")


def split_name(name: str) -> tuple[str, int | None]:
    """``bracket@3`` as ``bracket`` and 3; None where the name has no version."""
    found = _VERSION.fullmatch(name)
    return (name, None) if found is None else (found["name"], int(found["number"]))


def version_path(model: Path, number: int) -> Path:
    """The directory of a version of a model."""
    return model.with_name(f"{model.name}@{number}")


def history_file(model: Path) -> Path:
    """The file of what is on record of a model's versions."""
    return model.with_name(f"{model.name}.versions.json")


def plain(model: Path) -> Path:
    """A model's path, which must not name a version.

    Raises:
        SurrogateError: It does.
    """
    name, number = split_name(model.name)
    if number is not None:
        raise SurrogateError(f"{model}: names version {number}; name the model, {model.with_name(name)}")
    return model


def history_of(model: Path) -> History:
    """What is on record of a model's versions; empty where it has none.

    Raises:
        SurrogateError: The record is damaged, or the path names a version.
    """
    return History.read(history_file(plain(model)))


def hash_of(model: Path) -> str | None:
    """SHA-256 of a saved surrogate's manifest, which holds the hashes of all its files; None where there is none."""
    manifest = model / MANIFEST
    return file_sha256(manifest) if manifest.is_file() else None


def promoted_version(model: Path, history: History) -> int | None:
    """The number of the version that stands under the plain name; None where that is none on record."""
    standing = hash_of(model)
    same = [version for version in history.versions if version.hash == standing]
    return max(same, key=lambda version: (version.promotions[-1].time if version.promotions else "", version.number)
               ).number if same else None  # fmt: skip


@contextlib.contextmanager
def changing(model: Path) -> Iterator[History]:
    """The record of a model's versions, to be changed; it is written when the block has ended well.

    Raises:
        TramontaneError: Another run changes it.
    """
    file = history_file(plain(model))
    with claimed(file.with_name(f".{file.name}.lock"), file):
        history = History.read(file)
        yield history
        history.save(file)


def adopt(model: Path) -> int | None:
    """Record the model under the plain name as a version, where it is none yet; give the number of the promoted one.

    Raises:
        SurrogateError: Something that is no surrogate stands there.
    """
    check_place(model)
    known = promoted_version(model, history_of(model))
    if known is not None or hash_of(model) is None:
        return known
    with changing(model) as history:
        number = next_number(history)
        surrogate = Surrogate.load(model)
        _place(model, version_path(model, number))
        history.versions.append(record_of(model, number, surrogate, reason="stood under the plain name"))
        history.versions[-1].promotions.append(Promotion(time=now(), reason="stood under the plain name"))
        return number


def promote(model: Path, number: int, reason: str) -> Version:
    """Let a version stand under the plain name, from one moment to the next; it is on record with the reason.

    A model that stands there and is no version yet becomes one first.

    Raises:
        SurrogateError: There is no such version, or its directory is gone or is not what was recorded.
    """
    history_of(model).find(number, model)
    adopt(model)
    with changing(model) as history:
        version, source = history.find(number, model), version_path(model, number)
        if hash_of(source) != version.hash:
            raise SurrogateError(f"{source}: is not there, or is not the version that was recorded; restore it")
        Surrogate.load(source)  # whole
        _place(source, model)
        version.promotions.append(Promotion(time=now(), reason=reason))
        return version


def next_number(history: History) -> int:
    """Of the version after all on record."""
    return max((version.number for version in history.versions), default=0) + 1


def record_of(model: Path, number: int, surrogate: Surrogate, *, reason: str = "") -> Version:
    """What is on record of a version that stands in its directory, before it is compared with others."""
    data, path = surrogate.record.data, version_path(model, number)
    identity = hash_of(path)
    if identity is None:
        raise SurrogateError(f"{path}: is not there; save the surrogate first")
    cases = dict.fromkeys(data.train, "") if data.hashes is None else dict(data.hashes)
    return Version(
        number=number, hash=identity, model=surrogate.model, fingerprint=data.fingerprint, cases=cases, reason=reason
    )


def _place(source: Path, target: Path) -> None:
    """Let a copy of a directory stand elsewhere, whole or not at all."""
    temporary = target.with_name(f".{target.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        shutil.copytree(source, temporary, copy_function=_link)
        put_in_place(temporary, target)
    except OSError as error:
        raise cannot("written", error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
