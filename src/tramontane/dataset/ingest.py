"""A folder of results becomes a dataset: each case is read once, examined, and written beside the others.

Cases are staged before a contract is known (it is inferred from all of them), and become the dataset's when the whole
set has been compared. What is staged stays when a run is stopped; the next run takes it up where the files have not
changed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Collection as Collection_
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyvista as pv
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import track

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.audit import print_problems, read_and_examine
from tramontane.dataset.case_files import folder_name, leave_out, read_case, read_record, write_case
from tramontane.dataset.case_qoi import measure_qoi
from tramontane.dataset.chunks import CaseArrays
from tramontane.dataset.consistency import Audit
from tramontane.dataset.facts import CaseFacts, Problem, examine, geometry_unit
from tramontane.dataset.files import LocalFiles
from tramontane.dataset.inference import ContractInference, Seen, look
from tramontane.dataset.manifest import FORMAT_VERSION, CaseEntry
from tramontane.dataset.missing import missing_cases
from tramontane.dataset.sites import KnownSites
from tramontane.dataset.splits import make_splits
from tramontane.dataset.store import Dataset, StagedCase
from tramontane.dataset.tolerance import check_tolerance, rounded_case
from tramontane.errors import DatasetError, TramontaneError
from tramontane.formats.assemble import assemble
from tramontane.formats.collection import open_collection
from tramontane.formats.designs import check_results
from tramontane.formats.geometry import read_geometry
from tramontane.formats.results import CaseSource, Collection
from tramontane.processes import FatalError, Outcome, reason_of, run_each

CONTRACT_FILE = "contract.toml"
RECORD = "ingest.json"
_MANY_BYTES = 256 * 2**20  # of sources from which processes of their own pay
_CASE_SECONDS = 3600.0
_NAMED = 6  # errors of one case
_MEMORY_SHARE = 0.8  # of the machine's, for all processes together


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
    console: Console | None = None,
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
        console: Where progress and findings are shown.

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
    collection = open_collection(root, splits=official)
    for note in collection.notes:
        _say(console, note)
    if contract is None and (root / CONTRACT_FILE).is_file():
        contract = Contract.from_toml(root / CONTRACT_FILE)
    if contract is None:
        check_results(collection)
    work = target.with_name(f".{target.name}.partial")
    with _claimed(work, target):
        staged, found = _stage_all(collection, contract, work, workers, console, tolerance)
        left_out = _reasons(collection, found)
        good = [source.name for source in collection.sources if source.name not in left_out]
        for name, reason in left_out.items():
            _say(console, f"left out: case {name}: {reason}", "red")
        warnings = [problem for problem in found.problems if problem.severity == "warning"]
        if console is not None and warnings:
            print_problems(warnings, console)
        if left_out and (strict or not good):
            first = next(iter(left_out.values()))
            more = f" (and {len(left_out) - 1} more; `tramontane inspect` lists them)" if len(left_out) > 1 else ""
            raise DatasetError(f"{first}{more}")
        if contract is None:
            inference = ContractInference(_name_of(root))
            for name in good:
                inference.take(_without(found.rare, staged[name].seen))
                entry = leave_out(_staging(work, name), staged[name].entry, found.rare)
                staged[name] = replace(staged[name], entry=entry)
            contract = inference.contract().model_copy(update={"length_unit": collection.length_unit})
        dataset = Dataset.create(work / "dataset", contract.in_si(), tolerance=tolerance)
        dataset.register(*(StagedCase(name, _staging(work, name), staged[name].entry) for name in good))
        dataset.set_splits(_splits(collection, good, found, test=test, validation=validation, seed=seed))
        record = {"layout": collection.layout, "cases": len(good), "left_out": left_out,
                  "warnings": [str(problem) for problem in warnings]}  # fmt: skip
        (work / "dataset" / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (work / "dataset").replace(target)
    return Dataset.open(target)


def case_geometry(case: Case, length_unit: str = "m") -> pv.PolyData | None:
    """The closed triangle surface of a case: its geometry, else its surface mesh, else its volume's outer surface.

    None for a case that is only numbers, and for one of particles.

    Raises:
        GeometryError: What there is cannot serve.
    """
    geometry = case.design.geometry
    if geometry is not None:
        return read_geometry(geometry, length_unit=geometry_unit(case, length_unit)).mesh
    surfaces = {name: mesh for name, mesh in case.meshes.items() if isinstance(mesh, pv.PolyData) and mesh.n_cells}
    volumes = [mesh for mesh in case.meshes.values() if not isinstance(mesh, pv.PolyData)]
    meshes = [surfaces.get("surface"), *surfaces.values(), *volumes]
    mesh = next((mesh for mesh in meshes if mesh is not None), None)
    if mesh is None or (isinstance(mesh, pv.PolyData) and mesh.n_verts == mesh.n_cells):
        return None
    return read_geometry(_outer_surface(mesh)).mesh


def _outer_surface(mesh: pv.DataSet) -> pv.PolyData:
    """The faces that belong to one cell alone, without fields: those of a large volume would be copied."""
    bare = type(mesh)()
    bare.CopyStructure(mesh)
    return bare.extract_surface(algorithm="geometry", pass_pointid=False, pass_cellid=False)


def infer_contract(source: str | os.PathLike[str], *, console: Console | None = None) -> Contract:
    """The contract that a folder's cases have in common, for a person to edit; cases that cannot be read are named."""
    root, inference = Path(source), ContractInference(_name_of(Path(source)))
    collection = open_collection(root)
    failed: list[TramontaneError] = []
    units: set[str] = set()
    for each in track(
        collection.sources, description="reading", console=console, transient=True, disable=console is None
    ):
        try:
            case = read_source(each, collection, None)
            inference.add(case, case_geometry(case, collection.length_unit))
            if isinstance(case.design.geometry, Path):
                units.add(geometry_unit(case, collection.length_unit))
        except TramontaneError as error:
            failed.append(error)
            _say(console, f"left out: {error}", "red")
    if len(failed) == len(collection.sources) and failed:
        raise failed[0]
    unit = units.pop() if len(units) == 1 else collection.length_unit
    return inference.contract().model_copy(update={"length_unit": unit})


