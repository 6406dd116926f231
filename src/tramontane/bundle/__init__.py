"""The saved surrogate as a thing of its own: its versions, and what is on record of them."""

from tramontane.bundle.history import Figure, History, Promotion, Version
from tramontane.bundle.versions import adopt, history_of, promote, promoted_version, split_name, version_path

__all__ = [
    "Figure",
    "History",
    "Promotion",
    "Version",
    "adopt",
    "history_of",
    "promote",
    "promoted_version",
    "split_name",
    "version_path",
]
