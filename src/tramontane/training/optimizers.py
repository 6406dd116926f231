"""Optimisers by name: AdamW from torch, and Lion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from tramontane.errors import TrainingError


class Lion(torch.optim.Optimizer):
    """Evolved sign momentum (Chen et al. 2023, arXiv:2302.06675, algorithm 2).

    Args:
        params: Parameters or groups, as for any torch optimiser.
        lr: Step size; about a third to a tenth of what AdamW takes.
        betas: Decay of the update's and of the stored momentum.
        weight_decay: Decoupled decay, multiplied by ``lr``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update; ``closure`` re-evaluates the loss where given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter)
                momentum = state["exp_avg"]
                parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
                update = torch.lerp(parameter.grad, momentum, beta1).sign_()
                parameter.add_(update, alpha=-group["lr"])
                momentum.lerp_(parameter.grad, 1.0 - beta2)
        return loss


def make_optimizer(name: str, model: nn.Module, *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """An optimiser over a model's parameters; vectors (biases, norms) are not decayed.

    Raises:
        TrainingError: The name is not one of ``adamw`` and ``lion``.
    """
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99))
    if name == "lion":
        return Lion(groups, lr=lr)
    raise TrainingError(f"optimizer {name!r} is not known; choose adamw or lion")
