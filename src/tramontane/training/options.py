"""How a surrogate is trained: every choice that a person may make, in one place."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tramontane.training.loop import Precision


@dataclass(frozen=True)
class TrainingOptions:
    """How a surrogate is trained.

    Attributes:
        model: A kind of `tramontane.surrogate.kinds`, or ``auto``, which takes ``scalars`` where cases have no fields,
            and else chooses among ``classical``, ``corrected`` and ``tokens`` by cross-validation.
        config: Keyword arguments of the network beyond its defaults.
        steps: Length of the run in steps.
        budget: Length of the run in seconds; where neither this nor ``steps`` is given, ten minutes at most.
        points: For AB-UPT, sites drawn of each domain in a step.
        anchors: For AB-UPT, points of each domain, drawn from the geometry, that sites attend to; None takes 256, or
            those of the model whose training goes on.
        geometry_points: For AB-UPT, points drawn on the geometry.
        batch_size: Cases in a step; None takes what suits the model.
        device: A torch device, or ``auto`` for the accelerator that torch finds, else the CPU.
        precision: Of matrix products; None takes bfloat16 on an accelerator and float32 on a CPU.
        optimizer: ``adamw`` or ``lion``.
        lr: Highest learning rate; None takes 1e-3 for AdamW and 1e-4 for Lion.
        ema_decay: Of the averaged weights.
        patience: Validations without improvement after which the run stops; None never stops early.
        seed: Of weights and draws.
        checkpoint_seconds: Seconds between two checkpoints.
        try_networks: Whether ``auto`` trains networks beside kriging; None tries them where they may win: with 100 and
            more training cases, or where kriging leaves most of what the mean does.
        assume_units: Whether units that the dataset has from names alone are right.
    """

    model: str = "auto"
    config: dict[str, Any] = field(default_factory=dict)
    steps: int | None = None
    budget: float | None = None
    points: int = 1024
    anchors: int | None = None
    geometry_points: int = 4096
    batch_size: int | None = None
    device: str = "auto"
    precision: Precision | None = None
    optimizer: str = "adamw"
    lr: float | None = None
    ema_decay: float = 0.999
    patience: int | None = None
    seed: int = 0
    checkpoint_seconds: float = 60.0
    try_networks: bool | None = None
    assume_units: bool = False

    def resolved(self) -> TrainingOptions:
        """With a device, a precision and a learning rate in place of what was left open."""
        import torch

        device = self.device
        if device == "auto":
            device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"  # type: ignore[union-attr]
        precision: Precision = self.precision or ("float32" if device == "cpu" else "bfloat16")
        lr = self.lr if self.lr is not None else {"adamw": 1e-3, "lion": 1e-4}.get(self.optimizer, 1e-3)
        return replace(self, device=device, precision=precision, lr=lr)

    def settings(self) -> dict[str, Any]:
        """What a run's result depends on, for its record: not how often it is saved, nor where it runs."""
        own = asdict(self)
        for name in ("checkpoint_seconds", "try_networks", "assume_units", "patience", "device", "precision"):
            del own[name]
        return own
