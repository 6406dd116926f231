"""A folder of cases from a solver."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

from rich.console import Console

from tramontane import __version__, farm, solvers
from tramontane.errors import TramontaneError
from tramontane.io.atomic import write_json
from tramontane.studies.space import sobol_designs
from tramontane.studies.study import Study

PLAN = "plan.json"


def generate(
    name: str,
    n: int,
    seed: int,
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    retry_failed: bool = False,
    seconds: float | None = 3600.0,
    on: str = "local",
    console: Console | None = None,
) -> farm.Result:
    """Run the first ``n`` designs of a solver's design space; call again to resume, or with a larger ``n``.

    Args:
        name: Of the solver, or the path of a user's own (`tramontane.solvers.create`).
        n: Number of designs.
        seed: Of the Sobol sequence.
        out: Folder of the cases; the solver's contract is written into it.
        workers: Designs at once; None takes as many as there is room for.
        retry_failed: Whether designs that failed before are tried again.
        seconds: After which a design is ended, and counts as failed; None waits for ever. A solver that states a longer
            time limit of its own has that.
        on: Where the designs run; see `tramontane.farm.run`.
        console: Where progress is shown.

    Raises:
        TramontaneError: The solver is not known, or ``out`` holds cases of another solver, version or seed.
    """
    simulator = solvers.create(name)
    contract = simulator.contract
    designs = sobol_designs(contract, n, seed=seed)
    folder = Path(out)
    plan: dict[str, str | int] = {"simulator": name, "seed": seed, "version": __version__}
    if (files := getattr(simulator, "fingerprint", None)) is not None:
        plan |= {"simulator": contract.name, "hash of the solver's files": files}
    if seconds is not None and (own := getattr(simulator, "time_limit", None)) is not None:
        seconds = max(seconds, 1.1 * own + 60)  # the solver ends its run and says why
    _keep_to_plan(folder, plan)
    if not (folder / "contract.toml").exists():
        contract.to_toml(folder / "contract.toml")
    factory = functools.partial(solvers.create, solvers.absolute(name))
    return farm.run(
        factory, designs, folder, workers=workers, retry_failed=retry_failed, seconds=seconds, on=on,
        resources=getattr(simulator, "resources", None), console=console,
    )  # fmt: skip


def _keep_to_plan(folder: Path, plan: dict[str, str | int]) -> None:
    """Write down what a new folder is for, and refuse one that was begun for something else."""
    file = folder / PLAN
    if file.is_file():
        try:
            begun = dict(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise TramontaneError(f"{file}: is damaged; choose another folder with -o") from error
        for key, value in plan.items():
            if begun.get(key) != value:
                raise TramontaneError(f"{folder}: was begun with {key} {begun.get(key)}, not {value}; "
                                      "give the same, or another folder with -o")  # fmt: skip
        return
    if folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise TramontaneError(f"{folder}: is not empty and has no {PLAN}; choose another folder with -o")
    write_json(file, plan)


STUDY = Study("generate", "a folder of cases over the design space of a solver", generate)
