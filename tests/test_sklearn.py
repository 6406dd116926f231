"""The table's regression as an estimator of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tramontane.models import scalar_kriging
from tramontane.models.scalar_kriging import ScalarKriging
from tramontane.sklearn import TableRegressor


def drags(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Drag of spheres: speed (m/s) and diameter (m) to N, at a drag coefficient of 0.47."""
    rng = np.random.default_rng(0)
    table = np.stack([rng.uniform(10, 50, count), rng.uniform(0.1, 0.5, count)], axis=1)
    return table, 0.5 * 1.2 * 0.47 * np.pi / 4 * table[:, 1] ** 2 * table[:, 0] ** 2


def test_a_power_law_is_found_and_how_sure_it_is() -> None:
    table, drag = drags(60)
    model = TableRegressor().fit(table[:40], drag[:40])
    predicted, deviation = model.predict(table[40:], return_std=True)
    np.testing.assert_allclose(predicted, drag[40:], rtol=0.01)
    assert model.score(table[40:], drag[40:]) > 0.999
    assert (deviation > 0).all()
    assert model.left_out_.shape == model.left_out_std_.shape == (40,)
    np.testing.assert_array_equal(predicted, model.predict(table[40:]))


def test_it_is_the_regression_of_tables() -> None:
    table, drag = drags(30)
    own = ScalarKriging(np.log(table), drag)
    predicted, deviation = TableRegressor().fit(table, drag).predict(table[:5], return_std=True)
    expected = np.array([own.predict(row) for row in np.log(table[:5])])
    np.testing.assert_array_equal(np.stack([predicted, deviation], axis=1), expected)


def test_it_stands_in_pipelines_and_cross_validation() -> None:
    table, drag = drags(40)
    assert cross_val_score(clone(TableRegressor()), table, drag, cv=4).min() > 0.99
    assert make_pipeline(StandardScaler(), TableRegressor(logarithms=False)).fit(table, drag).score(table, drag) > 0.99


def test_columns_have_their_names() -> None:
    pd = pytest.importorskip("pandas")
    table, drag = drags(20)
    frame = pd.DataFrame(table, columns=["speed", "diameter"])
    model = TableRegressor().fit(frame, drag)
    assert list(model.feature_names_in_) == ["speed", "diameter"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"speed": "load"}))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([TableRegressor()])
def test_scikit_learns_own_checks(estimator: TableRegressor, check: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalar_kriging, "_LEARN", 20)  # the checks fit a hundred times, and ask for no accuracy
    check(estimator)  # type: ignore[operator]
