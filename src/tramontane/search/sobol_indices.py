"""First-order and total Sobol indices with intervals, by SALib (Herman and Usher 2017), of one function or several.

Several are realisations of what is known of one: how their indices differ is what is not known of it, and how those of
one differ between resamples is what the sample leaves open. The interval has both (Le Gratiet, Cannamela and Iooss
2014).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import TramontaneError

Array = NDArray[np.floating[Any]]
_RESAMPLES = 200
_RESAMPLED = 4  # realisations of which the sample's part of the variance is taken
_LEVEL = 0.9


@dataclass(frozen=True)
class Share:
    """An index: which share of an output's variance a variable explains.

    Attributes:
        value: The estimate.
        low: Lower end of its interval, 90 %.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def saltelli_rows(size: int, n: int, *, seed: int = 0) -> Array:
    """Unit rows ``(n (size + 2), size)`` in blocks of ``size + 2`` (Saltelli et al. 2010); the first ones do not depend
    on ``n``.

    Args:
        size: Number of variables.
        n: Number of blocks, a power of two.
        seed: Of the scrambling.
    """
    from SALib.sample import sobol

    return np.asarray(sobol.sample(_problem(size), n, calc_second_order=False, seed=seed))


def sobol_indices(
    values: Array, size: int, *, unexplained: float = 0.0, seed: int = 0
) -> tuple[list[Share], list[Share]]:
    """First-order and total indices of each variable, which lie between 0 and 1.

    Args:
        values: ``(n (size + 2), realisations)`` at the rows of `saltelli_rows`.
        size: Number of variables.
        unexplained: Share of the variance that the functions are known to miss: it may belong to any variable, and
            widens all intervals.
        seed: Of the resamples.

    Raises:
        TramontaneError: A value is not finite.
    """
    from SALib.analyze import sobol
    from scipy.special import ndtri

    if not np.isfinite(values).all():
        raise TramontaneError("a value of the sample is not finite")
    reach = float(ndtri(0.5 + _LEVEL / 2))
    if values.std() <= 1e-12 * np.abs(values).max():  # nothing explains what does not vary
        return [Share(0.0, 0.0, 0.0)] * size, [Share(0.0, 0.0, 0.0)] * size
    estimates, variances = [], []
    for column in range(values.shape[1]):
        resampled = column < _RESAMPLED
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = sobol.analyze(_problem(size), values[:, column], calc_second_order=False, conf_level=_LEVEL,
                                  num_resamples=_RESAMPLES if resampled else 2, seed=seed + 1)  # fmt: skip
        estimates.append([found["S1"], found["ST"]])
        if resampled:
            variances.append([(found["S1_conf"] / reach) ** 2, (found["ST_conf"] / reach) ** 2])
    means = np.mean(estimates, axis=0)
    of_realisations = np.var(estimates, axis=0, ddof=1) if values.shape[1] > 1 else 0.0
    wide = np.sqrt(reach**2 * (np.mean(variances, axis=0) + of_realisations) + unexplained**2)
    first, total = (
        [Share(*np.clip([mean, mean - half, mean + half], 0, 1).tolist()) for mean, half in zip(*of, strict=True)]
        for of in zip(means, wide, strict=True)
    )
    return first, total


def percent(share: float) -> str:
    """A share for people."""
    return "under 0.01 %" if share < 1e-4 else f"{100 * share:.2g} %"


def _problem(size: int) -> dict[str, Any]:
    try:
        import SALib  # noqa: F401
    except ImportError as error:
        raise TramontaneError("sensitivity indices need SALib: pip install 'tramontane[search]'") from error
    return {"num_vars": size, "names": [f"x{k}" for k in range(size)], "bounds": [[0.0, 1.0]] * size}
