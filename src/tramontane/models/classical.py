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
from tramontane.models.reference_frame import Family, Placed, ReferenceFrame, below
from tramontane.models.shapes import Shape, Window, central, cut_planes
from tramontane.models.site_correction import SiteCorrection, field_sizes, how_it_lies, site_inputs

Array = NDArray[np.floating[Any]]
Fields = dict[str, tuple[Array, Array]]

_ON = 0.01  # median distance to the shape, in diagonals, below which a domain lies on it
_TRIED = 3000  # reference points by which templates are compared
_ASKED = 500  # sites of each case and domain at which they are
_READ_BACK = 8  # cases whose fields are read off and back, to see how that is done best
_ASKED_BACK = 10_000  # sites of each at which they are: few bad faces must not decide
_CLEARLY = 0.9  # share of an error that has to be left for a change that costs time
_LEARNT = 1000  # sites of each case and domain from which corrections are learnt
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
        placed: The training shapes with the reference points on them; empty in a model that was loaded.
    """

    frame: ReferenceFrame
    kriging: FieldKriging

    def __init__(
        self, components: dict[str, tuple[int, ...]] | None = None, *, references: int = 60_000, templates: int = 4
    ) -> None:
        self.components = dict(components or {})
        self.references, self.templates = references, templates
        self.placed: list[Placed] = []
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
        told: Callable[[int, int], None] = lambda done, of: None,
        proportional: Collection[int] = (),
    ) -> ClassicalModel:
        """Learn from cases.

        Args:
            shapes: Each case's geometry.
            parameters: ``(cases, p)`` operating conditions; ``p`` may be 0.
            fields: By case and domain, positions ``(n, 3)`` in metres and non-dimensional values ``(n, c)`` there.
            dimensions: ``(cases, m)`` dimensions by which the geometries were made, where they are known.
            surfaces: Domains that lie on the shape; found from the data where None.
            planes: By axis, where symmetry or the ground cuts shapes off; found from the data where None.
            told: How many shapes were matched with a template, and how many there are for all templates that are tried.
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
            near = {domain: np.median(samples[0].tree.query(where)[0]) for domain, (where, _) in fields[0].items()}
            surfaces = [domain for domain, distance in near.items() if distance < _ON * window.scale]

        def frame(family: Family, references: int) -> ReferenceFrame:
            sites = {domain: where for domain, (where, _) in fields[family.template].items()}
            return ReferenceFrame(
                family, parameters, sites, dimensions=dimensions, surfaces=surfaces, references=references
            )

        tried = central(window, samples)[: self.templates]
        matched, lock = 0, threading.Lock()

        def one_more() -> None:
            nonlocal matched
            with lock:
                matched += 1
                told(matched, len(tried) * len(samples))

        families = [Family(window, samples, case, one_more) for case in tried]
        if len(families) > 1:
            trials = [frame(family, _TRIED) for family in families]
            placed = [_put(*pair) for pair in zip(trials, families, strict=True)]
            tables = _read(placed, trials, fields)
            errors = [self._left_out_error(*of, fields) for of in zip(trials, placed, tables, strict=True)]
            families = [families[int(np.argmin(errors))]]
        self.frame = frame(families[0], self.references)
        self.placed = _put(self.frame, families[0])
        for domain in self.frame.surfaces:
            by_place = self._read_back_error(domain, fields)
            self.frame.oriented.add(domain)
            if self._read_back_error(domain, fields) > _CLEARLY * by_place:
                self.frame.oriented.remove(domain)
        table = _read([self.placed], [self.frame], fields)[0]
        if proportional:
            self._leave_out(proportional, table, fields)
        self.kriging = FieldKriging(self.frame.designs.training, table, self.frame.points, self.components)
        self.corrections = {domain: found for domain in table if any(found := self._learn_corrections(domain, fields))}
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
        placed = self.frame.place(shape, parameters)
        return self._answers(placed, placed.coordinates, positions)

    @one_thread()
    def predict_left_out(self, case: int, shape: Shape, positions: dict[str, Array]) -> Fields:
        """Fields of a training case from all others: its values touch neither weights nor hyperparameters.

        Args:
            case: Which training case.
            shape: Its geometry.
            positions: By domain, points ``(q, 3)`` in metres.

        Returns:
            As `predict`. (Registration and reference points, which see shapes and meshes only, are shared; so are the
            template, which all cases helped to choose among four, and whether normals tell a surface's places apart.)
        """
        self.check_domains(positions)
        placed = self.frame.place(shape, np.ones(len(self.frame.designs.log_parameters)))
        return self._answers(placed, self.frame.designs.training[case], positions, left_out=case)

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

    def answer(self, placed: Placed, domain: str, rows: Array, where: Array, *, left_out: int | None = None) -> Array:
        """Values ``(q, columns)`` at sites, corrected by what was regressed on such predictions.

        Args:
            placed: The reference points on the design.
            domain: The domain.
            rows: Predicted values at the reference points ``(references, columns)``; columns beyond the domain's own
                are interpolated and no more.
            where: The sites ``(q, 3)`` in metres.
            left_out: A training case whose values are to touch nothing.
        """
        of = self.corrections.get(domain)
        correction = of[self.kriging.fold_of(left_out)] if of else None
        if correction is None or not len(where):
            return self.frame.answer(placed, domain, rows, where)
        own, width = sum(self.components[domain]), rows.shape[1]
        found = self.frame.answer(placed, domain, np.concatenate([rows, self._lies(placed, domain)], axis=1), where)
        sizes = field_sizes(rows[:, :own], column_slices(self.components[domain]))
        found[:, :own] += sizes * correction(site_inputs(found[:, :own] / sizes, found[:, width:]))
        return np.ascontiguousarray(found[:, :width])

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
            where, values = fields[case][domain]
            placed = replace(self.placed[case], trees={})
            rows = self.frame.read(placed, domain, self.frame.known(placed.samples, domain, where, values))
            back = self.frame.answer(placed, domain, rows, np.asarray(where)[:_ASKED_BACK])
            for columns in column_slices(self.components[domain]):
                errors.append(relative_l2(back[:, columns], np.asarray(values)[:_ASKED_BACK, columns]))
        return float(np.mean(errors))

    def _leave_out(self, columns: Collection[int], table: dict[str, Array], fields: Sequence[Fields]) -> None:
        """Make operating conditions no coordinates, where cases left out do not clearly lose by it."""
        designs = self.frame.designs
        scale, seen = designs.scale.copy(), designs.training.copy()
        kept = self._left_out_error(self.frame, self.placed, table, fields)
        designs.exclude(columns)
        if kept < _CLEARLY * self._left_out_error(self.frame, self.placed, table, fields):
            designs.scale, designs.training = scale, seen
        self.placed = [replace(each, coordinates=of) for each, of in zip(self.placed, designs.training, strict=True)]

    def _left_out_error(
        self, frame: ReferenceFrame, placed: Sequence[Placed], tables: dict[str, Array], fields: Sequence[Fields]
    ) -> float:
        """Mean relative error of all fields of cases left out, at some of their own sites, with one region a domain."""
        kriging = FieldKriging(frame.designs.training, tables, frame.points, self.components, regions=1)
        errors = []
        for case, item in enumerate(fields):
            for domain, (where, values) in item.items():
                some = np.random.default_rng(case).permutation(len(where))[:_ASKED]
                found = frame.answer(
                    placed[case],
                    domain,
                    kriging.predict(domain, frame.designs.training[case], left_out=case),
                    np.asarray(where)[some],
                )
                for columns in column_slices(self.components[domain]):
                    errors.append(relative_l2(found[:, columns], np.asarray(values)[some, columns]))
        return float(np.mean(errors))

    def _learn_corrections(self, domain: str, fields: Sequence[Fields]) -> list[SiteCorrection | None]:
        """From all cases, and from the cases of each fold; what is left of a case is predicted from others alone."""
        kriging, columns = self.kriging, column_slices(self.components[domain])
        folds = range(1 + kriging.folds)
        inputs: list[list[Array]] = [[] for _ in folds]
        left: list[list[Array]] = [[] for _ in folds]
        for case, item in enumerate(fields):
            some = np.random.default_rng(case).permutation(len(item[domain][0]))[:_LEARNT]
            where, values = (np.asarray(part)[some] for part in item[domain])
            seen = [fold for fold in folds if fold == 0 or fold != kriging.fold_of(case)]
            rows = [kriging.predict_training(domain, case, fold) for fold in seen]
            together = np.concatenate([*rows, self._lies(self.placed[case], domain)], axis=1)
            *means, lies = np.split(
                self.frame.answer(self.placed[case], domain, together, where),
                np.cumsum([row.shape[1] for row in rows]), axis=1,
            )  # fmt: skip
            for fold, row, mean in zip(seen, rows, means, strict=True):
                sizes = field_sizes(row, columns)
                inputs[fold].append(site_inputs(mean / sizes, lies))
                left[fold].append((values - mean) / sizes)
            self.placed[case].lies.clear()  # all cases' would take as much memory as their points
        return [SiteCorrection.learn(*of, columns) for of in zip(inputs, left, strict=True)]

    def _lies(self, placed: Placed, domain: str) -> Array:
        """`how_it_lies` at the reference points ``(references, 7)``; kept with the shape."""
        if domain not in placed.lies:
            scale = self.frame.correspondence.window.scale
            parts = in_portions(lambda part: how_it_lies(placed.samples, part, scale), placed.carried[domain])
            placed.lies[domain] = np.concatenate(list(parts))
        return placed.lies[domain]

    def _answers(
        self, placed: Placed, coordinates: Array, positions: dict[str, Array], *, left_out: int | None = None
    ) -> Fields:
        answers = {}
        for domain, where in positions.items():
            both = self.kriging.predict_with_deviation(domain, coordinates, left_out=left_out)
            found = self.answer(placed, domain, np.concatenate(both, axis=1), where, left_out=left_out)
            mean, deviation = np.split(found, 2, axis=1)
            answers[domain] = mean, np.maximum(deviation, 0.0)
        return answers

    def _check(self, count: int, fields: Sequence[Fields]) -> None:
        if count < 3 or count != len(fields):
            raise TramontaneError(
                f"classical model: {count} shapes and {len(fields)} cases of fields; give three or more of each"
            )
        columns = {domain: values.shape[1] for domain, (_, values) in fields[0].items()}
        for case, item in enumerate(fields):
            if (found := {domain: values.shape[1] for domain, (_, values) in item.items()}) != columns:
                raise TramontaneError(f"classical model: case {case} has columns {found}, case 0 {columns}; align them")
        for domain, width in columns.items():
            if sum(self.components.setdefault(domain, (width,))) != width:
                raise TramontaneError(
                    f"classical model: domain {domain!r} has {width} columns, not {self.components[domain]}; correct it"
                )


