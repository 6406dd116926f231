"""Asking a surrogate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from tramontane.cli.common import Out, app, console, errors, executors, naming, pairs_of, solvers
from tramontane.io.atomic import replacing, write_json
from tramontane.verdict import REQUIRED, good_enough

if TYPE_CHECKING:
    from tramontane.case import Case
    from tramontane.design import Design
    from tramontane.io.tasks import RunTasks
    from tramontane.simulator import Simulator
    from tramontane.surrogate import Surrogate
    from tramontane.surrogate.checks import Checked

_STYLES = {"inside": "green", "edge": "yellow", "outside": "bold red"}


@app.command(cls=naming(solvers=solvers, executors=executors))
def predict(
    model: Annotated[Path, typer.Argument(help="A saved surrogate.")],
    source: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(
            metavar="DESIGN", help="STL, OBJ, PLY, STEP or VTP file, a case's results, or a table of designs."
        ),
    ] = None,
    settings: Annotated[Optional[list[str]], typer.Option("--set", help="Operating condition, load=500N.")] = None,  # noqa: UP045
    chosen: Annotated[Optional[str], typer.Option("--case", help="Which, of a dataset or many results.")] = None,  # noqa: UP045
    out: Out = None,
    mesh: Annotated[Optional[Path], typer.Option(help="Mesh to predict on; its domain is the file's name.")] = None,  # noqa: UP045
    on: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Where the designs of a table are predicted: {executors}; see also generate."),
    ] = None,
    cells: Annotated[
        int, typer.Option(min=1, help="About how many cells to predict on when no mesh is given.")
    ] = 50_000,
    picture: Annotated[Optional[Path], typer.Option(help="Write a picture, too.")] = None,  # noqa: UP045
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the QoIs as JSON, too.")] = None,  # noqa: UP045
    unit: Annotated[
        str | None, typer.Option(help="Length unit of the geometry file; the model's if not given.")
    ] = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.99, help="Probability of the intervals.")] = 0.9,
    bounds: Annotated[
        bool, typer.Option("--bounds", help="Write the lower and upper bound of each field, too.")
    ] = False,
    require: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="inside, or edge: end with exit code 3 where the verdict is worse."),
    ] = None,
    check: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="SOLVER", help="Run this solver, too, and say whether the intervals hold: {solvers}."),
    ] = None,
    keep: Annotated[Optional[Path], typer.Option(help="Keep the solver's case in this folder of cases.")] = None,  # noqa: UP045
    device: Annotated[str, typer.Option(help="A torch device.")] = "cpu",
) -> None:
    """Predict fields and QoIs of a design: a geometry, the results of a case, parameters alone, or a table of designs.

    Of results, the geometry and the parameters are taken, as ingest reads them; --set changes a parameter. A table
    (CSV, Parquet) has a line for each design; --out writes it with the QoIs, their intervals and verdicts.
    """
    from tramontane.formats import read_mesh, write_case_mesh
    from tramontane.formats.tables.designs import is_table
    from tramontane.solvers import create
    from tramontane.surrogate import Surrogate
    from tramontane.surrogate.agreement import check_agreement, check_made, question_of, shape_of, with_units
    from tramontane.surrogate.checks import compare
    from tramontane.surrogate.find_design import find_design, settings_text
    from tramontane.surrogate.kept_cases import keep_case, read_tally
    from tramontane.surrogate.tables import predict_table, print_lines, write_table
    from tramontane.trust.conformal import least_cases
    from tramontane.units import Quantity, difference_from_si, from_si
    from tramontane.verdict import sentence_of

    if require is not None and require not in REQUIRED:
        raise typer.BadParameter("choose inside or edge", param_hint="--require")
    if keep is not None and check is None:
        raise typer.BadParameter("keeps what a solver says; name one with --check", param_hint="--keep")
    surrogate = Surrogate.load(model, device=device)
    if on is not None and (source is None or chosen is not None or not is_table(source)):
        errors.print("--on MESH is now called --mesh", style="yellow")
        mesh, on = Path(on), None
    pairs = pairs_of(settings or [], "--set")
    if source is not None and chosen is None and is_table(source):
        if mesh is not None or picture is not None or json_file is not None:
            raise typer.BadParameter(
                "a table is answered with a table; write it with --out", param_hint="--mesh, --json"
            )
        if check is not None:
            raise typer.BadParameter("checks one design; name one instead of a table", param_hint="--check")
        with _elsewhere(on, out or source) as run_tasks:
            lines = predict_table(
                surrogate,
                source.absolute() if run_tasks else source,
                pairs,
                cells=cells,
                length_unit=unit,
                level=level,
                console=console,
                run_tasks=run_tasks,
                load=partial(Surrogate.load, model.absolute(), device=device),
            )
        print_lines(surrogate, lines, console)
        if out is not None:
            write_table(surrogate, source, lines, out)
            console.print(f"Wrote {out}", highlight=False, markup=False)
        _require(require, [line.verdict for line in lines])
        return
    if not surrogate.contract.fields and (out is not None or picture is not None):
        raise typer.BadParameter("this model predicts no fields; write its QoIs with --json", param_hint="--out")
    solver = None if check is None else create(check)
    contract = surrogate.contract
    if solver is not None:
        check_agreement(surrogate, contract := solver.contract)  # before the solver runs
    design = find_design(source, contract, pairs, shapes=surrogate.needs_geometry, case=chosen, length_unit=unit)
    if not isinstance(design.geometry, Path) and source is not None:
        settings_shown = settings_text(design, contract)
        console.print(f"{chosen or source.name}: {settings_shown}", highlight=False, markup=False, soft_wrap=True)
    whole = design
    if solver is not None:
        whole = design = with_units(design, contract)
        contract.values(design.with_geometry(None))
        shape = design.geometry if design.geometry is not None else shape_of(surrogate, solver, design)
        design = question_of(surrogate, design, shape)
        check_made(surrogate, solver, whole, surrogate.check(design).surface)
    meshes = None if mesh is None else {mesh.stem: read_mesh(mesh)}
    case = surrogate.simulate(design, meshes=meshes, cells=cells, level=level)
    if case.verdict is not None:
        stream = console if case.verdict.domain == "inside" else errors
        stream.print(sentence_of(case.verdict), highlight=False, markup=False, soft_wrap=True,
                     style=_STYLES[case.verdict.domain])  # fmt: skip
    for notice in case.notices:
        errors.print(f"Warning: {notice}", highlight=False, markup=False, style="yellow")
    for name, value in case.qoi.items():
        unit, interval = surrogate.contract.qoi[name].shown, case.qoi_intervals.get(name)
        sure = ""
        if interval is not None:
            half = float(f"{difference_from_si(interval.high - value, unit):.3g}")
            sure = f" +- {Quantity(half, unit)} ({100 * level:g} %"
            sure += f", if errors are normal: only {interval.cases} cases were left out)" if interval.assumed else ")"
        console.print(f"{name} = {Quantity(from_si(value, unit), unit)}{sure}", highlight=False, markup=False)
    document = case.summary()
    if solver is not None:
        checked = compare(surrogate, design, _solved(solver, whole), level=level)
        _print_check(checked, surrogate)
        document["check"] = checked.document()
        if keep is not None:
            kept = keep_case(checked.solved, keep, contract=solver.contract, model=surrogate.identity, checked=checked)
            tally = read_tally([keep], surrogate.identity)
            console.print(f"Kept {kept}; of {tally.checks} checks of this model there, {tally.held} held",
                          highlight=False, markup=False)  # fmt: skip
    if json_file is not None:
        write_json(json_file, document)
        console.print(f"Wrote {json_file}", highlight=False, markup=False)
    if out is not None:
        for file in write_case_mesh(case.with_bounds() if bounds else case, out):
            console.print(f"Wrote {file}", highlight=False, markup=False)
        if bounds and (few := _few_cases(case)) is not None:
            console.print(f"Bounds rest on {few} cases left out; {least_cases(level)} are needed for "
                          f"{100 * level:g} %: take them as a rough guide", highlight=False, markup=False,
                          style="yellow")  # fmt: skip
    if picture is not None:
        with replacing(picture) as file:
            case.plot(off_screen=True, screenshot=str(file))
        console.print(f"Wrote {picture}", highlight=False, markup=False)
    _require(require, [] if case.verdict is None else [case.verdict.domain])


@contextlib.contextmanager
def _elsewhere(on: str | None, beside: Path) -> Iterator[RunTasks | None]:
    """What predicts the designs of a table where ``--on`` says; None where this process does."""
    if on is None:
        yield None
        return
    from tramontane.farm import connect

    folder = beside.absolute().with_name(f".{beside.name}.partial")
    try:
        yield connect(on, folder)
    finally:
        with contextlib.suppress(OSError):  # it is not there, or keeps what a run goes on with
            folder.rmdir()


def _few_cases(case: Case) -> int | None:
    """How many cases left out the bounds of a case's fields rest on, where they are too few for their level."""
    from tramontane.trust.conformal import least_cases

    counts = [(of.cases, of.level) for fields in case.field_intervals.values() for of in fields.values()]
    few = [count for count, level in counts if count < least_cases(level)]
    return min(few, default=None)


