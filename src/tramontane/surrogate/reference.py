"""Prediction at reference points that all cases share: kriging, networks of local tokens, or the one correcting the
other.

Whatever the model, it fills rows at the reference points of a new shape, from which any position is interpolated. The
networks learn what a baseline leaves: the kriging of all other cases, or their mean. They are trained in folds, each
without some of the cases, so that what they are worth on unseen cases is measured on every case: by that their
corrections are shrunk, and the model is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyvista as pv
import torch
from numpy.typing import NDArray
from torch import Tensor

from tramontane.blas import one_thread
from tramontane.contract import Contract
from tramontane.deadline import check_deadline
from tramontane.large_arrays import in_threads
from tramontane.models.classical import ClassicalModel
from tramontane.models.local_tokens import Description, LocalTokens, TokenLayout, describe
from tramontane.models.recent import Recent
from tramontane.models.reference_frame import MappedShape
from tramontane.models.shape_remainder import shape_remainder
from tramontane.models.shapes import Shape
from tramontane.surrogate.mapped_shapes import MappedShapes
from tramontane.surrogate.predictor import Fields, Prediction
from tramontane.surrogate.resolved import ResolvedDesign
from tramontane.training import Normalization, channel_slices
from tramontane.training.normalization import operating_scale, predicted_scale
from tramontane.training.reference_sampler import local_inputs

Array = NDArray[np.floating[Any]]
Baseline = Literal["kriging", "mean"]
Rows = dict[str, Array]
_TOKENS, _NEIGHBOURS = 192, 4  # of each domain
_ROOM = 1 << 27  # bytes of the rows that are kept
_CHUNK = 1 << 16  # reference points or positions computed at once


class ReferencePredictor:
    """Baseline rows, corrected by networks, interpolated to the positions asked for.

    Args:
        contract: What goes in and what comes out.
        scales: Measured on the training cases.
        classical: The reference frame, and the kriging of the training cases.
        model: Its name for the user.
        baseline: What the networks correct.
        networks: One a fold; none leaves the baseline.
        size: By domain, the size of a correction of one ``(channels,)``.
        shrink: By domain, the share of the corrections that unseen cases bear out ``(channels,)``.
    """

    def __init__(
        self,
        contract: Contract,
        scales: Normalization,
        classical: ClassicalModel,
        *,
        model: str,
        baseline: Baseline = "kriging",
        networks: Sequence[LocalTokens] = (),
        size: Rows | None = None,
        shrink: Rows | None = None,
    ) -> None:
        self.contract, self.scales, self.classical, self.model = contract, scales, classical, model
        self.baseline, self.networks = baseline, [network.eval() for network in networks]
        self.size, self.shrink = size or {}, shrink or {}
        self.layouts = make_layouts(classical) if self.networks else {}
        self.shapes = MappedShapes(classical.frame)
        self._recent = Recent(2, room=_ROOM)

    @one_thread()
    def predict(self, design: ResolvedDesign, positions: Mapping[str, Array], *, deviations: bool = True) -> Prediction:
        """Fields at any positions; see `Predictor`. Networks correct the baseline, and do not narrow its deviations."""
        values = design.values
        mapped, rows = self._rows(design, list(positions))
        # Corrections at sites were learnt on kriging alone.
        corrected = self.baseline == "kriging" and not self.networks
        at = self.classical.interpolate if corrected else self.classical.frame.interpolate
        means: Fields = {}
        by_deviation: Fields = {}
        for domain, points in positions.items():
            check_deadline()
            mean, deviation = rows[domain]
            columns = np.concatenate([mean, deviation], axis=1) if deviations else mean
            interpolated = at(mapped, domain, columns, points)
            means[domain] = from_rows(self.contract, self.scales, domain, interpolated[:, : mean.shape[1]], values)
            if deviations:
                positive = np.maximum(interpolated[:, mean.shape[1] :], 0.0)
                of = from_rows(self.contract, self.scales, domain, positive, values)
                by_deviation[domain] = {name: np.abs(each) for name, each in of.items()}
        return Prediction(means, by_deviation if deviations else None)

    @one_thread()
    def at_references(self, design: ResolvedDesign, domains: Sequence[str]) -> dict[str, dict[str, Array]]:
        """Fields at the reference points, which are as dense as the template's mesh: where extrema are taken."""
        _, rows = self._rows(design, domains)
        return {
            domain: from_rows(self.contract, self.scales, domain, rows[domain][0], design.values) for domain in domains
        }

    def _rows(
        self, design: ResolvedDesign, domains: Sequence[str]
    ) -> tuple[MappedShape, dict[str, tuple[Array, Array]]]:
        """The shape with the reference points on it, mean and deviation there; what was asked last is kept."""
        wanted = list(self.layouts or domains)
        mapped = self.shapes.map_shape(*self._shape(design), self._operating(design), wanted)
        key = mapped.shape_hash, mapped.coordinates.tobytes(), tuple(sorted(wanted))
        return mapped, self._recent.get(
            key,
            lambda: self._new_rows(mapped, wanted),
            size=lambda made: sum(mean.nbytes + deviation.nbytes for mean, deviation in made.values()),
        )

    def _new_rows(self, mapped: MappedShape, wanted: Sequence[str]) -> dict[str, tuple[Array, Array]]:
        frame = self.classical.frame
        check_deadline()

        def prepared(domain: str) -> tuple[Array, Array]:
            frame.prepare(mapped, domain)
            return baseline_with_deviation(self.classical, self.baseline, domain, mapped.coordinates)

        rows = dict(zip(wanted, in_threads(prepared, wanted), strict=True))
        if self.networks:
            described = describe(frame, self.layouts, mapped, rows)
            for network in self.networks:
                check_deadline()
                for domain, correction in corrections(network, described, list(wanted)).items():
                    mean, deviation = rows[domain]
                    share = self.size[domain] * self.shrink[domain] / len(self.networks)
                    rows[domain] = mean + correction * share, deviation
        return rows

    @one_thread()
    def coordinates(self, design: ResolvedDesign) -> Array:
        """The coordinates over which fields are kriged, and operating conditions that are none of them."""
        operating = self._operating(design)
        coordinates = self.shapes.coordinates(*self._shape(design), operating)
        return np.concatenate([coordinates, self.classical.frame.designs.excluded(operating)])

    @one_thread()
    def signs(self, design: ResolvedDesign, domains: Sequence[str]) -> dict[str, float]:
        """How far the shape is from the training shapes, and how sure the model is; see `Predictor`."""
        mapped, rows = self._rows(design, domains)
        if not mapped.signs:  # of the shape alone, whatever is asked of it next
            frame = self.classical.frame
            features = (mapped.registration.features - frame.designs.feature_mean) * frame.designs.feature_scale
            left = shape_remainder(frame.designs.features, features)
            missing, new = frame.correspondence.mismatch(mapped.samples, mapped.registration)
            mapped.signs.update(shape_signs(left, missing, new))
        deviations = {domain: rows[domain][1] for domain in domains if domain in rows}
        return mapped.signs | deviation_signs(self.contract, deviations)

    def coordinate_names(self) -> tuple[list[str], list[int]]:
        """What people call the coordinates, if there is a word, and which are in proportion to all answers."""
        keys, designs = list(self.contract.operating), self.classical.frame.designs
        excluded = list(self.places)
        own = len(designs.scale) - len(keys)
        whole = [f"the length along {axis}" for axis in "xyz"] + ["the volume", "the thickness"]
        names = [*whole[:own], *[""] * max(own - len(whole), 0), *keys, *excluded]
        return names, list(range(len(names) - len(excluded), len(names)))

    @property
    def places(self) -> dict[str, list[int]]:
        """In which columns of `coordinates` the operating conditions stand that are no coordinates."""
        designs, keys = self.classical.frame.designs, list(self.contract.operating)
        aside = [
            key for key, scale in zip(keys, designs.scale[len(designs.scale) - len(keys) :], strict=True) if not scale
        ]
        return {key: [len(designs.scale) + place] for place, key in enumerate(aside)}

    def tensors(self) -> dict[str, Tensor]:
        """The kriging's arrays and the networks' weights by name."""
        out = {f"classical/{name}": torch.from_numpy(np.asarray(v)) for name, v in self.classical.state().items()}
        for name, rows in (("size", self.size), ("shrink", self.shrink)):
            out |= {f"{name}/{domain}": torch.from_numpy(np.asarray(row)) for domain, row in rows.items()}
        for index, network in enumerate(self.networks):
            out |= {f"network{index}/{name}": value for name, value in network.state_dict().items()}
        return out

    def document(self) -> dict[str, Any]:
        """Scales, and what rebuilds the networks."""
        return {
            "model": self.model, "baseline": self.baseline, "networks": [network.config for network in self.networks],
            "normalization": self.scales.model_dump(mode="json"),
        }  # fmt: skip

    def _operating(self, design: ResolvedDesign) -> Array:
        return np.array([design.values[key] for key in self.contract.operating])

    @staticmethod
    def _shape(design: ResolvedDesign) -> tuple[bytes, Shape]:
        """The hash of a design's surface, and its triangles."""
        assert design.surface_hash is not None
        return design.surface_hash, shape_of(design.surface)

    @classmethod
    def restore(
        cls, contract: Contract, tensors: dict[str, Tensor], document: dict[str, Any], *, device: str
    ) -> ReferencePredictor:
        """The predictor that `tensors` and `document` described."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}

        classical = ClassicalModel.from_state({name: value.numpy() for name, value in part("classical/").items()})
        layouts = make_layouts(classical) if document["networks"] else {}
        networks = []
        for index, config in enumerate(document["networks"]):
            network = LocalTokens(layouts, classical.frame.points, **config)
            network.load_state_dict(part(f"network{index}/"))
            networks.append(network.to(device))
        return cls(
            contract, Normalization.model_validate(document["normalization"]), classical,
            model=document["model"], baseline=document["baseline"], networks=networks,
            size={domain: value.numpy() for domain, value in part("size/").items()},
            shrink={domain: value.numpy() for domain, value in part("shrink/").items()},
        )  # fmt: skip


def shape_signs(remainder: float, missing: float, new: float) -> dict[str, float]:
    """Signs of a shape, as logarithms: what no combination of training shapes has, and what could not be matched."""
    signs = {"shape": remainder, "registration": missing, "unmatched": new}
    return {name: float(np.log(max(value, 1e-9))) for name, value in signs.items()}


def deviation_signs(contract: Contract, deviations: Mapping[str, Array]) -> dict[str, float]:
    """Signs of the model's own deviation: by field, the logarithm of its root mean square at the reference points.

    Args:
        contract: Names the fields.
        deviations: By domain, ``(references, columns)``, over the fields' scales.
    """
    return {
        f"deviation/{domain}/{name}": float(np.log(max(float(np.sqrt(np.mean(rows[:, columns] ** 2))), 1e-9)))
        for domain, rows in deviations.items()
        for name, columns in channel_slices(contract, domain).items()
    }


def make_layouts(classical: ClassicalModel) -> dict[str, TokenLayout]:
    """The tokens of each domain."""
    return {domain: TokenLayout(points, _TOKENS, _NEIGHBOURS) for domain, points in classical.frame.points.items()}


def shape_of(geometry: pv.PolyData) -> Shape:
    """The triangles of a geometry."""
    return Shape(np.asarray(geometry.points, dtype=np.float64), np.asarray(geometry.regular_faces))


def to_rows(
    contract: Contract, scales: Normalization, domain: str, fields: dict[str, Array], values: dict[str, float]
) -> Array:
    """Fields in SI, side by side ``(n, channels)``: over their operating scales and deviations, not centred."""
    columns = [
        fields[name].reshape(len(fields[name]), -1)
        / (operating_scale(spec, values) * scales.fields[domain][name].deviation)
        for name, spec in contract.fields[domain].items()
    ]
    return np.concatenate(columns, axis=1)


def from_rows(
    contract: Contract, scales: Normalization, domain: str, rows: Array, values: dict[str, float]
) -> dict[str, Array]:
    """The inverse of `to_rows`: ``(n,)`` for a scalar field, ``(n, components)`` else, float32."""
    fields = {}
    for name, columns in channel_slices(contract, domain).items():
        spec = contract.fields[domain][name]
        scaled = rows[:, columns] * (
            predicted_scale(name, spec, contract, values) * scales.fields[domain][name].deviation
        )
        fields[name] = (scaled[:, 0] if spec.components == 1 else scaled).astype(np.float32)
    return fields


def baseline_with_deviation(
    classical: ClassicalModel, kind: Baseline, domain: str, coordinates: Array, *, left_out: int | None = None
) -> tuple[Array, Array]:
    """The baseline ``(references, channels)`` for a design, or for a training case left out; and its deviation."""
    if kind == "kriging":
        return classical.kriging.predict_with_deviation(domain, coordinates, left_out=left_out)
    table = classical.kriging.tables[domain]
    others = table if left_out is None else np.delete(table, left_out, axis=0)
    return np.asarray(others.mean(0)), np.asarray(others.std(0))


def corrections(network: LocalTokens, described: Description, domains: Sequence[str]) -> dict[str, Array]:
    """What a network adds at all reference points ``(references, channels)``, by domain, in its own units."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        tokens = network.encode(local_inputs([described], {}).to(device))
        answer = {}
        for domain in domains:
            count = len(described.local[domain])
            parts = []
            for start in range(0, count, _CHUNK // 4):
                rows = np.arange(start, min(start + _CHUNK // 4, count))
                inputs = local_inputs([described], {domain: rows}).to(device)
                parts.append(network.decode(tokens, inputs, domain)[0].float().cpu().numpy())
            answer[domain] = np.concatenate(parts)
    return answer
