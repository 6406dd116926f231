"""What the farm costs: 10,000 designs of a 10 ms function on two workers of each engine, and the memory of who asks.

    python benchmarks/farm.py --out benchmarks/results/farm.json

Slurm and Ray run on loopback: a controller and a node from Debian's packages (as root), a head from Ray's wheel. The
function keeps a core busy for 10 ms by the clock, so whatever an engine takes of the two cores shows as overhead: the
workers' time a design beyond those 10 ms, with the start of the processes. With ``--sleep`` it sleeps, for a machine
that others use at the same time; as root, ``chrt -r 1`` has it run before them.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from record import heading, keep

from tramontane import farm
from tramontane.case import Case
from tramontane.contract import Contract, ParameterSpec, QoiSpec
from tramontane.design import Design

SECONDS = 0.010
WORKERS = 2


def sleep(state: object, number: int) -> int:
    time.sleep(SECONDS)
    return number


def work(state: object, number: int) -> int:
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        pass
    return number


class Spring:
    """A loaded spring that takes 10 ms."""

    contract = Contract(parameters={"load": ParameterSpec(unit="N", low=1.0, high=9.0)}, qoi={"sag": QoiSpec(unit="m")})

    def simulate(self, design: Design) -> Case:
        work(None, 0)
        return Case("", design, qoi={"sag": self.contract.values(design)["load"] / 1e3}, qoi_units={"sag": "m"})


def resident() -> float:
    """MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def tasks_on(on: str, count: int, function: Callable[[object, int], int] = work) -> dict[str, Any]:
    """Overhead a design of an engine, and the driver's memory after a tenth of them and after all."""
    with tempfile.TemporaryDirectory() as folder:
        begun, cpu, first, memory, told = time.perf_counter(), time.process_time(), 0.0, 0.0, 0
        for told, outcome in enumerate(
            farm.run_tasks(function, range(count), on=on, folder=folder, workers=WORKERS), 1
        ):
            assert outcome.answer == outcome.task, outcome.reason
            if told == 1:
                first = time.perf_counter() - begun
            if told == count // 10:
                memory = resident()
        assert told == count
        wall = time.perf_counter() - begun
    return {
        "tasks": count,
        "workers": WORKERS,
        "wall_seconds": round(wall, 2),
        "until_the_first_seconds": round(first, 2),
        "overhead_ms": round((wall * WORKERS / count - SECONDS) * 1e3, 2),
        "driver_cpu_ms": round((time.process_time() - cpu) / count * 1e3, 2),
        "driver_mib_after_a_tenth": round(memory, 1),
        "driver_mib_after_all": round(resident(), 1),
    }


def cases_on(on: str, count: int) -> dict[str, Any]:
    """The same with cases, each written as a folder, and what it takes to find that all are there."""
    designs = [Design(load=f"{1 + 8 * k / count} N") for k in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        result = farm.run(Spring, designs, folder, on=on, workers=WORKERS)
        wall = time.perf_counter() - begun
        assert len(result.finished) == count, str(result)[:500]
        begun = time.perf_counter()
        assert len(farm.run(Spring, designs, folder, on=on, workers=WORKERS).kept) == count
        again = time.perf_counter() - begun
    return {"designs": count, "wall_seconds": round(wall, 2), "again_seconds": round(again, 2),
            "overhead_ms": round((wall * WORKERS / count - SECONDS) * 1e3, 2)}  # fmt: skip


@contextlib.contextmanager
def slurm() -> Iterator[str]:
    from helpers import slurm_cluster

    with slurm_cluster.cluster(nodes=1, cores=2) as cluster:
        os.environ.update(SLURM_CONF=str(cluster.conf), PYTHONPATH=os.pathsep.join(sys.path))
        yield "slurm"


@contextlib.contextmanager
def ray() -> Iterator[str]:
    warnings.simplefilter("ignore")
    from ray.cluster_utils import Cluster

    os.environ.update(PYTHONPATH=os.pathsep.join(sys.path))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    try:
        yield f"ray?address={cluster.address}"
    finally:
        cluster.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--engines", nargs="+", default=["local", "slurm", "ray"])
    parser.add_argument("--sleep", action="store_true", help="the function sleeps")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    engines = {"local": functools.partial(contextlib.nullcontext, "local"), "slurm": slurm, "ray": ray}
    document: dict[str, Any] = heading() | {
        "function_ms": SECONDS * 1e3,
        "load_before": round(os.getloadavg()[0], 1),
        "nice": os.nice(0),
    }
    for name in options.engines:
        with engines[name]() as on:
            document[name] = {
                "tasks": tasks_on(on, options.count, sleep if options.sleep else work),
                "cases": cases_on(on, options.count),
            }
            print(name, document[name], flush=True)
    keep(document, options.out)


if __name__ == "__main__":
    import farm as this  # other processes know its functions by a module's name

    this.main()
