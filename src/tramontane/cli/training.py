"""Training a surrogate."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from tramontane.cli.common import AssumeUnits, Out, Seed, app, console, dataset_of, pairs_of
from tramontane.io.locks import claimed
from tramontane.surrogate.kinds import ASKED


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="A dataset, or results (which are ingested first).")],
    out: Out = None,
    model: Annotated[str, typer.Option(help=f"{', '.join(ASKED)}.")] = "auto",
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
    version_of: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Make it the next version of this model; promoted if it is not worse on frozen test cases."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why this version is trained, for its record.")] = "",
    tolerance: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="By which share of it a version's figure may be worse.")
    ] = 0.05,
    refreeze: Annotated[bool, typer.Option("--refreeze", help="Freeze the test cases of this dataset anew.")] = False,
    assume_units: AssumeUnits = False,
    seed: Seed = 0,
) -> None:
    """Train a surrogate; run the same command again to go on with a killed run. Works under torchrun."""
    from tramontane.dataset.ingest.assumed_units import listed
    from tramontane.surrogate.files import check_place
    from tramontane.surrogate.fit import DEFAULT_BUDGET, LOCK, discard, fit
    from tramontane.surrogate.surrogate import Surrogate
    from tramontane.training import TrainingOptions, parse_budget

    if precision not in (None, "float32", "bfloat16"):
        raise typer.BadParameter("choose float32 or bfloat16", param_hint="--precision")
    seconds = parse_budget(budget) if budget else (DEFAULT_BUDGET if steps is None else None)
    between = parse_budget(checkpoint_every)
    first = int(os.environ.get("RANK", "0")) == 0
    dataset = dataset_of(data, assume_units=assume_units)
    if assume_units and dataset.assumed_units and first:
        console.print(f"Units assumed from names, as confirmed: {listed(dataset.assumed_units)}", style="yellow",
                      highlight=False, markup=False, soft_wrap=True)  # fmt: skip
    store, version = Path(dataset.path), None
    if version_of is not None:
        from tramontane.evaluation.next_version import next_version

        if out is not None:
            raise typer.BadParameter("a version stands beside its model; leave --out away", param_hint="--version-of")
        version = next_version(version_of, dataset, tolerance=tolerance, refreeze=refreeze)
        dataset, out = version.dataset, version.path
    elif reason or refreeze:
        raise typer.BadParameter("goes with --version-of", param_hint="--reason" if reason else "--refreeze")
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
        options = TrainingOptions(
            model=model, config=_settings(config or []), steps=steps, budget=seconds, points=points,
            batch_size=batch_size, device=device, precision=precision,  # type: ignore[arg-type]
            optimizer=optimizer, lr=lr, patience=patience, seed=seed, checkpoint_seconds=between,
            try_networks=True if try_networks else None, assume_units=assume_units,
        )  # fmt: skip
        surrogate: Surrogate = fit(
            dataset, options, work=work, console=console, start=Surrogate.load(start) if start else None,
            ready=ready if first else None,
        )  # fmt: skip
        if first:
            surrogate.save(target, licence=licence)
            discard(work, lock=True)
    if not first:
        return
    if version is None:
        console.print(f"Saved {target}; now `tramontane evaluate {target} {dataset.path}`")
        return
    print_outcome(version_of, version.settle(reason=reason, console=console))


def print_outcome(model: Any, version: Any) -> None:
    """Whether a version was promoted, and why."""
    lines = [f"not compared: {version.note}"] if version.note else [f"worse: {figure}" for figure in version.worse]
    if version.promotions:
        lines.append(f"Promoted {model}@{version.number}: {version.promotions[-1].reason}")
    else:
        lines.append(f"{model} stays as it is; `tramontane promote {model}@{version.number} --reason WHY` promotes it "
                     "nevertheless")  # fmt: skip
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


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


def _settings(settings: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs_of(settings, "--config").items():
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values
