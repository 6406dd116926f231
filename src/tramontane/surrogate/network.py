"""A network on points, such as AB-UPT, as a surrogate's predictor: from SI to its frame and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyvista as pv
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.errors import SurrogateError
from tramontane.metrics import mean_absolute, relative_l2
from tramontane.models import build
from tramontane.models.inputs import Inputs
from tramontane.surrogate.predictor import Training, describe_design
from tramontane.training import (
    FieldError,
    Normalization,
    Run,
    Sampler,
    Validation,
    channel_count,
    train,
)
from tramontane.training.anchors import draw_anchors, geometry_input

Array = NDArray[np.floating[Any]]
# Sizes that a few hundred CPU minutes can train; the classes keep their papers' sizes as defaults.
_SMALL = {"ab-upt": {"dim": 96, "decoder_depth": 1}}
_SEED = 0  # of every draw in a prediction: the same design gives the same answer
_ANCHORS = 256  # of each domain, where nobody says otherwise
_MEASURED = 2048  # sites of each domain of a held case at which a network is judged on the way
_POINTS_MOST = 1 << 22  # of a prediction's draw
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

    def fields(
        self, geometry: pv.PolyData, values: dict[str, float], positions: Mapping[str, Array]
    ) -> dict[str, dict[str, Array]]:
        """Fields at any positions; see `Predictor`."""
        device = next(self.network.parameters()).device
        network: Any = self.network
        accelerated = device.type != "cpu"
        chunk = _ACCELERATED_CHUNK if accelerated else _CHUNK
        answer: dict[str, dict[str, Array]] = {}
        # An accelerator multiplies in bfloat16, as it was trained there; a CPU in float32.
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=accelerated):
            cache = network.encode(self._inputs(geometry, values).to(device))
            for domain, where in positions.items():
                scores = np.empty((len(where), channel_count(self.contract, domain)), dtype=np.float32)
                for start in range(0, len(where), chunk):
                    queries = _batch(self.scales.positions(where[start : start + chunk])).to(device)
                    scores[start : start + chunk] = network.decode(cache, domain, queries)[0].float().cpu().numpy()
                answer[domain] = self.scales.decode(self.contract, domain, scores, values)
        return answer

    def spread(
        self, geometry: pv.PolyData, values: dict[str, float], positions: Mapping[str, Array]
    ) -> dict[str, dict[str, Array]]:
        """A single network has none."""
        raise SurrogateError(f"a {self.model} model gives no spread; train one with --model classical")

    def design(self, geometry: pv.PolyData, values: dict[str, float]) -> Array:
        """The geometry's descriptors and the operating conditions."""
        return describe_design(geometry, (values[name] for name in self.contract.operating))

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
                found = tuple(tensors[name].shape) if name in tensors else "missing"
                raise SurrogateError(f"array predictor.{name} is {found}, the network's configuration asks for "
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

    def _inputs(self, geometry: pv.PolyData, values: dict[str, float]) -> Inputs:
        scales = self.scales
        on_surface, normals = geometry_input(geometry, self.contract, count=self.geometry_points, seed=_SEED)
        places = {
            domain: draw_anchors(geometry, self.contract, domain, count=self.anchors, seed=_SEED, template=template)
            for domain, template in self.templates.items()
        }
        return Inputs(
            geometry=_batch(scales.positions(on_surface)),
            normals=_batch(normals),
            parameters=_batch(scales.parameter_vector(values)),
            points={domain: _batch(scales.positions(where)) for domain, where in places.items()},
        )


def fit_network(
    dataset: Dataset,
    contract: Contract,
    names: Sequence[str],
    held: Sequence[str],
    training: Training,
    *,
    model: str,
    config: dict[str, Any],
    templates: dict[str, Array],
    points: int,
    anchors: int | None,
    geometry_points: int,
    start: NetworkPredictor | None = None,
) -> tuple[NetworkPredictor, Run]:
    """Train a network on points.

    Args:
        dataset: The store.
        contract: With the ranges of the training cases.
        names: Training cases.
        held: Cases that are watched meanwhile; may be empty.
        training: How.
        model: Name in `tramontane.models`.
        config: Keyword arguments of the network beyond its defaults.
        templates: By domain, where training cases have their sites.
        points: Sites drawn of each domain in a step, where its fields are asked for.
        anchors: Of each domain, in training and in predictions; None takes those of ``start``, or a few hundred.
        geometry_points: Points drawn on the geometry.
        start: Whose weights, architecture and scales the run goes on from; None starts at random.
    """
    torch.manual_seed(training.seed)
    if start is None:
        scales = Normalization.measure(dataset, names)
        domains = {domain: channel_count(contract, domain) for domain in contract.fields}
        network = build(
            model, {"domains": domains, "n_parameters": len(contract.operating)} | _SMALL.get(model, {}) | config
        )
    else:
        scales = start.scales
        network = build(model, start.document()["config"])
        network.load_state_dict(start.tensors())
    if anchors is None:
        anchors = _ANCHORS if start is None else start.anchors
    draws: dict[str, Any] = {
        "templates": templates, "points": points, "anchors": anchors, "geometry_points": geometry_points,
        "seed": training.seed,
    }  # fmt: skip
    sampler = Sampler(dataset, names, scales, batch_size=training.batch_size or 1, **draws)
    unseen = Sampler(dataset, held, scales, **draws)
    for name in held:
        unseen.inputs([name], key=_FIXED)  # one that leaves no room is named now, not when it is first measured
    training.watch.stage("networks")
    run = train(
        network, sampler,
        steps=training.steps, budget=training.budget, device=training.device, precision=training.precision,
        optimizer=training.optimizer, lr=training.lr, ema_decay=training.ema_decay,
        checkpoint=training.checkpoint(), checkpoint_seconds=training.checkpoint_seconds, console=training.console,
        validation=Validation(lambda net: field_errors(net, unseen), patience=training.patience) if held else None,
        watch=training.watch, name=model,
    )  # fmt: skip
    predictor = NetworkPredictor(
        contract, scales, network,
        model=model, templates=templates, anchors=anchors, geometry_points=geometry_points,
    )  # fmt: skip
    return predictor, run


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
