"""The classical model: fields of corresponding points, interpolated between cases by Gaussian processes.

For ten to two hundred cases of one family, whatever their meshes: every case's fields are read off at the same
reference points (`reference_frame`) and kriged over the designs' coordinates (`field_kriging`). In the line of MMGP
(Casenave et al. 2023, arXiv:2305.12871), with registration in place of a morphing by hand. Figures are in
``docs/explanation/model-notes.md``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.blas import one_thread
from tramontane.errors import TramontaneError
from tramontane.metrics import relative_l2
from tramontane.models.field_kriging import FieldKriging, column_slices
from tramontane.models.neighbours import in_portions
from tramontane.models.reference_frame import Family, MappedShape, ReferenceFrame, below
from tramontane.models.shapes import Shape, Window, central, cut_planes
from tramontane.models.site_correction import SiteCorrection, field_rms, site_inputs, surface_features

Array = NDArray[np.floating[Any]]
Fields = dict[str, tuple[Array, Array]]

_ON = 0.01  # median distance to the shape, in diagonals, below which a domain lies on it
_TRIAL_REFERENCES = 3000  # reference points by which templates are compared
_TRIAL_SITES = 500  # sites of each case and domain at which they are
_READ_BACK = 8  # cases whose fields are read off and back, to see how that is done best
_READ_BACK_SITES = 10_000  # sites of each at which they are: few bad faces must not decide
_CLEARLY = 0.9  # share of an error that has to be left for a change that costs time
_CORRECTION_SITES = 1000  # sites of each case and domain from which corrections are learnt
_SAME = 0.01  # of a domain's length: faces that differ by less between cases are at one place


class ClassicalModel:
    """Kriging of registered fields.

    Args:
        components: By domain, how its columns of values split into fields, ``{"surface": (1, 3)}``; each field has
            its own Gaussian processes. A domain not named is one field.
        references: How many reference points to keep in each domain.
        templates: How many shapes are tried as the template.

    Attributes:
        frame: The reference points and the designs' coordinates.
        kriging: The Gaussian processes, with the training cases' fields at the reference points.
        corrections: By domain, what is regressed on predictions at sites, from all cases and from those of each fold;
            a domain where that is not worth its time is not named.
        mapped: The training shapes with the reference points on them; empty in a model that was loaded.
    """

    frame: ReferenceFrame
    kriging: FieldKriging

    def __init__(
        self, components: dict[str, tuple[int, ...]] | None = None, *, references: int = 60_000, templates: int = 4
    ) -> None:
        self.components = dict(components or {})
        self.references, self.templates = references, templates
        self.mapped: list[MappedShape] = []
        self.corrections: dict[str, list[SiteCorrection | None]] = {}

    @one_thread()
    def fit(
        self,
        shapes: Sequence[Shape],
        parameters: Array,
        fields: Sequence[Fields],
        *,
        dimensions: Array | None = None,
        surfaces: Collection[str] | None = None,
        planes: dict[int, float] | None = None,
        registered: Callable[[int, int], None] = lambda done, of: None,
        proportional: Collection[int] = (),
    ) -> ClassicalModel:
        """Learn from cases.

        Args:
            shapes: Each case's geometry.
            parameters: ``(cases, p)`` operating conditions; ``p`` may be 0.
            fields: By case and domain, positions ``(n, 3)`` in metres and non-dimensional values ``(n, c)`` there.
            dimensions: ``(cases, m)`` dimensions by which the geometries were made, where they are known.
            surfaces: Domains that lie on the shape; inferred from the data where None.
            planes: By axis, where symmetry or the ground cuts shapes off; inferred from the data where None.
            registered: Called with the number of shapes that were registered on a template, and with that for all
                templates that are tried.
            proportional: Columns of ``parameters`` that all fields are in proportion to, and were divided by: they are
                no coordinates, unless cases left out clearly say that more depends on them.

        Raises:
            TramontaneError: Fewer than three cases, or cases of unequal domains or components.
            GeometryError: A shape has no area where fields are known.
        """
        parameters = np.asarray(parameters, float).reshape(len(shapes), -1)
        self._check(len(shapes), fields)
        window = _window(shapes, fields, planes)
        samples = [window.sample(shape) for shape in shapes]
        if surfaces is None:
            distances = {domain: np.median(samples[0].tree.query(at)[0]) for domain, (at, _) in fields[0].items()}
            surfaces = [domain for domain, distance in distances.items() if distance < _ON * window.scale]

        def frame(family: Family, references: int) -> ReferenceFrame:
            sites = {domain: positions for domain, (positions, _) in fields[family.template].items()}
            return ReferenceFrame(
                family, parameters, sites, dimensions=dimensions, surfaces=surfaces, references=references
            )

        candidates = central(window, samples)[: self.templates]
        count, lock = 0, threading.Lock()

        def one_more() -> None:
            nonlocal count
            with lock:
                count += 1
                registered(count, len(candidates) * len(samples))

        families = [Family(window, samples, case, one_more) for case in candidates]
        if len(families) > 1:
            trials = [frame(family, _TRIAL_REFERENCES) for family in families]
            mapped = [_map_family(*pair) for pair in zip(trials, families, strict=True)]
            tables = _read(mapped, trials, fields)
            errors = [self._left_out_error(*of, fields) for of in zip(trials, mapped, tables, strict=True)]
            families = [families[int(np.argmin(errors))]]
        self.frame = frame(families[0], self.references)
        self.mapped = _map_family(self.frame, families[0])
        for domain in self.frame.surfaces:
            by_position = self._read_back_error(domain, fields)
            self.frame.oriented.add(domain)
            if self._read_back_error(domain, fields) > _CLEARLY * by_position:
                self.frame.oriented.remove(domain)
        table = _read([self.mapped], [self.frame], fields)[0]
        if proportional:
            self._leave_out(proportional, table, fields)
        self.kriging = FieldKriging(self.frame.designs.training, table, self.frame.points, self.components)
        corrections = {domain: self._learn_corrections(domain, fields) for domain in table}
        self.corrections = {domain: by_fold for domain, by_fold in corrections.items() if any(by_fold)}
        return self

    @one_thread()
    def predict(self, shape: Shape, parameters: Array, positions: dict[str, Array]) -> Fields:
        """Fields of a new design.

        Args:
            shape: Its geometry.
            parameters: Its operating conditions ``(p,)``.
            positions: By domain, points ``(q, 3)`` in metres.

        Returns:
            By domain, mean and standard deviation ``(q, c)`` of the non-dimensional values there.

        Raises:
            TramontaneError: A domain or the number of parameters is not that of the training data.
            GeometryError: The shape has no area where fields are known.
        """
        self.check_domains(positions)
        mapped = self.frame.map_shape(shape, parameters)
        return self._predict(mapped, mapped.coordinates, positions)

    @one_thread()
    def predict_left_out(self, case: int, shape: Shape, positions: dict[str, Array]) -> Fields:
        """Fields of a training case from all others: its values touch neither weights nor hyperparameters.

        Args:
            case: Which training case.
            shape: Its geometry.
            positions: By domain, points ``(q, 3)`` in metres.

        Returns:
            As `predict`. (Registration and reference points, which see shapes and meshes only, are shared; so are the
            template, which all cases helped to choose among four, and whether neighbours on a surface are searched by
            normals, too.)
        """
        self.check_domains(positions)
        mapped = self.frame.map_shape(shape, np.ones(len(self.frame.designs.log_parameters)))
        return self._predict(mapped, self.frame.designs.training[case], positions, left_out=case)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to predict, as arrays."""
        corrections = {
            f"{domain}/{fold}/{name}": value
            for domain, of in self.corrections.items() for fold, one in enumerate(of) if one is not None
            for name, value in one.state().items()
        }  # fmt: skip
        parts = {"frame": self.frame.state(), "kriging": self.kriging.state(), "corrections": corrections}
        # A writer of raw memory, such as safetensors, would store a transposed view in the wrong order.
        return {f"{part}/{name}": np.ascontiguousarray(value)
                for part, state in parts.items() for name, value in state.items()}  # fmt: skip

    @classmethod
    @one_thread()
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ClassicalModel:
        """The model that `state` described."""
        kriging = FieldKriging.from_state(below(state, "kriging/"))
        self = cls(kriging.components)
        self.kriging, self.frame = kriging, ReferenceFrame.from_state(below(state, "frame/"))
        corrections = below(state, "corrections/")
        for domain, fold in sorted({tuple(name.rsplit("/", 2)[:2]) for name in corrections}):
            of = self.corrections.setdefault(domain, [None] * (1 + kriging.folds))
            of[int(fold)] = SiteCorrection.from_state(below(corrections, f"{domain}/{fold}/"))
        return self

    def interpolate(
        self, mapped: MappedShape, domain: str, rows: Array, positions: Array, *, left_out: int | None = None
    ) -> Array:
        """Values ``(q, columns)`` at sites, corrected by what was regressed on such predictions.

        Args:
            mapped: The reference points on the design.
            domain: The domain.
            rows: Predicted values at the reference points ``(references, columns)``; columns beyond the domain's own
                are interpolated and no more.
            positions: The sites ``(q, 3)`` in metres.
            left_out: A training case whose values are to touch nothing.
        """
        by_fold = self.corrections.get(domain)
        correction = by_fold[self.kriging.fold_of(left_out)] if by_fold else None
        if correction is None or not len(positions):
            return self.frame.interpolate(mapped, domain, rows, positions)
        own, width = sum(self.components[domain]), rows.shape[1]
        features = self._surface_features(mapped, domain)
        values = self.frame.interpolate(mapped, domain, np.concatenate([rows, features], axis=1), positions)
        rms = field_rms(rows[:, :own], column_slices(self.components[domain]))
        values[:, :own] += rms * correction(site_inputs(values[:, :own] / rms, values[:, width:]))
        return np.ascontiguousarray(values[:, :width])

    def check_domains(self, positions: dict[str, Array]) -> None:
        """Raise a `TramontaneError` where a domain is asked for that was not trained on."""
        if unknown := sorted(set(positions) - set(self.kriging.tables)):
            raise TramontaneError(
                f"classical model: no domain {unknown[0]!r}; it was trained on {sorted(self.kriging.tables)}"
            )

    def _read_back_error(self, domain: str, fields: Sequence[Fields]) -> float:
        """Mean relative error of some cases' true fields, read off at the reference points and interpolated back."""
        errors = []
        for case in range(0, len(fields), -(-len(fields) // _READ_BACK)):
            positions, values = fields[case][domain]
            mapped = replace(self.mapped[case], trees={})
            rows = self.frame.read(mapped, domain, self.frame.scattered(mapped.samples, domain, positions, values))
            back = self.frame.interpolate(mapped, domain, rows, np.asarray(positions)[:_READ_BACK_SITES])
            for columns in column_slices(self.components[domain]):
                errors.append(relative_l2(back[:, columns], np.asarray(values)[:_READ_BACK_SITES, columns]))
        return float(np.mean(errors))

    def _leave_out(self, columns: Collection[int], table: dict[str, Array], fields: Sequence[Fields]) -> None:
        """Make operating conditions no coordinates, where cases left out do not clearly lose by it."""
        designs = self.frame.designs
        scale, training = designs.scale.copy(), designs.training.copy()
        with_all = self._left_out_error(self.frame, self.mapped, table, fields)
        designs.exclude(columns)
        if with_all < _CLEARLY * self._left_out_error(self.frame, self.mapped, table, fields):
            designs.scale, designs.training = scale, training
        self.mapped = [replace(each, coordinates=of) for each, of in zip(self.mapped, designs.training, strict=True)]

    def _left_out_error(
        self, frame: ReferenceFrame, mapped: Sequence[MappedShape], tables: dict[str, Array], fields: Sequence[Fields]
    ) -> float:
        """Mean relative error of all fields of cases left out, at some of their own sites, with one region a domain."""
        coordinates = frame.designs.training
        kriging = FieldKriging(coordinates, tables, frame.points, self.components, regions=1)
        errors = []
        for case, item in enumerate(fields):
            for domain, (positions, values) in item.items():
                drawn = np.random.default_rng(case).permutation(len(positions))[:_TRIAL_SITES]
                rows = kriging.predict(domain, coordinates[case], left_out=case)
                predicted = frame.interpolate(mapped[case], domain, rows, np.asarray(positions)[drawn])
                for columns in column_slices(self.components[domain]):
                    errors.append(relative_l2(predicted[:, columns], np.asarray(values)[drawn, columns]))
        return float(np.mean(errors))

    def _learn_corrections(self, domain: str, fields: Sequence[Fields]) -> list[SiteCorrection | None]:
        """From all cases, and from the cases of each fold; a case's residuals are those of predictions from others."""
        kriging, columns = self.kriging, column_slices(self.components[domain])
        folds = range(1 + kriging.folds)
        inputs: list[list[Array]] = [[] for _ in folds]
        residuals: list[list[Array]] = [[] for _ in folds]
        for case, item in enumerate(fields):
            drawn = np.random.default_rng(case).permutation(len(item[domain][0]))[:_CORRECTION_SITES]
            positions, values = (np.asarray(part)[drawn] for part in item[domain])
            folds_with_case = [fold for fold in folds if fold == 0 or fold != kriging.fold_of(case)]
            rows = [kriging.predict_training(domain, case, fold) for fold in folds_with_case]
            together = np.concatenate([*rows, self._surface_features(self.mapped[case], domain)], axis=1)
            *means, features = np.split(
                self.frame.interpolate(self.mapped[case], domain, together, positions),
                np.cumsum([row.shape[1] for row in rows]), axis=1,
            )  # fmt: skip
            for fold, row, mean in zip(folds_with_case, rows, means, strict=True):
                rms = field_rms(row, columns)
                inputs[fold].append(site_inputs(mean / rms, features))
                residuals[fold].append((values - mean) / rms)
            self.mapped[case].surface_features.clear()  # all cases' would take as much memory as their points
        return [SiteCorrection.learn(*of, columns) for of in zip(inputs, residuals, strict=True)]

    def _surface_features(self, mapped: MappedShape, domain: str) -> Array:
        """`surface_features` at the reference points ``(references, 7)``; kept with the shape."""
        if domain not in mapped.surface_features:
            scale = self.frame.correspondence.window.scale
            parts = in_portions(lambda part: surface_features(mapped.samples, part, scale), mapped.points[domain])
            mapped.surface_features[domain] = np.concatenate(list(parts))
        return mapped.surface_features[domain]

    def _predict(
        self, mapped: MappedShape, coordinates: Array, positions: dict[str, Array], *, left_out: int | None = None
    ) -> Fields:
        fields = {}
        for domain, at in positions.items():
            both = self.kriging.predict_with_deviation(domain, coordinates, left_out=left_out)
            values = self.interpolate(mapped, domain, np.concatenate(both, axis=1), at, left_out=left_out)
            mean, deviation = np.split(values, 2, axis=1)
            fields[domain] = mean, np.maximum(deviation, 0.0)
        return fields

    def _check(self, count: int, fields: Sequence[Fields]) -> None:
        if count < 3 or count != len(fields):
            raise TramontaneError(
                f"classical model: {count} shapes and {len(fields)} cases of fields; give three or more of each"
            )
        columns = {domain: values.shape[1] for domain, (_, values) in fields[0].items()}
        for case, item in enumerate(fields):
            if (own := {domain: values.shape[1] for domain, (_, values) in item.items()}) != columns:
                raise TramontaneError(f"classical model: case {case} has columns {own}, case 0 {columns}; align them")
        for domain, width in columns.items():
            if sum(self.components.setdefault(domain, (width,))) != width:
                raise TramontaneError(
                    f"classical model: domain {domain!r} has {width} columns, not {self.components[domain]}; correct it"
                )


def _window(shapes: Sequence[Shape], fields: Sequence[Fields], planes: dict[int, float] | None) -> Window:
    """The box of all places where fields are known, with a margin but where it cuts shapes off."""
    corners = np.array([
        [extreme([extreme(at, axis=0) for at, _ in item.values()], axis=0) for extreme in (np.min, np.max)]
        for item in fields
    ])  # fmt: skip
    low, high = corners[:, 0].min(0), corners[:, 1].max(0)
    fixed = np.ptp(corners, axis=0) < _SAME * (high - low)
    planes = cut_planes(shapes, low, high) if planes is None else planes
    margin = 0.01 * (high - low).max()
    nearer_low = {axis: plane - low[axis] < high[axis] - plane for axis, plane in planes.items()}
    low, high = low - margin, high + margin
    for axis, plane in planes.items():
        (low if nearer_low[axis] else high)[axis] = plane
    return Window.measure(shapes, low, high, planes, fixed=fixed)


def _map_family(frame: ReferenceFrame, family: Family) -> list[MappedShape]:
    """The reference points on the training cases' shapes."""
    cases = zip(family.samples, family.registrations, frame.designs.training, strict=True)
    return [frame.map_registered(*case) for case in cases]


def _read(
    mapped: Sequence[Sequence[MappedShape]], frames: Sequence[ReferenceFrame], fields: Sequence[Fields]
) -> list[dict[str, Array]]:
    """By frame and domain, the cases' fields at its reference points ``(cases, references, c)``."""
    rows: list[dict[str, list[Array]]] = [{domain: [] for domain in fields[0]} for _ in frames]
    for case, item in enumerate(fields):
        for domain, (positions, values) in item.items():
            # What depends on the case alone serves all frames.
            scattered = frames[0].scattered(mapped[0][case].samples, domain, positions, values)
            for frame, shapes, row in zip(frames, mapped, rows, strict=True):
                row[domain].append(frame.read(shapes[case], domain, scattered).astype(np.float32))
    return [{domain: np.stack(of) for domain, of in row.items()} for row in rows]
