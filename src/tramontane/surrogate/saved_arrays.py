"""What the arrays of a saved surrogate must be like: each of its kind, finite, and as long as the others say.

A hash says that a file is as it was written, not that it was written well: by another program, by a hand, on a disk
that filled. What is checked here would otherwise fail, or answer wrongly, at somebody's first question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from tramontane.contract import Contract
from tramontane.errors import SurrogateError
from tramontane.training.normalization import channel_count

_CORRESPONDENCE = {
    "box": "float 3 3",
    "controls": "float controls 6",
    "gaps": "float 2 3",
    "planes": "float planes 2",
    "spacing": "positive 1",
}
_DESIGNS = {
    "log_parameters": "bool operating",
    "mean": "float coordinates",
    "scale": "float coordinates",
    "seen": "float cases coordinates",
    "rows": "float components features",
    "feature_mean": "float features",
    "features": "float cases features",
    "feature_scale": "positive 1",
    "descriptor_mean": "float descriptors",
    "descriptor_scale": "float descriptors",
    "descriptors": "float cases descriptors",
    "weights": "float estimates kinds",
    "alpha": "float estimates cases",
}
_KRIGING = {
    "coordinates": "float cases coordinates",
    "folds": "int 1",
    "components/DOMAIN": "int fields.DOMAIN",
    "tables/DOMAIN": "float cases references.DOMAIN channels.DOMAIN",
    "shares/DOMAIN": "float references.DOMAIN regions.DOMAIN",
    "sizes/DOMAIN": "float fits fields.DOMAIN regions.DOMAIN cases",
    "learnt/DOMAIN": "float fits fields.DOMAIN regions.DOMAIN hyperparameters",
    "spread/DOMAIN": "float references.DOMAIN channels.DOMAIN",
}
_FRAME = {
    "kinds/DOMAIN": "bool 2",
    "points/DOMAIN": "float references.DOMAIN 3",
    "footing/DOMAIN/near": "index<references.DOMAIN near.DOMAIN",
    "footing/DOMAIN/normals": "float near.DOMAIN 3",
    "footing/DOMAIN/heights": "float near.DOMAIN",
    "footing/DOMAIN/between": "index<references.DOMAIN between.DOMAIN",
    "footing/DOMAIN/around": "index<near.DOMAIN between.DOMAIN around.DOMAIN",
    "footing/DOMAIN/share": "float between.DOMAIN around.DOMAIN",
}
_CORRECTION = {
    "centre": "float inputs.DOMAIN",
    "scale": "float inputs.DOMAIN",
    "directions": "float plain.DOMAIN waves.DOMAIN",
    "weights": "float terms.DOMAIN channels.DOMAIN",
}
_SCALAR = {
    "columns": "index<design.DOMAIN inputs.DOMAIN",
    "mean": "float inputs.DOMAIN",
    "scale": "float inputs.DOMAIN",
    "hyper": "float hyperparameters.DOMAIN",
    "seen": "float cases.DOMAIN inputs.DOMAIN",
    "values": "float cases.DOMAIN",
    "left_out": "float cases.DOMAIN",
    "left_out_deviation": "float cases.DOMAIN",
    "numbers": "float 3",
}
_CLASSICAL = "predictor.classical/"
LAYOUT = (
    {f"{_CLASSICAL}frame/correspondence/{name}": kind for name, kind in _CORRESPONDENCE.items()}
    | {f"{_CLASSICAL}frame/designs/{name}": kind for name, kind in _DESIGNS.items()}
    | {f"{_CLASSICAL}frame/{name}": kind for name, kind in _FRAME.items()}
    | {f"{_CLASSICAL}kriging/{name}": kind for name, kind in _KRIGING.items()}
    | {f"{_CLASSICAL}corrections/DOMAIN/FOLD/{name}": kind for name, kind in _CORRECTION.items()}
    | {"predictor.size/DOMAIN": "float channels.DOMAIN", "predictor.shrink/DOMAIN": "float channels.DOMAIN"}
    | {f"predictor.shapes/correspondence/{name}": kind for name, kind in _CORRESPONDENCE.items()}
    | {f"predictor.shapes/designsFOLD/{name}": re.sub(r"(coordinates|components|estimates)", r"\1.FOLD", kind)
       for name, kind in _DESIGNS.items()}
    | {"predictor.logarithms": "bool logarithms", "template.DOMAIN": "float sites.DOMAIN 3"}
    | {f"scalar.DOMAIN.{name}": kind for name, kind in _SCALAR.items()}
)  # fmt: skip
"""By name, what an array holds, and how many of what along each axis; equal names are equal lengths.

