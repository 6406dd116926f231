"""Kriging of whole fields, region by region: for the nose does not feel what the tail does.

Rows of a table, one a case, hold a field's values at reference points that correspond between cases. Each field in each
region has its own Gaussian process over the designs' coordinates, after a power law of its size there or, where that
leaves less of cases left out, of the whole field's; regions blend at their seams. In the line of MMGP (Casenave et al.
2023, arXiv:2305.12871).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from tramontane.models.kriging import (
    expected_hyperparameters,
    factorise,
    learn_hyperparameters,
    left_out_errors,
    spread,
    weights,
)
from tramontane.models.reference_frame import below

Array = NDArray[np.floating[Any]]

_BLEND = 0.5  # width of the seam between regions, in their median radius
_FOLDS = 5
_NOTHING = 1e-6  # a size, in units of a value's deviation, that is as good as zero


class FieldKriging:
    """Fields at reference points from a design's coordinates.

    Args:
        coordinates: ``(cases, d)`` standard scores.
        tables: By domain, ``(cases, references, c)`` values.
        points: By domain, where the reference points lie in the template ``(references, 3)``.
        components: By domain, how the columns split into fields, ``{"surface": (1, 3)}``.
        regions: How many of each domain.
    """

    def __init__(
        self,
        coordinates: Array,
        tables: dict[str, Array],
        points: dict[str, Array],
        components: dict[str, tuple[int, ...]],
        *,
        regions: int = 12,
    ) -> None:
        self.coordinates, self.tables, self.components = coordinates, tables, components
        self.shares = {}
        # Of all cases, for predictions; those without one are asked for once.
        self._factors: dict[tuple[bytes, bool], list[tuple[Array, Array]]] = {}
        for domain, where in points.items():
            found = KMeans(min(regions, len(where)), n_init=1, random_state=0).fit(where[:5000])
            self.shares[domain] = _shares(where, np.asarray(found.cluster_centers_, float))
        count = len(coordinates)
        self.folds = min(_FOLDS, count)
        folds = [np.arange(count), *(np.flatnonzero(np.arange(count) % self.folds != k) for k in range(self.folds))]
        self.sizes: dict[str, Array] = {}
        self.learnt: dict[str, Array] = {}
        self.spread: dict[str, Array] = {}
        for domain in tables:
            own, whole = self._sizes(domain)
            fitted = [self._fit(domain, own, whole, cases) for cases in folds]
            self.sizes[domain], self.learnt[domain] = (np.stack(of) for of in zip(*fitted, strict=True))
            self.spread[domain] = self._spread(domain, 0, folds[0])

    def predict(self, domain: str, coordinates: Array, *, left_out: int | None = None) -> Array:
        """Values ``(references, c)`` at a design's coordinates ``(d,)``.

        Args:
            domain: The domain.
            coordinates: Of the design.
            left_out: A training case whose values are to touch neither weights nor hyperparameters.
        """
        return self._mean(domain, coordinates, *self._seen(left_out))

    def predict_training(self, domain: str, case: int, fold: int) -> Array:
        """Values ``(references, c)`` of a training case from all others that a fold has seen.

        Args:
            domain: The domain.
            case: Which training case; one that the fold has seen.
            fold: 0 for all cases, else one more than the fold left out.
        """
        if fold == 0:
            return self.predict(domain, self.coordinates[case], left_out=case)
        cases = np.flatnonzero(np.arange(len(self.coordinates)) % self.folds != fold - 1)
        return self._mean(domain, self.coordinates[case], cases[cases != case], fold)

    def fold_of(self, left_out: int | None) -> int:
        """Which fold's hyperparameters have not seen a case: 0 for None, else one more than the fold."""
        return 0 if left_out is None else 1 + left_out % self.folds

    def predict_with_deviation(
        self, domain: str, coordinates: Array, *, left_out: int | None = None
    ) -> tuple[Array, Array]:
        """What `predict` gives, and its standard deviation ``(references, c)``."""
        mean = self.predict(domain, coordinates, left_out=left_out)
        return mean, self._deviation(domain, coordinates, mean, *self._seen(left_out))

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to predict, as arrays."""
        out: dict[str, NDArray[Any]] = {
            "coordinates": self.coordinates,
            "folds": np.array([self.folds]),
        }
        for name in ("tables", "shares", "sizes", "learnt", "spread"):
            out |= {f"{name}/{domain}": value for domain, value in getattr(self, name).items()}
        return out | {f"components/{domain}": np.array(widths) for domain, widths in self.components.items()}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> FieldKriging:
        """The kriging that `state` described."""
        self = cls.__new__(cls)
        self._factors = {}
        self.coordinates, self.folds = state["coordinates"], int(state["folds"][0])
        self.tables, self.shares, self.sizes, self.learnt, self.spread = (
            below(state, f"{name}/") for name in ("tables", "shares", "sizes", "learnt", "spread")
        )
        self.components = {
            domain: tuple(int(width) for width in widths) for domain, widths in below(state, "components/").items()
        }
        return self

    def _sizes(self, domain: str) -> tuple[Array, Array]:
        """Size of each field in each region ``(fields, regions, cases)``, and everywhere ``(fields, cases)``."""
        columns, table = column_slices(self.components[domain]), self.tables[domain]
        own = [[_size(table[:, part, of]) for part in self._parts(domain)] for of in columns]
        return np.array(own), np.array([_size(table[:, :, of]) for of in columns])

    def _fit(self, domain: str, own: Array, whole: Array, cases: NDArray[np.intp]) -> tuple[Array, Array]:
        """Sizes ``(fields, regions, all cases)`` by which fields are scaled, and hyperparameters, from some cases.

        A region has its own size or the whole field's, whichever leaves less of these cases left out, before anything
        else is learnt: a pressure that changes its sign between cases has a size of its own that comes close to
        nothing, whose logarithm no process follows.
        """
        sizes, learnt = own.copy(), []
        for field, columns in enumerate(column_slices(self.components[domain])):
            for region, part in enumerate(self._parts(domain)):
                values = self.tables[domain][:, part, columns][cases]
                flat = values.reshape(len(cases), -1)
                tried = own[field, region], whole[field]
                errors = [self._left_out_error(flat, size[cases], whole[field, cases], cases) for size in tried]
                sizes[field, region] = tried[int(np.argmin(errors))]
                learnt.append(self._learn(flat, sizes[field, region, cases], cases))
        return sizes, np.reshape(learnt, (*own.shape[:2], -1))

    def _left_out_error(self, values: Array, size: Array, whole: Array, cases: NDArray[np.intp]) -> float:
        """Mean error of a field ``(cases, n)``, scaled by a size, on cases left out; in sizes of the whole field."""
        seen, kept = self.coordinates[cases], np.eye(len(cases))
        errors, _ = left_out_errors(seen, expected_hyperparameters(seen.shape[1]))
        found = np.exp(size - errors @ size)[:, None] * (kept - errors) * np.exp(-size)
        wrong = (kept - found).astype(values.dtype) @ values
        return float(np.mean(np.sqrt((wrong**2).mean(1)) * np.exp(-whole)))

    def _learn(self, values: Array, size: Array, cases: NDArray[np.intp]) -> Array:
        """Hyperparameters of a field's size, then of the field ``(cases, n)`` over its size, in one region.

        A size is kriged as a logarithm: coordinates are logarithms of lengths and operating conditions, or nearly so,
        and many sizes follow a power of them (a plate's deflection is as the cube of its thickness).
        """
        seen, about_mean = self.coordinates[cases], size - size.mean()
        flat = values * np.exp(-size).astype(np.float32)[:, None]
        flat = flat - flat.mean(0)
        grams = (np.outer(about_mean, about_mean), (flat @ flat.T).astype(float))
        return np.concatenate([learn_hyperparameters(seen, gram) for gram in grams])

    def _spread(self, domain: str, fold: int, cases: NDArray[np.intp]) -> Array:
        """Scale ``(references, c)`` of the processes of fields over their sizes, from some cases."""
        seen, table, shares = self.coordinates[cases], self.tables[domain], self.shares[domain]
        sizes, learnt = self.sizes[domain][fold], self.learnt[domain][fold]
        out = np.zeros(table.shape[1:], np.float32)
        for field, columns in enumerate(column_slices(self.components[domain])):
            for region, part in enumerate(self._parts(domain)):
                _, hyper = np.split(learnt[field, region], 2)
                values = table[:, part, columns][cases]
                flat = values.reshape(len(cases), -1)
                flat = flat * np.exp(-sizes[field, region, cases]).astype(np.float32)[:, None]
                out[part, columns] += shares[part, region, None] * spread(seen, flat, hyper).reshape(values.shape[1:])
        return out

    def _mean(self, domain: str, where: Array, cases: NDArray[np.intp], fold: int) -> Array:
        table, seen, learnt = self.tables[domain], self.coordinates[cases], self.learnt[domain][fold]
        mean = np.zeros(table.shape[1:], np.float32)
        for field, columns in enumerate(column_slices(self.components[domain])):
            by_case = np.empty((len(learnt[field]), len(cases)), np.float32)
            for region, hyper in enumerate(learnt[field]):
                sizes = self.sizes[domain][fold, field, region, cases]
                of_size, of_field = (weights(seen, where, *of)[0] for of in self._processes(hyper, cases))
                by_case[region] = of_field * np.exp(of_size @ sizes - sizes)
            # Of narrow rows, PyTorch's sums take a sixth of NumPy's time.
            total, share = torch.from_numpy(mean)[:, columns], torch.from_numpy(self.shares[domain] @ by_case)
            for place, case in enumerate(cases):
                total.addcmul_(share[:, place, None], torch.from_numpy(table[case][:, columns]))
        return mean

    def _deviation(self, domain: str, where: Array, mean: Array, cases: NDArray[np.intp], fold: int) -> Array:
        """The field's over its size, and its size's: they add up as independent errors do."""
        seen, learnt, shares = self.coordinates[cases], self.learnt[domain][fold], self.shares[domain]
        scale = self.spread[domain] if len(cases) == len(self.coordinates) else self._spread(domain, fold, cases)
        deviation = np.empty_like(scale)
        for field, columns in enumerate(column_slices(self.components[domain])):
            shape, doubt = np.empty(len(learnt[field])), np.empty(len(learnt[field]))
            for region, hyper in enumerate(learnt[field]):
                sizes = self.sizes[domain][fold, field, region, cases]
                process_of_size, process_of_field = self._processes(hyper, cases)
                weight, variance = weights(seen, where, *process_of_size)
                doubt[region] = np.sqrt(variance) * spread(seen, sizes[:, None], process_of_size[0])[0]
                shape[region] = np.exp(weight @ sizes) * np.sqrt(weights(seen, where, *process_of_field)[1])
            of_shape, of_size = (
                scale[:, columns] * (shares @ shape)[:, None],
                mean[:, columns] * (shares @ doubt)[:, None],
            )
            deviation[:, columns] = np.hypot(of_shape, of_size)
        return deviation

    def _processes(self, hyper: Array, cases: NDArray[np.intp]) -> list[tuple[Array, Array]]:
        """Hyperparameters and Cholesky factor of the processes of a field's size and of the field, in one region."""
        key = hyper.tobytes(), len(cases) == len(self.coordinates)
        found = self._factors.get(key)
        if found is None:
            found = [(part, factorise(self.coordinates[cases], part)) for part in np.split(hyper, 2)]
            if key[1]:
                self._factors[key] = found
        return found

    def _seen(self, left_out: int | None) -> tuple[NDArray[np.intp], int]:
        """The cases that count, and which of the learnt hyperparameters have seen no other."""
        cases = np.arange(len(self.coordinates))
        return (cases if left_out is None else np.delete(cases, left_out)), self.fold_of(left_out)

    def _parts(self, domain: str) -> list[NDArray[np.intp]]:
        """The reference points that belong to each region, if only in part."""
        return [np.flatnonzero(column) for column in self.shares[domain].T]


def column_slices(components: tuple[int, ...]) -> list[slice]:
    """Which columns belong to each field, from the fields' numbers of components."""
    ends = np.cumsum(components)
    return [slice(int(end - count), int(end)) for end, count in zip(ends, components, strict=True)]


def _size(values: Array) -> Array:
    """Logarithm of the root of the mean square of a field, by case."""
    return np.asarray(np.log(np.maximum(np.sqrt(np.mean(values.astype(float) ** 2, axis=(1, 2))), _NOTHING)))


def _shares(points: Array, centres: Array) -> Array:
    """How much each point ``(n, 3)`` belongs to the region of each centre ``(k, 3)``; sums to one over regions."""
    squared = np.stack([((points - centre) ** 2).sum(1) for centre in centres], 1)
    nearest = squared.min(1, keepdims=True)
    share = np.exp((nearest - squared) / (2 * _BLEND**2 * max(float(np.median(nearest)), 1e-30)))
    share[share < 0.05] = 0
    return np.asarray(share / share.sum(1, keepdims=True), np.float32)
