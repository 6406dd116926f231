"""What other work on the machine costs: training and a whole case, alone and beside a process that keeps cores busy.

    python benchmarks/neighbour.py demo/ahmed/dataset --out benchmarks/results/neighbour.json

Half of the cores should cost about twice the time. Each measurement is a process of its own, alone and beside
neighbours in turn. `processor_seconds` show threads that wait busily: they take time without getting further. Two
yardsticks are timed in the same process: one large matrix product and nearest neighbours in a k-d tree.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from record import heading, keep

_PLAIN = {"OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT"}


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Wall-clock and processor seconds of some work in this process."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    spent, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"seconds": spent, "processor_seconds": processor}


def middle(work: Callable[[], Any], repeats: int) -> dict[str, float]:
    """The median of several."""
    work()
    taken = [timed(work) for _ in range(repeats)]
    return {key: statistics.median(one[key] for one in taken) for key in taken[0]}


def measure(dataset_path: Path, cases: int, spinning: bool) -> dict[str, dict[str, float]]:
    """One process's figures."""
    from tramontane.idle_threads import let_them_sleep

    if not spinning:
        let_them_sleep()  # as the command line does, before numerical libraries are loaded
    from yardsticks import yardsticks

    from tramontane.dataset import Dataset
    from tramontane.surrogate import Surrogate
    from tramontane.surrogate.fit import fit
    from tramontane.surrogate.mapped_shapes import MappedShapes
    from tramontane.surrogate.resolved import ResolvedDesign

    dataset = Dataset.open(dataset_path)
    found = {name: middle(work, 5) for name, work in yardsticks().items()}
    made: list[Surrogate] = []
    names = dataset.splits["train"][:cases]
    found["training"] = timed(lambda: made.append(fit(dataset, model="classical", cases=names, assume_units=True)))
    surrogate: Any = made[0]
    name = dataset.splits["test"][0]
    geometry, values = dataset.geometry(name), dataset.parameters(name)
    sites = {domain: dataset.sites(name, domain).positions for domain in dataset.contract.fields}

    def whole_case() -> None:
        surrogate.predictor.shapes = MappedShapes(surrogate.predictor.classical.frame)
        surrogate.fields(ResolvedDesign(geometry, values), sites)

    found["whole case"] = middle(whole_case, 9)
    return found


def _busy() -> None:
    while True:
        sum(range(10_000))


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """As many processes that compute without end."""
    busy = [multiprocessing.get_context("spawn").Process(target=_busy, daemon=True) for _ in range(count)]
    for one in busy:
        one.start()
    try:
        yield
    finally:
        for one in busy:
            one.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--cases", type=int, default=16, help="training cases")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--neighbours", type=int, default=1)
    parser.add_argument("--spinning", action="store_true", help="leave idle threads as the libraries have them")
    parser.add_argument("--one", action="store_true", help="measure in this process and print")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.dataset, options.cases, options.spinning)))
        return
    command = [sys.executable, __file__, str(options.dataset), "--cases", str(options.cases), "--one"]
    command += ["--spinning"] if options.spinning else []
    environment = {key: value for key, value in os.environ.items() if key not in _PLAIN}

    def run(beside: int) -> Any:
        with neighbours(beside):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        print(done.stdout.strip(), f"beside {beside}", flush=True)
        return json.loads(done.stdout.splitlines()[-1])

    runs = [[run(beside) for beside in (0, options.neighbours)] for _ in range(options.runs)]
    found = heading()
    found |= {"load_before": os.getloadavg()[0], "training_cases": options.cases, "neighbours": options.neighbours}
    for name in runs[0][0]:
        found[name] = {
            where: {key: [pair[side][name][key] for pair in runs] for key in ("seconds", "processor_seconds")}
            for side, where in enumerate(("alone", "beside neighbours"))
        }
        found[name]["times longer"] = [pair[1][name]["seconds"] / pair[0][name]["seconds"] for pair in runs]
    keep(found, options.out)


if __name__ == "__main__":
    main()