def _solved(solver: Simulator, design: Design) -> Case:
    from tramontane.progress import stage

    with stage("solving", console):
        return solver.simulate(design)


def _print_check(checked: Checked, surrogate: Surrogate) -> None:
    """What the solver said beside the prediction, and what the intervals held."""
    from tramontane.units import Quantity, from_si

    for name, each in checked.qoi.items():
        unit = surrogate.contract.qoi[name].shown
        said = {None: "has no interval", True: "held", False: "NOT held"}[each.held]
        console.print(f"solver: {name} = {Quantity(float(f'{from_si(each.solved, unit):.6g}'), unit)}: {said}",
                      highlight=False, markup=False, style="yellow" if each.held is False else None)  # fmt: skip
    for domain, fields in checked.fields.items():
        for name, field in fields.items():
            inside = "" if field.inside is None else f", {100 * field.inside:.1f} % of the points in their intervals"
            console.print(f"solver: {domain}/{name}: {100 * field.relative_l2:.2g} % relative L2{inside}",
                          highlight=False, markup=False)  # fmt: skip


def _require(least: str | None, verdicts: Sequence[str]) -> None:
    """End with exit code 3 where a verdict is worse than what was asked for."""
    if least is not None and not all(good_enough(verdict, least) for verdict in verdicts):
        raise typer.Exit(3)
