"""The residual of kriging at a site, regressed on the prediction there and on features of the surface nearby.

Kriging follows every value by itself from design to design. It does not know what holds at every site of every design:
that a free surface bears no traction, or how a field's components go together. A ridge regression on random Fourier
features (Rahimi & Recht 2007, NIPS 20) of a domain's predicted values, the surface's normal and the height above it
learns that from the sites of all training cases. Surface features are computed at the reference points, once for a
shape, and interpolated as the values are. How smooth the correction is, and what share of each field's is applied, is
what leaves least error on cases left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tramontane.models.shapes import Samples

Array = NDArray[np.floating[Any]]

_FEATURES = 512
_FREQUENCY = 0.5  # of a feature: the length of its direction, in deviations of the inputs
_RIDGES = (1e-5, 1e-4, 1e-3, 1e-2)
_FEWEST = 8  # cases that can say what a correction is worth
_GROUPS = 5  # of cases, each left out once
_CLEARLY = 0.9  # share of some field's error that has to be left for a correction that costs time
_FARTHEST = 4.0  # root mean squares of a value, and deviations of an input, at which either is clipped
_BESIDE = 6  # samples beside a point that say which way the surface faces there
_HEIGHT = 0.001  # in diagonals, where heights stop counting in proportion
_PORTION = 8192  # sites whose features are in memory at once: in a cache, and in the same place every time
_ARRAYS = ("centre", "scale", "directions", "weights")


class SiteCorrection:
    """A correction of a domain's values, in root mean squares of its fields.

    Args:
        centre: Of the inputs ``(inputs,)``.
        scale: Of the inputs ``(inputs,)``.
        directions: Of the random features, their phases first ``(1 + inputs, features)``.
        weights: Of one, the inputs and the features ``(1 + inputs + features, c)``.
    """

    def __init__(self, centre: Array, scale: Array, directions: Array, weights: Array) -> None:
        self.centre, self.scale, self.directions, self.weights = centre, scale, directions, weights

    @classmethod
    def learn(
        cls, inputs: Sequence[Array], residuals: Sequence[Array], fields: Sequence[slice]
    ) -> SiteCorrection | None:
        """Learn from cases, or None where they are too few or no field comes out clearly better on cases left out.

        Args:
            inputs: Each case's, from `site_inputs`.
            residuals: Each case's values less predictions at these sites ``(n, c)``, over root mean squares of its
                fields.
            fields: Which columns belong to each field.
        """
        if len(inputs) < _FEWEST:
            return None
        together = np.concatenate(inputs)
        size, random = together.shape[1], np.random.default_rng(0)
        directions = random.normal(size=(size, _FEATURES)) * (_FREQUENCY / size**0.5)
        phases = random.uniform(0, 2 * np.pi, (1, _FEATURES))
        width = 1 + size + _FEATURES
        self = cls(
            together.mean(0), together.std(0) + 1e-6, np.concatenate([phases, directions]).astype(np.float32),
            np.zeros((width, residuals[0].shape[1]), np.float32),
        )  # fmt: skip
        groups = min(_GROUPS, len(inputs))
        gram, product = np.zeros((groups, width, width)), np.zeros((groups, *self.weights.shape))
        energy, counts = np.zeros(self.weights.shape[1]), np.zeros(groups)
        for case, (own_inputs, own_residuals) in enumerate(zip(inputs, residuals, strict=True)):
            scores = self._scores(own_inputs)
            features = torch.cat([scores, (scores @ torch.from_numpy(self.directions)).cos_()], 1)
            clipped = np.clip(own_residuals, -_FARTHEST, _FARTHEST)
            group, share = case % groups, 1 / len(own_inputs)
            gram[group] += share * (features.T @ features).numpy()
            product[group] += share * (features.T @ torch.from_numpy(clipped.astype(np.float32))).numpy()
            energy += share * (clipped.astype(float) ** 2).sum(0)
            counts[group] += 1

        def solve(gram: Array, product: Array, cases: Any, *, ridge: float) -> Array:
            return np.asarray(np.linalg.solve(gram + ridge * cases * np.eye(width), product))

        whole = [of.sum(0) for of in (gram, product, counts)]
        # Products of corrections with residuals, and with themselves, on the groups left out.
        by_residual, by_itself = np.zeros((len(_RIDGES), len(energy))), np.zeros((len(_RIDGES), len(energy)))
        for trial, ridge in enumerate(_RIDGES):
            for out in range(groups):
                rest = (every - of[out] for every, of in zip(whole, (gram, product, counts), strict=True))
                weights = solve(*rest, ridge=ridge)
                by_residual[trial] += (weights * product[out]).sum(0)
                by_itself[trial] += (weights * (gram[out] @ weights)).sum(0)
        clearly_better = False
        for columns in fields:
            # Of the residuals' square, a share t of a correction leaves  energy - 2 t by_residual + t^2 by_itself.
            along, across = by_residual[:, columns].sum(1), by_itself[:, columns].sum(1)
            shares = np.clip(along / np.maximum(across, 1e-30), 0, 1)
            remains = 1 + (shares**2 * across - 2 * shares * along) / max(energy[columns].sum(), 1e-30)
            best = int(np.argmin(remains))
            clearly_better |= bool(remains[best] < _CLEARLY**2)
            self.weights[:, columns] = shares[best] * solve(*whole, ridge=_RIDGES[best])[:, columns]
        return self if clearly_better else None

    def __call__(self, inputs: Array) -> Array:
        """The correction ``(n, c)`` at sites with these inputs ``(n, inputs)``, in root mean squares of the fields."""
        # By PyTorch, which has threads here where NumPy's BLAS has one.
        directions = torch.from_numpy(self.directions)
        # In columns, or a product with so few of them takes twice as long.
        plain, of_waves = (
            torch.from_numpy(np.asfortranarray(part)) for part in np.split(self.weights, [len(directions)])
        )
        out, waves = torch.empty(len(inputs), plain.shape[1]), torch.empty(_PORTION, directions.shape[1])
        for start in range(0, len(inputs), _PORTION):
            scores = self._scores(inputs[start : start + _PORTION])
            features = torch.mm(scores, directions, out=waves[: len(scores)]).cos_()
            out[start : start + _PORTION] = torch.mm(scores, plain).addmm_(features, of_waves)
        return np.asarray(out.numpy())

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to correct, as arrays."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> SiteCorrection:
        """The correction that `state` described."""
        return cls(*(state[name] for name in _ARRAYS))

    def _scores(self, inputs: Array) -> torch.Tensor:
        """One, and the inputs as standard scores ``(n, 1 + inputs)``."""
        scores = np.clip((inputs - self.centre) / self.scale, -_FARTHEST, _FARTHEST)
        return torch.from_numpy(np.concatenate([np.ones((len(inputs), 1)), scores], axis=1, dtype=np.float32))


def surface_features(samples: Samples, positions: Array, diagonal: float) -> Array:
    """Which way the surface beside points faces, and their distance from it: ``(n, 7)``, float32.

    The mean of a few samples' normals, smooth ones and the triangles' own, which tell an edge: there it is shorter than
    one. No single sample decides, as it may lie between two triangles. The distance is the largest from their planes.

    Args:
        samples: Of the shape's surface.
        positions: The points ``(n, 3)`` in metres.
        diagonal: The unit of lengths.
    """
    nearest = samples.tree.query(positions, k=np.arange(1, 1 + min(_BESIDE, len(samples.points))))[1]
    smooth, facets = samples.normals[nearest], samples.facets[nearest]
    heights = np.abs(np.einsum("nkd,nkd->nk", positions[:, None] - samples.points[nearest], smooth)).max(1) / diagonal
    parts = [smooth.mean(1), facets.mean(1), np.arcsinh(heights / _HEIGHT)[:, None]]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def site_inputs(values: Array, features: Array) -> Array:
    """Inputs of a correction ``(n, c + 7)``: values over root mean squares of their fields, and surface features."""
    return np.concatenate([np.clip(values, -_FARTHEST, _FARTHEST), features], axis=1, dtype=np.float32)


def field_rms(rows: Array, fields: Sequence[slice]) -> Array:
    """Root mean square of each column's field ``(c,)`` over all reference points ``(references, c)``."""
    out = np.empty(rows.shape[1], np.float32)
    for columns in fields:
        out[columns] = max(float(np.sqrt(np.mean(rows[:, columns].astype(float) ** 2))), 1e-12)
    return out
