"""What an audit keeps of one case: its numbers, and what is wrong with it by itself; never its meshes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.dataset.audit.duplicates import Marks, place_numbers, result_numbers, shape_numbers
from tramontane.dataset.audit.outliers import Odd, unit_mix_up
from tramontane.errors import TramontaneError
from tramontane.formats.results import GEOMETRY_UNIT, SHOWN_UNITS
from tramontane.formats.surfaces.geometry import OPEN_EDGES, Geometry, read_geometry
from tramontane.formats.surfaces.geometry import SUFFIXES as GEOMETRY_SUFFIXES
from tramontane.formats.vtk import files as vtk
from tramontane.large_arrays import column_means, extremes, mean_and_rms
from tramontane.units import Quantity

# A run counts as converged below this residual (scaled by the solver): the default criterion of ANSYS Fluent for all
# equations but energy, and what OpenFOAM's tutorials of steady flow ask of the velocity (residualControl).
RESIDUAL = 1e-3
_OTHER_UNIT = 100.0  # a geometry this many times larger or smaller than its surface mesh is in another unit
OPEN_SURFACE = "open surface"  # the place of a problem: there is no geometry, and the surface has an edge

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """Something that looks wrong: an ``error`` keeps the data from being used, a ``warning`` does not.

    Attributes:
        severity: Which of the two.
        case: Name of the case; empty for what is about the set.
        place: What it is about: ``field surface/pressure``, ``parameter load``, ``geometry``, ``files``.
        message: One line: where, what, and the cure.
    """

    severity: Severity
    case: str
    place: str
    message: str

    def __str__(self) -> str:
        return self.message


def about(case: str, sentence: str) -> str:
    """A sentence that says which case it is about, once: by the name of the case, or by a file's that holds it."""
    head, message, _ = sentence.partition(": ")
    by_file = message and case in (
        part.split(".")[0] if case not in head.split("/") else part for part in head.split("/")
    )
    return (
        sentence if by_file or sentence.startswith((f"case {case}:", f"case {case} (")) else f"case {case}: {sentence}"
    )


class FieldFacts(NamedTuple):
    """One field of one case; two cases agree in the first three. All components are taken together."""

    location: str
    components: int
    unit: str
    low: float
    high: float
    rms: float
    mean: float


class MeshFacts(NamedTuple):
    """One domain of one case: its size, and the corners of its bounding box in metres."""

    points: int
    cells: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class GeometryFacts(NamedTuple):
    """The geometry of one case, SI; see `tramontane.formats.surfaces.geometry.Geometry`.

    ``given`` says that the case came with it; else its own surface mesh stands for it.
    """

    closed: bool
    area: float
    volume: float
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]]
    given: bool = True


@dataclass(frozen=True)
class CaseFacts:
    """What an audit keeps of one case; small, and it can be pickled.

    Attributes:
        name: Of the case.
        domains: By domain.
        fields: By ``domain/name``.
        parameters: As the case states them.
        qoi: In SI.
        qoi_units: SI unit of each QoI.
        qoi_shown: The unit in which a QoI was written, where that is another.
        geometry: None where there is none, or it cannot be read.
        marks: By which copies of the case are known.
        residuals: Last residual by variable, where known.
        converged: Whether the run converged, where known.
        assumed: Units that were taken from a name.
        left_out: Arrays that are no fields since they hold whole numbers, as ``domain/name``.
        solver: Program and version, empty when unknown.
        files: Source file by its name without suffix.
        problems: What is wrong with the case by itself.
    """

    name: str
    domains: Mapping[str, MeshFacts] = field(default_factory=dict)
    fields: Mapping[str, FieldFacts] = field(default_factory=dict)
    parameters: Mapping[str, Quantity] = field(default_factory=dict)
    qoi: Mapping[str, float] = field(default_factory=dict)
    qoi_units: Mapping[str, str] = field(default_factory=dict)
    qoi_shown: Mapping[str, str] = field(default_factory=dict)
    geometry: GeometryFacts | None = None
    marks: Marks = field(default_factory=Marks)
    residuals: Mapping[str, float] = field(default_factory=dict)
    converged: bool | None = None
    assumed: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    solver: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def place_of(self, stem: str) -> str:
        """The case that a message is about, and its file where that is known."""
        return f"case {self.name}" + (f" ({self.files[stem]})" if stem in self.files else "")


def examine(case: Case, *, length_unit: str = "m") -> CaseFacts:
    """Everything that an audit keeps of one case.

    Args:
        case: In SI.
        length_unit: Of its geometry file.
    """
    return _Examination(case, length_unit).facts()


def geometry_unit(case: Case, length_unit: str = "m") -> str:
    """The length unit of a case's geometry: its own where its file states one, metres for a mesh."""
    if not isinstance(case.design.geometry, Path):
        return "m"
    return str(case.provenance.extra.get(GEOMETRY_UNIT, length_unit))


