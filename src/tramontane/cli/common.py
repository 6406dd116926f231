"""What the commands share: the application, where they print, options, and how results become a dataset."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from typer.core import TyperCommand

from tramontane import __version__

app = typer.Typer(
    name="tramontane",
    help="Turn a folder of simulation results into your own physics model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(width=None if sys.stdout.isatty() else 140)
errors = Console(stderr=True)

Out = Annotated[Optional[Path], typer.Option("--out", "-o", help="Where to write.")]  # noqa: UP045 (typer reads it)
AssumeUnits = Annotated[bool, typer.Option("--assume-units", help="Units that follow from names alone are right.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
On = Annotated[
    str,
    typer.Option(
        help="Where the work is done: {executors}; with options, such as 'slurm?partition=short&time=2h&cores=4'.",
    ),
]
Workers = Annotated[Optional[int], typer.Option(min=1, help="Designs at once; as many as there is room for.")]  # noqa: UP045
Region = Annotated[Optional[str], typer.Option(help="Which of several regions that OpenFOAM cases have.")]  # noqa: UP045


def naming(**registries: Callable[[], Mapping[str, Any]]) -> type[TyperCommand]:
    """A command whose help names what is registered; ``name_entries`` fills it in for other readers of its options.

    Args:
        registries: By the word that stands in braces in the help of an option, entries by name, each with a ``title``.
            They are read when help is shown: their modules take a while to load.
    """

    class NamingCommand(TyperCommand):
        def name_entries(self) -> None:
            names = {word: "; ".join(f"{name} ({entry.title})" for name, entry in sorted(read().items()))
                     for word, read in registries.items()}  # fmt: skip
            for parameter in self.params:
                for word, text in names.items():
                    if getattr(parameter, "help", None):
                        parameter.help = parameter.help.replace(f"{{{word}}}", text)  # type: ignore[attr-defined]

        def format_help(self, ctx: Any, formatter: Any) -> None:
            self.name_entries()
            super().format_help(ctx, formatter)

    return NamingCommand


def solvers() -> Mapping[str, Any]:
    """The solvers by name, for `naming`."""
    from tramontane.solvers import known_solvers

    return known_solvers()


def executors() -> Mapping[str, Any]:
    """The executors by name, for `naming`."""
    from tramontane.farm import known_executors

    return known_executors()


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(f"tramontane {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Turn a folder of simulation results into your own physics model."""


def dataset_of(data: Path, *, assume_units: bool = False) -> Any:
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


def pairs_of(settings: list[str], option: str) -> dict[str, str]:
    """Values by name of ``NAME=VALUE``, as an option has them."""
    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name or not value:
            raise typer.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint=option)
        pairs[name.strip()] = value.strip()
    return pairs
