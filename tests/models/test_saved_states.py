"""Arrays of saved models keep their names and what is computed from them, whatever the code calls them."""

from __future__ import annotations

import numpy as np
import pytest

from tramontane.models import design_coordinates, field_kriging, scalar_kriging, surface_offset
from tramontane.models.field_kriging import FieldKriging
from tramontane.models.scalar_kriging import ScalarKriging
from tramontane.surrogate import saved_arrays

POINTS = np.linspace(-1, 1, 5)
# Of these arrays, as models of format 7 have them; the numbers were computed by the code that wrote the first of those.
SCALAR = {
    "mean": np.array([0.5, 2.0]), "scale": np.array([2.0, 0.5]), "seen": np.stack([POINTS, POINTS**2], 1),
    "values": np.sin(2 * POINTS), "hyper": np.log([1.0, 1e-3, 0.8, 1.5, 0.4, 0.3]), "columns": np.array([2, 0]),
    "left_out": POINTS, "left_out_deviation": POINTS, "numbers": np.array([3.0, 0.25, 1.0]),
}  # fmt: skip
FIELD = {
    "coordinates": np.stack([POINTS, np.cos(3 * POINTS)], 1),
    "folds": np.array([5]),
    "components/wall": np.array([2, 1]),
    "tables/wall": np.outer(1 + POINTS**2, np.arange(1.0, 13.0)).reshape(5, 4, 3).astype(np.float32),
    "shares/wall": np.array([[1, 0], [0.7, 0.3], [0.2, 0.8], [0, 1]], np.float32),
    "sizes/wall": np.log(1 + np.arange(120.0).reshape(6, 2, 2, 5) / 60),
    "learnt/wall": np.log(0.5 + np.arange(288.0).reshape(6, 2, 2, 12) % 7 / 5),
    "spread/wall": np.full((4, 3), 0.5, np.float32),
}


def test_a_scalar_is_predicted_as_before() -> None:
    kriging = ScalarKriging.from_state(SCALAR)
    assert kriging.predict(np.array([2.3, 9.0, 0.7])) == pytest.approx((41.00527478562, 0.485256771588), rel=1e-10)
    state = kriging.state()
    assert state.keys() == SCALAR.keys()
    assert all(np.array_equal(state[name], SCALAR[name]) for name in SCALAR)


@pytest.mark.parametrize(
    ("left_out", "mean", "deviation"),
    [
        (
            None,
            [[1.40411, 2.80822, 4.43062], [5.69013, 7.11266, 8.88736], [10.17262, 11.62585, 13.39632],
             [14.65512, 16.12063, 17.89657]],
            [[0.51795, 0.51818, 0.71889], [0.6153, 0.61637, 0.69753], [0.78243, 0.78541, 0.65269],
             [0.85973, 0.86457, 0.63489]],
        ),
        (
            3,
            [[1.55558, 3.11116, 4.73388], [6.24174, 7.80217, 9.42797], [10.97968, 12.5482, 14.04248],
             [15.71762, 17.28938, 18.67026]],
            [[0.38909, 0.77819, 0.81353], [1.26044, 1.57555, 1.71596], [1.42057, 1.6235, 2.68791],
             [1.61966, 1.78163, 3.59416]],
        ),
    ],
)  # fmt: skip
def test_a_field_is_predicted_as_before(
    left_out: int | None, mean: list[list[float]], deviation: list[list[float]]
) -> None:
    kriging = FieldKriging.from_state(FIELD)
    predicted = kriging.predict_with_deviation("wall", np.array([0.3, -0.2]), left_out=left_out)
    np.testing.assert_allclose(predicted[0], mean, atol=1e-5)
    np.testing.assert_allclose(predicted[1], deviation, atol=1e-5)
    state = kriging.state()
    assert state.keys() == FIELD.keys()
    assert all(np.array_equal(state[name], FIELD[name]) for name in FIELD)


def test_saved_arrays_are_those_that_a_surrogate_checks() -> None:
    assert scalar_kriging._SAVED.keys() | {"numbers"} == saved_arrays._SCALAR.keys()
    assert design_coordinates._SAVED.keys() | {"feature_scale"} == saved_arrays._DESIGNS.keys()
    fields = {f"{name}/DOMAIN" for name in field_kriging._SAVED} | {"components/DOMAIN", "coordinates", "folds"}
    assert fields == saved_arrays._KRIGING.keys()
    offsets = {name.rsplit("/", 1)[1] for name in saved_arrays._FRAME if name.startswith("footing/")}
    assert surface_offset._SAVED.keys() == offsets