def _name_of(root: Path) -> str:
    return root.stem if root.is_file() else root.resolve().name


def read_source(source: CaseSource, collection: Collection, contract: Contract | None) -> Case:
    """One case of a collection, in SI and under a contract."""
    return assemble(
        source.name,
        source.path,
        source.read(),
        contract=contract,
        row=collection.table.get(source.name),
        length_unit=collection.length_unit,
    )


# -- staging -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Staged:
    """What the process that read a case tells of it."""

    entry: CaseEntry
    facts: CaseFacts
    seen: Seen


@dataclass(frozen=True)
class _Job:
    """What a process needs to stage cases."""

    work: Path
    collection: Collection
    contract: Contract | None
    tolerance: float | None = None

    @property
    def length_unit(self) -> str:
        return self.contract.length_unit if self.contract else self.collection.length_unit


def _stage_all(
    collection: Collection,
    contract: Contract | None,
    work: Path,
    workers: int | None,
    console: Console | None,
    tolerance: float | None = None,
) -> tuple[dict[str, _Staged], Audit]:
    """Read and stage every case; what was staged, and what is in it and wrong with it and the others."""
    bare = Collection(
        collection.root, collection.layout, [], table=collection.table, length_unit=collection.length_unit
    )
    job = _Job(work, bare, contract, tolerance)
    count = _worker_count(collection) if workers is None else workers
    staged: dict[str, _Staged] = {}
    failed: dict[str, list[Problem]] = {}
    outcomes = _outcomes(job, list(collection.sources), count)
    for outcome in track(outcomes, "reading", len(collection.sources), console=console, transient=True,
                         disable=console is None):  # fmt: skip
        name = outcome.task.name
        if isinstance(outcome.answer, _Staged):
            staged[name] = outcome.answer
        elif outcome.answer is not None:
            failed[name] = outcome.answer
        else:
            reason = outcome.reason or "no reason is known"
            named = str(outcome.task.path) in reason or name in reason
            failed[name] = [Problem("error", name, "files", reason if named else f"{outcome.task.path}: {reason}")]
    found = Audit(job.length_unit)
    for source in collection.sources:  # in their own order, whichever process was first
        if source.name in staged:
            found.take(staged[source.name].facts)
    for source in collection.sources:
        found.problems += failed.get(source.name, [])
    found.compare(contract)
    found.problems += missing_cases(collection, found.bad_cases())
    return staged, found


def _reasons(collection: Collection, found: Audit) -> dict[str, str]:
    """All errors of each case that has any."""
    reasons: dict[str, str] = {}
    for source in collection.sources:
        said = [problem.message for problem in found.problems
                if problem.case == source.name and problem.severity == "error"]  # fmt: skip
        if said:
            more = f"; and {len(said) - _NAMED} more errors" if len(said) > _NAMED else ""
            reasons[source.name] = "; ".join(said[:_NAMED]) + more
    return reasons


def _without(names: Collection_[str], seen: Seen) -> Seen:
    """What was seen of a case, less some parameters and QoIs."""
    kept: dict[str, Any] = {kind: {name: value for name, value in getattr(seen, kind).items() if name not in names}
            for kind in ("parameters", "qoi", "qoi_units")}  # fmt: skip
    return replace(seen, **kept)


def _outcomes(
    job: _Job, sources: list[CaseSource], workers: int
) -> Iterator[Outcome[CaseSource, _Staged | list[Problem]]]:
    if workers:
        memory = int(_MEMORY_SHARE * _machine_memory() / workers) or None
        try:
            yield from run_each(_stage, sources, workers=workers, prepare=functools.partial(_same, job),
                                memory=memory, seconds=_CASE_SECONDS)  # fmt: skip
        except FatalError as error:
            raise DatasetError(str(error)) from error
        return
    for source in sources:
        try:
            yield Outcome(source, _stage(job, source), None)
        except TramontaneError as error:
            if isinstance(error, FatalError):
                raise DatasetError(str(error)) from error
            yield Outcome(source, None, reason_of(error))


