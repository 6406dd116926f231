"""
Run a sweep with an embedded solver
===================================

An embedded solver is a simulator: it maps a design to a case. Here NGSolve solves a few brackets (linear elasticity),
with dimensions and loads from a Sobol sequence. The folder of results is what `tramontane ingest` reads.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from tramontane.formats import read_case, write_case
from tramontane.solvers import create
from tramontane.studies import sobol_designs

# %%
# The contract states what goes in and what comes out.

bracket = create("bracket")
print(bracket.contract)

# %%
# The designs are spread evenly over the contract's ranges. The first k do not depend on how many there are, so a sweep
# can grow later.

designs = sobol_designs(bracket.contract, 3)
print(designs[1])

# %%
# Solve them, and write each case as a folder with meshes, the geometry and the QoIs. ``tramontane generate bracket``
# does the same in one process a core: it goes on where it was stopped, and records a design that cannot be solved with
# its reason.

folder = Path(tempfile.mkdtemp()) / "brackets"
for index, design in enumerate(designs):
    write_case(bracket.simulate(design), folder / f"{index:03d}")

cases = [read_case(path) for path in sorted(folder.iterdir())]
print(cases[0])

# %%

cases[0].plot("von_mises", cmap="turbo", cpos=[(0.3, -0.32, 0.22), (0.04, 0.0, 0.045), (0, 0, 1)])

# %%

figure, axes = plt.subplots(figsize=(5, 4))
axes.scatter(
    [1e3 * case.qoi["max_displacement"] for case in cases], [1e-6 * case.qoi["max_von_mises"] for case in cases]
)
axes.set(xlabel="largest displacement [mm]", ylabel="largest von Mises stress [MPa]")
figure.tight_layout()
