"""A folder of cases from an embedded solver."""

from __future__ import annotations

import functools
import json
import os
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from tramontane import farm, solvers
from tramontane.errors import TramontaneError
from tramontane.studies.space import sobol_designs

PLAN = "plan.json"


def generate(
    name: str,
    n: int,
    seed: int,
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    console: Console | None = None,
) -> farm.Result:
    """Run the first ``n`` designs of a solver's design space; call again to resume, or with a larger ``n``.

    Args:
        name: Of the solver.
        n: Number of designs.
        seed: Of the Sobol sequence.
        out: Folder of the cases; the solver's contract is written into it.
        workers: Processes at once; None takes one for each core.
        console: Where progress is shown.

    Raises:
        TramontaneError: The solver is not known, or ``out`` holds cases of another solver, version or seed.
    """
    if n < 1:
        raise TramontaneError(f"n = {n}: at least one design is needed; give -n 1 or more")
    contract = solvers.create(name).contract
    folder = Path(out)
    plan = {"simulator": name, "seed": seed, "version": version("tramontane")}
    file = folder / PLAN
    if file.is_file():
        found = json.loads(file.read_text(encoding="utf-8"))
        if found != plan:
            raise TramontaneError(f"{folder}: was begun as {found}, not as {plan}; choose another folder with -o")
    elif folder.exists() and any(folder.iterdir()):
        raise TramontaneError(f"{folder}: is not empty and has no {PLAN}; choose another folder with -o")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        contract.to_toml(folder / "contract.toml")
        file.write_text(json.dumps(plan) + "\n", encoding="utf-8")
    designs = sobol_designs(contract, n, seed=seed)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes are the parallelism
    return farm.run(functools.partial(solvers.create, name), designs, folder, workers=workers, console=console)