def _same(job: _Job) -> _Job:
    return job


def _stage(job: _Job, source: CaseSource) -> _Staged | list[Problem]:
    """Read a case and write it below ``staged``, or take up what an earlier run wrote there.

    Where it cannot be read, the errors that say why.
    """
    folder = _staging(job.work, source.name)
    stamp_file = folder.with_suffix(".json")
    stamp = _stamp(job, source)
    before = _staged_before(stamp_file, stamp)
    if before is not None:
        entry, problems = before
        with contextlib.suppress(TramontaneError):
            files = LocalFiles(folder)
            record = read_record(files, entry)
            case = read_case(record, CaseArrays(files, record.arrays, f"case {source.name}"))
            geometry = case.design.geometry
            assert geometry is None or isinstance(geometry, pv.PolyData)
            # What was wrong with the files, the stored case may no longer show.
            return _Staged(entry, replace(examine(case), problems=problems), look(case, geometry))
    read = read_and_examine(source, job.collection, contract=job.contract)
    if isinstance(read, list):
        return read
    case, facts = read
    geometry = case_geometry(case, job.length_unit)
    if job.contract is not None:
        measure_qoi(case, job.contract, geometry)
    if job.tolerance is not None:
        case = rounded_case(case, job.tolerance)
    sites_of = KnownSites()
    seen = look(case, geometry, sites_of)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        contract = job.contract.in_si() if job.contract else None
        entry = write_case(folder, case, geometry, contract, sites_of=sites_of)
        temporary = stamp_file.with_suffix(".tmp")
        told = {"stamp": stamp, "entry": entry.model_dump(mode="json"), "problems": [vars(p) for p in facts.problems]}
        temporary.write_text(json.dumps(told), encoding="utf-8")
        temporary.replace(stamp_file)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise FatalError(f"{folder}: cannot be written ({error}); see to the disk and ingest again") from error
    return _Staged(entry, facts, seen)


def _staging(work: Path, name: str) -> Path:
    return work / "staged" / folder_name(name)


def _staged_before(stamp_file: Path, stamp: str) -> tuple[CaseEntry, tuple[Problem, ...]] | None:
    try:
        told = json.loads(stamp_file.read_text(encoding="utf-8"))
        if told["stamp"] != stamp:
            return None
        return CaseEntry.model_validate(told["entry"]), tuple(Problem(**problem) for problem in told["problems"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _stamp(job: _Job, source: CaseSource) -> str:
    """What a staged case depends on: the state of its files, its row of the table, the contract, the format."""
    row = job.collection.table.get(source.name, {})
    told = {
        "files": [(str(file), state.st_size, state.st_mtime_ns) for file, state in sorted(_files(source).items())],
        "row": {key: list(quantity) for key, quantity in sorted(row.items())},
        "contract": job.contract.model_dump(mode="json") if job.contract else None,
        "length_unit": job.length_unit,
        "format": FORMAT_VERSION,
        "tolerance": job.tolerance,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _files(source: CaseSource) -> Mapping[Path, os.stat_result]:
    """The files of a case and their state; beside a file, those of the same stem are its companions."""
    if source.files is not None:
        return {file: file.stat() for file in source.files if file.is_file()}
    path = source.path
    files = path.rglob("*") if path.is_dir() else path.parent.glob(f"{_glob_safe(path.name.split('.')[0])}*")
    return {file: file.stat() for file in files if file.is_file()}


def _glob_safe(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _worker_count(collection: Collection) -> int:
    """One process a core where there is much to read; none where starting them would take longer than reading."""
    size = 0
    for source in collection.sources:
        size += sum(state.st_size for state in _files(source).values())
        if size > _MANY_BYTES:
            return min(os.cpu_count() or 1, len(collection.sources))
    return 0


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


# -- the set -----------------------------------------------------------------------------------------------------------


def _splits(
    collection: Collection, good: list[str], found: Audit, *, test: int | None, validation: int | None, seed: int
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
    groups = [[name for name in group if name in kept] for group in found.duplicate_groups()]
    return make_splits(good, test=test, validation=validation, seed=seed, groups=groups)


@contextlib.contextmanager
def _claimed(work: Path, target: Path) -> Iterator[None]:
    """The working directory for this run alone; what an earlier run had half moved is put back.

    It stays only where the run was stopped: an error says what to do, and doing it starts anew.
    """
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DatasetError(f"{target}: another run is writing it; wait until it ends, or stop it") from None
    try:
        moved = work / "dataset" / "cases"
        for folder in moved.iterdir() if moved.is_dir() else ():
            (work / "staged").mkdir(exist_ok=True)
            folder.replace(work / "staged" / folder.name)
        shutil.rmtree(work / "dataset", ignore_errors=True)
        try:
            yield
        except TramontaneError as error:
            if not isinstance(error.__cause__, FatalError):
                shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work)
    finally:
        lock.release()


def _say(console: Console | None, text: str, style: str | None = None) -> None:
    if console is not None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
