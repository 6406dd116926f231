"""A run's whole state as one safetensors file, replaced atomically: a kill leaves the old one or the new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tramontane.errors import FileError, TrainingError
from tramontane.io.atomic import replacing


def save_checkpoint(
    path: Path,
    *,
    model: nn.Module,
    ema: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    progress: dict[str, Any],
) -> None:
    """Write weights, averaged weights, optimiser and random state.

    Args:
        path: The file.
        model: The network.
        ema: Averaged weights by name.
        optimizer: Its state is written whole.
        progress: What else the loop needs to go on (step, seconds, best figures), JSON values.

    Raises:
        FileError: The file cannot be written; what was there stays.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in ema.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    tensors["random"] = torch.get_rng_state()
    with replacing(path) as temporary:
        write_tensors(temporary, tensors, metadata={"progress": json.dumps(progress)}, target=path)


def write_tensors(
    file: Path, tensors: dict[str, Tensor], *, metadata: dict[str, str] | None = None, target: Path | None = None
) -> None:
    """Write a safetensors file.

    Args:
        file: Where.
        tensors: By name; copies are written, from the CPU.
        metadata: As safetensors has it.
        target: The file as the user knows it.

    Raises:
        FileError: It cannot be written.
    """
    try:
        save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, file, metadata)
    except SafetensorError as error:
        raise FileError(f"{target or file}: cannot be written ({str(error).rpartition(': ')[2]}); make room there, "
                        "or choose another place, and give the same command again") from error  # fmt: skip


def sweep(folder: Path) -> None:
    """Remove the temporary files that a run which was killed left in a folder."""
    for pattern in (".tmp??????", ".partial-*", ".*.safetensors.partial"):  # safetensors' own, ours now and before
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)


def load_checkpoint(
    path: Path, *, model: nn.Module, ema: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Put a checkpoint's state back in place and return its progress.

    Raises:
        TrainingError: The file is damaged, or belongs to another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open has no iterator)
            progress: dict[str, Any] = json.loads(file.metadata()["progress"])
        model.load_state_dict(_below(tensors, "model."))
        for name, value in _below(tensors, "ema.").items():
            ema[name].copy_(value)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _below(tensors, "optimizer.").items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(tensors["random"])
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise TrainingError(
            f"{path}: cannot go on from this checkpoint ({str(error).splitlines()[0]}); delete it to start afresh"
        ) from error
    return progress


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
