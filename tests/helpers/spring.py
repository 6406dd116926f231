"""An analytic simulator for the farm's tests, in a module of its own so that worker processes load little."""

from __future__ import annotations

import functools
import os
import signal
import time
from pathlib import Path

import numpy as np
import pyvista as pv

from tramontane import farm
from tramontane.case import Case
from tramontane.contract import Contract, ParameterSpec
from tramontane.design import Design
from tramontane.errors import SolverError, TramontaneError

CONTRACT = Contract(
    name="spring",
    parameters={
        "load": ParameterSpec(unit="N", low=10.0, high=20.0),
        "stiffness": ParameterSpec(unit="N/mm", low=-1e3, high=5e3, role="geometry"),
    },
)


class Spring:
    """A loaded spring, each of whose runs leaves a line in ``log``.

    A stiffness of zero or less is refused, 13 N kill the process, 14 N raise an unexpected error, 15 N take a while,
    16 N stop the process when it comes first, 17 N each time, 18 N take for ever.
    """

    def __init__(self, log: Path) -> None:
        self.log = log

    @property
    def contract(self) -> Contract:
        return CONTRACT

    def simulate(self, design: Design) -> Case:
        values = CONTRACT.values(design)
        with self.log.open("a") as file:
            file.write(f"{values['stiffness']:.9g}\n")
        if values["stiffness"] <= 0:
            raise SolverError("stiffness is not above zero; give one that is")
        if values["load"] == 13.0:
            os.kill(os.getpid(), signal.SIGSEGV)
        if values["load"] == 14.0:
            raise ZeroDivisionError("no compliance")
        if values["load"] == 15.0:
            time.sleep(0.9)  # long enough that a busy machine still looks in the middle
        first = self.log.read_text().splitlines().count(f"{values['stiffness']:.9g}") == 1
        if values["load"] == 17.0 or (values["load"] == 16.0 and first):
            os.kill(os.getpid(), signal.SIGSTOP)
        if values["load"] == 18.0:
            time.sleep(3600.0)
        line = pv.PolyData(np.eye(3))
        line.point_data["displacement"] = np.full(3, values["load"] / values["stiffness"])
        return Case("spring", design, {"surface": line}, {"deflection": values["load"] / values["stiffness"]})


def springs(count: int, load: str = "12 N") -> list[Design]:
    return [Design(load=load, stiffness=f"{k + 1} N/mm") for k in range(count)]


def slow_farm(out: str, log: str, on: str = "local") -> None:
    farm.run(functools.partial(Spring, Path(log)), springs(12, "15 N"), out, workers=2, on=on)


def no_simulator() -> Spring:
    raise TramontaneError("there is no licence for this solver; ask for one")