class _Examination:
    """One case being looked at."""

    def __init__(self, case: Case, length_unit: str) -> None:
        self.case, self.length_unit = case, length_unit
        self.files = {Path(file).stem: file for file in case.provenance.sources}
        self.problems: list[Problem] = []
        self.domains: dict[str, MeshFacts] = {}
        self.fields: dict[str, FieldFacts] = {}
        self.left_out: set[str] = set()
        self.centers: dict[str, NDArray[np.float64]] = {}

    def facts(self) -> CaseFacts:
        case, provenance = self.case, self.case.provenance
        for sentence in _listed(provenance.extra.get("warnings")):
            self._note("warning", "files", about(case.name, sentence))
        for domain, mesh in case.meshes.items():
            bounds = np.asarray(mesh.bounds, dtype=np.float64).reshape(3, 2)
            self.domains[domain] = MeshFacts(mesh.n_points, mesh.n_cells, bounds[:, 0], bounds[:, 1])
            for name, location in case.field_names(domain).items():
                self._field(domain, name, location)
            self._locations(domain)
        for name, value in case.qoi.items():
            if not np.isfinite(value):
                self._note("error", f"QoI {name}", f"{self._place_of('case')}: QoI {name} is {value}; run the case "
                           "again or leave it out")  # fmt: skip
        geometry = self._surface() if case.design.geometry is None else self._geometry(case.design.geometry)
        residuals, converged = self._convergence(provenance.extra)
        self._mesh_quality(provenance.extra.get("mesh_quality"))
        return CaseFacts(
            name=case.name,
            domains=self.domains,
            fields=self.fields,
            parameters=dict(case.design.parameters),
            qoi={name: float(value) for name, value in case.qoi.items()},
            qoi_units=dict(case.qoi_units),
            qoi_shown=dict(provenance.extra.get(SHOWN_UNITS, {})),
            geometry=None
            if geometry is None
            else GeometryFacts(
                geometry.closed, geometry.area, geometry.volume, geometry.bounds, case.design.geometry is not None
            ),
            marks=self._marks(geometry),
            residuals=residuals,
            converged=converged,
            assumed=dict(provenance.extra.get("assumed_units", {})),
            left_out=frozenset(self.left_out),
            solver=f"{provenance.solver} {provenance.version}".strip() if provenance.solver else "",
            files=self.files,
            problems=tuple(self.problems),
        )

    def _note(self, severity: Severity, place: str, message: str) -> None:
        self.problems.append(Problem(severity, self.case.name, place, message))

    def _place_of(self, stem: str) -> str:
        return CaseFacts(self.case.name, files=self.files).place_of(stem)

    def _field(self, domain: str, name: str, location: str) -> None:
        key, source = f"{domain}/{name}", self._place_of(domain)
        values = np.asarray(self.case.field_values(domain, name))
        if not np.issubdtype(values.dtype, np.floating) or values.size == 0:
            self.left_out.add(key)
            return
        rows = values.reshape(len(values), -1)
        low, high = extremes(rows)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            finite = np.isfinite(rows).all(axis=1)
            self._note("error", f"field {key}",
                       f"{source}: field {key} is NaN or infinite at {(~finite).sum()} of {len(rows)} places, the "
                       f"first is {np.argmin(finite)}; run the case again or leave it out")  # fmt: skip
            rows = rows[finite] if finite.any() else np.zeros((1, rows.shape[1]))
            low, high = extremes(rows)
        if np.array_equal(low, high) and len(rows) > 1:
            shown = ", ".join(f"{value:.4g}" for value in low)
            cure = "check the export" if low.any() else "check the export, or leave it out (a wall at rest)"
            self._note("warning", f"field {key}", f"{source}: field {key} is {shown} everywhere; {cure}")
        mean, rms = mean_and_rms(rows)
        unit = self.case.field_units.get(name, "")
        self.fields[key] = FieldFacts(location, rows.shape[1], unit, float(low.min()), float(high.max()), rms, mean)

    def _locations(self, domain: str) -> None:
        mesh, fields = self.case.meshes[domain], self.case.field_names(domain)
        both = sorted(name for name in fields if name in set(mesh.point_data.keys()) & set(mesh.cell_data.keys()))
        real = {name: at for name, at in fields.items() if f"{domain}/{name}" in self.fields}
        if both:
            sentence = f"field {domain}/{both[0]} stands at points and at cells, the cells' is taken; keep one"
        elif len(set(real.values())) > 1:
            points = ", ".join(name for name, at in real.items() if at == "point")
            cells = ", ".join(name for name, at in real.items() if at == "cell")
            sentence = f"has fields at points ({points}) and at cells ({cells}); export all at one of the two"
        else:
            return
        self._note("warning", f"domain {domain}", f"{self._place_of(domain)}: {sentence}")

    def _geometry(self, shape: Path | pv.PolyData) -> Geometry | None:
        from_file = isinstance(shape, Path)
        prefix = "" if from_file else f"case {self.case.name}: "  # a file's messages name the file
        try:
            geometry = read_geometry(shape, length_unit=geometry_unit(self.case, self.length_unit))
        except TramontaneError as error:
            self._note("error", "geometry", f"{prefix}{error}")
            return None
        for sentence in geometry.warnings:
            self._note("warning", "geometry", f"{prefix}{sentence}")
        surface = self.domains.get("surface")
        if surface is not None and (length := np.ptp([surface.low, surface.high], axis=0).max()) > 0:
            ratio = float(np.ptp(geometry.bounds, axis=0).max() / length)
            if not 1 / _OTHER_UNIT < ratio < _OTHER_UNIT:
                mix_up = unit_mix_up(Odd(ratio, 0.0), "m")
                self._note("error" if mix_up else "warning", "geometry",
                           f"{prefix}{shape if from_file else 'geometry'}: is {ratio:.4g} times as long as domain "
                           "surface; check the length unit of both"
                           + (f" ({mix_up}); a case's JSON may state \"geometry_unit\"" if mix_up else ""))  # fmt: skip
        return geometry

    def _convergence(self, extra: Mapping[str, Any]) -> tuple[dict[str, float], bool | None]:
        stated, converged = extra.get("residuals"), extra.get("converged")
        residuals = {}
        for name, value in stated.items() if isinstance(stated, Mapping) else ():
            last = value[-1] if isinstance(value, (list, tuple)) and value else value
            if isinstance(last, (int, float)) and not isinstance(last, bool):
                residuals[str(name)] = float(last)
        converged = converged if isinstance(converged, bool) else None
        worst = max(residuals, key=lambda name: (not np.isfinite(residuals[name]), residuals[name]), default="")
        if worst and not residuals[worst] <= RESIDUAL:
            above = sum(not value <= RESIDUAL for value in residuals.values())
            self._note("warning", "convergence", f"case {self.case.name}: the run had not converged: the residual of "
                       f"{worst} is {residuals[worst]:.3g} ({above} of {len(residuals)} are above {RESIDUAL:g}); run "
                       "it on, or leave it out")  # fmt: skip
        elif converged is False:
            self._note("warning", "convergence", f"case {self.case.name}: its solver says that the run did not "
                                                 "converge; run it on, or leave it out")  # fmt: skip
        return residuals, converged

    def _mesh_quality(self, quality: Any) -> None:
        """Note a mesh that failed its program's own checks."""
        failed = quality.get("failed_checks") if isinstance(quality, Mapping) else None
        if isinstance(failed, int) and failed > 0:
            measures = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in quality.items()
                                 if name != "failed_checks" and isinstance(value, (int, float)))  # fmt: skip
            self._note("warning", "mesh", f"case {self.case.name}: its mesh failed {failed} of its program's checks"
                       + (f" ({measures})" if measures else "") + "; mesh it again, or leave it out")  # fmt: skip

    def _marks(self, geometry: Geometry | None) -> Marks:
        numbers = None if geometry is None else shape_numbers(geometry.mesh)
        by_surface = numbers is not None
        if numbers is None:
            meshes = sorted((domain, mesh) for domain, mesh in self.case.meshes.items() if mesh.n_points)
            numbers = place_numbers(
                (self.domains[domain].low, self.domains[domain].high, column_means(np.asarray(mesh.points)))
                for domain, mesh in meshes
            )
        results = {
            key: marks for key, fact in sorted(self.fields.items())
            if (marks := result_numbers(fact.low, fact.high, fact.mean, fact.rms))
        }  # fmt: skip
        others = {suffix for suffix in GEOMETRY_SUFFIXES if suffix not in vtk.SUFFIXES} | {".json", ".csv"}
        files = (sha for file, sha in self.case.provenance.sources.items() if Path(file).suffix.lower() not in others)
        return Marks(tuple(numbers.tolist()), by_surface, results, tuple(sorted(files)))

    def _surface(self) -> Geometry | None:
        """What stands for the geometry of a case that came without one."""
        mesh = self.case.meshes.get("surface")
        if mesh is None or mesh.n_cells == 0:
            return None
        surface = mesh if isinstance(mesh, pv.PolyData) else mesh.extract_surface(algorithm="dataset_surface")
        try:
            geometry = read_geometry(surface.triangulate())
        except TramontaneError:
            return None  # lines in a plane, or points
        for place, alike in (
            (OPEN_SURFACE, [sentence for sentence in geometry.warnings if OPEN_EDGES in sentence]),
            ("domain surface", [sentence for sentence in geometry.warnings if OPEN_EDGES not in sentence]),
        ):
            if alike:
                sentences = "; ".join(sentence.removeprefix("geometry: ") for sentence in alike)
                self._note("warning", place, f"{self._place_of('surface')}: domain surface, which stands for the "
                           f"geometry: {sentences}; look at its normals, or add the geometry's file")  # fmt: skip
        return geometry


def _listed(value: Any) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, (list, tuple)) else []
