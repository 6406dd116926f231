"""Inverse design: several different designs that reach wanted values, or come close to a wanted field.

What the simulator says is emulated over the space; designs whose emulated outputs meet the targets are picked far apart
from each other, answered, and learnt from, a few times over.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from rich.console import Console
from scipy.spatial import cKDTree

from tramontane import __version__
from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.errors import ContractError, FormatError
from tramontane.formats import read_mesh
from tramontane.io.atomic import write_json
from tramontane.io.hashes import file_sha256
from tramontane.io.locks import claimed
from tramontane.search.answers import ANSWERS, Answer
from tramontane.search.emulator import predicted
from tramontane.search.goals import Goals, Objective, Output, value_of
from tramontane.search.loop import Emulated, Search, Trial
from tramontane.search.plan import keep_to_plan
from tramontane.search.simulators import Named, driven, name_of
from tramontane.search.space import Space, sobol
from tramontane.search.trials import read_trials, write_search
from tramontane.studies.report import report_designs
from tramontane.studies.study import Study
from tramontane.units import Quantity, from_si

Array = NDArray[np.floating[Any]]

RESULT = "designs.json"
_START, _ROUNDS = 64, 4
_CANDIDATES = 16384
_NEAREST = 3  # points of a case between which a wanted field is compared


@dataclass(frozen=True)
class FieldDistance(Output):
    """How far a field is from a wanted one.

    With the relative L2 norm d of the difference at the wanted one's points, the value is ``d^2 / (1 + d^2)``: unlike
    d, it has no kink where both are the same, and is not larger for what is far off than an emulator can bear.

    Attributes:
        domain: Of the field.
        field_name: Of the field.
        points: ``(n, 3)`` metres.
        wanted: ``(n,)`` or ``(n, components)``, SI.
    """

    domain: str = "surface"
    field_name: str = ""
    points: Array = field(default_factory=lambda: np.zeros((0, 3)), compare=False)
    wanted: Array = field(default_factory=lambda: np.zeros(0), compare=False)

    def measure(self, case: Case) -> tuple[float, tuple[float, float] | None]:
        """See `Output.measure`."""
        mesh = case.meshes[self.domain]
        at_points = case.field_names(self.domain).get(self.field_name) == "point"
        places = np.asarray(mesh.points if at_points else mesh.cell_centers().points)
        values = np.asarray(case.field_values(self.domain, self.field_name), float)
        distances, nearest = cKDTree(places).query(self.points, k=min(_NEAREST, len(places)))
        distances, nearest = distances.reshape(len(self.points), -1), nearest.reshape(len(self.points), -1)
        weights = 1 / np.maximum(distances, 1e-12)
        weights /= weights.sum(1, keepdims=True)
        read = np.einsum("nk,nk...->n...", weights, values[nearest])
        return self.value_at(float(np.linalg.norm(read - self.wanted) / np.linalg.norm(self.wanted))), None

    @staticmethod
    def value_at(norm: float) -> float:
        """The value of a relative L2 norm."""
        return norm**2 / (1 + norm**2)

    @staticmethod
    def norm_at(value: float) -> float:
        """The relative L2 norm of a value."""
        return float((max(value, 0.0) / max(1 - value, 1e-12)) ** 0.5)


@dataclass(frozen=True)
class Reached:
    """What inverse design came to.

    Attributes:
        designs: Different designs that reach the targets, the closest first; empty where none does.
        closest: The closest design, whether it reaches them or not.
        trials: All designs that were asked.
        verified: Whether a solver answered.
        space: Of the designs.
        targets: What was wanted: output, value and tolerance, SI.
    """

    designs: list[Trial]
    closest: Trial
    trials: list[Trial]
    verified: bool
    space: Space
    targets: list[tuple[Output, float, float]]

    def __str__(self) -> str:
        lines = [f"{len(self.designs)} different designs reach the targets"]
        if not self.designs:
            lines = ["No design reaches the targets; this one comes closest"]
        for trial in self.designs or [self.closest]:
            answer = trial.answer or Answer()
            lines.append(f"design {self.trials.index(trial):03d}: {self.space.told(trial.row)}"
                         + (f" ({answer.verdict})" if answer.verdict else ""))  # fmt: skip
            for output, target, _ in self.targets:
                if isinstance(output, FieldDistance):
                    norm = output.norm_at(answer.values[output.key])
                    lines.append(f"  {output.name}: {100 * norm:.3g} % (relative L2)")
                    continue
                wanted = from_si(target, output.shown)
                lines.append(f"  {output.told(answer.values, answer.bounds)}, wanted {wanted:.6g}")
        if not self.verified:
            lines.append("NOT VERIFIED: these are predictions; check a design with the solver before you rely on it")
        return "\n".join(lines)


def inverse(
    simulator: Named,
    *,
    target: Mapping[str, str | float] | None = None,
    target_field: Mapping[str, str | os.PathLike[str]] | None = None,
    out: str | os.PathLike[str],
    shapes: Named | None = None,
    tolerance: float = 0.02,
    count: int = 3,
    require: Literal["inside", "edge", ""] = "edge",
    vary: Mapping[str, str] | None = None,
    fixed: Mapping[str, str | float | Quantity] | None = None,
    integers: Sequence[str] = (),
    seed: int = 0,
    workers: int | None = None,
    seconds: float | None = 3600.0,
    on: str = "local",
    console: Console | None = None,
) -> Reached:
    """Find different designs that reach what is wanted; call again to go on after a stop.

    Args:
        simulator: A saved surrogate, the name or folder of a solver, or a simulator.
        target: Wanted values, by the name of a QoI or extremum.
        target_field: By ``domain.field``, a mesh file with that field: designs are sought whose field is like it. A
            line of points will do, which makes a curve.
        out: Folder for the table and the result.
        shapes: A solver that makes shapes for a surrogate.
        tolerance: Of values, as a share of the wanted value; of fields, as a relative L2 norm.
        count: Designs wanted.
        require: The worst verdict with which a surrogate's design counts; empty for any.
        vary: Bounds of variables, ``{"speed": "20:40 m/s"}``; all parameters vary where None.
        fixed: Values of parameters that do not vary.
        integers: Variables that take whole numbers.
        seed: Of every random choice.
        workers: Solver runs at once; None takes as many as there is room for.
        seconds: After which a solver run is ended, and counts as failed.
        on: Where a solver runs; see `tramontane.farm.run`.
        console: Where progress is shown.

    Raises:
        TramontaneError: A name is not known, a file cannot be read, nothing is wanted, or no design has an answer.
    """
    drives = driven(simulator, shapes=shapes)
    targets = _targets(drives.contract, target or {}, target_field or {}, tolerance)
    space = Space.of(drives.contract, vary=vary, fixed=fixed, integers=integers, console=console)
    if count < 1 or not 0 < tolerance < 1:
        raise ContractError(f"{count} designs within {tolerance:g}: give at least one, and a share such as 0.02")
    folder = Path(out)
    with claimed(folder / ".running", folder):
        keep_to_plan(folder, {
            "study": "inverse", **drives.plan, **space.plan, "seed": seed, "version": __version__,
            "targets": [f"{output.name} = {value:.9g} within {within:.9g}" for output, value, within in targets],
            "fields": {name: file_sha256(Path(file)) for name, file in (target_field or {}).items()},
        })  # fmt: skip
        goals = Goals(tuple(Objective(output, "target", value) for output, value, _ in targets))
        verified = drives.surrogate is None
        answering = (
            drives.solving(folder / "cases", workers=workers, seconds=seconds, on=on, console=console)
            if verified
            else drives.predicting(
                goals.outputs,
                [of.domain for of in goals.outputs if isinstance(of, FieldDistance)],
                file=folder / ANSWERS,
                console=console,
            )
        )
        search = Search(answering, space, goals, seed=seed, require=require)
        search.trials = read_trials(folder, len(space.variables))
        reached = _invert(search, targets, folder, count=count, verified=verified, start=24 if verified else _START)
        write_json(folder / RESULT, {
            "verified": verified, "designs": [f"{search.trials.index(of):03d}" for of in reached.designs],
            "closest": f"{search.trials.index(reached.closest):03d}",
        })  # fmt: skip
        title = f"Inverse design with {name_of(simulator)}"
        report_designs(folder, title, str(reached), space, goals.outputs, search.trials, reached.designs)
    return reached


def _targets(
    contract: Contract, target: Mapping[str, str | float], fields: Mapping[str, str | os.PathLike[str]], share: float
) -> list[tuple[Output, float, float]]:
    targets: list[tuple[Output, float, float]] = []
    for name, text in target.items():
        output = Output.of(name, contract)
        value = value_of(output, text)
        targets.append((output, value, share * abs(value) or share))
    for name, file in fields.items():
        domain, _, field_name = name.partition(".")
        if field_name not in contract.fields.get(domain, {}):
            known = [f"{domain}.{of}" for domain, specs in contract.fields.items() for of in specs]
            raise ContractError(f"{name!r} is not a field; known are {', '.join(known) or 'none'}")
        components = contract.fields[domain][field_name].components
        distance = _distance(name, domain, field_name, Path(file), components)
        targets.append((distance, 0.0, FieldDistance.value_at(share)))
    if not targets:
        raise ContractError("nothing is wanted; give a value with --target, or a field with --target-field")
    return targets


def _distance(name: str, domain: str, field_name: str, file: Path, components: int) -> FieldDistance:
    mesh: pv.DataSet = read_mesh(file)
    data = mesh.point_data if field_name in mesh.point_data else mesh.cell_data
    if field_name not in data:
        raise FormatError(f"{file}: has no field {field_name}; write it with that name")
    points = np.asarray(mesh.points if data is mesh.point_data else mesh.cell_centers().points, float)
    wanted = np.asarray(data[field_name], float)
    if wanted.size != components * len(wanted):
        raise FormatError(f"{file}: {field_name} has {wanted.size // max(len(wanted), 1)} components; the contract's "
                          f"has {components}")  # fmt: skip
    wanted = wanted.reshape(len(wanted), *([components] if components > 1 else []))
    if not np.isfinite(wanted).all() or not np.linalg.norm(wanted) > 0:
        raise FormatError(f"{file}: {field_name} is not finite, or zero everywhere; give a field to be reached")
    label = f"distance to {name}"
    return FieldDistance(label, domain=domain, field_name=field_name, points=points, wanted=wanted)


def _invert(
    search: Search, targets: list[tuple[Output, float, float]], folder: Path, *, count: int, verified: bool, start: int
) -> Reached:
    note = functools.partial(write_search, folder, search)
    search.start(start)
    note()
    search.answer()
    while True:
        note()
        reaching = [trial for trial in search.answered if search.counts(trial) and _mismatch(trial, targets) <= 1]
        chosen = _apart(search.space, sorted(reaching, key=lambda trial: _mismatch(trial, targets)), count)
        asked = len(search.trials) - start
        if asked >= _ROUNDS * 2 * count or len(chosen) == count:
            closest = min(search.answered, key=lambda trial: _mismatch(trial, targets))
            return Reached(chosen, closest, search.trials, verified, search.space, targets)
        emulators = search.emulators()
        rows = search.spread(2 * count) if emulators is None else _candidates(search, emulators, targets, 2 * count)
        search.add(search.unlike(rows), "proposed")
        note()
        search.answer()


def _mismatch(trial: Trial, targets: Sequence[tuple[Output, float, float]]) -> float:
    """The largest distance of an answer from a target, in tolerances; at most 1 where all are reached."""
    assert trial.answer is not None
    return max(abs(trial.answer.values[output.key] - value) / within for output, value, within in targets)


def _candidates(
    search: Search, emulators: Sequence[Emulated], targets: Sequence[tuple[Output, float, float]], count: int
) -> Array:
    """Designs ``(count, d)`` that are emulated to reach the targets, far apart from each other."""
    space = search.space
    rows = space.rows(sobol(len(space.variables), _CANDIDATES, seed=search.seed + len(search.trials)))
    # Each of the best candidates is moved closer to the targets, by small random steps that are kept where they help.
    rng = np.random.default_rng(search.seed + len(search.trials))
    best = rows[np.argsort(_emulated(rows, emulators, targets))[: 32 * count]]
    size = 0.1
    for _ in range(8):
        moved = space.unit_rows(best) + size * rng.standard_normal((16, *best.shape))
        options = np.concatenate(
            [best[None], space.rows(moved.clip(0, 1).reshape(-1, best.shape[1])).reshape(moved.shape)]
        )
        errors = _emulated(options.reshape(-1, best.shape[1]), emulators, targets).reshape(options.shape[:2])
        best = options[errors.argmin(0), np.arange(len(best))]
        size *= 0.6
    trials = [Trial(row) for row in best[np.argsort(_emulated(best, emulators, targets))][: 8 * count]]
    return np.array([trial.row for trial in _apart(space, trials, count)])


def _emulated(rows: Array, emulators: Sequence[Emulated], targets: Sequence[tuple[Output, float, float]]) -> Array:
    """The emulated mismatch ``(n,)`` of rows."""
    errors = [np.abs(predicted(emulator, rows) - value) / within
              for emulator, (_, value, within) in zip(emulators, targets, strict=True)]  # fmt: skip
    return np.asarray(np.max(errors, axis=0))


def _apart(space: Space, trials: Sequence[Trial], count: int) -> list[Trial]:
    """The first of the trials, and those farthest from all that are picked already."""
    if not trials:
        return []
    unit = space.unit_rows(np.array([trial.row for trial in trials]))
    picked = [0]
    distance = np.linalg.norm(unit - unit[0], axis=1)
    while len(picked) < min(count, len(trials)):
        picked.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(unit - unit[picked[-1]], axis=1))
    return [trials[index] for index in sorted(picked)]


STUDY = Study("inverse", "different designs that reach wanted values or a wanted field", inverse)
