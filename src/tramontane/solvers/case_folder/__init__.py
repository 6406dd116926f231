"""A user's own finished case as a simulator: its folder, and a ``solver.toml`` in it that says what varies.

`config` reads that file, `placeholders` puts values where they go, `simulator` runs the commands and `outcome` reads
what they wrote. The guide is ``docs/howto/solver-folder.md``.
"""

from tramontane.solvers.case_folder.config import CONFIG, SolverConfig
from tramontane.solvers.case_folder.simulator import FolderSolver, ParametricFolderSolver, open_folder

__all__ = ["CONFIG", "FolderSolver", "ParametricFolderSolver", "SolverConfig", "open_folder"]
