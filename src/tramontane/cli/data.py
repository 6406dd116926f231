"""Commands on results and datasets: generate, inspect, ingest, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from tramontane.cli.common import (
    AssumeUnits,
    On,
    Out,
    Region,
    Seed,
    Workers,
    app,
    console,
    dataset_path,
    errors,
    executors,
    naming,
    solvers,
)


@app.command(cls=naming(solvers=solvers, executors=executors))
def generate(
    simulator: Annotated[
        str, typer.Argument(help="A solver folder, a Python file with @solver, or one of: {solvers}.")
    ],
    n: Annotated[int, typer.Option("-n", min=1, help="Number of designs.")] = 48,
    seed: Seed = 0,
    out: Out = None,
    workers: Workers = None,
    on: On = "local",
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try designs again that failed before.")] = False,
    executor: Annotated[Optional[str], typer.Option(hidden=True)] = None,  # noqa: UP045 (what --on was called)
) -> None:
    """Sample a design space and run a solver on every design; run again to resume."""
    from tramontane.studies import generate as run

    folder = out or Path("data") / Path(simulator).name.partition(".py")[0]
    if executor is not None:
        errors.print("--executor is now called --on", style="yellow")
    result = run(simulator, n, seed, folder, workers=workers, on=executor or on, retry_failed=retry_failed,
                 console=console)  # fmt: skip
    console.print(str(result), highlight=False, markup=False)


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A folder of cases, a table, a case, a mesh or a geometry file.")],
    write_contract: Annotated[Optional[Path], typer.Option(help="Write what was understood, to be edited.")] = None,  # noqa: UP045
    html: Annotated[Optional[Path], typer.Option(help="Write a page with tables, histograms and pictures.")] = None,  # noqa: UP045
    region: Region = None,
) -> None:
    """Print what is in a folder or file, and everything that looks wrong."""
    from tramontane.dataset.audit.report import inspect_path, print_report
    from tramontane.dataset.ingest.run import inspect_and_infer

    infer = None
    if write_contract is None:
        report = inspect_path(path, region=region, console=console)
    else:
        report, infer = inspect_and_infer(path, region=region, console=console)
    print_report(report, console)
    if html is not None:
        from tramontane.dataset.audit.html import write_report

        write_report(report, html, console=console)
        console.print(f"Wrote {html}", highlight=False, markup=False)
    if infer is not None and write_contract is not None:
        infer().to_toml(write_contract)
        console.print(f"Wrote {write_contract}; edit it and give it to `tramontane ingest --contract`")


@app.command(cls=naming(executors=executors))
def ingest(
    source: Annotated[Path, typer.Argument(help="A folder of cases, or a table (CSV, Parquet).")],
    out: Out = None,
    contract: Annotated[Optional[Path], typer.Option(help="A contract.toml to obey.")] = None,  # noqa: UP045
    test: Annotated[Optional[int], typer.Option(min=0, help="Cases held out for evaluation.")] = None,  # noqa: UP045
    validation: Annotated[Optional[int], typer.Option(min=0, help="Cases held out to watch training.")] = None,  # noqa: UP045
    seed: Seed = 0,
    strict: Annotated[bool, typer.Option(help="Refuse the whole set when one case is bad.")] = False,
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="Processes that read; as many as suit if not given."),
    ] = None,
    splits: Annotated[Optional[str], typer.Option(help="A published data set's own splits, such as scarce.")] = None,  # noqa: UP045
    tolerance: Annotated[Optional[float], typer.Option(help="Keep fields to this share of their RMS.")] = None,  # noqa: UP045
    region: Region = None,
    assume_units: AssumeUnits = False,
    on: On = "local",
) -> None:
    """Check a folder of results and write it as a dataset for training; run again to resume."""
    from tramontane.contract import Contract
    from tramontane.dataset.ingest.run import ingest as run
    from tramontane.dataset.ingest.run import working_folder
    from tramontane.dataset.ingest.summary import describe
    from tramontane.farm import connect

    target = out or dataset_path(source)
    if on != "local":  # other machines know no working directory
        source, target = source.absolute(), target.absolute()
    elsewhere = connect(on, working_folder(target))
    given = Contract.from_toml(contract) if contract else None
    dataset = run(source, target, contract=given, test=test, validation=validation, seed=seed, strict=strict,
                  workers=workers, official=splits, tolerance=tolerance, region=region, assume_units=assume_units,
                  console=console, run_tasks=None if on == "local" else elsewhere)  # fmt: skip
    describe(dataset, console)


@app.command()
def verify(dataset: Annotated[Path, typer.Argument(help="A dataset's directory.")]) -> None:
    """Read every array of a dataset and compare it with its checksum."""
    from tramontane.dataset import Dataset
    from tramontane.errors import DatasetError

    store = Dataset.open(dataset)
    damaged = store.verify()
    for line in damaged:
        console.print(line, highlight=False, markup=False)
    if damaged:
        raise DatasetError(
            f"{dataset}: {len(damaged)} arrays are damaged; restore the cases named above or ingest anew"
        )
    console.print(f"{dataset}: {len(store.names)} cases, every array as it was written")
