"""A folder of cases from a solver."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from rich.console import Console

from tramontane import __version__, farm, solvers
from tramontane.search.plan import keep_to_plan
from tramontane.search.simulators import check_samples, limit_of
from tramontane.search.space import sobol_designs
from tramontane.studies.study import Study


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
    check_samples(name, simulator)
    designs = sobol_designs(contract, n, seed=seed)
    folder = Path(out)
    plan: dict[str, str | int] = {"simulator": name, "seed": seed, "version": __version__}
    if (files := getattr(simulator, "fingerprint", None)) is not None:
        plan |= {"simulator": contract.name, "hash of the solver's files": files}
    keep_to_plan(folder, plan)
    if not (folder / "contract.toml").exists():
        contract.to_toml(folder / "contract.toml")
    factory = functools.partial(solvers.create, solvers.absolute(name))
    return farm.run(
        factory, designs, folder, workers=workers, retry_failed=retry_failed, seconds=limit_of(simulator, seconds),
        on=on, resources=getattr(simulator, "resources", None), console=console,
    )  # fmt: skip


STUDY = Study("generate", "a folder of cases over the design space of a solver", generate)
