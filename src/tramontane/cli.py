"""The command line: parse, call, print. What the commands do stands in the modules that they call."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn, Optional

import typer
from rich.console import Console

from tramontane import cli_serve
from tramontane.errors import TramontaneError
from tramontane.io.atomic import cannot, replacing, write_json, write_text
from tramontane.io.interrupts import end_interrupted, heed, interrupted
from tramontane.io.locks import claimed

app = typer.Typer(
    name="tramontane",
    help="Turn a folder of simulation results into your own physics model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = cli_serve.console
errors = Console(stderr=True)

Out = Annotated[Optional[Path], typer.Option("--out", "-o", help="Where to write.")]  # noqa: UP045 (typer reads it)
AssumeUnits = Annotated[bool, typer.Option("--assume-units", help="Units that follow from names alone are right.")]
Seed = Annotated[int, typer.Option(min=0, help="Of every random choice.")]
Region = Annotated[Optional[str], typer.Option(help="Which of several regions that OpenFOAM cases have.")]  # noqa: UP045


@app.command()
def generate(
    simulator: Annotated[str, typer.Argument(help="Name of an embedded solver: bodies, bracket or cylinder.")],
    n: Annotated[int, typer.Option("-n", min=1, help="Number of designs.")] = 48,
    seed: Seed = 0,
    out: Out = None,
    workers: Annotated[Optional[int], typer.Option(min=1, help="Parallel processes; all cores if not given.")] = None,  # noqa: UP045
) -> None:
    """Sample a design space and run an embedded solver on every design; run again to resume."""
    from tramontane.studies import generate as run

    result = run(simulator, n, seed, out or Path("data") / simulator, workers=workers, console=console)
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

    report = inspect_path(path, region=region, console=console)
    print_report(report, console)
    if html is not None:
        from tramontane.dataset.audit.html import write_report

        write_report(report, html, console=console)
        console.print(f"Wrote {html}", highlight=False, markup=False)
    if write_contract is not None:
        from tramontane.dataset.ingest.run import infer_contract

        infer_contract(path, region=region, console=console).to_toml(write_contract)
        console.print(f"Wrote {write_contract}; edit it and give it to `tramontane ingest --contract`")


@app.command()
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
) -> None:
    """Check a folder of results and write it as a dataset for training; run again to resume."""
    from tramontane.contract import Contract
    from tramontane.dataset.ingest.run import ingest as run
    from tramontane.dataset.ingest.summary import describe

    target = out or dataset_path(source)
    given = Contract.from_toml(contract) if contract else None
    dataset = run(source, target, contract=given, test=test, validation=validation, seed=seed, strict=strict,
                  workers=workers, official=splits, tolerance=tolerance, region=region, assume_units=assume_units,
                  console=console)  # fmt: skip
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


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="A dataset, or results (which are ingested first).")],
    out: Out = None,
    model: Annotated[str, typer.Option(help="auto, classical, tokens, corrected, ab-upt or scalars.")] = "auto",
    budget: Annotated[Optional[str], typer.Option(help="Wall-clock length, such as 10min.")] = None,  # noqa: UP045
    steps: Annotated[Optional[int], typer.Option(min=1, help="Length in steps.")] = None,  # noqa: UP045
    try_networks: Annotated[bool, typer.Option("--try-networks", help="Have auto try networks in any case.")] = False,
    config: Annotated[Optional[list[str]], typer.Option("--config", help="Network argument, NAME=VALUE.")] = None,  # noqa: UP045
    points: Annotated[int, typer.Option(min=1, help="For ab-upt, sites drawn of each domain in a step.")] = 1024,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Cases in a step.")] = None,
    device: Annotated[str, typer.Option(help="A torch device, or auto.")] = "auto",
    precision: Annotated[Optional[str], typer.Option(help="float32 or bfloat16.")] = None,  # noqa: UP045
    optimizer: Annotated[str, typer.Option(help="adamw or lion.")] = "adamw",
    lr: Annotated[Optional[float], typer.Option(help="Highest learning rate.")] = None,  # noqa: UP045
    patience: Annotated[Optional[int], typer.Option(min=1, help="Validations without gain before stopping.")] = None,  # noqa: UP045
    start: Annotated[Optional[Path], typer.Option("--from", help="Saved surrogate to train on.")] = None,  # noqa: UP045
    restart: Annotated[bool, typer.Option(help="Forget an unfinished run.")] = False,
    checkpoint_every: Annotated[str, typer.Option(help="Time between two checkpoints.")] = "60s",
    licence: Annotated[str, typer.Option(help="Under which the weights may be used.")] = "unspecified",
    assume_units: AssumeUnits = False,
    seed: Seed = 0,
) -> None:
    """Train a surrogate; run the same command again to go on with a killed run. Works under torchrun."""
    from tramontane.dataset.ingest.assumed_units import listed
    from tramontane.surrogate.files import check_place
    from tramontane.surrogate.fit import LOCK, discard, fit
    from tramontane.surrogate.surrogate import Surrogate
    from tramontane.training import parse_budget

    if precision not in (None, "float32", "bfloat16"):
        raise typer.BadParameter("choose float32 or bfloat16", param_hint="--precision")
    seconds = parse_budget(budget) if budget else (600.0 if steps is None else None)
    between = parse_budget(checkpoint_every)
    first = int(os.environ.get("RANK", "0")) == 0
    dataset = _dataset(data, assume_units=assume_units)
    if assume_units and dataset.assumed_units and first:
        console.print(f"Units assumed from names, as confirmed: {listed(dataset.assumed_units)}", style="yellow",
                      highlight=False, markup=False, soft_wrap=True)  # fmt: skip
    store = Path(dataset.path)
    target = out or Path("models") / store.resolve().name.removesuffix(".dataset")
    work = target.with_name(f"{target.name}.training")

    def ready(early: Surrogate) -> None:
        early.save(target, licence=licence)
        console.print(f"Saved {target}: kriging, which can be used now; networks are tried, and replace it if they "
                      "are better", highlight=False, markup=False, soft_wrap=True)  # fmt: skip

    check_place(target)
    with claimed(work / LOCK, target) if first else contextlib.nullcontext(), _nothing_left(work):
        if restart and first:
            discard(work)
        surrogate: Surrogate = fit(
            dataset, model=model, config=_settings(config or []), steps=steps,
            budget=seconds,
            points=points, batch_size=batch_size, device=device, precision=precision,  # type: ignore[arg-type]
            optimizer=optimizer, lr=lr, patience=patience, seed=seed, work=work,
            checkpoint_seconds=between, console=console,
            start=Surrogate.load(start) if start else None, try_networks=True if try_networks else None,
            ready=ready if first else None, assume_units=assume_units,
        )  # fmt: skip
        if first:
            surrogate.save(target, licence=licence)
            discard(work, lock=True)
    if first:
        console.print(f"Saved {target}; now `tramontane evaluate {target} {dataset.path}`")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A saved surrogate.")],
    data: Annotated[Path, typer.Argument(help="A dataset, or results (which are ingested first).")],
    split: Annotated[str, typer.Option(help="Which cases; all: every one not trained on.")] = "test",
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the figures as JSON, too.")] = None,  # noqa: UP045
    device: Annotated[str, typer.Option(help="A torch device.")] = "cpu",
) -> None:
    """Print a surrogate's errors on cases that it never saw, beside what needs no training."""
    from tramontane.evaluation import evaluate as run
    from tramontane.surrogate import Surrogate

    surrogate = Surrogate.load(model, device=device)
    report = run(surrogate, _dataset(data), split=split, console=console)
    report.print(console)
    if json_file is not None:
        write_text(json_file, report.model_dump_json(indent=1) + "\n")
        console.print(f"Wrote {json_file}", highlight=False, markup=False)


