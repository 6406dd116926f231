"""Kriging of whole fields, region by region.

Rows of a table, one a case, hold a field's values at reference points that correspond between cases. Each field in each
region has its own Gaussian process over the designs' coordinates, after division by its root mean square there or,
where that leaves less error on cases left out, in the whole domain; regions blend at their seams. In the line of MMGP
(Casenave et al. 2023, arXiv:2305.12871).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tramontane.models.gaussian_process import GaussianProcess, fit_hyperparameters, prior_hyperparameters
from tramontane.models.reference_frame import below

Array = NDArray[np.floating[Any]]

_BLEND = 0.5  # width of the seam between regions, in their median radius
_FOLDS = 5
_LEAST_RMS = 1e-6  # in units of a value's deviation: as good as zero
_SAVED = {"tables": "tables", "shares": "region_weights", "sizes": "log_rms", "learnt": "hyperparameters",
          "spread": "standard_deviations"}  # fmt: skip
"""By the name of a saved array, the attribute that holds it, a domain each."""


class FieldKriging:
    """Fields at reference points from a design's coordinates.

    A field is divided by its root mean square in a region before it is kriged; the logarithm of that is kriged, too:
    coordinates are logarithms of lengths and operating conditions, or nearly so, and many sizes follow a power of them
    (a plate's deflection is as the cube of its thickness).

    Args:
        coordinates: ``(cases, d)`` standard scores.
        tables: By domain, ``(cases, references, c)`` values.
        points: By domain, where the reference points lie in the template ``(references, 3)``.
        components: By domain, how the columns split into fields, ``{"surface": (1, 3)}``.
        regions: How many of each domain.

    Attributes:
        region_weights: By domain, how much each reference point belongs to each region ``(references, regions)``.
        log_rms: By domain, the logarithms of root mean squares by which fields are divided ``(1 + folds, fields,
            regions, cases)``; the first are learnt from all cases, the others without those of one fold.
        hyperparameters: Likewise, of the Gaussian process of that logarithm and of that of the field, side by side
            ``(1 + folds, fields, regions, 2 h)``.
        standard_deviations: By domain, of the processes of the divided fields ``(references, c)``.
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
        self.region_weights = {}
        # Those of all cases serve every prediction; those without one case are needed once.
        self._processes_of_all: dict[bytes, list[GaussianProcess]] = {}
        from sklearn.cluster import KMeans  # takes longer to load than a prediction takes, and only fitting needs it

        for domain, references in points.items():
            clusters = KMeans(min(regions, len(references)), n_init=1, random_state=0).fit(references[:5000])
            self.region_weights[domain] = _region_weights(references, np.asarray(clusters.cluster_centers_, float))
        count = len(coordinates)
        self.folds = min(_FOLDS, count)
        folds = [np.arange(count), *(np.flatnonzero(np.arange(count) % self.folds != k) for k in range(self.folds))]
        self.log_rms: dict[str, Array] = {}
        self.hyperparameters: dict[str, Array] = {}
        self.standard_deviations: dict[str, Array] = {}
        for domain in tables:
            own, whole = self._log_rms(domain)
            fitted = [self._fit(domain, own, whole, cases) for cases in folds]
            self.log_rms[domain], self.hyperparameters[domain] = (np.stack(of) for of in zip(*fitted, strict=True))
            self.standard_deviations[domain] = self._standard_deviations(domain, 0, folds[0])

    def predict(self, domain: str, coordinates: Array, *, left_out: int | None = None) -> Array:
        """Values ``(references, c)`` at a design's coordinates ``(d,)``.

        Args:
            domain: The domain.
            coordinates: Of the design.
            left_out: A training case whose values are to touch neither weights nor hyperparameters.
        """
        return self._mean(domain, coordinates, *self._cases(left_out))

    def predict_training(self, domain: str, case: int, fold: int) -> Array:
        """Values ``(references, c)`` of a training case from all others of a fold.

        Args:
            domain: The domain.
            case: Which training case; not one that the fold leaves out.
            fold: 0 for all cases, else one more than the fold left out.
        """
        if fold == 0:
            return self.predict(domain, self.coordinates[case], left_out=case)
        cases = np.flatnonzero(np.arange(len(self.coordinates)) % self.folds != fold - 1)
        return self._mean(domain, self.coordinates[case], cases[cases != case], fold)

    def fold_of(self, left_out: int | None) -> int:
        """Which fold's hyperparameters are learnt without a case: 0 for None, else one more than the fold."""
        return 0 if left_out is None else 1 + left_out % self.folds

    def predict_with_deviation(
        self, domain: str, coordinates: Array, *, left_out: int | None = None
    ) -> tuple[Array, Array]:
        """As `predict`, and the standard deviation ``(references, c)``."""
        mean = self.predict(domain, coordinates, left_out=left_out)
        return mean, self._deviation(domain, coordinates, mean, *self._cases(left_out))

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to predict, as arrays."""
        out: dict[str, NDArray[Any]] = {"coordinates": self.coordinates, "folds": np.array([self.folds])}
        for name, attribute in _SAVED.items():
            out |= {f"{name}/{domain}": value for domain, value in getattr(self, attribute).items()}
        return out | {f"components/{domain}": np.array(widths) for domain, widths in self.components.items()}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]]) -> FieldKriging:
        """The kriging that `state` described."""
        self = cls.__new__(cls)
        self._processes_of_all = {}
        self.coordinates, self.folds = state["coordinates"], int(state["folds"][0])
        for name, attribute in _SAVED.items():
            setattr(self, attribute, below(state, f"{name}/"))
        self.components = {
            domain: tuple(int(width) for width in widths) for domain, widths in below(state, "components/").items()
        }
        return self

    def _log_rms(self, domain: str) -> tuple[Array, Array]:
        """Of each field in each region ``(fields, regions, cases)``, and in the whole domain ``(fields, cases)``."""
        columns, table = column_slices(self.components[domain]), self.tables[domain]
        own = [[_log_rms(table[:, part, field]) for part in self._parts(domain)] for field in columns]
        return np.array(own), np.array([_log_rms(table[:, :, field]) for field in columns])

    def _fit(self, domain: str, own: Array, whole: Array, cases: NDArray[np.intp]) -> tuple[Array, Array]:
        """Log root mean squares ``(fields, regions, all cases)`` to divide by, and hyperparameters, from some cases.

        In a region a field is divided by its own or by that of the whole domain, whichever leaves less error on these
        cases left out, before anything else is learnt: a pressure that changes its sign between cases has one of its
        own that comes close to zero, whose logarithm no process follows.
        """
        log_rms, hyperparameters = own.copy(), []
        inputs = self.coordinates[cases]
        prior = GaussianProcess.from_logarithms(inputs, prior_hyperparameters(inputs.shape[1]))
        residual_matrix = prior.leave_one_out().residual_matrix
        for field, columns in enumerate(column_slices(self.components[domain])):
            for region, part in enumerate(self._parts(domain)):
                values = self.tables[domain][:, part, columns][cases].reshape(len(cases), -1)
                choices = own[field, region], whole[field]
                errors = [
                    _leave_one_out_error(residual_matrix, values, choice[cases], whole[field, cases])
                    for choice in choices
                ]
                log_rms[field, region] = choices[int(np.argmin(errors))]
                hyperparameters.append(_fit_pair(inputs, values, log_rms[field, region, cases]))
        return log_rms, np.reshape(hyperparameters, (*own.shape[:2], -1))

    def _standard_deviations(self, domain: str, fold: int, cases: NDArray[np.intp]) -> Array:
        """Of the processes of divided fields ``(references, c)``, from some cases."""
        table, region_weights = self.tables[domain], self.region_weights[domain]
        log_rms, hyperparameters = self.log_rms[domain][fold], self.hyperparameters[domain][fold]
        out = np.zeros(table.shape[1:], np.float32)
        for field, columns in enumerate(column_slices(self.components[domain])):
            for region, part in enumerate(self._parts(domain)):
                _, process = self._processes(hyperparameters[field, region], cases)
                values = table[:, part, columns][cases]
                divided = values.reshape(len(cases), -1)
                divided = divided * np.exp(-log_rms[field, region, cases]).astype(np.float32)[:, None]
                deviations = process.leave_one_out().standard_deviation(divided).reshape(values.shape[1:])
                out[part, columns] += region_weights[part, region, None] * deviations
        return out

    def _mean(self, domain: str, coordinates: Array, cases: NDArray[np.intp], fold: int) -> Array:
        table, inputs, hyperparameters = self.tables[domain], coordinates[None], self.hyperparameters[domain][fold]
        mean = np.zeros(table.shape[1:], np.float32)
        for field, columns in enumerate(column_slices(self.components[domain])):
            by_case = np.empty((len(hyperparameters[field]), len(cases)), np.float32)
            for region, pair in enumerate(hyperparameters[field]):
                log_rms = self.log_rms[domain][fold, field, region, cases]
                of_rms, of_field = (process.weights(inputs)[0] for process in self._processes(pair, cases))
                by_case[region] = of_field * np.exp(of_rms @ log_rms - log_rms)
            # Of narrow rows, PyTorch's sums take a sixth of NumPy's time.
            total, weights = torch.from_numpy(mean)[:, columns], torch.from_numpy(self.region_weights[domain] @ by_case)
            for place, case in enumerate(cases):
                total.addcmul_(weights[:, place, None], torch.from_numpy(table[case][:, columns]))
        return mean

    def _deviation(self, domain: str, coordinates: Array, mean: Array, cases: NDArray[np.intp], fold: int) -> Array:
        """Of the divided field and of its root mean square, which add up as independent errors do."""
        inputs, hyperparameters = coordinates[None], self.hyperparameters[domain][fold]
        region_weights, scale = self.region_weights[domain], self.standard_deviations[domain]
        if len(cases) < len(self.coordinates):
            scale = self._standard_deviations(domain, fold, cases)
        deviation = np.empty_like(scale)
        for field, columns in enumerate(column_slices(self.components[domain])):
            regions = len(hyperparameters[field])
            of_field, of_rms = np.empty(regions), np.empty(regions)
            for region, pair in enumerate(hyperparameters[field]):
                log_rms = self.log_rms[domain][fold, field, region, cases]
                rms_process, field_process = self._processes(pair, cases)
                weights, variances = rms_process.weights_and_variances(inputs)
                rms_scale = rms_process.leave_one_out().standard_deviation(log_rms[:, None])[0]
                of_rms[region] = np.sqrt(variances[0]) * rms_scale
                field_variance = field_process.weights_and_variances(inputs)[1][0]
                of_field[region] = np.exp(weights[0] @ log_rms) * np.sqrt(field_variance)
            deviation[:, columns] = np.hypot(
                scale[:, columns] * (region_weights @ of_field)[:, None],
                mean[:, columns] * (region_weights @ of_rms)[:, None],
            )
        return deviation

    def _processes(self, hyperparameters: Array, cases: NDArray[np.intp]) -> list[GaussianProcess]:
        """The processes of a field's log root mean square and of the divided field, in one region."""
        key, of_all = hyperparameters.tobytes(), len(cases) == len(self.coordinates)
        processes = self._processes_of_all.get(key) if of_all else None
        if processes is None:
            inputs = self.coordinates[cases]
            processes = [GaussianProcess.from_logarithms(inputs, each) for each in np.split(hyperparameters, 2)]
            if of_all:
                self._processes_of_all[key] = processes
        return processes

    def _cases(self, left_out: int | None) -> tuple[NDArray[np.intp], int]:
        """The cases that count, and which of the hyperparameters were learnt from no other."""
        cases = np.arange(len(self.coordinates))
        return (cases if left_out is None else np.delete(cases, left_out)), self.fold_of(left_out)

    def _parts(self, domain: str) -> list[NDArray[np.intp]]:
        """The reference points that belong to each region, if only in part."""
        return [np.flatnonzero(column) for column in self.region_weights[domain].T]


def column_slices(components: tuple[int, ...]) -> list[slice]:
    """Which columns belong to each field, from the fields' numbers of components."""
    ends = np.cumsum(components)
    return [slice(int(end - count), int(end)) for end, count in zip(ends, components, strict=True)]


def _fit_pair(inputs: Array, values: Array, log_rms: Array) -> Array:
    """Hyperparameters of the processes of ``log_rms`` ``(cases,)`` and of ``values`` ``(cases, n)`` divided by it."""
    divided = values * np.exp(-log_rms).astype(np.float32)[:, None]
    divided = divided - divided.mean(0)
    centred = log_rms - log_rms.mean()
    grams = np.outer(centred, centred), (divided @ divided.T).astype(float)
    return np.concatenate([fit_hyperparameters(inputs, gram) for gram in grams])


def _leave_one_out_error(residual_matrix: Array, values: Array, log_rms: Array, whole: Array) -> float:
    """Mean root mean square of the residuals of values ``(cases, n)``, in those of the whole field.

    Args:
        residual_matrix: Of `LeaveOneOut`, for ``log_rms`` and for values divided by it.
        values: Of a field in a region.
        log_rms: What values are divided by ``(cases,)``, as a logarithm.
        whole: The same of the whole field.
    """
    identity = np.eye(len(values))
    predicted = np.exp(log_rms - residual_matrix @ log_rms)[:, None] * (identity - residual_matrix) * np.exp(-log_rms)
    residuals = (identity - predicted).astype(values.dtype) @ values
    return float(np.mean(np.sqrt((residuals**2).mean(1)) * np.exp(-whole)))


def _log_rms(values: Array) -> Array:
    """Logarithm of the root mean square of a field, by case."""
    return np.asarray(np.log(np.maximum(np.sqrt(np.mean(values.astype(float) ** 2, axis=(1, 2))), _LEAST_RMS)))


def _region_weights(points: Array, centres: Array) -> Array:
    """How much each point ``(n, 3)`` belongs to the region of each centre ``(k, 3)``; sums to one over regions."""
    squared = np.stack([((points - centre) ** 2).sum(1) for centre in centres], 1)
    nearest = squared.min(1, keepdims=True)
    weights = np.exp((nearest - squared) / (2 * _BLEND**2 * max(float(np.median(nearest)), 1e-30)))
    weights[weights < 0.05] = 0
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)
