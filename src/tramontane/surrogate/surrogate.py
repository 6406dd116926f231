"""Fit, simulate, save, load."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.case import Case, Provenance
from tramontane.contract import Contract
from tramontane.dataset import Sites, mesh_sites
from tramontane.deadline import time_limit
from tramontane.design import Design
from tramontane.errors import ContractError, GeometryError, SurrogateError
from tramontane.formats.surfaces.geometry import Geometry, read_geometry
from tramontane.interval import HIGHEST_LEVEL, LEVEL, LOWEST_LEVEL, Difference
from tramontane.large_arrays import bad_rows
from tramontane.models.recent import Recent
from tramontane.models.scalar_kriging import ScalarKriging
from tramontane.notice import Notice
from tramontane.surrogate.constraints import obey
from tramontane.surrogate.differences import Pair
from tramontane.surrogate.intervals import Intervals
from tramontane.surrogate.measured import QOI_CELLS, measured
from tramontane.surrogate.mesh_notices import blank_beyond, coarse_notices
from tramontane.surrogate.places import default_mesh
from tramontane.surrogate.predictor import Prediction, Predictor
from tramontane.surrogate.record import Record
from tramontane.surrogate.resolved import CheckedDesign, ResolvedDesign, hash_surface
from tramontane.surrogate.saved_parts import read_parts, write_parts
from tramontane.surrogate.training_range import check_shape, extent_excesses, geometry_notices, unit_guesses
from tramontane.training.normalization import predicted_scale, sign_of_law
from tramontane.trust.applicability import Applicability
from tramontane.trust.calibration import Calibration
from tramontane.verdict import Verdict, warned_of

Array = NDArray[np.floating[Any]]

_ROOM = 1 << 28  # bytes of the meshes that are kept for the next question about their geometries


class Surrogate:
    """A trained simulator: answers a geometry and operating conditions, or parameters alone, with fields and QoIs.

    Make one with `tramontane.surrogate.fit` or `Surrogate.load`.

    Args:
        contract: What goes in and what comes out.
        predictor: Predicts the fields.
        templates: By domain, where training cases have their sites, relative to the bounding box ``(n, 3)``.
        scalars: A regression of each QoI not defined by fields.
        record: What else the saved surrogate says: the training domain, validation errors, data and run.
        calibration: Makes intervals; None where too few cases were left out.
        applicability: Judges designs; None where there were too few training cases.
    """

    def __init__(
        self,
        contract: Contract,
        predictor: Predictor,
        *,
        templates: dict[str, Array],
        scalars: dict[str, ScalarKriging],
        record: Record,
        calibration: Calibration | None = None,
        applicability: Applicability | None = None,
    ) -> None:
        self.contract, self.predictor = contract, predictor
        self.calibration, self.applicability = calibration, applicability
        self.templates, self.scalars, self.record = templates, scalars, record
        self._read, self._places = Recent(4), Recent(8, room=_ROOM)

    def __repr__(self) -> str:
        cases = len(self.record.data.train)
        head = f"<Surrogate {self.model}, trained on {cases} cases>"
        return "\n".join([head, *repr(self.contract).splitlines()[1:]])

    @property
    def model(self) -> str:
        """The name of what predicts the fields."""
        return self.predictor.model

    @property
    def needs_geometry(self) -> bool:
        """Whether designs are asked for their geometry: where the training cases had one."""
        return self.record.training_domain.extent_low is not None

    # -- asking ----------------------------------------------------------------------------------------------------

    def simulate(
        self,
        design: Design | CheckedDesign,
        *,
        meshes: Mapping[str, pv.DataSet] | None = None,
        cells: int = 50_000,
        domains: Collection[str] | None = None,
        qoi: bool = True,
        level: float = LEVEL,
        time_limit_seconds: float | None = None,
    ) -> Case:
        """Predict the case of a design from its geometry and operating conditions alone.

        QoIs do not depend on the meshes: an extremum is regressed, or taken at the model's reference points, an
        integral on a mesh of the geometry's own of 50,000 cells.

        Args:
            design: The geometry and every operating condition of the contract; every parameter where the training cases
                had no geometry. Or one that was checked before.
            meshes: Meshes in metres to predict on, by domain; where None, the geometry's own surface and a grid.
            cells: About how many cells such a grid and surface have.
            domains: Which to predict on, where no meshes are given; None takes all. QoIs of others are left out.
            qoi: Whether QoIs are wanted.
            level: The probability with which intervals hold the truth of an unseen case.
            time_limit_seconds: How long it may take; None sets no limit.

        Returns:
            Fields and QoIs in SI, with intervals and a verdict; ``notices`` say what to mind, ``qoi_deviations`` the
            standard deviation of each QoI that is regressed, as the model has it.

        Raises:
            ContractError: The design has no geometry or one too many, lacks a parameter, or has one in the wrong unit.
            GeometryError: The geometry cannot be used.
            SurrogateError: The model gives no finite number for this design.
            TimeLimitError: It took longer than it may.
        """
        if not LOWEST_LEVEL <= level <= HIGHEST_LEVEL:
            raise ContractError(f"level is {level:g}; give one of {LOWEST_LEVEL:g} to {HIGHEST_LEVEL:g}, such as 0.9")
        with time_limit(time_limit_seconds):
            checked = design if isinstance(design, CheckedDesign) else self.check(design)
            try:
                return self._simulated(checked, meshes=meshes, cells=cells, domains=domains, qoi=qoi, level=level)
            except GeometryError as error:
                # A part a thousand times too large fits nowhere: the unit is what there is to say.
                guesses = unit_guesses(checked, self.contract.excesses(checked.values), self.record.training_domain)
                if not guesses:
                    raise
                raise GeometryError("; ".join([str(error), *map(str, guesses)])) from error

    def _simulated(
        self,
        design: CheckedDesign,
        *,
        meshes: Mapping[str, pv.DataSet] | None,
        cells: int,
        domains: Collection[str] | None,
        qoi: bool,
        level: float,
    ) -> Case:
        geometry = design.geometry
        if unknown := set(meshes or domains or ()) - set(self.contract.fields):
            raise ContractError(f"domain {', '.join(sorted(unknown))} is not predicted; this surrogate predicts "
                                f"{', '.join(self.contract.fields) or 'no fields, only QoIs'}")  # fmt: skip
        if geometry is not None:
            check_shape(geometry, design.label, self.record.training_domain)
        places = {
            domain: self._sites(meshes[domain].copy(), domain)
            if meshes is not None and domain in meshes
            else self.default_sites(design, domain, cells)
            for domain in ((domains or self.contract.fields) if meshes is None else meshes)
        }
        wanted = {domain: mesh for domain, (mesh, _) in places.items()}
        sites = {domain: of for domain, (_, of) in places.items()}
        positions = {domain: of.positions for domain, of in sites.items()}
        prediction = self.predict(design, positions, deviations=self.calibration is not None)
        fields = prediction.mean
        self._check_finite(fields, design.label)
        scalars = self.scalars_of(design) if qoi else {}
        drawn = {} if meshes is not None or cells != QOI_CELLS else {d: (sites[d], fields[d]) for d in sites}
        numbers = measured(self, design, list(sites), scalars, drawn) if qoi else {}
        if lost := [name for name, value in numbers.items() if not np.isfinite(value)]:
            raise SurrogateError(f"{design.label}: the model gives no number for {lost[0]}; check the geometry and the "
                                 "parameters")  # fmt: skip
        verdict = self.verdict(design, list(sites))
        bounds = Intervals(self, design, level, self.widening(verdict))
        field_intervals = bounds.of_fields(prediction)
        if geometry is None:
            meshed = []
        else:
            meshed = (
                coarse_notices(self.contract, geometry, sites)
                if meshes is None
                else blank_beyond(self.contract, geometry, sites, fields, field_intervals)
            )
        for domain, mesh in wanted.items():
            data = mesh.point_data if self.contract.site_location(domain) == "point" else mesh.cell_data
            for name, predicted in fields[domain].items():
                data[name] = predicted
        of_geometry = [] if geometry is None else geometry_notices(geometry, self.record.training_domain)
        beyond = self.notices(design)
        return Case(
            name=design.given.geometry.stem if isinstance(design.given.geometry, Path) else "prediction",
            design=design.given,
            meshes=wanted,
            qoi=numbers,
            field_units={name: spec.unit for specs in self.contract.fields.values() for name, spec in specs.items()},
            qoi_units={name: self.contract.qoi[name].unit for name in numbers},
            notices=[*of_geometry, *beyond, *meshed],
            qoi_deviations={name: deviation for name, (_, deviation) in scalars.items()},
            field_intervals=field_intervals,
            qoi_intervals=bounds.of_qoi(numbers, scalars),
            verdict=warned_of(verdict, beyond),
            provenance=Provenance(solver=f"tramontane surrogate ({self.model})", version=self.identity),
        )

    def _check_finite(self, fields: Mapping[str, Mapping[str, Array]], label: str) -> None:
        """Raise where a predicted field has no number somewhere."""
        for domain, of in fields.items():
            for name, values in of.items():
                if count := len(bad_rows(values.reshape(len(values), -1))):
                    raise SurrogateError(
                        f"{label}: the model gives no number for {name} at {count} of {len(values)} places of "
                        f"{domain}; check the geometry and the parameters"
                    )

    def check(
        self,
        design: Design,
        *,
        values: dict[str, float] | None = None,
        geometry: Geometry | None = None,
        surface_hash: bytes | None = None,
    ) -> CheckedDesign:
        """The design with its geometry in metres and its parameters in SI.

        Args:
            design: What is asked.
            values: Its parameters in SI, where they were converted already.
            geometry: Its geometry, where it was read already.
            surface_hash: Of its mesh, where that is at hand.

        Raises:
            ContractError: The design has no geometry or one too many, lacks a parameter, or has one in the wrong unit.
            GeometryError: The geometry cannot be used.
        """
        if design.geometry is None and self.needs_geometry:
            raise ContractError("the design has no geometry; this surrogate needs a file such as part.stl, or the "
                                "results of a case, whose geometry is taken")  # fmt: skip
        if design.geometry is not None and not self.needs_geometry:
            raise ContractError(
                "the design has a geometry; this surrogate was trained on parameters alone, leave it out"
            )
        if values is None:
            values = self.contract.values(design)
        from_file = isinstance(design.geometry, Path)
        length_unit = design.length_unit or (self.contract.length_unit if from_file else "m")
        if design.geometry is not None and geometry is None:
            if isinstance(design.geometry, Path):
                if design.length_unit is not None and design.geometry.suffix.lower() in (".step", ".stp"):
                    raise ContractError(f"{design.geometry}: a STEP file states its own length unit; leave "
                                        f"{design.length_unit!r} out")  # fmt: skip
                geometry = read_geometry(design.geometry, length_unit=length_unit)
            else:
                surface = design.geometry
                # Of the mesh as it was given, which tells what is read from it: a mesh as it is has another hash.
                surface_hash = b"given " + (surface_hash or hash_surface(surface))
                geometry = self._read.get(surface_hash, lambda: read_geometry(surface, length_unit="m"))
        return CheckedDesign(
            None if geometry is None else geometry.mesh, values, surface_hash,
            given=design, geometry=geometry, length_unit=length_unit,
        )  # fmt: skip

    def predict(self, design: ResolvedDesign, positions: Mapping[str, Array], *, deviations: bool = True) -> Prediction:
        """Fields at any positions, in memory that does not grow with their number but for the answer itself.

        Args:
            design: In SI.
            positions: By domain, ``(n, 3)`` in metres.
            deviations: Whether standard deviations are wanted, too, where the model has any: its own, not calibrated.
        """
        answer = self.predictor.predict(design, positions, deviations=deviations)
        obey(answer.mean, self.record.training_domain.exact)
        return answer

    def fields(self, design: ResolvedDesign, positions: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
        """What `predict` answers, without standard deviations."""
        return self.predict(design, positions, deviations=False).mean

    def at_references(self, design: ResolvedDesign, domain: str) -> dict[str, Array] | None:
        """Fields of a domain at the reference points, by name, SI; None of a model that has none."""
        answer = getattr(self.predictor, "at_references", None)
        if answer is None:
            return None
        fields: dict[str, dict[str, Array]] = answer(design, [domain])
        obey(fields, self.record.training_domain.exact)
        return fields[domain]

    def scalars_of(self, design: ResolvedDesign) -> dict[str, tuple[float, float]]:
        """QoIs that do not follow from fields, regressed on what the predictor tells designs apart by.

        Args:
            design: In SI.

        Returns:
            Value and standard deviation, SI, by name; the deviation is the model's own, not calibrated.

        Raises:
            ContractError: A QoI is over a power of a parameter that is zero.
        """
        if not self.scalars:
            return {}
        inputs, values = self.predictor.coordinates(design), design.values
        answer = {}
        for name, fit in self.scalars.items():
            spec = self.contract.qoi[name]
            definition = spec.definition
            extremum = definition is not None and definition.kind in ("max", "min")
            if extremum and sign_of_law(name, spec, self.contract, values) < 0:
                continue  # under the opposite load the largest value is where the smallest was: the field knows
            value, deviation = fit.predict(inputs)
            scale = predicted_scale(name, spec, self.contract, values)
            answer[name] = value * scale, deviation * abs(scale)
        return answer

    def verdict(self, design: ResolvedDesign, domains: Sequence[str]) -> Verdict | None:
        """Whether a design lies where errors and intervals are known to hold; None where there is nothing to judge by.

        Args:
            design: In SI.
            domains: Those that are predicted.
        """
        if self.applicability is None:
            return None
        signs = self.predictor.signs(design, domains)
        return self.applicability.judge(self.predictor.coordinates(design), signs)

    def widening(self, verdict: Verdict | None) -> float:
        """By how much intervals are wider for an unusual design."""
        return 1.0 if self.applicability is None or verdict is None else self.applicability.widening(verdict)

    def differences(self, one: Case, other: Case) -> dict[str, Difference]:
        """How the QoIs of two of this surrogate's answers differ, the other less the one, by name.

        Errors of a QoI that is regressed go together as the regression's joint posterior has it; of one that follows
        from fields that is not known, and the worst is assumed. See `tramontane.trust.difference`.

        Args:
            one: An answer.
            other: Another, with intervals of the same level.
        """
        return Pair(self, one, other).differences()

    def coordinate_names(self) -> tuple[list[str], list[int]]:
        """What people call the `Predictor.coordinates`, and which of them all answers are in proportion to."""
        names = getattr(self.predictor, "coordinate_names", None)
        return ([], []) if names is None else names()

    def notices(self, design: CheckedDesign) -> list[Notice]:
        """One for each input outside what the training cases had, and the units that these seem to be in."""
        excesses, domain = self.contract.excesses(design.values), self.record.training_domain
        return [*excesses, *extent_excesses(design, domain), *unit_guesses(design, excesses, domain)]

    @property
    def identity(self) -> str:
        """Twelve digits of the hash of the data it was trained on."""
        return self.record.data.fingerprint[:12]

    def default_sites(self, design: ResolvedDesign, domain: str, cells: int) -> tuple[pv.DataSet, Sites]:
        """A copy of the default mesh of a design's geometry, and its sites."""

        def make() -> tuple[pv.DataSet, Sites]:
            template = self.templates[domain]
            mesh = default_mesh(design.surface, self.contract, domain, template=template, cells=cells)
            return self._sites(mesh, domain)

        mesh, sites = self._places.get((design.surface_hash, domain, cells), make, size=_bytes)
        return mesh.copy(), sites

    def _sites(self, mesh: pv.DataSet, domain: str) -> tuple[pv.DataSet, Sites]:
        return mesh, mesh_sites(mesh, self.contract.site_location(domain))

    # -- files -----------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, licence: str = "unspecified") -> None:
        """Write a directory from which the surrogate can be loaded anywhere.

        Raises:
            SurrogateError: Something else stands at ``path``.
        """
        write_parts(self, Path(path), licence)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "cpu") -> Surrogate:
        """Read a saved surrogate.

        Raises:
            SurrogateError: Not a surrogate, damaged, or of a newer format version.
        """
        parts = read_parts(Path(path), device)
        return cls(
            parts.contract, parts.predictor, templates=parts.templates, scalars=parts.scalars, record=parts.record,
            calibration=parts.calibration, applicability=parts.applicability,
        )  # fmt: skip


def _bytes(made: tuple[pv.DataSet, Sites]) -> int:
    """What a mesh and its sites take."""
    mesh, sites = made
    arrays = (sites.positions, sites.weights, sites.normals)
    return 1024 * int(mesh.actual_memory_size) + sum(array.nbytes for array in arrays if array is not None)