@app.command("cross-validate")
def cross_validate(
    data: Annotated[Path, typer.Argument(help="A dataset, or results (which are ingested first).")],
    folds: Annotated[str, typer.Option(help="Number of parts left out in turn, or leave-one-out.")] = "5",
    model: Annotated[str, typer.Option(help="auto, classical, tokens, corrected, ab-upt or scalars.")] = "auto",
    budget: Annotated[Optional[str], typer.Option(help="Longest training of a fold, such as 10min.")] = None,  # noqa: UP045
    steps: Annotated[Optional[int], typer.Option(min=1, help="Steps of networks in a fold.")] = None,  # noqa: UP045
    include_test: Annotated[bool, typer.Option(help="Read the test cases, too.")] = False,
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the figures as JSON, too.")] = None,  # noqa: UP045
    device: Annotated[str, typer.Option(help="A torch device, or auto.")] = "auto",
    assume_units: AssumeUnits = False,
    seed: Seed = 0,
) -> None:
    """Train without each part of the cases in turn, and print the errors on the parts left out."""
    from tramontane.evaluation import cross_validate as run
    from tramontane.training import parse_budget

    if not folds.isdecimal() and folds != "leave-one-out":
        raise typer.BadParameter("give a number, or leave-one-out", param_hint="--folds")
    report = run(
        _dataset(data, assume_units=assume_units), model=model,
        folds=int(folds) if folds.isdecimal() else folds, include_test=include_test,
        seed=seed, console=console, device=device, steps=steps, assume_units=assume_units,
        budget=parse_budget(budget) if budget else (600.0 if steps is None else None),
    )  # fmt: skip
    report.print(console)
    if json_file is not None:
        write_text(json_file, report.model_dump_json(indent=1) + "\n")
        console.print(f"Wrote {json_file}", highlight=False, markup=False)


