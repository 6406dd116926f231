"""One training loop, read top to bottom, for any network that maps a batch's inputs to fields by domain."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import torch.distributed as dist
from rich.console import Console
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from tramontane.errors import TrainingError
from tramontane.io.interrupts import between_steps
from tramontane.progress import stage
from tramontane.training.batch import Batch
from tramontane.training.checkpoint import load_checkpoint, save_checkpoint
from tramontane.training.optimizers import make_optimizer
from tramontane.training.schedule import learning_rate, progress
from tramontane.training.watch import FieldError, Watch

Precision = Literal["float32", "bfloat16"]
_DRAWERS = 4  # threads that draw batches ahead, beside an accelerator


class Draws(Protocol):
    """Gives the batch of each step: a pure function of the step, so that there is no state to save."""

    def draw(self, step: int, *, rank: int = 0, world: int = 1) -> Batch:
        """The batch of a step for one of ``world`` processes."""
        ...


@dataclass
class Validation:
    """What is measured now and then while a network trains.

    Attributes:
        measure: Gives the error of each field by name, ``domain/field``.
        every: Share of the run between two measurements.
        patience: Stop when the mean relative error has not improved for so many measurements; None never stops early.
    """

    measure: Callable[[nn.Module], dict[str, FieldError]]
    every: float = 0.1
    patience: int | None = None


@dataclass
class Run:
    """What a finished run says of itself: steps, seconds spent in it, and its history, one entry a validation."""

    steps: int = 0
    seconds: float = 0.0
    stopped_early: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


def train(
    model: nn.Module,
    sampler: Draws,
    *,
    steps: int | None = None,
    budget: float | None = None,
    validation: Validation | None = None,
    device: str | torch.device = "cpu",
    precision: Precision = "float32",
    optimizer: str = "adamw",
    lr: float = 1e-3,
    weight_decay: float = 0.05,
    clip: float = 1.0,
    ema_decay: float = 0.999,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 60.0,
    console: Console | None = None,
    watch: Watch | None = None,
    name: str = "network",
) -> Run:
    """Train a network in place; it ends with its exponentially averaged weights.

    Args:
        model: Maps a batch's inputs to standard scores by domain.
        sampler: Draws the batch of each step.
        steps: Length of the run in steps.
        budget: Length of the run in seconds of wall clock; with both, whichever ends first.
        validation: What to measure on the way.
        device: Any torch device; under ``torchrun`` each process takes its own.
        precision: Of matrix products; weights and optimiser stay float32.
        optimizer: ``adamw`` or ``lion``.
        lr: Highest learning rate; warm-up, then cosine.
        weight_decay: Decoupled, on matrices only.
        clip: Largest norm of the gradient.
        ema_decay: Of the averaged weights; shorter at the start.
        checkpoint: File that a killed run goes on from; None writes none.
        checkpoint_seconds: Seconds between two checkpoints.
        console: Where progress is shown; None is silent.
        watch: Who else is told, and may end the run early.
        name: Of the network, for who watches.

    Returns:
        Steps, seconds and history of the whole run, parts before a kill included.

    Raises:
        TrainingError: No length was given, or the loss is not finite: the field and the cases are named.
    """
    if steps is None and budget is None:
        raise TrainingError("a run needs a length: give steps or a budget")
    watch = watch or Watch()
    rank, world = _join_processes()
    device = _own_device(torch.device(device))
    model.to(device).train()
    wrapped: nn.Module = DistributedDataParallel(model) if world > 1 else model
    adjust = make_optimizer(optimizer, model, lr=lr, weight_decay=weight_decay)
    ema = {name: value.detach().clone() for name, value in model.state_dict().items()}

    run, best, worse = Run(), float("inf"), 0
    if checkpoint is not None and checkpoint.exists():
        state = load_checkpoint(checkpoint, model=model, ema=ema, optimizer=adjust)
        run, best, worse = Run(**state["run"]), state["best"], state["worse"]
        if console and rank == 0:
            console.print(f"Going on from step {run.steps} of {checkpoint}")
    started, before = time.monotonic(), run.seconds
    saved = started
    losses: list[float] = []

    def save() -> None:
        if checkpoint is not None and rank == 0:
            state = {"run": run.__dict__, "best": best, "worse": worse}
            save_checkpoint(checkpoint, model=model, ema=ema, optimizer=adjust, progress=state)

    # Processes that work together must not leave each other alone in a step: they end at once.
    waiting = between_steps() if world == 1 else contextlib.nullcontext(lambda: False)
    with (
        waiting as interrupted,
        stage(f"training {name}", console if rank == 0 else None) as show,
        _draws(sampler, rank, world, device) as draw,
    ):
        while True:
            run.seconds = _agreed(before + time.monotonic() - started, world, device)
            done = progress(step=run.steps, elapsed=run.seconds, steps=steps, budget=budget)
            due = validation is not None and done >= validation.every * (len(run.history) + 1) - 1e-9
            try:
                if interrupted():
                    raise KeyboardInterrupt
                over = done >= 1.0 or (run.steps > 0 and watch.enough())
            except KeyboardInterrupt:  # between two steps, where all there is belongs to one of them
                if world == 1:
                    save()
                raise
            measured = bool(run.history) and run.history[-1]["step"] == run.steps  # before an interruption
            if validation is not None and (due or over) and run.steps and not measured:
                with _weights(model, ema):
                    figures = validation.measure(model)
                run.history.append({"step": run.steps, "seconds": run.seconds, "errors": figures})
                watch.validated(name, run.steps, figures)
                mean = sum(figure.relative for figure in figures.values()) / max(len(figures), 1)
                best, worse = (mean, 0) if mean < best else (best, worse + 1)
                if console and rank == 0:
                    loss = sum(losses) / max(len(losses), 1)
                    text = ", ".join(f"{field} {figure}" for field, figure in figures.items())
                    console.print(f"step {run.steps:6d}  loss {loss:.3f}  validation: {text}")
                losses.clear()
                run.stopped_early = validation.patience is not None and worse >= validation.patience
            if over or run.stopped_early:
                run.stopped_early = run.stopped_early or done < 1.0
                break

            for group in adjust.param_groups:
                group["lr"] = learning_rate(done, peak=lr)
            batch = draw(run.steps)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                predicted = wrapped(batch.inputs.to(device))
            error = batch.loss(predicted)
            adjust.zero_grad(set_to_none=True)
            error.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
            if not torch.isfinite(norm):
                raise TrainingError(_culprit(model, predicted, batch, run.steps))
            adjust.step()
            run.steps += 1
            decay = min(ema_decay, (1 + run.steps) / (10 + run.steps))
            with torch.no_grad():
                for key, value in model.state_dict().items():
                    ema[key].lerp_(value, 1 - decay) if value.is_floating_point() else ema[key].copy_(value)
            losses.append(float(error.detach()))
            show(done, f"step {run.steps}, loss {losses[-1]:.3f}")
            watch.step(name, run.steps, losses[-1])
            if time.monotonic() - saved > checkpoint_seconds:
                run.seconds = before + time.monotonic() - started
                save()
                saved = time.monotonic()
        save()
    model.load_state_dict(ema)
    model.eval()
    return run


def _culprit(model: nn.Module, predicted: dict[str, Tensor], batch: Batch, step: int) -> str:
    cases = ", ".join(batch.cases)
    for name, (domain, columns) in batch.fields.items():
        if not torch.isfinite(batch.targets[domain][..., columns]).all():
            return f"step {step}: field {name} of case {cases} is not finite; mend or remove the case"
    for name, error in batch.errors(predicted).items():
        if not torch.isfinite(error).all():
            return f"step {step}: the prediction of {name} for case {cases} is not finite; lower --lr"
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            return f"step {step}: the gradient of {name} is not finite at case {cases}; lower --lr"
    return f"step {step}: the loss of case {cases} is not finite; lower --lr"


@contextlib.contextmanager
def _weights(model: nn.Module, weights: dict[str, Tensor]) -> Iterator[None]:
    """The model with other weights, in evaluation mode, and back."""
    own = {name: value.detach().clone() for name, value in model.state_dict().items()}
    model.load_state_dict(weights)
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.load_state_dict(own)
        model.train()


@contextlib.contextmanager
def _draws(sampler: Draws, rank: int, world: int, device: torch.device) -> Iterator[Callable[[int], Batch]]:
    """Batches by step. Beside an accelerator, the next ones are drawn while it works on this one.

    What a step sees depends on the step alone, so that drawing ahead changes nothing but the time it takes.
    """
    if device.type == "cpu":
        yield lambda step: sampler.draw(step, rank=rank, world=world)
        return
    ahead: dict[int, Future[Batch]] = {}
    with ThreadPoolExecutor(_DRAWERS) as pool:

        def draw(step: int) -> Batch:
            for following in range(step, step + 2 * _DRAWERS):
                if following not in ahead:
                    ahead[following] = pool.submit(sampler.draw, following, rank=rank, world=world)
            return ahead.pop(step).result()

        try:
            yield draw
        finally:
            pool.shutdown(cancel_futures=True)


def _join_processes() -> tuple[int, int]:
    """Rank and number of processes; torchrun says so in the environment."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group()
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def _own_device(device: torch.device) -> torch.device:
    if device.type != "cpu" and device.index is None and "LOCAL_RANK" in os.environ:
        return torch.device(device.type, int(os.environ["LOCAL_RANK"]))
    return device


def _agreed(seconds: float, world: int, device: torch.device) -> float:
    """The first process's clock, so that all of them stop at the same step."""
    if world == 1:
        return seconds
    clock = torch.tensor([seconds], dtype=torch.float32, device=device)
    dist.broadcast(clock, 0)
    return float(clock)
