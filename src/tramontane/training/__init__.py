"""The training loop and what it needs: batches, scales, optimisers, schedules, checkpoints."""

from tramontane.training.batch import Batch
from tramontane.training.loop import Precision, Run, Validation, train
from tramontane.training.normalization import Normalization, channel_count, channel_slices
from tramontane.training.options import TrainingOptions
from tramontane.training.sampler import Sampler
from tramontane.training.schedule import parse_budget
from tramontane.training.watch import Choice, Compared, FieldError, Watch

__all__ = [
    "Batch",
    "Choice",
    "Compared",
    "FieldError",
    "Normalization",
    "Precision",
    "Run",
    "Sampler",
    "TrainingOptions",
    "Validation",
    "Watch",
    "channel_count",
    "channel_slices",
    "parse_budget",
    "train",
]
