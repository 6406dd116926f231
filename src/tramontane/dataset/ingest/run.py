"""A folder of results becomes a dataset: each case is read once, examined, and written beside the others.

Cases are staged before a contract is known (it is inferred from all of them), and become the dataset's when the whole
set has been compared. What is staged stays when a run is stopped; the next run takes it up where the files have not
changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Collection as Collection_
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from tramontane.contract import Contract
from tramontane.dataset.audit.consistency import Audit
from tramontane.dataset.audit.facts import CaseFacts, Problem, about, geometry_unit
from tramontane.dataset.audit.report import Reading, Report, inspect_path, print_problems, read_and_examine
from tramontane.dataset.ingest.assumed_units import PLACE as UNITS
from tramontane.dataset.ingest.assumed_units import in_contract
from tramontane.dataset.ingest.inference import ContractInference, contract_facts
from tramontane.dataset.ingest.staging import Progress, Staged, case_geometry, stage_all, staged_folder
from tramontane.dataset.store.case_files import leave_out
from tramontane.dataset.store.dataset import Dataset
from tramontane.dataset.store.splits import make_splits
from tramontane.dataset.store.staged import StagedCase
from tramontane.dataset.store.tolerance import check_tolerance
from tramontane.errors import DatasetError, FileError, FormatError, TramontaneError
from tramontane.formats.collection import open_collection
from tramontane.formats.results import Collection
from tramontane.formats.tables.designs import check_results
from tramontane.io.atomic import write_json
from tramontane.io.locks import claimed
from tramontane.io.processes import FatalError, reason_of
from tramontane.io.tasks import RunTasks
from tramontane.progress import follow

CONTRACT_FILE = "contract.toml"
RECORD = "ingest.json"
_NAMED = 6  # errors of one case
_SHOWN = 20  # cases whose reasons are printed


def ingest(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    contract: Contract | None = None,
    test: int | None = None,
    validation: int | None = None,
    seed: int = 0,
    strict: bool = False,
    workers: int | None = None,
    official: str | None = None,
    tolerance: float | None = None,
    region: str | None = None,
    assume_units: bool = False,
    console: Console | None = None,
    progress: Progress = lambda *_: None,
    run_tasks: RunTasks | None = None,
) -> Dataset:
    """Write the dataset of a folder of results.

    Cases that cannot be used are left out, each named with its reason on the console and in the dataset's
    ``ingest.json``.

    Args:
        source: The folder, in any layout that `open_collection` knows; a ``contract.toml`` in it is obeyed.
        out: Directory of the dataset, which must not exist.
        contract: Obeyed instead; None and no file infers one from the cases.
        test: Number of cases held out for `evaluate`; None takes the layout's own split, else about 18 %.
        validation: Number held out to watch training; None takes the layout's own, else about 10 %.
        seed: Of the split.
        strict: Whether a single bad case is an error.
        workers: Processes that read cases; 0 reads in this one. None takes one for each core when there is much to
            read. Each case has an hour and its share of the machine's memory.
        official: Which of a published data set's own splits, where it has several; None takes the main ones.
        tolerance: Fields are stored to this share of their root mean square in each case; None stores them as they are.
        region: Which one of several that OpenFOAM's cases have.
        assume_units: Whether units that follow from names alone are right; else the dataset remembers them, and
            training asks for them to be confirmed.
        console: Where progress and findings are shown.
        progress: Told how far it is.
        run_tasks: Has others read the cases, such as `tramontane.farm.connect` of a cluster, with `working_folder` for
            its folder; ``source`` and ``out`` are then absolute paths that its machines see.

    Returns:
        The dataset, with splits ``train``, ``validation`` and ``test``.

    Raises:
        TramontaneError: No case can be used, or ``strict`` and one cannot: file, field and cure are named, and no
            dataset is written.
    """
    check_tolerance(tolerance)
    root, target = Path(source), Path(out)
    if target.exists():
        raise DatasetError(f"{target}: exists; remove it or choose another directory with -o")
    collection = open_collection(root, splits=official, region=region)
    for note in collection.notes:
        _say(console, note)
    if contract is None and (root / CONTRACT_FILE).is_file():
        contract = Contract.from_toml(root / CONTRACT_FILE)
    if contract is None:
        check_results(collection)
    work = working_folder(target)
    with _claimed(work, target):
        staged, audit = stage_all(collection, contract, work, workers, console, tolerance, progress, run_tasks)
        left_out = _reasons(collection, audit)
        good = [source.name for source in collection.sources if source.name not in left_out]
        _say_left_out(
            console,
            [about(name, reason) for name, reason in left_out.items()],
            f"{target / RECORD} names all" if len(left_out) < len(collection.sources) and not strict else "",
        )
        warnings = [problem for problem in audit.problems if problem.severity == "warning"
                    and not (assume_units and problem.place == UNITS)]  # fmt: skip
        if console is not None and warnings:
            print_problems(warnings, console)
        if left_out and (strict or not good):
            first = next(iter(left_out.values()))
            others = "`tramontane inspect` lists them" if console is None else "they are named above"
            more = f" (and {len(left_out) - 1} more; {others})" if len(left_out) > 1 else ""
            raise DatasetError(f"{first}{more}")
        if contract is None:
            contract = _inferred(root, collection, [staged[name] for name in good], audit)
            for name in good:
                entry = leave_out(staged_folder(work, name), staged[name].entry, audit.rare)
                staged[name] = replace(staged[name], entry=entry)
        if not contract.asked(geometry=False) and len(good) > 1:
            reason = "the parameters are the same in all cases" if contract.parameters else "no case states a parameter"
            advice = (
                f"{reason}; if more than the geometry differs between them (a load, a speed), state it in each case's "
                "JSON or in a CSV beside the cases, and ingest again"
            )
            _say(console, advice, "yellow")
        progress("writing", 0, len(good))
        assumed = in_contract(audit.assumed, contract)
        dataset = Dataset.create(
            work / "dataset", contract.in_si(), tolerance=tolerance, assumed_units={} if assume_units else assumed
        )
        dataset.register(*(StagedCase(name, staged_folder(work, name), staged[name].entry) for name in good))
        dataset.set_splits(_splits(collection, good, audit, test=test, validation=validation, seed=seed))
        record = {"layout": collection.layout, "cases": len(good), "left_out": left_out,
                  "warnings": [str(problem) for problem in warnings], "assumed_units": assumed,
                  "units_confirmed": assume_units or not assumed}  # fmt: skip
        write_json(work / "dataset" / RECORD, record)
        (work / "dataset").replace(target)
        progress("writing", len(good), len(good))
    return Dataset.open(target)


def working_folder(out: str | os.PathLike[str]) -> Path:
    """Where an ingest keeps what it has read until the dataset is whole, beside it."""
    return Path(out).with_name(f".{Path(out).name}.partial")


@dataclass(frozen=True)
class Survey:
    """What a folder of results holds, before it is ingested.

    Attributes:
        contract: The one in the folder, else what its good cases have in common.
        cases: How many can be used.
        left_out: Why each of the others cannot.
        problems: Everything that looks wrong, errors and warnings.
    """

    contract: Contract
    cases: int
    left_out: dict[str, str]
    problems: list[Problem]


def survey(
    source: str | os.PathLike[str], work: str | os.PathLike[str], *, contract: Contract | None = None,
    workers: int | None = None, progress: Progress = lambda *_: None,
) -> Survey:  # fmt: skip
    """Read a folder of results as `ingest` would, without writing a dataset.

    Args:
        source: The folder.
        work: A directory for what is read meanwhile; it is removed.
        contract: Obeyed; None takes the one in the folder, else one is inferred.
        workers: As for `ingest`.
        progress: Told how far it is.

    Raises:
        TramontaneError: No case can be used; the first reason is given.
    """
    root = Path(source)
    collection = open_collection(root)
    if contract is None and (root / CONTRACT_FILE).is_file():
        contract = Contract.from_toml(root / CONTRACT_FILE)
    try:
        staged, audit = stage_all(collection, contract, Path(work), workers, None, progress=progress)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    left_out = _reasons(collection, audit)
    good = [each.name for each in collection.sources if each.name not in left_out]
    if not good:
        raise DatasetError(f"no case can be used; {next(iter(left_out.values()), 'there is none')}")
    if contract is None:
        contract = _inferred(root, collection, [staged[name] for name in good], audit)
    return Survey(contract, len(good), left_out, audit.problems)


def _inferred(root: Path, collection: Collection, good: Sequence[Staged], audit: Audit) -> Contract:
    """What good cases have in common."""
    inference = ContractInference(_name_of(root))
    for each in good:
        inference.add(_without(audit.rare, each.facts), each.more)
    return inference.contract().model_copy(update={"length_unit": collection.length_unit})


def infer_contract(
    source: str | os.PathLike[str], *, region: str | None = None, console: Console | None = None
) -> Contract:
    """The contract that a folder's cases have in common, for a person to edit; cases that cannot be read are named."""
    collection = open_collection(source, region=region)
    common = _InCommon(Path(source))
    for each in follow(collection.sources, "reading", len(collection.sources), console):
        common.add(collection, read_and_examine(each, collection))
    return common.contract(console)


