"""What predicts QoIs of a table in Tramontane, as an estimator of scikit-learn: ``fit``, ``predict``, ``score``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

if TYPE_CHECKING:
    from tramontane.models.scalar_kriging import ScalarKriging

__all__ = ["TableRegressor"]


class TableRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A Gaussian process of a scalar over a few numbers, with standard deviations that cases left out have scaled.

    It is `tramontane.models.scalar_kriging.ScalarKriging`, as surrogates of tables have it: lengths, slopes and noise
    are learnt, and the logarithm of the target is taken where that leaves less error.

    Args:
        logarithms: Whether columns that are positive and vary by half or more are taken as logarithms.

    Attributes:
        n_features_in_: Number of columns.
        feature_names_in_: Their names, where ``X`` was a data frame.
        left_out_: Prediction ``(n,)`` of each training row from the others.
        left_out_std_: The standard deviation ``(n,)`` of each of these.

    Examples:
        >>> import numpy as np
        >>> from tramontane.sklearn import TableRegressor
        >>> speed = np.linspace(10, 50, 12)
        >>> drag = TableRegressor().fit(speed[:, None], 0.3 * speed**2)
        >>> round(float(drag.predict([[27.5]])[0]))
        227
    """

    def __init__(self, logarithms: bool = True) -> None:
        self.logarithms = logarithms

    def fit(self, X: ArrayLike, y: ArrayLike) -> TableRegressor:
        """Learn from rows.

        Args:
            X: ``(n, d)`` array or data frame.
            y: ``(n,)`` the value of each row.

        Raises:
            ValueError: Fewer than two rows, another length, or what is no finite number.
        """
        from tramontane.models.scalar_kriging import ScalarKriging, as_logarithms

        table, values = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2, y_numeric=True)
        self._logarithms = as_logarithms(table) if self.logarithms else np.zeros(table.shape[1], dtype=np.bool_)
        self._kriging: ScalarKriging = ScalarKriging(self._inputs(table), np.asarray(values, dtype=np.float64))
        self.left_out_, self.left_out_std_ = self._kriging.left_out, self._kriging.left_out_deviation
        return self

    def predict(self, X: ArrayLike, return_std: bool = False) -> Any:
        """The value of each row.

        Args:
            X: ``(m, d)``.
            return_std: Whether the standard deviations are given, too, noise of the training rows included.

        Returns:
            ``(m,)``, or two of these.
        """
        check_is_fitted(self)
        table = validate_data(self, X, dtype=np.float64, reset=False)
        both = np.array([self._kriging.predict(row) for row in self._inputs(table)]).reshape(-1, 2)
        return (both[:, 0], both[:, 1]) if return_std else both[:, 0]

    def _inputs(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(self._logarithms, np.log(np.maximum(X, 1e-30)), X)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_kriging")
