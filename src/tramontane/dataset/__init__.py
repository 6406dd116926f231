"""The store: write, sample, statistics, splits, verify."""

from tramontane.dataset.descriptors import describe_geometry
from tramontane.dataset.sampling import farthest_points, sample_surface
from tramontane.dataset.sites import Sites, mesh_sites
from tramontane.dataset.splits import make_splits
from tramontane.dataset.statistics import FieldStatistics
from tramontane.dataset.store import Dataset, StagedCase

__all__ = [
    "Dataset",
    "FieldStatistics",
    "Sites",
    "StagedCase",
    "describe_geometry",
    "farthest_points",
    "make_splits",
    "mesh_sites",
    "sample_surface",
]
