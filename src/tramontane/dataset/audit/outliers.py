"""Which of many sizes stand apart, and which mix-up of units a factor looks like."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import UnitError
from tramontane.units import si_factor, si_unit

Array = NDArray[np.floating[Any]]

# A size is odd when it is 100 times larger or smaller than the median of the others; or, among enough of them, 10 times
# and 8 robust standard deviations (1.4826 MAD, which is the deviation of a normal distribution).
_FACTOR, _LESSER_FACTOR = 100.0, 10.0
_DEVIATIONS, _ENOUGH = 8.0, 10
# Besides, half of its distance from the median must lie between it and the next one, on a logarithmic scale: long tails
# (a lift near zero) reach far, but not across a gap. Measured on random subsets of three families of cases.
_GAP = 0.5
_AT_MOST = 0.25  # more than this share of all cases are no exception

_ROUND_OFF = 1e-8  # of a component, beside the largest one
_COMPONENT = re.compile(r"(.*_)[xyz]((?:_.*)?)")

# Units that are taken for each other, by SI unit; the most likely pair first.
CONFUSED: dict[str, tuple[str, ...]] = {
    "m": ("m", "mm", "inch", "cm", "foot"),
    "m^2": ("m^2", "mm^2", "cm^2", "inch^2"),
    "m^3": ("m^3", "mm^3", "cm^3", "l", "inch^3"),
    "m/s": ("m/s", "mm/s", "km/h", "foot/s"),
    "Pa": ("Pa", "kPa", "MPa", "psi", "bar", "GPa"),
    "N": ("N", "kN", "lbf", "kgf"),
    "N*m": ("N*m", "N*mm", "kN*m"),
    "kg": ("kg", "g", "t", "lbm"),
    "kg/m^3": ("kg/m^3", "g/cm^3", "t/mm^3"),
    "s": ("s", "ms", "min", "hour"),
    "W": ("W", "kW", "MW"),
    "J": ("J", "kJ", "MJ"),
    "rad": ("rad", "deg"),
    "": ("rad", "deg"),
}
_SAID = {"inch": "in", "foot": "ft", "inch^2": "in^2", "inch^3": "in^3", "foot/s": "ft/s"}


class Odd(NamedTuple):
    """How a size stands apart: its factor over the median of the others, and their spread (of the logarithm)."""

    factor: float
    spread: float


def round_off(values: Mapping[str, Collection[float]]) -> list[str]:
    """The components of forces and moments that are nothing beside their others: what is left of a symmetry.

    Args:
        values: Of all cases, by name; ``force_x``, ``force_y_TIP`` and the like are components.
    """
    sizes = {name: max((abs(value) for value in of), default=0.0) for name, of in values.items()}
    whole: dict[tuple[str, str], float] = {}
    parts = {name: (match[1], match[2]) for name in sizes if (match := _COMPONENT.fullmatch(name))}
    for name, of in parts.items():
        whole[of] = max(whole.get(of, 0.0), sizes[name])
    return [name for name, of in parts.items() if sizes[name] < _ROUND_OFF * whole[of]]


def odd_sizes(sizes: Mapping[str, float], *, small: bool = True) -> dict[str, Odd]:
    """Those of the cases whose size is far from all others'.

    Args:
        sizes: By case; zeros are not looked at.
        small: Whether one that is too small is odd even where the others are more than a factor of 10 apart; a number
            that may come near zero is small by chance.
    """
    names = [name for name, size in sizes.items() if 0 < size < math.inf]
    if len(names) < 3:
        return {}
    logs = np.log([sizes[name] for name in names])
    distance = logs - np.median(logs)
    spread = 1.4826 * float(np.median(np.abs(distance)))
    odd: set[int] = set()
    lesser = max(math.log(_LESSER_FACTOR), _DEVIATIONS * spread) if len(names) >= _ENOUGH else math.inf
    for side in (1.0, -1.0):
        order = [int(index) for index in np.argsort(-side * distance)]
        reach = [side * float(distance[index]) for index in order]
        beyond = sum(value > math.log(_FACTOR) for value in reach)
        compact = reach[min(beyond, len(reach) - 1)] - reach[-1] < math.log(_LESSER_FACTOR)
        limit = min(lesser, math.log(_FACTOR)) if small or side > 0 or compact else math.inf
        beyond = sum(value > limit for value in reach)
        # The last of those that are far out must stand apart from the next; else look among the farther ones.
        while beyond and reach[beyond - 1] - max(reach[beyond], 0.0) < _GAP * reach[beyond - 1]:
            beyond -= 1
        odd |= set(order[:beyond])
    if not odd or len(odd) > max(1, int(_AT_MOST * len(names))):
        return {}
    others = float(np.median([log for index, log in enumerate(logs) if index not in odd]))
    return {names[index]: Odd(math.exp(float(logs[index]) - others), spread) for index in sorted(odd)}


def explained_sizes(
    sizes: Mapping[str, float], parameters: Mapping[str, Mapping[str, float]], law: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Sizes over what a power law of the parameters leads one to expect: a pressure over a speed squared.

    The law's exponents are given, or fitted where there are enough cases: by least absolute deviations, which a few
    wrong cases do not bend.

    Args:
        sizes: By case.
        parameters: SI, by name and case.
        law: Exponent of each parameter; None fits.

    Returns:
        By case, up to a factor; as it was for a case without one of the parameters.
    """
    cases = [case for case, size in sizes.items() if 0 < size < math.inf]
    names = [
        name
        for name, values in parameters.items()
        if (name in law if law is not None else _varies([values.get(case, -1.0) for case in cases]))
    ]
    cases = [case for case in cases if all(parameters[name].get(case, 0.0) > 0 for name in names)]
    if not names or (law is None and len(cases) < 3 * (len(names) + 2)):
        return dict(sizes)
    table = np.log([[parameters[name][case] for name in names] for case in cases])
    table -= np.median(table, axis=0)
    logs = np.log([sizes[case] for case in cases])
    exponents = np.array([law[name] for name in names]) if law is not None else _least_deviations(table, logs)
    return dict(sizes) | {
        case: math.exp(value) for case, value in zip(cases, (logs - table @ exponents).tolist(), strict=True)
    }