def inspect_and_infer(
    path: str | os.PathLike[str], *, region: str | None = None, console: Console | None = None
) -> tuple[Report, Callable[[], Contract]]:
    """What `inspect_path` reports of a path, and what gives the contract of `infer_contract`; each case is read once.

    Where the report obeys a ``contract.toml`` in the folder, the cases are read again, as they are without it.
    """
    common = _InCommon(Path(path))
    report = inspect_path(path, region=region, console=console, watch=common.add)
    if common.length_unit is None:
        return report, lambda: infer_contract(path, region=region, console=console)
    return report, lambda: common.contract(console)


class _InCommon:
    """What the cases of a folder have in common, as they are read.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.inference = ContractInference(_name_of(root))
        self.length_unit: str | None = None
        self.units: set[str] = set()
        self.failed: list[str] = []
        self.count = 0

    def add(self, collection: Collection, reading: Reading) -> None:
        """Take a case into account that was read without a contract, or that it could not be read."""
        self.length_unit = collection.length_unit
        if isinstance(reading, list):
            self.failed.append(reading[0].message)
            return
        case, facts = reading
        try:
            self.inference.add(facts, contract_facts(case, case_geometry(case, collection.length_unit)))
            if isinstance(case.design.geometry, Path):
                self.units.add(geometry_unit(case, collection.length_unit))
            self.count += 1
        except TramontaneError as error:
            self.failed.append(str(error))
        except Exception as error:  # whatever goes wrong with a case, it costs that case
            self.failed.append(f"case {case.name}: cannot be read ({reason_of(error)}); report it")

    def contract(self, console: Console | None) -> Contract:
        """The contract; cases that were left out are named."""
        _say_left_out(console, self.failed, "")
        if self.failed and not self.count:
            raise FormatError(self.failed[0])
        unit = self.units.pop() if len(self.units) == 1 else self.length_unit
        return self.inference.contract().model_copy(update={"length_unit": unit})


def _say_left_out(console: Console | None, reasons: Sequence[str], full_list: str) -> None:
    """Why cases were left out, of many the first."""
    for reason in reasons[:_SHOWN]:
        _say(console, f"left out: {reason}", "red")
    if len(reasons) > _SHOWN:
        _say(console, f"left out: ... and {len(reasons) - _SHOWN} more{f'; {full_list}' if full_list else ''}", "red")


def _name_of(root: Path) -> str:
    return root.stem if root.is_file() else root.resolve().name


def _reasons(collection: Collection, audit: Audit) -> dict[str, str]:
    """All errors of each case that has any."""
    reasons: dict[str, str] = {}
    for source in collection.sources:
        messages = [problem.message for problem in audit.problems
                if problem.case == source.name and problem.severity == "error"]  # fmt: skip
        if messages:
            more = f"; and {len(messages) - _NAMED} more errors" if len(messages) > _NAMED else ""
            reasons[source.name] = "; ".join(messages[:_NAMED]) + more
    return reasons


def _without(names: Collection_[str], facts: CaseFacts) -> CaseFacts:
    """The facts of a case, less some parameters and QoIs."""
    kept: dict[str, Any] = {kind: {name: value for name, value in getattr(facts, kind).items() if name not in names}
            for kind in ("parameters", "qoi", "qoi_units")}  # fmt: skip
    return replace(facts, **kept)


# -- the set -----------------------------------------------------------------------------------------------------------


def _splits(
    collection: Collection, good: list[str], audit: Audit, *, test: int | None, validation: int | None, seed: int
) -> dict[str, list[str]]:
    """The layout's own splits unless counts were asked for; duplicates stay together in ours."""
    if collection.splits and test is None and validation is None:
        return {
            split: [name for name in collection.splits.get(split, ()) if name in good]
            for split in ("train", "validation", "test")
        }
    test = round(0.18 * len(good)) if test is None else test
    validation = round(0.1 * len(good)) if validation is None else validation
    kept = set(good)
    groups = [[name for name in group if name in kept] for group in audit.duplicate_groups()]
    return make_splits(good, test=test, validation=validation, seed=seed, groups=groups)


@contextlib.contextmanager
def _claimed(work: Path, target: Path) -> Iterator[None]:
    """The working directory for this run alone; what an earlier run had half moved is put back.

    It stays only where the run was stopped, or the disk or the machine failed: what was read is then taken up by the
    next run. Any other error says what to do, and doing it starts anew.
    """
    with claimed(work / ".lock", target, kind=DatasetError):
        moved = work / "dataset" / "cases"
        for folder in moved.iterdir() if moved.is_dir() else ():
            (work / "staged").mkdir(exist_ok=True)
            folder.replace(work / "staged" / folder.name)
        shutil.rmtree(work / "dataset", ignore_errors=True)
        try:
            yield
        except (OSError, FileError):  # the disk is full, say: what is staged is taken up again
            raise
        except Exception as error:
            if isinstance(error.__cause__, FatalError):
                kept = f"{error}; what has been read is kept in {work} for the next run"
                raise DatasetError(kept) from error.__cause__
            shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work)


def _say(console: Console | None, text: str, style: str | None = None) -> None:
    if console is not None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
