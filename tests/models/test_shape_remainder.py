"""The remainder of a shape beyond others' principal components, from inner products, against the plain way."""

from __future__ import annotations

import numpy as np
import pytest

from tramontane.models.shape_remainder import shape_remainder, shape_remainders


def test_inner_products_give_what_the_singular_vectors_give() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20, 3)) @ rng.normal(size=(3, 300)) + 0.1 * rng.normal(size=(20, 300))
    remainders = shape_remainders(features)
    for case in (0, 7, 19):
        others = np.delete(features, case, axis=0)
        _, _, rows = np.linalg.svd(others - others.mean(0), full_matrices=False)
        away = features[case] - others.mean(0)
        left = away - rows[:4].T @ (rows[:4] @ away)  # one component for four others
        assert remainders[case] == pytest.approx(np.linalg.norm(left), rel=1e-6)
        assert shape_remainder(others, features[case]) == pytest.approx(remainders[case], rel=1e-6)


def test_a_shape_of_another_kind_has_a_large_remainder() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(30, 3)) @ rng.normal(size=(3, 200))
    new = features[0] + 5.0 * rng.normal(size=200)
    assert shape_remainder(features, new) > 20 * max(shape_remainders(features))
