"""
Evaluate a surrogate beside its baselines
=========================================

An error says nothing alone. A report has, beside the model's errors on held-out cases, those of baselines that need no
training: the mean field, the most similar training case, and a regression on the parameters.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from cantilevers import write_cantilevers

import tramontane as tm

folder = Path(tempfile.mkdtemp())
dataset = tm.ingest(write_cantilevers(folder / "beams", 14), folder / "beams.dataset", test=4, validation=1)
surrogate = tm.fit(dataset, model="classical")

# %%
# The report on the test split.

report = tm.evaluate(surrogate, dataset)
print(report)

# %%
# The same as a data frame, with the baselines.

report.to_pandas()[["relative_error", "baseline mean", "baseline nearest", "baseline parameters"]]

# %%

names = list(report.fields)
figure, axes = plt.subplots(figsize=(7, 4))
errors = {"model": [report.fields[name].relative_l2 for name in names]}
errors |= {f"baseline: {key}": [report.fields[name].baselines[key] for name in names]
           for key in report.fields[names[0]].baselines}  # fmt: skip
for place, (label, values) in enumerate(errors.items()):
    axes.bar([index + 0.2 * place for index in range(len(names))], [100 * value for value in values], 0.2, label=label)
axes.set_xticks([index + 0.3 for index in range(len(names))], names, fontsize=8)
axes.set(ylabel="relative L2 error [%]", yscale="log")
axes.legend()
figure.tight_layout()

# %%
# Four test cases are few. Cross-validation leaves out each part of the training cases in turn, and reads no test case.
# Here for the model of the QoIs alone, which is trained in a second.

print(tm.cross_validate(dataset, model="scalars", folds=3))
