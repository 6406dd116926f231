"""How good a surrogate is on cases that it never saw."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Optional

import typer

from tramontane.cli.common import AssumeUnits, On, Seed, app, console, dataset_of, executors, naming
from tramontane.io.atomic import write_text
from tramontane.surrogate.kinds import ASKED


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A saved surrogate.")],
    data: Annotated[Path, typer.Argument(help="A dataset, or results (which are ingested first).")],
    split: Annotated[str, typer.Option(help="Which cases; all: every one not trained on.")] = "test",
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the figures as JSON, too.")] = None,  # noqa: UP045
    html: Annotated[Optional[Path], typer.Option(help="Write a report to hand on, as one HTML file.")] = None,  # noqa: UP045
    pdf: Annotated[Path | None, typer.Option(help="As PDF, printed by Chromium, Chrome or Edge.")] = None,
    learning_curve: Annotated[bool, typer.Option(help="In a report, fit kriging to fewer cases, too.")] = True,
    device: Annotated[str, typer.Option(help="A torch device.")] = "cpu",
) -> None:
    """Print a surrogate's errors on cases that it never saw, beside what needs no training."""
    from tramontane.evaluation import evaluate as run
    from tramontane.evaluation.pdf import browser, print_page
    from tramontane.surrogate import Surrogate

    if pdf is not None:
        browser()  # before minutes are spent
    surrogate, dataset = Surrogate.load(model, device=device), dataset_of(data)
    learning = learning_curve and (html is not None or pdf is not None)
    report = run(surrogate, dataset, split=split, learning=learning, console=console)
    report.print(console)
    if json_file is not None:
        write_text(json_file, report.model_dump_json(indent=1) + "\n")
        console.print(f"Wrote {json_file}", highlight=False, markup=False)
    if html is not None or pdf is not None:
        from tramontane.evaluation.document import write_report

        with tempfile.TemporaryDirectory() as folder:
            page = html or Path(folder) / "report.html"
            write_report(report, page, surrogate=surrogate, dataset=dataset)
            if pdf is not None:
                print_page(page, pdf)
        for file in filter(None, (html, pdf)):
            console.print(f"Wrote {file}", highlight=False, markup=False)


@app.command("cross-validate", cls=naming(executors=executors))
def cross_validate(
    data: Annotated[Path, typer.Argument(help="A dataset, or results (which are ingested first).")],
    folds: Annotated[str, typer.Option(help="Number of parts left out in turn, or leave-one-out.")] = "5",
    model: Annotated[str, typer.Option(help=f"{', '.join(ASKED)}.")] = "auto",
    budget: Annotated[Optional[str], typer.Option(help="Longest training of a fold, such as 10min.")] = None,  # noqa: UP045
    steps: Annotated[Optional[int], typer.Option(min=1, help="Steps of networks in a fold.")] = None,  # noqa: UP045
    include_test: Annotated[bool, typer.Option(help="Read the test cases, too.")] = False,
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the figures as JSON, too.")] = None,  # noqa: UP045
    device: Annotated[str, typer.Option(help="A torch device, or auto.")] = "auto",
    assume_units: AssumeUnits = False,
    seed: Seed = 0,
    on: On = "local",
) -> None:
    """Train without each part of the cases in turn, and print the errors on the parts left out."""
    from tramontane.evaluation import cross_validate as run
    from tramontane.farm import connect
    from tramontane.training import TrainingOptions, parse_budget

    if not folds.isdecimal() and folds != "leave-one-out":
        raise typer.BadParameter("give a number, or leave-one-out", param_hint="--folds")
    options = TrainingOptions(
        model=model, seed=seed, device=device, steps=steps, assume_units=assume_units,
        budget=parse_budget(budget) if budget else (600.0 if steps is None else None),
    )  # fmt: skip
    dataset = dataset_of(data if on == "local" else data.absolute(), assume_units=assume_units)
    folder = data.absolute().with_name(f".{data.absolute().name}.folds")
    elsewhere = connect(on, folder)
    report = run(
        dataset, options, console=console, folds=int(folds) if folds.isdecimal() else folds, include_test=include_test,
        run_tasks=None if on == "local" else elsewhere, folder=folder,
    )  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    report.print(console)
    if json_file is not None:
        write_text(json_file, report.model_dump_json(indent=1) + "\n")
        console.print(f"Wrote {json_file}", highlight=False, markup=False)
