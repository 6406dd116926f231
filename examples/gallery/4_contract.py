"""
Check units and edit the contract
=================================

Results rarely state everything. Here a table states no unit for the load. `ingest` says what it assumed, training
refuses until somebody confirms it, and a contract states the unit once and for all.
"""

import tempfile
from pathlib import Path

import numpy as np

import tramontane as tm

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
length, load = rng.uniform(400, 600, 20), rng.uniform(0.2, 0.9, 20)
deflection = load * 1e3 * (length / 1e3) ** 3 / (3 * 210e9 * 2.1e-7) * 1e3

table = folder / "beams.csv"
rows = "\n".join(f"{a:.1f};{b:.4f};{c:.5f}" for a, b, c in zip(length, load, deflection, strict=True))
table.write_text("length [mm];load;deflection [mm]\n" + rows + "\n")

# %%
# The load has no unit, so its name decides, and training asks for a confirmation.

dataset = tm.ingest(table, folder / "assumed.dataset", test=4)
print(dataset.contract)
try:
    tm.fit(dataset)
except tm.TramontaneError as error:
    print(error)

# %%
# The contract that was understood is a TOML file. Here the loads were in kN, so that is what it should say.

dataset.contract.to_toml(folder / "contract.toml")
text = (folder / "contract.toml").read_text()
print(text[text.index("[parameters.load]") :])
(folder / "contract.toml").write_text(text.replace('unit = "N"', 'unit = "kN"'))

# %%
# With the contract, the same table gives another dataset, and training has nothing to ask.

dataset = tm.ingest(table, folder / "stated.dataset", contract=tm.Contract.from_toml(folder / "contract.toml"), test=4)
print(dataset.contract)
surrogate = tm.fit(dataset)

# %%
# A question may use any unit of the dimension. A value far outside that would lie inside in another unit gets a notice.

for asked in ("0.5 kN", "500 N", "50 kgf", "500 kN"):
    case = surrogate.simulate(tm.Design(length="0.5 m", load=asked))
    print(f"{asked:>7}: {1e3 * case.qoi['deflection']:.3f} mm", *map(str, case.notices), sep="\n         ")
