"""The store: write, sample, statistics, splits, verify."""

from tramontane.dataset.descriptors import describe_geometry
from tramontane.dataset.mesh_arrays import Sites, mesh_sites
from tramontane.dataset.sampling import sample_surface
from tramontane.dataset.splits import make_splits
from tramontane.dataset.store import Dataset

__all__ = ["Dataset", "Sites", "describe_geometry", "make_splits", "mesh_sites", "sample_surface"]
