"""Whatever drives a simulator: design spaces and the data sets made from them."""

from tramontane.studies.generate import generate
from tramontane.studies.space import sobol_designs

__all__ = ["generate", "sobol_designs"]
