"""
Predict a part and look at the error
====================================

A surrogate learns the stress in cantilevers, predicts one that it was not trained on from its surface and the load, and
the difference to the solution is drawn on the part.
"""

import tempfile
from pathlib import Path

from cantilevers import Cantilever, write_cantilevers

import tramontane as tm
from tramontane.metrics import relative_l2

# %%
# The data: 16 beams in a folder, each with its own mesh, length, section and load.

folder = Path(tempfile.mkdtemp())
dataset = tm.ingest(write_cantilevers(folder / "beams"), folder / "beams.dataset", test=3, validation=2)
print(dataset)

# %%
# Training takes a second: kriging of corresponding points.

surrogate = tm.fit(dataset, model="classical")

# %%
# A new beam. The surrogate gets its surface and the load, no dimensions. ``meshes`` asks for the answer on the meshes
# of the solution, so that both can be compared point by point.

truth = Cantilever().simulate(tm.Design(length="530 mm", width="38 mm", height="47 mm", load="640 N"))
answer = surrogate.simulate(tm.Design(truth.design.geometry, load="640 N"), meshes=truth.meshes)
for name in ("displacement", "von_mises"):
    error = relative_l2(answer.field_values("volume", name), truth.field_values("volume", name))
    print(f"{name}: relative L2 error {100 * error:.2f} %")
for name, value in answer.qoi.items():
    print(f"{name}: {value:.4g} {answer.qoi_units[name]}, the solution has {truth.qoi[name]:.4g}")

# %%
# The prediction, and what it is off, in MPa. A case's meshes are PyVista's own.

surface = answer.meshes["surface"]
surface["von Mises stress [MPa]"] = 1e-6 * surface["von_mises"]
surface.plot(scalars="von Mises stress [MPa]", cmap="turbo")

# %%

surface["error [MPa]"] = surface["von Mises stress [MPa]"] - 1e-6 * truth.field_values("surface", "von_mises")
surface.plot(scalars="error [MPa]", cmap="coolwarm")
