"""Cases are read, examined and staged in processes of their own; what an earlier run staged is taken up."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pyvista as pv
from rich.console import Console

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.audit.consistency import Audit
from tramontane.dataset.audit.facts import CaseFacts, Problem, examine, geometry_unit
from tramontane.dataset.audit.missing import missing_cases
from tramontane.dataset.audit.report import read_and_examine
from tramontane.dataset.ingest.case_qoi import add_defined_qoi
from tramontane.dataset.ingest.inference import ContractFacts, contract_facts
from tramontane.dataset.store.case_files import folder_name, read_case, read_record, write_case
from tramontane.dataset.store.chunks import CaseArrays
from tramontane.dataset.store.files import LocalFiles
from tramontane.dataset.store.manifest import FORMAT_VERSION, CaseEntry
from tramontane.dataset.store.sites import KnownSites
from tramontane.dataset.store.tolerance import rounded_case
from tramontane.errors import DatasetError
from tramontane.formats.results import CaseSource, Collection
from tramontane.formats.surfaces.geometry import read_geometry
from tramontane.geometry.outer_surface import outer_surface
from tramontane.io.processes import FatalError, Outcome, reason_of, run_each
from tramontane.io.tasks import RunTasks
from tramontane.progress import follow

Progress = Callable[[str, int, int], object]
"""Told a stage (``reading``, then ``writing``), how many of its cases are done, and of how many."""
_MANY_BYTES = 256 * 2**20  # of sources from which a process for each core pays
# And from which one does. Its modules take it some seconds; but a file that is read in this process is read in another
# one first, lest a damaged one ends this.
_SOME_BYTES, _SOME_CASES = 32 * 2**20, 8
_CASE_SECONDS = 3600.0
_MEMORY_SHARE = 0.8  # of the machine's, for all processes together


@dataclass(frozen=True)
class Staged:
    """What the process that read a case tells of it."""

    entry: CaseEntry
    facts: CaseFacts
    more: ContractFacts


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


def stage_all(
    collection: Collection,
    contract: Contract | None,
    work: Path,
    workers: int | None,
    console: Console | None,
    tolerance: float | None = None,
    progress: Progress = lambda *_: None,
    run_tasks: RunTasks | None = None,
) -> tuple[dict[str, Staged], Audit]:
    """Read and stage every case; what was staged, and what is in it and wrong with it and the others."""
    progress("reading", 0, len(collection.sources))
    bare = Collection(
        collection.root, collection.layout, [], table=collection.table, length_unit=collection.length_unit,
        length_assumed=collection.length_assumed,
    )  # fmt: skip
    job = _Job(work, bare, contract, tolerance)
    staged: dict[str, Staged] = {}
    failed: dict[str, list[Problem]] = {}
    if run_tasks is None:
        outcomes = _outcomes(job, collection.sources, _worker_count(collection) if workers is None else workers)
    else:
        outcomes = _outcomes_elsewhere(job, collection.sources, workers, run_tasks)

    def show_progress(done: int, total: int) -> None:
        progress("reading", done, total)

    for outcome in follow(outcomes, "reading", len(collection.sources), console, watch=show_progress):
        name = outcome.task.name
        if isinstance(outcome.answer, Staged):
            staged[name] = outcome.answer
        elif outcome.answer is not None:
            failed[name] = outcome.answer
        else:
            reason = outcome.reason or "no reason is known"
            named = str(outcome.task.path) in reason or name in reason
            failed[name] = [Problem("error", name, "files", reason if named else f"{outcome.task.path}: {reason}")]
    audit = Audit(job.length_unit, length_assumed=contract is None and collection.length_assumed)
    for source in collection.sources:  # in their own order, whichever process was first
        if source.name in staged:
            audit.take(staged[source.name].facts)
    for source in collection.sources:
        audit.problems += failed.get(source.name, [])
    audit.compare(contract)
    audit.problems += missing_cases(collection, audit.bad_cases())
    return staged, audit


def _outcomes(
    job: _Job, sources: Sequence[CaseSource], workers: int
) -> Iterator[Outcome[CaseSource, Staged | list[Problem]]]:
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
            outcome: Outcome[CaseSource, Staged | list[Problem]] = Outcome(source, _stage(job, source), None)
        except FatalError as error:
            raise DatasetError(str(error)) from error
        except Exception as error:  # whatever goes wrong with a case, it costs that case
            outcome = Outcome(source, None, reason_of(error))
        yield outcome


def _outcomes_elsewhere(
    job: _Job, sources: Sequence[CaseSource], workers: int | None, run_tasks: RunTasks
) -> Iterator[Outcome[CaseSource, Staged | list[Problem]]]:
    try:
        yield from run_tasks(_stage, sources, prepare=functools.partial(_same, job), name=lambda source: source.name,
                             workers=workers or None, seconds=_CASE_SECONDS)  # fmt: skip
    except FatalError as error:
        raise DatasetError(str(error)) from error


def _same(job: _Job) -> _Job:
    return job


def _stage(job: _Job, source: CaseSource) -> Staged | list[Problem]:
    """Read a case and write it below ``staged``, or take up what an earlier run wrote there.

    Where it cannot be read, the errors that say why.
    """
    folder = staged_folder(job.work, source.name)
    stamp_file = folder.with_suffix(".json")
    stamp = _stamp(job, source)
    before = _staged_before(stamp_file, stamp)
    if before is not None:
        entry, problems = before
        with contextlib.suppress(Exception):  # what cannot be taken up is read again
            files = LocalFiles(folder)
            record = read_record(files, entry)
            case = read_case(record, CaseArrays(files, record.arrays, f"case {source.name}"))
            geometry = case.design.geometry
            assert geometry is None or isinstance(geometry, pv.PolyData)
            # What was wrong with the files, the stored case may no longer show.
            return Staged(entry, replace(examine(case), problems=problems), contract_facts(case, geometry))
    read = read_and_examine(source, job.collection, contract=job.contract)
    if isinstance(read, list):
        return read
    case, facts = read
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        entry, more = _write(job, case, folder)
        temporary = stamp_file.with_suffix(".tmp")
        document = {
            "stamp": stamp,
            "entry": entry.model_dump(mode="json"),
            "problems": [vars(p) for p in facts.problems],
        }
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.replace(stamp_file)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise FatalError(f"{folder}: cannot be written ({error}); see to the disk and ingest again") from error
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Staged(entry, facts, more)


def _write(job: _Job, case: Case, folder: Path) -> tuple[CaseEntry, ContractFacts]:
    """Write a case, while its geometry is made of a mesh; what inference keeps of it."""
    sites_of = KnownSites()
    with ThreadPoolExecutor(1) as beside:
        geometry = beside.submit(case_geometry, case, job.length_unit)
        if job.contract is not None:
            add_defined_qoi(case, job.contract, geometry.result(), sites_of)
        if job.tolerance is not None:
            case = rounded_case(case, job.tolerance)
        contract = job.contract.in_si() if job.contract else None
        more = beside.submit(lambda: contract_facts(case, geometry.result(), sites_of))
        return write_case(folder, case, geometry, contract, sites_of=sites_of), more.result()


def staged_folder(work: Path, name: str) -> Path:
    return work / "staged" / folder_name(name)


def _staged_before(stamp_file: Path, stamp: str) -> tuple[CaseEntry, tuple[Problem, ...]] | None:
    try:
        document = json.loads(stamp_file.read_text(encoding="utf-8"))
        if document["stamp"] != stamp:
            return None
        return CaseEntry.model_validate(document["entry"]), tuple(
            Problem(**problem) for problem in document["problems"]
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _stamp(job: _Job, source: CaseSource) -> str:
    """What a staged case depends on: the state of its files, its row of the table, the contract, the format."""
    row = job.collection.table.get(source.name, {})
    identity = {
        "files": [(str(file), state.st_size, state.st_mtime_ns) for file, state in sorted(_files(source).items())],
        "row": {key: list(quantity) for key, quantity in sorted(row.items())},
        "contract": job.contract.model_dump(mode="json") if job.contract else None,
        "length_unit": job.length_unit,
        "format": FORMAT_VERSION,
        "tolerance": job.tolerance,
        "options": {key: str(value) for key, value in sorted(getattr(source.read, "keywords", {}).items())},
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


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
    """One process a core where there is much to read, one alone where there is some; none where starting it would
    take longer than reading."""
    size = 0
    for source in collection.sources:
        size += sum(state.st_size for state in _files(source).values())
        if size > _MANY_BYTES:
            return min(os.cpu_count() or 1, len(collection.sources))
    return 1 if size > _SOME_BYTES and len(collection.sources) >= _SOME_CASES else 0


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


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
    return read_geometry(outer_surface(mesh)).mesh