def unit_mix_up(odd: Odd, unit: str) -> str:
    """The units that differ by a factor, in words: ``"as between kPa and Pa"``; empty where none do.

    Args:
        odd: What was found.
        unit: Of the quantity.
    """
    try:
        family: Sequence[str] = CONFUSED.get(si_unit(unit), ())
    except UnitError:
        family = ()
    size = abs(math.log(odd.factor))
    near = max(0.1, min(0.35, 2 * odd.spread))
    best: tuple[float, str] | None = None
    for place, one in enumerate(family):
        for other in family[place + 1 :]:
            ratio = si_factor(other) / si_factor(one)
            away = abs(abs(math.log(ratio)) - size)
            if away < near and (best is None or away < best[0] - 1e-9):
                large, little = (other, one) if ratio > 1 else (one, other)
                best = (away, f"as between {_SAID.get(large, large)} and {_SAID.get(little, little)}")
    if best is None and not family:
        for ratio, words in ((1e3, "thousands and ones"), (1e6, "millions and ones")):
            if abs(math.log(ratio) - size) < near:
                return f"as between {words}"
    return best[1] if best else ""


def _varies(values: Sequence[float]) -> bool:
    return len(values) > 0 and min(values) > 0 and max(values) > 1.1 * min(values)


def _least_deviations(table: Array, target: Array) -> Array:
    """Exponents with the smallest sum of absolute deviations, by reweighted least squares."""
    rows = np.column_stack([table, np.ones(len(table))])
    weights = np.ones(len(rows))
    solution = np.zeros(rows.shape[1])
    for _ in range(30):
        root = np.sqrt(weights)[:, None]
        solution, *_ = np.linalg.lstsq(rows * root, target * root[:, 0], rcond=None)
        weights = 1.0 / np.maximum(np.abs(target - rows @ solution), 1e-3)
    deviations: Array = solution[:-1]
    return deviations
