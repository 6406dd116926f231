"""A network on points, such as AB-UPT, as a surrogate's predictor: from SI to its frame and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tramontane.contract import Contract
from tramontane.dataset import describe_geometry
from tramontane.errors import SurrogateError
from tramontane.metrics import mean_absolute, relative_l2
from tramontane.models import build
from tramontane.models.inputs import Inputs
from tramontane.models.recent import Recent
from tramontane.surrogate.kinds.kind import Fitted, Task
from tramontane.surrogate.predictor import Prediction
from tramontane.surrogate.record import Figures
from tramontane.surrogate.resolved import ResolvedDesign
from tramontane.training import (
    FieldError,
    Normalization,
    Sampler,
    Validation,
    channel_count,
)
from tramontane.training.anchors import draw_anchors, geometry_input

Array = NDArray[np.floating[Any]]
# Sizes that a few hundred CPU minutes can train; the classes keep their papers' sizes as defaults.
_SMALL = {"ab-upt": {"dim": 96, "decoder_depth": 1}}
_SEED = 0  # of every draw in a prediction: the same design gives the same answer
_ANCHORS = 256  # of each domain, where nobody says otherwise
_MEASURED = 2048  # sites of each domain of a held case at which a network is judged on the way
_POINTS_MOST = 1 << 22  # of a prediction's draw
_SHAPES = 4  # of which the last points are kept: a part is asked with one operating condition after the other
_FIXED = (0, 1 << 20)  # key of their draws
# Positions decoded at once: what suits a CPU's cache, and what keeps an accelerator busy.
_CHUNK, _ACCELERATED_CHUNK = 2048, 1 << 17


class NetworkPredictor:
    """Encodes a geometry and anchors once, then decodes any positions in portions.

    Args:
        contract: What goes in and what comes out.
        scales: Measured on the training cases.
        network: Maps `Inputs` to standard scores; has ``config``, ``encode`` and ``decode``.
        model: The network's name in `tramontane.models`.
        templates: By domain, where training cases have their sites, relative to the bounding box ``(n, 3)``.
        anchors: How many of each domain.
        geometry_points: Points drawn on the geometry.
    """

    def __init__(
        self,
        contract: Contract,
        scales: Normalization,
        network: nn.Module,
        *,
        model: str,
        templates: dict[str, Array],
        anchors: int,
        geometry_points: int,
    ) -> None:
        self.contract, self.scales, self.network, self.model = contract, scales, network.eval(), model
        self.templates, self.anchors, self.geometry_points = templates, anchors, geometry_points
        self._described, self._drawn = Recent(_SHAPES), Recent(_SHAPES)

    def predict(self, design: ResolvedDesign, positions: Mapping[str, Array], *, deviations: bool = True) -> Prediction:
        """Fields at any positions; see `Predictor`. A single network has no standard deviations."""
        device = next(self.network.parameters()).device
        network: Any = self.network
        accelerated = device.type != "cpu"
        chunk = _ACCELERATED_CHUNK if accelerated else _CHUNK
        answer: dict[str, dict[str, Array]] = {}
        # An accelerator multiplies in bfloat16, as it was trained there; a CPU in float32.
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=accelerated):
            cache = network.encode(self._inputs(design).to(device))
            for domain, points in positions.items():
                scores = np.empty((len(points), channel_count(self.contract, domain)), dtype=np.float32)
                for start in range(0, len(points), chunk):
                    queries = _batch(self.scales.positions(points[start : start + chunk])).to(device)
                    scores[start : start + chunk] = network.decode(cache, domain, queries)[0].float().cpu().numpy()
                answer[domain] = self.scales.decode(self.contract, domain, scores, design.values)
        return Prediction(answer)

    def coordinates(self, design: ResolvedDesign) -> Array:
        """The geometry's descriptors and the operating conditions."""
        shape = self._described.get(design.surface_hash, lambda: describe_geometry(design.surface))
        return np.array([*shape, *(design.values[name] for name in self.contract.operating)])

    def signs(self, design: ResolvedDesign, domains: Sequence[str]) -> dict[str, float]:
        """None beyond the descriptors of its shape; see `Predictor`."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """Weights by name, on the CPU."""
        return {name: value.cpu() for name, value in self.network.state_dict().items()}

    def document(self) -> dict[str, Any]:
        """Scales, and what rebuilds the network."""
        return {
            "model": self.model, "config": self.network.config, "anchors": self.anchors,
            "geometry_points": self.geometry_points, "normalization": self.scales.model_dump(mode="json"),
        }  # fmt: skip

    @classmethod
    def restore(
        cls,
        contract: Contract,
        tensors: dict[str, Tensor],
        document: dict[str, Any],
        *,
        templates: dict[str, Array],
        device: str,
    ) -> NetworkPredictor:
        """The predictor that `tensors` and `document` described."""
        # On no device first: a size that does not fit is found before memory is taken for it.
        with torch.device("meta"):
            shapes = {
                name: value.shape for name, value in build(document["model"], document["config"]).state_dict().items()
            }
        for name, shape in shapes.items():
            if name not in tensors or tensors[name].shape != shape:
                saved_shape = tuple(tensors[name].shape) if name in tensors else "missing"
                raise SurrogateError(f"array predictor.{name} is {saved_shape}, the network's configuration asks for "
                                     f"{tuple(shape)}")  # fmt: skip
        for name in ("anchors", "geometry_points"):
            if not isinstance(document[name], int) or not 0 < document[name] <= _POINTS_MOST:
                raise SurrogateError(f"predictor.json: {name} is {str(document[name])[:40]}, not 1 to {_POINTS_MOST}")
        if network_domains := set(document["config"].get("domains", {})) ^ set(contract.fields):
            raise SurrogateError(f"predictor.json: the network and the contract differ in {', '.join(network_domains)}")
        network = build(document["model"], document["config"])
        network.load_state_dict(tensors)
        return cls(
            contract, Normalization.model_validate(document["normalization"]), network.to(device),
            model=document["model"], templates=templates, anchors=document["anchors"],
            geometry_points=document["geometry_points"],
        )  # fmt: skip

    def _inputs(self, design: ResolvedDesign) -> Inputs:
        scales = self.scales
        (on_surface, normals), places = self._drawn.get(design.surface_hash, lambda: self._draw(design.surface))
        return Inputs(
            geometry=_batch(scales.positions(on_surface)),
            normals=_batch(normals),
            parameters=_batch(scales.parameter_vector(design.values)),
            points={domain: _batch(scales.positions(points)) for domain, points in places.items()},
        )

    def _draw(self, geometry: Any) -> tuple[tuple[Array, Array], dict[str, Array]]:
        """Points on a geometry with their normals, and anchors by domain."""
        return geometry_input(geometry, self.contract, count=self.geometry_points, seed=_SEED), {
            domain: draw_anchors(geometry, self.contract, domain, count=self.anchors, seed=_SEED, template=template)
            for domain, template in self.templates.items()
        }


def fit_network(task: Task) -> Fitted:
    """Train a network on points: the one that the task's options name, or the one that it starts from."""
    dataset, training, options, start = task.dataset, task.training, task.training.options, task.start
    torch.manual_seed(options.seed)
    if start is None:
        scales = Normalization.measure(dataset, task.names)
        domains = {domain: channel_count(task.contract, domain) for domain in task.contract.fields}
        network = build(
            options.model,
            {"domains": domains, "n_parameters": len(task.contract.operating)}
            | _SMALL.get(options.model, {})
            | options.config,
        )
    else:
        assert isinstance(start, NetworkPredictor)
        scales = start.scales
        network = build(options.model, start.document()["config"])
        network.load_state_dict(start.tensors())
    anchors = options.anchors
    if anchors is None:
        anchors = _ANCHORS if start is None else start.anchors
    templates = dict(task.templates)
    draws: dict[str, Any] = {
        "templates": templates, "points": options.points, "anchors": anchors,
        "geometry_points": options.geometry_points, "seed": options.seed,
    }  # fmt: skip
    sampler = Sampler(dataset, task.names, scales, batch_size=options.batch_size or 1, **draws)
    unseen = Sampler(dataset, task.validation, scales, **draws)
    for name in task.validation:
        unseen.inputs([name], key=_FIXED)  # one that leaves no room is named now, not when it is first measured
    training.watch.stage("networks")
    validation = (
        Validation(lambda net: field_errors(net, unseen), patience=options.patience) if task.validation else None
    )
    run = training.train(network, sampler, called=options.model, validation=validation)
    predictor = NetworkPredictor(
        task.contract, scales, network,
        model=options.model, templates=templates, anchors=anchors, geometry_points=options.geometry_points,
    )  # fmt: skip
    validated = run.history[-1]["errors"] if run.history else {}
    return Fitted(predictor, run, Figures(validation=validated, history=run.history))


