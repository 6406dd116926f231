"""What a solver said in a surrogate's place or as its check, kept for the next training; how many checks held."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.ingest.run import CONTRACT_FILE
from tramontane.formats import write_case
from tramontane.io.atomic import cannot, write_json
from tramontane.surrogate.checks import Checked
from tramontane.surrogate.resolved import hash_surface

DOCUMENT = "check.json"
"""In the folder of a kept case: what surrogates had answered."""


@dataclass(frozen=True)
class Tally:
    """How many checks of a surrogate held.

    Attributes:
        checks: Number of designs for which it can be said: the surrogate stated an interval of some QoI.
        held: Of these, how many had all such intervals hold what the solver said.
        qoi: By QoI, how many intervals held, and of how many.
    """

    checks: int = 0
    held: int = 0
    qoi: dict[str, tuple[int, int]] = field(default_factory=dict)


def keep_case(
    solved: Case, folder: str | os.PathLike[str], *, contract: Contract, model: str, checked: Checked | None
) -> Path:
    """Keep a solver's case for the next training, whole, with what the surrogate had answered beside it.

    The folder can be trained on as it is, or be the folder of the surrogate's own cases. A design has one case there,
    named after a hash of it; each surrogate's answer to it stands in its ``check.json`` once.

    Args:
        solved: The solver's case.
        folder: Of cases; made where it is not there, with the solver's contract in it.
        contract: The solver's.
        model: Which surrogate was asked, such as `Surrogate.identity` or the hash of its files.
        checked: What both said; None where the surrogate had no answer.

    Returns:
        The case's folder.

    Raises:
        FileError: The system does not let it be written.
        FormatError: Something of the case cannot be written.
    """
    root = Path(folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not (root / CONTRACT_FILE).exists():
            contract.to_toml(root / CONTRACT_FILE)
        target = root / name_of(solved, contract)
        checks = [] if checked is None else [{"model": model} | checked.document()]
        if not target.exists():
            _write_whole(replace(solved, name=target.name), target, checks)
        elif checks:
            others = [each for each in _checks(target / DOCUMENT) if each.get("model") != model]
            write_json(target / DOCUMENT, {"checks": [*others, *checks]})
    except OSError as error:
        raise cannot("written", error, root) from error
    return target


def name_of(case: Case, contract: Contract) -> str:
    """A name for a case that follows from its design: equal designs have equal ones."""
    given = {name: value for name, value in case.design.parameters.items() if name in contract.parameters}
    values, _ = contract.examine(given, geometry=case.design.geometry is not None)
    content = hashlib.sha256(json.dumps(sorted(values.items())).encode())
    if not any(spec.role == "geometry" for spec in contract.parameters.values()):  # the geometry is the design
        shape = case.design.geometry
        if shape is not None:
            content.update(shape.read_bytes() if isinstance(shape, Path) else hash_surface(shape))
    return f"solved-{content.hexdigest()[:12]}"


def read_tally(folders: Iterable[Path], model: str) -> Tally:
    """Count the checks of a surrogate that are kept in folders of cases.

    Args:
        folders: Those that are not there count nothing.
        model: Which surrogate.
    """
    records = [
        record
        for folder in folders
        if folder.is_dir()
        for file in sorted(folder.glob(f"*/{DOCUMENT}"))
        for record in _checks(file)
        if record.get("model") == model and record.get("held") is not None
    ]
    counts: dict[str, tuple[int, int]] = {}
    for record in records:
        for name, each in record.get("predicted_qoi", {}).items():
            if each.get("held") is not None:
                held, of = counts.get(name, (0, 0))
                counts[name] = held + bool(each["held"]), of + 1
    return Tally(len(records), sum(bool(record["held"]) for record in records), counts)


def _write_whole(case: Case, target: Path, checks: list[dict[str, Any]]) -> None:
    partial = target.with_name(f".{target.name}-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        write_case(case, partial)
        write_json(partial / DOCUMENT, {"checks": checks})
        partial.replace(target)
    except OSError:
        if not target.exists():  # another process kept the same design meanwhile
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@functools.lru_cache(maxsize=100_000)
def _read(file: Path, changed: int) -> tuple[dict[str, Any], ...]:
    """The checks in a file that was last changed then; none of a damaged one."""
    try:
        return tuple(dict(each) for each in json.loads(file.read_text(encoding="utf-8"))["checks"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()


def _checks(file: Path) -> tuple[dict[str, Any], ...]:
    try:
        return _read(file, file.stat().st_mtime_ns)
    except FileNotFoundError:
        return ()