def _window(shapes: Sequence[Shape], fields: Sequence[Fields], planes: dict[int, float] | None) -> Window:
    """The box of all places where fields are known, with a margin but where it cuts shapes off."""
    corners = np.array([
        [extreme([extreme(where, axis=0) for where, _ in item.values()], axis=0) for extreme in (np.min, np.max)]
        for item in fields
    ])  # fmt: skip
    low, high = corners[:, 0].min(0), corners[:, 1].max(0)
    fixed = np.ptp(corners, axis=0) < _SAME * (high - low)
    planes = cut_planes(shapes, low, high) if planes is None else planes
    margin = 0.01 * (high - low).max()
    nearer_low = {axis: place - low[axis] < high[axis] - place for axis, place in planes.items()}
    low, high = low - margin, high + margin
    for axis, place in planes.items():
        (low if nearer_low[axis] else high)[axis] = place
    return Window.measure(shapes, low, high, planes, fixed=fixed)


def _put(frame: ReferenceFrame, family: Family) -> list[Placed]:
    """The reference points on the training cases' shapes."""
    return [frame.put(*of) for of in zip(family.samples, family.registrations, frame.designs.training, strict=True)]


def _read(
    placed: Sequence[Sequence[Placed]], frames: Sequence[ReferenceFrame], fields: Sequence[Fields]
) -> list[dict[str, Array]]:
    """By frame and domain, the cases' fields at its reference points ``(cases, references, c)``."""
    rows: list[dict[str, list[Array]]] = [{domain: [] for domain in fields[0]} for _ in frames]
    for case, item in enumerate(fields):
        for domain, (where, values) in item.items():
            # What depends on the case alone serves all frames.
            known = frames[0].known(placed[0][case].samples, domain, where, values)
            for frame, on, row in zip(frames, placed, rows, strict=True):
                row[domain].append(frame.read(on[case], domain, known).astype(np.float32))
    return [{domain: np.stack(of) for domain, of in row.items()} for row in rows]