def field_errors(network: nn.Module, sampler: Sampler) -> dict[str, FieldError]:
    """Errors of a network on a sample of each of a sampler's cases."""
    errors = [_case_errors(network, sampler, name) for name in sampler.names]
    units = {f"{d}/{f}": spec.unit for d, specs in sampler.dataset.contract.fields.items() for f, spec in specs.items()}
    return {
        key: FieldError(float(np.mean([e[key][0] for e in errors])), float(np.mean([e[key][1] for e in errors])), unit)
        for key, unit in units.items()
    }


def _case_errors(network: Any, sampler: Sampler, name: str) -> dict[str, tuple[float, float]]:
    """Relative L2 and mean absolute error (SI) of each field at sites of a case."""
    dataset, scales, parameters = sampler.dataset, sampler.normalization, sampler.dataset.parameters(name)
    device = next(network.parameters()).device
    errors = {}
    with torch.no_grad():
        cache = network.encode(sampler.inputs([name], key=_FIXED).to(device))
        for domain in dataset.contract.fields:
            sites = dataset.sample(name, domain, _MEASURED, np.random.default_rng(_SEED))
            queries = _batch(scales.positions(sites.positions)).to(device)
            scores = network.decode(cache, domain, queries)[0].float().cpu().numpy()
            for field, answer in scales.decode(dataset.contract, domain, scores, parameters).items():
                truth = sites.fields[field].reshape(answer.shape)
                errors[f"{domain}/{field}"] = relative_l2(answer, truth), mean_absolute(answer, truth)
    return errors


def _batch(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))[None]