@app.command()
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
    on: Annotated[Optional[Path], typer.Option(help="Mesh to predict on; its domain is the file's name.")] = None,  # noqa: UP045
    cells: Annotated[
        int, typer.Option(min=1, help="About how many cells to predict on when no mesh is given.")
    ] = 50_000,
    picture: Annotated[Optional[Path], typer.Option(help="Write a picture, too.")] = None,  # noqa: UP045
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the QoIs as JSON, too.")] = None,  # noqa: UP045
    unit: Annotated[
        str | None, typer.Option(help="Length unit of the geometry file; the model's if not given.")
    ] = None,
    device: Annotated[str, typer.Option(help="A torch device.")] = "cpu",
) -> None:
    """Predict fields and QoIs of a design: a geometry, the results of a case, parameters alone, or a table of designs.

    Of results, the geometry and the parameters are taken, as ingest reads them; --set changes a parameter. A table
    (CSV, Parquet) has a line for each design; --out writes it with the QoIs, their intervals and verdicts.
    """
    from tramontane.formats import read_mesh, write_case_mesh
    from tramontane.formats.tables.designs import is_table
    from tramontane.surrogate import Surrogate
    from tramontane.surrogate.asked import find_design, said_of
    from tramontane.surrogate.tables import predict_table, print_lines, write_table
    from tramontane.units import Quantity, difference_from_si, from_si

    surrogate = Surrogate.load(model, device=device)
    pairs = _pairs(settings or [], "--set")
    if source is not None and chosen is None and is_table(source):
        if on is not None or picture is not None or json_file is not None:
            raise typer.BadParameter("a table is answered with a table; write it with --out", param_hint="--on, --json")
        lines = predict_table(surrogate, source, pairs, cells=cells, length_unit=unit, console=console)
        print_lines(surrogate, lines, console)
        if out is not None:
            write_table(surrogate, source, lines, out)
            console.print(f"Wrote {out}", highlight=False, markup=False)
        return
    if not surrogate.contract.fields and (out is not None or picture is not None):
        raise typer.BadParameter("this model predicts no fields; write its QoIs with --json", param_hint="--out")
    design = find_design(source, surrogate.contract, pairs, shapes=surrogate.needs_geometry, case=chosen,
                         length_unit=unit)  # fmt: skip
    if not isinstance(design.geometry, Path) and source is not None:
        told = said_of(design, surrogate.contract)
        console.print(f"{chosen or source.name}: {told}", highlight=False, markup=False, soft_wrap=True)
    meshes = None if on is None else {on.stem: read_mesh(on)}
    case = surrogate.simulate(design, meshes=meshes, cells=cells)
    for warning in case.provenance.extra["warnings"]:
        errors.print(f"Warning: {warning}", highlight=False, markup=False, style="yellow")
    deviations = case.provenance.extra.get("deviations", {})
    for name, value in case.qoi.items():
        unit = surrogate.contract.qoi[name].shown
        sure = f" +- {Quantity(difference_from_si(deviations[name], unit), unit)}" if name in deviations else ""
        console.print(f"{name} = {Quantity(from_si(value, unit), unit)}{sure}", highlight=False, markup=False)
    if json_file is not None:
        write_json(json_file, case.summary())
        console.print(f"Wrote {json_file}", highlight=False, markup=False)
    if out is not None:
        for file in write_case_mesh(case, out):
            console.print(f"Wrote {file}", highlight=False, markup=False)
    if picture is not None:
        with replacing(picture) as file:
            case.plot(off_screen=True, screenshot=str(file))
        console.print(f"Wrote {picture}", highlight=False, markup=False)


