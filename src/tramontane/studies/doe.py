"""Design of experiments: designs spread over a space, or of a table, answered by a solver or a surrogate."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tramontane.errors import ContractError
from tramontane.search.experiment import Experiment, carry_out, outputs_of
from tramontane.search.sampling import fresh, full_factorial, latin_hypercube_rows, levels_of, sobol_rows
from tramontane.search.simulators import Named, driven, name_of
from tramontane.search.space import Space
from tramontane.search.table_of_designs import read_rows
from tramontane.studies.report import report_designs
from tramontane.studies.study import Study
from tramontane.units import Quantity

Array = NDArray[np.floating[Any]]
Method = Literal["sobol", "latin-hypercube", "factorial"]
_SPREAD = {"sobol": sobol_rows, "latin-hypercube": latin_hypercube_rows}
METHODS = (*_SPREAD, "factorial")


def doe(
    simulator: Named,
    n: int | None = None,
    *,
    out: str | os.PathLike[str],
    method: Method = "sobol",
    levels: int | Mapping[str, int | str] | None = None,
    table: str | os.PathLike[str] | None = None,
    outputs: Sequence[str] = (),
    shapes: Named | None = None,
    vary: Mapping[str, str] | None = None,
    fixed: Mapping[str, str | float | Quantity] | None = None,
    integers: Sequence[str] = (),
    seed: int = 0,
    workers: int | None = None,
    seconds: float | None = 3600.0,
    on: str = "local",
    console: Console | None = None,
) -> Experiment:
    """Answer designs that are spread over a space; call again to resume, or to extend the folder.

    No design is answered twice: a larger ``n``, other levels or another table adds what is not there yet.

    Args:
        simulator: A saved surrogate, the name or folder of a solver, or a simulator.
        n: Number of designs in all, those in the folder included.
        out: Folder for the table of designs, and for the cases of a solver.
        method: ``sobol`` (Owen 1998), ``latin-hypercube`` (`latin_hypercube`) or ``factorial``, every combination of
            levels.
        levels: Of a factorial, for all variables or for each by its name.
        table: A CSV with a column for each parameter, a line for each design; in place of a method.
        outputs: QoIs, or extrema of fields such as ``max(volume.von_mises)``; all QoIs where none is named.
        shapes: A solver that makes shapes for a surrogate, and is not run.
        vary: Bounds of variables, ``{"speed": "20:40 m/s"}``; all parameters vary where None.
        fixed: Values of parameters that do not vary.
        integers: Variables that take whole numbers.
        seed: Of every random choice.
        workers: Solver runs at once; None takes as many as there is room for.
        seconds: After which a solver run is ended, and counts as failed.
        on: Where the solver runs; see `tramontane.farm.run`.
        console: Where progress is shown.

    Raises:
        TramontaneError: A name is not known, bounds or options contradict each other, the table cannot be used, or the
            folder belongs to another study.
    """
    drives = driven(simulator, shapes=shapes)
    wanted = outputs_of(drives.contract, outputs)
    if table is not None:
        if n is not None or levels is not None or vary or integers or method != "sobol":
            raise ContractError(f"designs are those of {os.fspath(table)}; leave n, method, levels and bounds out")
        space, rows = read_rows(table, drives.contract, fixed=fixed)
        space.warn(drives.contract, console)
        origin: str = "table"
        rows_of: Callable[[Array], Array] = functools.partial(fresh, space, rows)
    else:
        space = Space.of(drives.contract, vary=vary, fixed=fixed, integers=integers, console=console)
        origin, rows_of = method, _layout(space, method, n, levels, seed)
    experiment = carry_out("doe", simulator, drives, space, wanted, out, rows_of, origin=origin, workers=workers,
                           seconds=seconds, on=on, console=console)  # fmt: skip
    report_designs(experiment.folder, f"Designs of {name_of(simulator)}", str(experiment), space, wanted,
                   experiment.trials)  # fmt: skip
    return experiment


def _layout(
    space: Space, method: str, n: int | None, levels: int | Mapping[str, int | str] | None, seed: int
) -> Callable[[Array], Array]:
    """A function that gives the designs to add to those that are there."""
    if method not in METHODS:
        raise ContractError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")
    if method == "factorial":
        if n is not None or levels is None:
            raise ContractError("a factorial has levels in place of a number of designs; give --levels 3, or "
                                f"--levels {space.names[0]}=3 for each parameter")  # fmt: skip
        return functools.partial(fresh, space, full_factorial(space, levels_of(space, levels)))
    if levels is not None:
        raise ContractError(f"{method} has no levels; leave them out, or choose the method factorial")
    if n is None or n < 1:
        raise ContractError(f"{'no' if n is None else n} designs: give -n 1 or more")

    def rows_of(there: Array) -> Array:
        more = n - len(there)
        return _SPREAD[method](space, more, there, seed=seed) if more > 0 else np.zeros((0, len(space.variables)))

    return rows_of


STUDY = Study("doe", "designs spread over a space, or of a table, answered by a solver or a surrogate", doe)
