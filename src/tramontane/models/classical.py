"""The classical model: fields of corresponding points, interpolated between cases by Gaussian processes.

For ten to two hundred cases of one family, whatever their meshes: every case's fields are read off at the same
reference points (`reference_frame`) and kriged over the designs' coordinates (`field_kriging`). In the line of MMGP
(Casenave et al. 2023, arXiv:2305.12871), with registration in place of a morphing by hand. Figures are in
``docs/model-notes.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import TramontaneError
from tramontane.models.correspondence import Shape
from tramontane.models.field_kriging import FieldKriging
from tramontane.models.reference_frame import Placed, ReferenceFrame, below

Array = NDArray[np.floating[Any]]
Fields = dict[str, tuple[Array, Array]]


class ClassicalModel:
    """Kriging of registered fields.

    Args:
        components: By domain, how its columns of values split into fields, ``{"surface": (1, 3)}``; each field has
            its own Gaussian processes. A domain not named is one field.
        references: How many reference points to keep in each domain.

    Attributes:
        frame: The reference points and the designs' coordinates.
        kriging: The Gaussian processes, with the training cases' fields at the reference points.
        placed: The training shapes with the reference points on them; empty in a model that was loaded.
    """

    frame: ReferenceFrame
    kriging: FieldKriging

    def __init__(self, components: dict[str, tuple[int, ...]] | None = None, *, references: int = 60_000) -> None:
        self.components = dict(components or {})
        self.references = references
        self.placed: list[Placed] = []

    def fit(
        self,
        shapes: Sequence[Shape],
        parameters: Array,
        fields: Sequence[Fields],
        *,
        dimensions: Array | None = None,
        surfaces: Collection[str] | None = None,
        planes: dict[int, float] | None = None,
    ) -> ClassicalModel:
        """Learn from cases.

        Args:
            shapes: Each case's geometry.
            parameters: ``(cases, p)`` operating conditions; ``p`` may be 0.
            fields: By case and domain, positions ``(n, 3)`` in metres and non-dimensional values ``(n, c)`` there.
            dimensions: ``(cases, m)`` dimensions by which the geometries were made, where they are known.
            surfaces: Domains that lie on the shape; found from the data where None.
            planes: By axis, where symmetry or the ground cuts shapes off; found from the data where None.

        Raises:
            TramontaneError: Fewer than three cases, or cases of unequal domains or components.
            GeometryError: A shape has no area where fields are known.
        """
        parameters = np.asarray(parameters, float).reshape(len(shapes), -1)
        columns = self._check(len(shapes), fields)
        positions = [{domain: where for domain, (where, _) in item.items()} for item in fields]
        self.frame = ReferenceFrame(
            shapes,
            parameters,
            positions,
            dimensions=dimensions,
            surfaces=surfaces,
            planes=planes,
            references=self.references,
        )
        self.placed = [self.frame.place(*pair) for pair in zip(shapes, parameters, strict=True)]
        tables = {
            domain: np.stack([self.frame.read(placed, domain, *item[domain]).astype(np.float32)
                              for placed, item in zip(self.placed, fields, strict=True)])
            for domain in columns
        }  # fmt: skip
        self.kriging = FieldKriging(
            self.frame.coordinates, tables, self.frame.points,
            {domain: self.components[domain] for domain in columns},
        )  # fmt: skip
        return self

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
        return {
            domain: self._answer(placed, domain, self.kriging.predict(domain, placed.coordinates), where)
            for domain, where in positions.items()
        }

    def predict_left_out(self, case: int, shape: Shape, positions: dict[str, Array]) -> Fields:
        """Fields of a training case from all others: its values touch neither weights nor hyperparameters.

        Args:
            case: Which training case.
            shape: Its geometry.
            positions: By domain, points ``(q, 3)`` in metres.

        Returns:
            As `predict`. (Registration and reference points, which see shapes and meshes only, are shared.)
        """
        self.check_domains(positions)
        placed = self.frame.place(shape, np.ones(len(self.frame.log_parameters)))
        return {
            domain: self._answer(placed, domain, self.kriging.left_out(domain, case), where)
            for domain, where in positions.items()
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to predict, as arrays."""
        parts = {"frame": self.frame.state(), "kriging": self.kriging.state()}
        # A writer of raw memory, such as safetensors, would store a transposed view in the wrong order.
        return {f"{part}/{name}": np.ascontiguousarray(value)
                for part, state in parts.items() for name, value in state.items()}  # fmt: skip

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> ClassicalModel:
        """The model that `state` described."""
        kriging = FieldKriging.from_state(below(state, "kriging/"))
        self = cls(kriging.components)
        self.kriging, self.frame = kriging, ReferenceFrame.from_state(below(state, "frame/"))
        return self

    def check_domains(self, positions: dict[str, Array]) -> None:
        """Raise a `TramontaneError` where a domain is asked for that was not trained on."""
        if unknown := sorted(set(positions) - set(self.kriging.tables)):
            raise TramontaneError(
                f"classical model: no domain {unknown[0]!r}; it was trained on {sorted(self.kriging.tables)}"
            )

    def _answer(self, placed: Placed, domain: str, at: tuple[Array, Array], where: Array) -> tuple[Array, Array]:
        mean, deviation = (self.frame.answer(placed, domain, values, where) for values in at)
        return mean, np.maximum(deviation, 0.0)

    def _check(self, count: int, fields: Sequence[Fields]) -> dict[str, int]:
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
        return columns
