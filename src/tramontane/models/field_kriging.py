"""Kriging of whole fields, region by region: for the nose does not feel what the tail does.

Rows of a table, one a case, hold a field's values at reference points that correspond between cases. Each field in each
region has its own Gaussian process over the designs' coordinates, after a power law of its own; regions blend at their
seams. In the line of MMGP (Casenave et al. 2023, arXiv:2305.12871).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from tramontane.models.kriging import learn_hyperparameters, spread, weights
from tramontane.models.reference_frame import below

Array = NDArray[np.floating[Any]]

_REGIONS = 12
_BLEND = 0.5  # width of the seam between regions, in their median radius
_FOLDS = 5


class FieldKriging:
    """Fields at reference points from a design's coordinates.

    Args:
        coordinates: ``(cases, d)`` standard scores.
        tables: By domain, ``(cases, references, c)`` values.
        points: By domain, where the reference points lie in the template ``(references, 3)``.
        components: By domain, how the columns split into fields, ``{"surface": (1, 3)}``.
    """

    def __init__(
        self,
        coordinates: Array,
        tables: dict[str, Array],
        points: dict[str, Array],
        components: dict[str, tuple[int, ...]],
    ) -> None:
        self.coordinates, self.tables, self.components = coordinates, tables, components
        self.shares = {}
        for domain, where in points.items():
            regions = KMeans(min(_REGIONS, len(where)), n_init=1, random_state=0).fit(where[:5000])
            self.shares[domain] = _shares(where, np.asarray(regions.cluster_centers_, float))
        count = len(coordinates)
        self.folds = min(_FOLDS, count)
        folds = [np.arange(count), *(np.flatnonzero(np.arange(count) % self.folds != k) for k in range(self.folds))]
        self.learnt: dict[str, Array] = {}
        self.spread: dict[str, Array] = {}
        for domain, table in tables.items():
            learnt = [[[self._learn(table[:, part, columns], cases) for cases in folds]
                       for part in _parts(self.shares[domain])]
                      for columns in column_slices(components[domain])]  # fmt: skip
            self.learnt[domain] = np.moveaxis(np.array(learnt), 2, 0)
            self.spread[domain] = self._spread(domain, self.learnt[domain][0], folds[0])

    def predict(self, domain: str, coordinates: Array) -> tuple[Array, Array]:
        """Mean and standard deviation ``(references, c)`` at a design's coordinates ``(d,)``."""
        return self._at(domain, coordinates, np.arange(len(self.coordinates)), 0)

    def left_out(self, domain: str, case: int) -> tuple[Array, Array]:
        """The same for a training case, from all others: its values touch neither weights nor hyperparameters."""
        others = np.delete(np.arange(len(self.coordinates)), case)
        return self._at(domain, self.coordinates[case], others, 1 + case % self.folds)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to predict, as arrays."""
        out: dict[str, NDArray[Any]] = {
            "coordinates": self.coordinates,
            "folds": np.array([self.folds]),
        }
        for name in ("tables", "shares", "learnt", "spread"):
            out |= {f"{name}/{domain}": value for domain, value in getattr(self, name).items()}
        return out | {f"components/{domain}": np.array(widths) for domain, widths in self.components.items()}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> FieldKriging:
        """The kriging that `state` described."""
        self = cls.__new__(cls)
        self.coordinates, self.folds = state["coordinates"], int(state["folds"][0])
        self.tables, self.shares, self.learnt, self.spread = (
            below(state, f"{name}/") for name in ("tables", "shares", "learnt", "spread")
        )
        self.components = {
            domain: tuple(int(width) for width in widths) for domain, widths in below(state, "components/").items()
        }
        return self

    def _learn(self, values: Array, cases: NDArray[np.intp]) -> Array:
        """Exponents of a field's size, then hyperparameters, in one region from some cases.

        Coordinates are logarithms of lengths and operating conditions, or nearly so: a size that follows a power of
        them (a plate's deflection is as the cube of its thickness) is taken out before the rest is kriged.
        """
        seen, flat = self.coordinates[cases], values[cases].reshape(len(cases), -1)
        size = np.log(np.maximum(np.sqrt(np.mean(flat.astype(float) ** 2, axis=1)), 1e-30))
        exponents = np.linalg.solve(seen.T @ seen + np.eye(seen.shape[1]), seen.T @ (size - size.mean()))
        flat = flat * np.exp(-seen @ exponents).astype(np.float32)[:, None]
        flat = flat - flat.mean(0)
        return np.concatenate([exponents, learn_hyperparameters(seen, (flat @ flat.T).astype(float))])

    def _spread(self, domain: str, learnt: Array, cases: NDArray[np.intp]) -> Array:
        """Scale ``(references, c)`` of the processes, from some cases."""
        seen, table, shares = self.coordinates[cases], self.tables[domain], self.shares[domain]
        out = np.zeros(table.shape[1:], np.float32)
        for columns, by_region in zip(column_slices(self.components[domain]), learnt, strict=True):
            for region, part in enumerate(_parts(shares)):
                exponents, hyper = np.split(by_region[region], [seen.shape[1]])
                values = table[:, part, columns][cases]
                flat = values.reshape(len(cases), -1) * np.exp(-seen @ exponents).astype(np.float32)[:, None]
                out[part, columns] += shares[part, region, None] * spread(seen, flat, hyper).reshape(values.shape[1:])
        return out

    def _at(self, domain: str, where: Array, cases: NDArray[np.intp], fold: int) -> tuple[Array, Array]:
        table, seen, shares = self.tables[domain], self.coordinates[cases], self.shares[domain]
        learnt = self.learnt[domain][fold]
        scale = self.spread[domain] if len(cases) == len(table) else self._spread(domain, learnt, cases)
        mean, deviation = np.zeros(table.shape[1:], np.float32), np.empty(table.shape[1:], np.float32)
        for columns, by_region in zip(column_slices(self.components[domain]), learnt, strict=True):
            by_case, size = np.empty((len(by_region), len(cases))), np.empty(len(by_region))
            for region, numbers in enumerate(by_region):
                exponents, hyper = np.split(numbers, [len(where)])
                weight, variance = weights(seen, where, hyper)
                by_case[region] = weight * np.exp((where - seen) @ exponents)
                size[region] = np.exp(where @ exponents) * np.sqrt(variance)
            for case, weight in zip(cases, (shares @ by_case.astype(np.float32)).T, strict=True):
                mean[:, columns] += weight[:, None] * table[case][:, columns]
            deviation[:, columns] = scale[:, columns] * (shares @ size)[:, None]
        return mean, deviation


def column_slices(components: tuple[int, ...]) -> list[slice]:
    """Which columns belong to each field, from the fields' numbers of components."""
    ends = np.cumsum(components)
    return [slice(int(end - count), int(end)) for end, count in zip(ends, components, strict=True)]


def _shares(points: Array, centres: Array) -> Array:
    """How much each point ``(n, 3)`` belongs to the region of each centre ``(k, 3)``; sums to one over regions."""
    squared = np.stack([((points - centre) ** 2).sum(1) for centre in centres], 1)
    nearest = squared.min(1, keepdims=True)
    share = np.exp((nearest - squared) / (2 * _BLEND**2 * max(float(np.median(nearest)), 1e-30)))
    share[share < 0.05] = 0
    return np.asarray(share / share.sum(1, keepdims=True), np.float32)


def _parts(shares: Array) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(column) for column in shares.T]
