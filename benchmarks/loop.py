"""What the loop saves: verified optima and stated errors over solver runs, beside the same without it.

    python benchmarks/loop.py optimise bracket --seeds 10 --out benchmarks/results/loop-optimise-bracket.json
    python benchmarks/loop.py learn bodies --seeds 10 --out benchmarks/results/loop-learn-bodies.json

``optimise``: `tramontane optimise` on the solver from nothing with 30 runs, beside plain Bayesian optimisation on the
solver with 60: BoTorch's ``SingleTaskGP`` with its defaults for every output, log noisy expected improvement with
constraints, the same ten first designs, the same two runs at once. ``learn``: solver runs until the mean absolute
error of an output on 100 unseen designs is below a bound, chosen by `tramontane learn` and in the order of the Sobol
sequence; both are learnt by the same emulator. ``pareto``: hypervolume of two objectives after 40 runs beside NSGA-II's
(pymoo) with a population of ten. Results are written after each seed, and what is there is kept, so a run can be
stopped and gone on with.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.objective import GenericMCObjective
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskGP
from botorch.models.transforms import Standardize
from botorch.optim import optimize_acqf
from botorch.sampling.normal import SobolQMCNormalSampler
from gpytorch.mlls import SumMarginalLogLikelihood

from tramontane import solvers
from tramontane.io.atomic import write_json
from tramontane.search.answers import AtHand
from tramontane.search.emulator import Emulator, predicted
from tramontane.search.goals import Goals, Objective, Output
from tramontane.search.loop import Search
from tramontane.search.space import Space, sobol
from tramontane.studies.learn import choose

START, BATCH, OURS, PLAIN = 10, 2, 30, 60
OPTIMISE: dict[str, dict[str, Any]] = {
    "bracket": {
        "fixed": {"load": "500 N"},
        "goals": {"minimise": ["mass"], "subject_to": ["max_von_mises <= 60 MPa", "max_displacement <= 0.06 mm"]},
    },
    "bodies": {"fixed": {"reynolds": 20}, "goals": {"minimise": ["drag"], "subject_to": ["volume >= 5.4e-4 m^3"]}},
}
LEARN = {"bracket": ("max_von_mises", 0.06), "bodies": ("drag", 0.03)}
PARETO = {"bracket": {"fixed": {"load": "500 N"}, "goals": {"minimise": ["mass", "max_displacement"]}}}
REFERENCE = {"bracket": (1.2, 6e-4)}  # the worst corner of the hypervolume


def main() -> None:
    """Run one comparison over seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["optimise", "learn", "pareto"])
    parser.add_argument("family", choices=["bracket", "bodies"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    document: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {"seeds": {}}
    compare = {"optimise": compare_optimise, "learn": compare_learn, "pareto": compare_pareto}[options.what]
    for seed in range(options.seeds):
        if str(seed) in document["seeds"]:
            continue
        document["seeds"][str(seed)] = compare(options.family, seed)
        document |= {"what": options.what, "family": options.family, "medians": medians(document["seeds"].values())}
        write_json(options.out, document)
        print(seed, document["seeds"][str(seed)], flush=True)
    print(document["medians"])


def medians(rows: Any) -> dict[str, float]:
    """The median of each number over the seeds."""
    rows = list(rows)
    keys = [key for key, value in rows[0].items() if isinstance(value, (int, float))]
    return {key: statistics.median(row[key] for row in rows) for key in keys}


def best_after(search: Search) -> list[float]:
    """The lowest cost of a feasible design after each run."""
    best, trace = float("inf"), []
    for trial in search.trials:
        if search.counts(trial) and trial.answer is not None:
            best = min(best, search.goals.costs(trial.answer.values)[0])
        trace.append(best)
    return trace


def compare_optimise(family: str, seed: int) -> dict[str, Any]:
    """The best verified cost of both after their runs."""
    solver = solvers.create(family)
    problem = OPTIMISE[family]
    space = Space.of(solver.contract, fixed=problem["fixed"])
    goals = Goals.of(solver.contract, **problem["goals"])
    searches = {}
    for name, runs in (("ours", OURS), ("plain", PLAIN)):
        started = time.process_time()
        search = Search(AtHand(solver), space, goals, seed=seed)
        search.start(START)
        if name == "ours":
            search.run(runs, batch=BATCH, tolerance=0)
        else:
            run_plain(search, runs, seed)
        searches[name] = best_after(search), time.process_time() - started
    (ours, ours_seconds), (plain, plain_seconds) = searches["ours"], searches["plain"]
    return {
        "ours_20": ours[19], "ours_30": ours[29], "plain_20": plain[19], "plain_30": plain[29], "plain_45": plain[44],
        "plain_60": plain[59], "ratio_30_to_60": ours[29] / plain[59], "ours_seconds": round(ours_seconds),
        "plain_seconds": round(plain_seconds), "ours": ours, "plain": plain,
    }  # fmt: skip


def run_plain(search: Search, runs: int, seed: int) -> None:
    """Bayesian optimisation as BoTorch has it, each output a process of its own over the unit cube."""
    search.answer()
    while len(search.trials) < runs:
        torch.manual_seed(seed + len(search.trials))
        rows, values = search.table()
        inputs, outputs = torch.as_tensor(search.space.unit_rows(rows)), torch.as_tensor(values)
        size = outputs.abs().mean(0)
        model = ModelListGP(*(
            SingleTaskGP(inputs, outputs[:, k : k + 1] / size[k], outcome_transform=Standardize(1))
            for k in range(outputs.shape[1])
        ))  # fmt: skip
        fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
        keys = [output.key for output in search.goals.outputs]
        place = keys.index(search.goals.objectives[0].output.key)
        constraints = []
        for constraint in search.goals.constraints:
            k = keys.index(constraint.output.key)
            if np.isfinite(constraint.high):
                constraints.append(lambda y, k=k, bound=constraint.high / float(size[k]): y[..., k] - bound)
            if np.isfinite(constraint.low):
                constraints.append(lambda y, k=k, bound=constraint.low / float(size[k]): bound - y[..., k])
        acquisition = qLogNoisyExpectedImprovement(
            model, inputs, sampler=SobolQMCNormalSampler(torch.Size([128]), seed=seed), constraints=constraints or None,
            objective=GenericMCObjective(lambda y, X=None, place=place: -y[..., place]), cache_root=False,
            prune_baseline=True,
        )  # fmt: skip
        unit = torch.stack([torch.zeros(inputs.shape[1]), torch.ones(inputs.shape[1])]).double()
        chosen, _ = optimize_acqf(acquisition, unit, q=BATCH, num_restarts=6, raw_samples=256, sequential=True,
                                  options={"batch_limit": 6, "maxiter": 60})  # fmt: skip
        search.add(search.space.rows(chosen.numpy()), "start")
        search.answer()


@functools.cache
def unseen_designs(family: str) -> tuple[Any, Any]:
    """Rows and outputs of 100 designs that no search is asked."""
    solver = solvers.create(family)
    goals = Goals((Objective(Output.of(LEARN[family][0], solver.contract), "minimise"),))
    search = Search(AtHand(solver), Space.of(solver.contract), goals, seed=1000)
    search.start(100)
    search.answer()
    return search.table()


def compare_learn(family: str, seed: int) -> dict[str, Any]:
    """Solver runs that both need to the same error on designs that neither was asked."""
    solver = solvers.create(family)
    name, bound = LEARN[family]
    space, output = Space.of(solver.contract), Output.of(name, solver.contract)
    size = len(space.variables)
    goals = Goals((Objective(output, "minimise"),))
    rows, truth = unseen_designs(family)

    def error(search: Search) -> tuple[float, Emulator]:
        known, values = search.table()
        emulator = Emulator(space, output, known, values[:, 0])
        return float(np.abs(predicted(emulator, rows) - truth[:, 0]).mean() / np.abs(truth).mean()), emulator

    needed: dict[str, int] = {}
    for how in ("active", "sobol"):
        search = Search(AtHand(solver), space, goals, seed=seed)
        search.start(START)
        search.answer()
        while True:
            reached, emulator = error(search)
            if reached <= bound or len(search.trials) >= 100:
                needed[how] = len(search.trials)
                break
            more = (
                choose(space, [emulator], count=BATCH, seed=seed + len(search.trials))
                if how == "active"
                else space.rows(sobol(size, len(search.trials) + BATCH, seed=seed)[-BATCH:])
            )
            search.add(more, "start")
            search.answer()
    return needed | {"ratio": needed["active"] / needed["sobol"]}


def compare_pareto(family: str, seed: int) -> dict[str, Any]:
    """Hypervolumes after 40 runs."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.indicators.hv import HV
    from pymoo.optimize import minimize

    solver = solvers.create(family)
    space = Space.of(solver.contract, fixed=PARETO[family]["fixed"])
    goals = Goals.of(solver.contract, **PARETO[family]["goals"])
    search = Search(AtHand(solver), space, goals, seed=seed)
    search.start(START)
    search.run(40, batch=BATCH, tolerance=0)
    costs = np.array([goals.costs(trial.answer.values) for trial in search.answered if trial.answer is not None])
    asked: list[list[float]] = []

    class Asked(Problem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=len(space.variables), n_obj=2, xl=0.0, xu=1.0)

        def _evaluate(self, x: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
            answers = AtHand(solver)(space.designs(space.rows(x)), goals.outputs)
            of_all = [
                goals.costs(answer.values) if not answer.failed else list(REFERENCE[family]) for answer in answers
            ]
            asked.extend(of_all)
            out["F"] = np.array(of_all)

    minimize(Asked(), NSGA2(pop_size=10), ("n_eval", 40), seed=seed)
    reference = np.array(REFERENCE[family])
    volume = HV(ref_point=np.ones(2))
    ours, theirs = (float(volume(np.asarray(of) / reference)) for of in (costs[:40], asked[:40]))
    return {"ours": ours, "nsga2": theirs, "ratio": ours / theirs}


if __name__ == "__main__":
    main()
