"""
Learn a table with scikit-learn's interface
===========================================

`~tramontane.sklearn.TableRegressor` is the regression that Tramontane uses for QoIs, as an estimator of scikit-learn.
Here it learns the drag of spheres from 40 rows, and predicts 20 others with standard deviations.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score

from tramontane.sklearn import TableRegressor

# %%
# The table: speed (m/s), diameter (m), and the drag (N) at a drag coefficient of 0.47, with 2 % noise.

rng = np.random.default_rng(0)
table = np.stack([rng.uniform(10, 50, 60), rng.uniform(0.1, 0.5, 60)], axis=1)
drag = 0.5 * 1.2 * 0.47 * np.pi / 4 * table[:, 1] ** 2 * table[:, 0] ** 2
drag *= 1 + 0.02 * rng.standard_normal(60)

# %%
# Fit on 40 rows, predict the others with standard deviations.

model = TableRegressor().fit(table[:40], drag[:40])
predicted, deviation = model.predict(table[40:], return_std=True)
within = np.mean(np.abs(predicted - drag[40:]) < 2 * deviation)
print(f"R2 {model.score(table[40:], drag[40:]):.4f}; {within:.0%} of the rows within two standard deviations")

# %%
# Never without a baseline: a linear regression on the same five folds.

for name, estimator in (("linear regression", LinearRegression()), ("TableRegressor", TableRegressor())):
    print(f"{name}: R2 {cross_val_score(estimator, table, drag, cv=5).mean():.3f}")

# %%

figure, axes = plt.subplots(figsize=(5, 4.5))
axes.errorbar(drag[40:], predicted, yerr=2 * deviation, fmt="o", capsize=3)
axes.plot([0, drag.max()], [0, drag.max()], color="grey", linewidth=1)
axes.set(xlabel="true drag [N]", ylabel="predicted drag [N], two standard deviations")
figure.tight_layout()
