"""The store: write, sample, statistics, splits, verify."""

from tramontane.dataset.qoi_at_sites import measure_qoi
from tramontane.dataset.store.dataset import Dataset
from tramontane.dataset.store.sites import Sites, mesh_sites
from tramontane.dataset.store.splits import make_splits
from tramontane.dataset.store.staged import StagedCase
from tramontane.dataset.store.statistics import FieldStatistics
from tramontane.geometry.descriptors import describe_geometry
from tramontane.geometry.sampling import farthest_points, sample_surface

__all__ = [
    "Dataset",
    "FieldStatistics",
    "Sites",
    "StagedCase",
    "describe_geometry",
    "farthest_points",
    "make_splits",
    "measure_qoi",
    "mesh_sites",
    "sample_surface",
]
