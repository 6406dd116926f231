"""PLAID, the open data model of Safran and SystemX (https://plaid-lib.readthedocs.io; library BSD-3-Clause).

Where the facts come from: the documentation's "On-disk format" and the code of ``pyplaid`` 1.0.0 and of its earlier
versions. Two layouts are read:

- up to 0.1: ``dataset/samples/sample_000000000/meshes/mesh_000000000.cgns`` (a file a time step), ``scalars.csv`` (a
  line of names, a line of values), ``problem_definition/problem_infos.yaml`` (``input_scalars``, ``output_scalars``,
  later ``inputs``, ``outputs`` or ``input_features``, ``output_features``), ``split.json`` or ``split.csv`` (a name,
  then ids), later ``train_split.json`` and ``test_split.json``;
- 1.0 with the ``cgns`` back end: ``infos.yaml``, ``data/SPLIT/sample_000000000/meshes/...``, scalars in the CGNS base
  ``Global``, ``problem_definitions/NAME.yaml`` with ``input_features``, ``output_features`` (paths such as
  ``Global/load``), ``train_split``, ``test_split`` (by folder of ``data``: ids, or ``all``).

The other back ends of 1.0, ``zarr`` and ``hf_datasets``, keep their values in their own stores and are not read.
PLAID states no units: they are taken by name, as for any file without.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from vtkmodules.vtkCommonDataModel import vtkGenericCell

from tramontane.errors import FormatError
from tramontane.formats.layouts import cgns_mesh, shared
from tramontane.formats.layouts.layout import Layout
from tramontane.formats.results import CaseSource, Collection, Results
from tramontane.formats.tables.table import read_sheet
from tramontane.units import Quantity

_SAMPLE = re.compile(r"sample_(\d+)")
_NAMES = {
    "Pressure": ("pressure", ""), "Velocity": ("velocity", ""), "Density": ("density", ""),
    "Temperature": ("temperature", ""), "Displacement": ("displacement", ""),
}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """What a problem definition says.

    Attributes:
        inputs: Names of scalars that go in; None where nothing is said.
        outputs: Names of scalars that come out.
        splits: Ids, or ``all``, by split and folder of samples (``""`` where there is one folder only).
    """

    inputs: frozenset[str] | None = None
    outputs: frozenset[str] = frozenset()
    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def plaid(folder: Path, splits: str | None = None) -> Collection | None:
    """A PLAID data set in a folder, or None where it is something else.

    Args:
        folder: To look at.
        splits: The problem definition by name (1.0), or the list of samples to train on (before).
    """
    notes: list[str] = []
    if samples := _legacy_samples(folder):
        groups = {"": samples}
        problem = _legacy_problem(folder, splits, notes)
    elif groups := _groups(folder / "data"):
        problem = _problem(folder, splits, notes)
    else:
        _refuse_other_backends(folder)
        _refuse_parquet(folder)
        return None
    scalars = Problem(problem.inputs, problem.outputs)  # the lists of ids would go along with every sample
    sources = [
        CaseSource(
            f"{group}-{sample.name}" if group else sample.name, sample, functools.partial(read_sample, sample, scalars)
        )
        for group, samples in groups.items()
        for sample in samples
    ]
    notes.append("PLAID states no units; they are taken by the names of parameters, fields and QoIs.")
    if problem.inputs is None:
        notes.append("There is no problem definition: every scalar is taken for a parameter.")
    official = _official(problem, groups, notes)
    return Collection(
        folder, "PLAID", sources, splits=shared.present(official, sources, notes) if official else {}, notes=notes
    )


def read_sample(folder: Path, problem: Problem) -> Results:
    """One sample at its last time step.

    Raises:
        FormatError: A file is damaged.
    """
    results = Results()
    meshes = sorted((folder / "meshes").glob("*.cgns"))
    scalars: dict[str, float] = {}
    if meshes:
        last = meshes[-1]
        tree = cgns_mesh.read_bases(last)
        results.files.append(last)
        if len(meshes) > 1:
            results.warnings.append(f"{folder}: of {len(meshes)} time steps, the last is read ({last.name})")
        results.warnings += [f"{last}: {phrase}; left out" for phrase in tree.skipped]
        results.meshes = _domains(tree.bases)
        for mesh in results.meshes.values():
            shared.rename_fields(mesh, _NAMES)
        results.geometry = _geometry(results.meshes)
        if not (folder / "scalars.csv").is_file():
            scalars |= tree.numbers
    if (file := folder / "scalars.csv").is_file():
        row = shared.read_rows(file)[0]
        scalars |= {name: shared.number(file, row, name) for name in row}
        results.files.append(file)
    if not results.files:
        raise FormatError(f"{folder}: has neither meshes nor scalars; download it again")
    for name, value in scalars.items():
        if name in problem.outputs:
            results.qoi[name] = Quantity(value)
        elif problem.inputs is None or name in problem.inputs:
            results.parameters[name] = Quantity(value)
        else:
            results.extra.setdefault("scalars", {})[name] = value
    return results


# -- meshes ---------------------------------------------------------------------------------------------------------


def _domains(bases: Mapping[str, pv.UnstructuredGrid]) -> dict[str, pv.PolyData | pv.UnstructuredGrid]:
    """The bases under the names of domains: what has the most dimensions bounds or fills the body."""
    dimensions = {name: _dimension(mesh) for name, mesh in bases.items()}
    most = max(dimensions.values(), default=0)
    domains: dict[str, pv.PolyData | pv.UnstructuredGrid] = {}
    for name, mesh in bases.items():
        flat = float(np.ptp(np.asarray(mesh.points)[:, 2])) == 0.0
        whole = dimensions[name] == 3 or (dimensions[name] == 2 and flat)
        domain = "volume" if whole and dimensions[name] == most else (
            "surface" if dimensions[name] == (most - 1 if most == 3 or flat else most) else name
        )  # fmt: skip
        domain = name if domain in domains else domain
        domains[domain] = mesh.extract_surface(
            algorithm="dataset_surface", pass_pointid=False, pass_cellid=False
        ) if domain == "surface" else mesh  # fmt: skip
    return domains


def _dimension(mesh: pv.UnstructuredGrid) -> int:
    """Of its highest cells."""
    cell, highest = vtkGenericCell(), 0
    for kind in np.unique(mesh.celltypes):
        cell.SetCellType(int(kind))
        highest = max(highest, int(cell.GetCellDimension()))
    return highest


def _geometry(meshes: Mapping[str, pv.PolyData | pv.UnstructuredGrid]) -> pv.PolyData | None:
    """The body of a sample without a surface in space: the skin of its volume; a plane one is drawn out."""
    volume = meshes.get("volume")
    surface = meshes.get("surface")
    if volume is None or (surface is not None and surface.n_cells and surface.n_lines == 0):
        return None
    skin = volume.extract_surface(algorithm="dataset_surface", pass_pointid=False, pass_cellid=False)
    if _dimension(volume) == 3:
        skin.clear_data()
        return skin.triangulate()
    return shared.extruded(skin)


# -- layout ---------------------------------------------------------------------------------------------------------


def _samples(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(entry for entry in folder.iterdir() if _SAMPLE.fullmatch(entry.name) and entry.is_dir())


def _legacy_samples(folder: Path) -> list[Path]:
    return _samples(folder / "dataset" / "samples") or _samples(folder / "samples")


def _groups(data: Path) -> dict[str, list[Path]]:
    if not data.is_dir():
        return {}
    return {entry.name: samples for entry in sorted(data.iterdir()) if entry.is_dir() and (samples := _samples(entry))}


def _refuse_other_backends(folder: Path) -> None:
    file = folder / "infos.yaml"
    if not file.is_file() or not (folder / "data").is_dir():
        return
    document = _yaml(file)
    backend = document.get("storage_backend")
    if backend not in (None, "cgns"):
        raise FormatError(f"{file}: is PLAID data in the back end {backend!r}, which is not read; write it again with "
                          "plaid.storage.save_to_disk(..., backend='cgns')")  # fmt: skip


def _refuse_parquet(folder: Path) -> None:
    """Name a set as Hugging Face delivers it: Parquet files below ``data``, or several with ``-of-`` in their names."""
    for files in (sorted(folder.glob("data/*.parquet")), sorted(folder.glob("*-of-*.parquet"))):
        if files:
            read_sheet(files[0])  # it says what it is, unless it is a table


# -- problem definitions --------------------------------------------------------------------------------------------


def _yaml(file: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise FormatError(f"{file}: cannot be read as YAML ({reason}); download it again") from error
    if not isinstance(document, dict):
        raise FormatError(f"{file}: is no table of names; download it again")
    return document


def _scalar_names(features: Any) -> frozenset[str]:
    """The scalars among features: paths below ``Global``, bare names, or tables with a type and a name."""
    names = set()
    for feature in features if isinstance(features, list) else []:
        if isinstance(feature, Mapping) and feature.get("type") == "scalar":
            names.add(str(feature.get("name")))
        elif isinstance(feature, str) and (feature.startswith("Global/") or "/" not in feature):
            names.add(feature.removeprefix("Global/"))
    return frozenset(names)


def _problem(folder: Path, wanted: str | None, notes: list[str]) -> Problem:
    files = sorted((folder / "problem_definitions").glob("*.yaml"))
    if not files:
        shared.no_other_splits(f"{folder}: without problem_definitions, PLAID", wanted)
        return Problem()
    chosen = shared.choose(folder, [file.stem for file in files], wanted, notes, what="problem definition")
    file = folder / "problem_definitions" / f"{chosen}.yaml"
    document = _yaml(file)
    splits = {}
    for ours in ("train", "test"):
        named = document.get(f"{ours}_split") or {}
        if not isinstance(named, Mapping):
            raise FormatError(f"{file}: {ours}_split is no table of ids; download it again")
        splits[ours] = dict(named)
    return Problem(
        _scalar_names(document.get("input_features")), _scalar_names(document.get("output_features")), splits
    )


def _legacy_problem(folder: Path, wanted: str | None, notes: list[str]) -> Problem:
    place = folder / "problem_definition"
    if not place.is_dir():
        shared.no_other_splits(f"{folder}: without problem_definition, PLAID", wanted)
        return Problem()
    inputs: frozenset[str] | None = None
    outputs: frozenset[str] = frozenset()
    if (file := place / "problem_infos.yaml").is_file():
        document = _yaml(file)
        inputs = frozenset().union(
            *(_scalar_names(document.get(key)) for key in ("input_scalars", "inputs", "input_features"))
        )
        outputs = frozenset().union(
            *(_scalar_names(document.get(key)) for key in ("output_scalars", "outputs", "output_features"))
        )
    lists = _legacy_lists(place)
    train = _first(lists, wanted, "train", place, notes)
    test = _first(lists, None, "test", place, notes)
    validation = _first(lists, None, "val", place, notes)
    chosen = {"train": train, "validation": validation, "test": test}
    return Problem(inputs, outputs, {split: {"": lists[name]} for split, name in chosen.items() if name})


def _legacy_lists(place: Path) -> dict[str, list[int]]:
    """Lists of ids by name, from split.json, split.csv, or train_split.json and test_split.json."""
    raw: dict[str, Any] = {}
    if (file := place / "split.json").is_file():
        raw = shared.read_json(file)
    elif (file := place / "split.csv").is_file():
        try:
            rows = list(csv.reader(file.read_text(encoding="utf-8").splitlines()))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise FormatError(f"{file}: cannot be read as CSV ({error}); download it again") from error
        raw = {row[0].strip(): row[1:] for row in rows if row}
    else:
        for key in ("train", "test"):
            if (file := place / f"{key}_split.json").is_file():
                document = shared.read_json(file)
                for name, ids in document.items() if isinstance(document, dict) else ():
                    raw[name] = ids if isinstance(ids, list) else next(iter(ids.values()), []) if ids else []
    try:
        return {str(name): [int(entry) for entry in ids] for name, ids in raw.items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{file}: has an id that is no whole number ({error}); download it again") from error


def _first(lists: Mapping[str, Sequence[int]], wanted: str | None, start: str, place: Path, notes: list[str]) -> str:
    """The list of a name, else the one called as ``start`` says, else the first that begins so; "" where none does."""
    if wanted is not None:
        return shared.choose(place, sorted(lists), wanted, notes, what="lists of samples")
    begin = sorted(name for name in lists if name.lower().startswith(start))
    chosen = start if start in lists else (begin[0] if begin else "")
    if others := [name for name in begin if name != chosen]:
        notes.append(f"Of the lists of samples, {chosen!r} is taken for {start}; there are {', '.join(others)}, too.")
    return chosen


def _official(problem: Problem, groups: Mapping[str, Sequence[Path]], notes: list[str]) -> dict[str, list[str]]:
    """Names of cases by split; where no definition says, the folders of ``data`` do."""
    named = problem.splits or {
        split: {group: "all" for group in groups if group.lower().startswith(start)}
        for split, start in (("train", "train"), ("validation", "val"), ("test", "test"))
    }
    official: dict[str, list[str]] = {}
    for split, parts in named.items():
        for group, ids in parts.items():
            width = len(groups[group][0].name) - len("sample_") if group in groups else 9
            prefix = f"{group}-" if group else ""
            if ids == "all":
                names = [f"{prefix}{sample.name}" for sample in groups.get(group, ())]
            else:
                names = [f"{prefix}sample_{int(number):0{width}d}" for number in ids]
            taken = {name for cases in official.values() for name in cases}
            if twice := [name for name in names if name in taken]:
                notes.append(f"Cases of {split} that stand in another split, too, stay there ({len(twice)}): "
                             f"{shared.listed(twice)}.")  # fmt: skip
            official.setdefault(split, []).extend(name for name in names if name not in taken)
    return {split: cases for split, cases in official.items() if cases}


LAYOUT = Layout("PLAID", plaid)
