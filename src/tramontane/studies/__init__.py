"""Whatever drives simulators over designs: design spaces, and the data sets made from them."""

from __future__ import annotations

import functools

from tramontane.io.registries import by_name, find_entries
from tramontane.search.experiment import Experiment
from tramontane.search.space import sobol_designs
from tramontane.studies.doe import doe
from tramontane.studies.generate import generate
from tramontane.studies.inverse import Reached, inverse
from tramontane.studies.learn import Learnt, learn
from tramontane.studies.optimise import Optimum, optimise
from tramontane.studies.screen import Screened, screen
from tramontane.studies.sensitivity import Sensitivity, sensitivity
from tramontane.studies.study import Study
from tramontane.studies.sweep import Sweep, sweep

__all__ = [
    "Experiment", "Learnt", "Optimum", "Reached", "Screened", "Sensitivity", "Sweep", "doe", "generate", "inverse",
    "known_studies", "learn", "optimise", "screen", "sensitivity", "sobol_designs", "sweep",
]  # fmt: skip


@functools.cache
def known_studies() -> dict[str, Study]:
    """By name, the studies that the modules of this package hold as ``STUDY``."""
    return by_name(find_entries(__name__, "STUDY", Study), lambda study: study.name)