DOMAIN stands for a domain's (or a QoI's) name, FOLD for a number. Weights of networks are not here: the network that
they are loaded into compares them with its own.
"""


@dataclass(frozen=True)
class _Pattern:
    expression: re.Pattern[str]
    kind: str
    axes: tuple[str, ...]


def _patterns() -> Iterator[_Pattern]:
    for name, words in LAYOUT.items():
        escaped = re.escape(name).replace("DOMAIN", "(?P<domain>.+)").replace("FOLD", r"(?P<fold>\d+)")
        kind, *axes = words.split()
        yield _Pattern(re.compile(escaped), kind, tuple(axes))


_PATTERNS = tuple(_patterns())


def check_arrays(tensors: Mapping[str, Tensor], contract: Contract) -> None:
    """Compare a saved surrogate's arrays with what they must be, with each other, and with its contract.

    Args:
        tensors: By name.
        contract: Of the surrogate.

    Raises:
        SurrogateError: One is of another kind or shape, has numbers that are not finite, or nothing but zeros is there.
    """
    lengths: dict[str, tuple[int, str]] = {
        f"channels.{domain}": (channel_count(contract, domain), f"domain {domain} of the contract")
        for domain in contract.fields
    }
    lengths["operating"] = len(contract.operating), "the contract"
    bounded: list[tuple[str, NDArray[Any], str]] = []
    zeros = True
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            count = int((~torch.isfinite(tensor)).sum())
            raise SurrogateError(f"array {name} has {count} values that are not finite numbers")
        zeros = zeros and not (tensor.is_floating_point() and bool(tensor.any()))
        recognised = next(((each, match) for each in _PATTERNS if (match := each.expression.fullmatch(name))), None)
        if recognised is None:
            continue
        pattern, match = recognised
        places = match.groupdict()

        def at(text: str, places: dict[str, str | Any] = places) -> str:
            return text.replace("DOMAIN", places.get("domain") or "").replace("FOLD", places.get("fold") or "")

        array, kind = tensor.numpy(), pattern.kind
        _check_kind(name, array, kind)
        if kind.startswith("index<"):
            bounded.append((name, array, at(kind.removeprefix("index<"))))
        if array.ndim != len(pattern.axes):
            raise SurrogateError(f"array {name} has {array.ndim} axes, not {len(pattern.axes)}")
        for axis, length in zip(map(at, pattern.axes), array.shape, strict=True):
            if axis.isdigit():
                lengths.setdefault(axis, (int(axis), "its kind"))
            wanted, first = lengths.setdefault(axis, (length, name))
            if length != wanted:
                raise SurrogateError(f"array {name} has shape {array.shape}, where {first} asks for {wanted} "
                                     f"{axis.partition('.')[0]}")  # fmt: skip
    if zeros and tensors:
        raise SurrogateError("its arrays hold nothing but zeros")
    # What QoIs are regressed on; of a network it is not among the arrays.
    designs = [lengths[axis][0] for axis in ("coordinates", "coordinates.0", "coordinates.1") if axis in lengths]
    design = sum(designs) or lengths.get("logarithms", (0, ""))[0]
    scale = tensors.get(f"{_CLASSICAL}frame/designs/scale")
    if scale is not None and scale.ndim == 1 and contract.operating:
        # Operating conditions that are no coordinates of the fields stand behind these.
        design += int((scale[-len(contract.operating) :] == 0).sum())
    for name, array, axis in bounded:
        most = lengths[axis][0] if axis in lengths else (design or None)
        if array.size and (array.min() < 0 or (most is not None and array.max() >= most)):
            raise SurrogateError(f"array {name} points outside of what there is ({array.min()} to {array.max()})")
    _check_sums(lengths, tensors)


def _check_kind(name: str, array: NDArray[Any], kind: str) -> None:
    wanted = {"float": "f", "positive": "f", "bool": "b"}.get(kind, "iu")
    if array.dtype.kind not in wanted:
        raise SurrogateError(f"array {name} holds {array.dtype}, which is no {kind.partition('<')[0]}")
    if kind == "positive" and not bool((array > 0).all()):
        raise SurrogateError(f"array {name} is not above zero")


def _check_sums(lengths: Mapping[str, tuple[int, str]], tensors: Mapping[str, Tensor]) -> None:
    """Lengths that are sums of others."""

    def of(name: str) -> int:
        return lengths[name][0]

    def demand(name: str, wanted: int) -> None:
        if of(name) != wanted:
            raise SurrogateError(f"array {lengths[name][1]} has {of(name)} {name.partition('.')[0]}, not {wanted}")

    folds = tensors.get(f"{_CLASSICAL}kriging/folds")
    if folds is not None:
        if not 1 <= int(folds[0]) <= of("cases"):
            raise SurrogateError(f"array {_CLASSICAL}kriging/folds says {int(folds[0])} folds of {of('cases')} cases")
        demand("fits", 1 + int(folds[0]))
        demand("hyperparameters", 2 * (2 + 2 * of("coordinates")))
    for axis in list(lengths):
        stem, _, domain = axis.partition(".")
        if stem == "fields" and f"channels.{domain}" in lengths:
            widths = tensors[f"{_CLASSICAL}kriging/components/{domain}"].tolist()
            if min(widths, default=0) < 1 or sum(widths) != of(f"channels.{domain}"):
                raise SurrogateError(f"array {_CLASSICAL}kriging/components/{domain} says {widths}, where the domain "
                                     f"has {of(f'channels.{domain}')} channels")  # fmt: skip
        elif stem == "plain":
            demand(axis, 1 + of(f"inputs.{domain}"))
            demand(f"terms.{domain}", of(axis) + of(f"waves.{domain}"))
        elif stem == "hyperparameters" and domain:
            demand(axis, 2 + 2 * of(f"inputs.{domain}"))
        elif stem == "features":
            demand(axis, 6 * of("controls"))
        elif stem in ("sites", "references") and of(axis) == 0:
            raise SurrogateError(f"array {lengths[axis][1]} is empty")


def check_domains(tensors: Mapping[str, Tensor], contract: Contract, *, reference: bool) -> None:
    """See that there are arrays for each domain and QoI of the contract, and for no others.

    Args:
        tensors: By name.
        contract: Of the surrogate.
        reference: Whether the model has reference points.

    Raises:
        SurrogateError: There are not.
    """

    def named(expression: str) -> set[str]:
        return {match[1] for name in tensors if (match := re.fullmatch(expression, name))}

    kinds = {"template": named(r"template\.(.+)")}
    if reference:
        kinds |= {part: named(rf"predictor\.classical/{part}/(.+)") for part in ("frame/points", "kriging/tables")}
    for kind, domains in kinds.items():
        if domains != set(contract.fields):
            raise SurrogateError(f"{kind} arrays are there for {', '.join(sorted(domains)) or 'no domain'}, the "
                                 f"contract has {', '.join(sorted(contract.fields)) or 'none'}")  # fmt: skip
    scalars = named(r"scalar\.(.+)\.values")
    if unknown := sorted(scalars - set(contract.qoi)):
        raise SurrogateError(f"QoI {unknown[0]} has arrays, and is not in the contract")
    if lacking := [name for name, spec in contract.qoi.items() if not spec.from_fields and name not in scalars]:
        raise SurrogateError(f"QoI {lacking[0]} has no arrays that it could be predicted with")
