"""Cases near a family and far from it, by the family's own generator and solver, to measure verdicts with.

    python benchmarks/near_cases.py bracket 40 near/bracket
    python benchmarks/near_cases.py bodies 40 near/bodies

Of the near ones a third has one dimension 10 to 40 % of its range beyond an end of it, a third an operating condition
likewise (of two conditions: both, at a corner), and a third a feature that no member has: brackets lack their rib or
have one more hole in the base; bodies have a notch or a bump. The truth is the solver's. ``kind.json`` in each case's
folder says what it is.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.errors import TramontaneError
from tramontane.formats import write_case
from tramontane.io.atomic import write_json
from tramontane.solvers import bodies, bracket
from tramontane.units import Quantity, from_si

_BEYOND = 0.1, 0.4  # of a range


def drawn(contract: Contract, rng: np.random.Generator, kind: str) -> tuple[dict[str, float], str]:
    """Parameters in SI of a design of a kind, and in words what is unusual about it."""
    values = {name: float(rng.uniform(spec.low, spec.high)) for name, spec in contract.parameters.items()}
    roles = {"dimension": "geometry", "condition": "operating"}
    names = [name for name, spec in contract.parameters.items() if spec.role == roles.get(kind)]
    if not names:
        return values, kind
    name = str(rng.choice(names))
    spec = contract.parameters[name]
    share, upper = float(rng.uniform(*_BEYOND)), bool(rng.random() < 0.5)
    reach = share * (spec.high - spec.low)
    values[name] = spec.high + reach if upper else spec.low - reach
    return values, f"{name} {100 * share:.0f} % of its range {'above' if upper else 'below'}"


def design_of(contract: Contract, values: dict[str, float]) -> Design:
    """A design with these parameters, SI."""
    units = {name: contract.parameters[name].unit for name in values}
    return Design(**{name: Quantity(from_si(value, units[name]), units[name]) for name, value in values.items()})


def featured_bracket(values: dict[str, float], rng: np.random.Generator) -> tuple[Any, str]:
    """A bracket without its rib, or with one more hole in its base."""
    import netgen.occ as occ

    whole, drill = bracket._rib, bracket._drilled
    if rng.random() < 0.5:
        bracket._rib, said = lambda d: [], "no rib"
    else:
        side, along = rng.choice([-1.0, 1.0]), rng.uniform(0.45, 0.6)

        def drilled(solid: Any, d: Any) -> Any:
            at = occ.Pnt(along * d.base_length, side * d.width * 0.36, -1)
            return drill(solid, d) - occ.Cylinder(at, occ.Z, 1.3 * d.hole_radius, d.thickness + 2)

        bracket._drilled, said = drilled, "one more hole"
    try:
        return bracket.Bracket().simulate(design_of(bracket.CONTRACT, values)), said
    finally:
        bracket._rib, bracket._drilled = whole, drill


def featured_body(values: dict[str, float], rng: np.random.Generator) -> tuple[Any, str]:
    """A body with a notch or a bump in its outline."""
    plain, depth = bodies.outline, rng.choice([-0.22, 0.22])
    place, width = rng.uniform(0, 2 * math.pi), 0.35

    def outline(given: dict[str, float], count: int) -> Any:
        points = plain(given, count) - bodies.CENTRE
        away = np.angle(np.exp(1j * (np.arctan2(points[:, 1], points[:, 0]) - place)))
        factor = 1 + depth * np.exp(-0.5 * (away / width) ** 2)
        return points * factor[:, None] + bodies.CENTRE

    bodies.outline = outline
    try:
        return bodies.Bodies().simulate(design_of(bodies.CONTRACT, values)), "notch" if depth < 0 else "bump"
    finally:
        bodies.outline = plain


FAMILIES: dict[str, Any] = {
    "bracket": (bracket.CONTRACT, bracket.Bracket, featured_bracket),
    "bodies": (bodies.CONTRACT, bodies.Bodies, featured_body),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("count", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    contract, solver, featured = FAMILIES[given.family]
    kinds = ["dimension", "feature", "condition"]
    for number in range(given.count):
        folder = given.out / f"near-{number:03d}"
        if (folder / "kind.json").exists():
            continue
        for attempt in range(30):
            rng = np.random.default_rng([given.seed, number, attempt])
            kind = kinds[number % len(kinds)]
            values, said = drawn(contract, rng, kind)
            try:
                if kind == "feature":
                    case, said = featured(values, rng)
                else:
                    case = solver().simulate(design_of(contract, values))
            except TramontaneError as error:
                print(f"{folder.name}: {said}: {error}", file=sys.stderr)
                continue
            case.name = folder.name
            write_case(case, folder)
            write_json(folder / "kind.json", {"kind": kind, "said": said})
            print(folder.name, kind, said, flush=True)
            break


if __name__ == "__main__":
    main()