app.command()(cli_serve.serve)
app.add_typer(cli_serve.tokens, name="token")


@contextlib.contextmanager
def _nothing_left(work: Path) -> Iterator[None]:
    """Remove a training's working directory where it is refused or stopped before there is a checkpoint in it."""
    from tramontane.surrogate.fit import discard

    try:
        yield
    except BaseException:
        if int(os.environ.get("RANK", "0")) == 0 and not any(work.glob("*.safetensors")):
            discard(work, lock=True)
        raise


def _dataset(data: Path, *, assume_units: bool = False) -> Any:
    """The dataset, or that of the results, which are ingested where they were not yet."""
    from tramontane.dataset import Dataset
    from tramontane.dataset.ingest.run import ingest as run
    from tramontane.dataset.ingest.summary import describe

    if Dataset.is_dataset(data):
        return Dataset.open(data)
    if Dataset.is_dataset(dataset_path(data)):
        return Dataset.open(dataset_path(data))
    dataset = run(data, dataset_path(data), assume_units=assume_units, console=console)
    describe(dataset, console)
    return dataset


def dataset_path(folder: Path) -> Path:
    """Where the dataset of a folder of cases, or of a table, is written when the user does not say: beside it."""
    resolved = folder.resolve()
    return resolved.with_name(f"{resolved.stem if resolved.is_file() else resolved.name}.dataset")


def _pairs(settings: list[str], option: str) -> dict[str, str]:
    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name or not value:
            raise typer.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint=option)
        pairs[name.strip()] = value.strip()
    return pairs


def _settings(settings: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in _pairs(settings, "--config").items():
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


def main() -> None:
    """Run the command line; a user's mistake, or what the system refuses, is one line and exit code 2."""
    heed()
    try:
        app()
    except TramontaneError as error:
        _end(str(error))
    except OSError as error:
        _end(str(cannot("read or written", error)))
    except RecursionError:
        _end("a file is nested too deeply to be read; write it again with fewer levels")
    except KeyboardInterrupt:
        end_interrupted()
    except SystemExit as end:
        if end.code == 130:  # what typer makes of Ctrl-C
            end_interrupted()
        raise


def _end(text: str) -> NoReturn:
    if interrupted():
        end_interrupted()
    errors.print(f"Error: {' '.join(text.split())}", style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(2)
