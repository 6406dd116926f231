"""Commands on solvers: which there are, and whether a user's own works."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.table import Table

from tramontane.cli.common import Out, app, console, naming, pairs_of, solvers

solver = typer.Typer(help="Solvers: which there are, and whether your own works.", no_args_is_help=True)
app.add_typer(solver, name="solver")

_DEEP = ("*", "*/*", "*/*/*")


@solver.command("list")
def list_solvers(
    folder: Annotated[Path, typer.Argument(help="Where solver folders are looked for, three levels deep.")] = Path(),
) -> None:
    """List the solvers that are built in, and the solver folders below a folder."""
    from tramontane.errors import TramontaneError
    from tramontane.solvers.case_folder.config import CONFIG, read_config

    table = Table("solver", "what it computes", box=None)
    for name, entry in sorted(solvers().items()):
        lack = f" (needs {' and '.join(entry.missing)})" if entry.missing else ""
        table.add_row(name, f"{entry.title}{lack}")
    for file in sorted(file for depth in ("", *(f"{each}/" for each in _DEEP)) for file in folder.glob(depth + CONFIG)):
        try:
            title = read_config(file)[0].title
        except TramontaneError as error:
            title = f"cannot be used: {error}"
        table.add_row(str(file.parent), title)
    console.print(table)


@solver.command(cls=naming(solvers=solvers))
def check(
    name: Annotated[str, typer.Argument(help="A solver folder, a Python file with @solver, or one of: {solvers}.")],
    setting: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", help="NAME=VALUE of a parameter; the others have the middle of their range."),
    ] = None,
    geometry: Annotated[Optional[Path], typer.Option(help="The geometry, for a solver that takes one.")] = None,  # noqa: UP045
    out: Out = None,
) -> None:
    """Run one design and print what was read of it."""
    from tramontane import solvers as registry
    from tramontane.design import Design
    from tramontane.formats import write_case

    simulator = registry.create(name)
    given: dict[str, Any] = pairs_of(setting or [], "--set")
    design = Design(geometry, **(_middle(simulator.contract, geometry is not None, set(given)) | given))
    console.print(str(simulator.contract), highlight=False, markup=False)
    console.print(f"Running {design!r}", highlight=False, markup=False)
    started = time.monotonic()
    case = simulator.simulate(design)
    _print_case(case, simulator.contract, time.monotonic() - started)
    if out is not None:
        write_case(case, out)
        console.print(f"Wrote {out}", highlight=False, markup=False)


def _middle(contract: Any, geometry: bool, given: set[str]) -> dict[str, Any]:
    """The middle of the range of each parameter that is asked and not given."""
    from tramontane.units import Quantity, from_si

    values: dict[str, Any] = {}
    for name, spec in contract.asked(geometry=geometry).items():
        if name not in given:
            number = from_si((spec.low + spec.high) / 2, spec.unit)
            values[name] = Quantity(float(int(number)) if spec.integer else float(f"{number:.12g}"), spec.unit)
    return values


def _print_case(case: Any, contract: Any, seconds: float) -> None:
    import numpy as np

    from tramontane.units import Quantity, from_si

    lines = []
    for domain, mesh in case.meshes.items():
        lines.append(f"{domain}: {mesh.n_points} points, {mesh.n_cells} cells")
        for name, location in case.field_names(domain).items():
            values = np.asarray(case.field_values(domain, name))
            if not np.issubdtype(values.dtype, np.floating):  # numbers of patches
                continue
            size = np.linalg.norm(values, axis=1) if values.ndim == 2 else values
            what = "magnitude " if values.ndim == 2 else ""
            low, high = (Quantity(float(end), case.field_units.get(name, "")) for end in (size.min(), size.max()))
            lines.append(f"  {name} ({location}): {what}{low} to {high}")
    lines += [f"{name} = {Quantity(from_si(case.qoi[name], spec.shown), spec.shown)}" for name, spec in
              contract.qoi.items() if name in case.qoi]  # fmt: skip
    extra = case.provenance.extra
    if isinstance(extra.get("residuals"), dict):
        lines.append("residuals: " + ", ".join(f"{name} {value:.2g}" for name, value in extra["residuals"].items()))
    if isinstance(extra.get("mesh_quality"), dict):
        measures = extra["mesh_quality"].items()
        lines.append("mesh: " + ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in measures))
    if isinstance(extra.get("seconds"), dict):
        lines.append("seconds: " + ", ".join(f"{name} {value:.2f}" for name, value in extra["seconds"].items()))
    lines += [f"memory: {extra['memory'] / 1e6:.0f} MB"] if "memory" in extra else []
    lines += [f"folder of the run: {extra['run_folder']}"] if "run_folder" in extra else []
    lines += [f"note: {warning}" for warning in extra.get("warnings", [])]
    console.print("\n".join([*lines, f"The design took {seconds:.1f} s."]), highlight=False, markup=False)
