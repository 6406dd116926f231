"""Which designs to ask next, by BoTorch's acquisition functions on our emulators (Balandat et al. 2020).

One objective: noisy expected improvement (Letham et al. 2019), several: noisy expected hypervolume improvement (Daulton
et al. 2021), both in logarithms (Ament et al. 2023), with constraints as probabilities of being feasible.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tramontane.errors import TramontaneError
from tramontane.models.gaussian_process import GaussianProcess
from tramontane.search.emulator import Corrected, Emulator
from tramontane.search.goals import Goals, Objective
from tramontane.search.space import Space

try:
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.acquisition.multi_objective import logei as _hypervolume
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
    from botorch.acquisition.objective import GenericMCObjective
    from botorch.models.model import Model
    from botorch.optim import optimize_acqf
    from botorch.posteriors.gpytorch import GPyTorchPosterior
    from botorch.sampling.normal import SobolQMCNormalSampler
    from botorch.utils.sampling import manual_seed
    from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal
    from linear_operator import to_linear_operator
except ImportError as error:  # pragma: no cover
    raise TramontaneError("studies that search need BoTorch: pip install 'tramontane[search]'") from error

Array = NDArray[np.floating[Any]]
# BoTorch would compile a kernel in C++ otherwise; where that was killed once, all that come later wait for its lock.
_hypervolume._load_attempted = True
_SAMPLES, _RESTARTS, _RAW, _STEPS = 64, 4, 128, 40
_SHARP = 1e-5  # of an output's spread: over which a constraint goes from held to broken
_JITTER = 1e-9  # of a variance, so that a covariance of designs close to each other has a root


class EmulatorModel(Model):  # type: ignore[misc]
    """Emulators as a model of BoTorch, over the unit cube.

    Args:
        emulators: One for each output; their outputs are taken as independent.
    """

    def __init__(self, emulators: Sequence[Emulator | Corrected]) -> None:
        super().__init__()
        self.emulators = [_TorchEmulator(emulator) for emulator in emulators]

    @property
    def num_outputs(self) -> int:
        """How many outputs there are."""
        return len(self.emulators)

    @property
    def batch_shape(self) -> torch.Size:
        """That of one model."""
        return torch.Size([])

    def subset_output(self, idcs: list[int]) -> EmulatorModel:
        """The model of some outputs."""
        subset = EmulatorModel([])
        subset.emulators = [self.emulators[index] for index in idcs]
        return subset

    def posterior(
        self, X: Tensor, output_indices: list[int] | None = None, observation_noise: Any = False,
        posterior_transform: Any = None,
    ) -> Any:  # fmt: skip
        """Joint posterior at unit rows ``(..., q, d)``."""
        chosen = self.emulators if output_indices is None else [self.emulators[index] for index in output_indices]
        normals = [MultivariateNormal(mean, to_linear_operator(covariance))
                   for mean, covariance in (emulator(X) for emulator in chosen)]  # fmt: skip
        joint = normals[0] if len(normals) == 1 else MultitaskMultivariateNormal.from_independent_mvns(normals)
        answer = GPyTorchPosterior(joint)
        return answer if posterior_transform is None else posterior_transform(answer)


def _tensor(values: Any) -> Tensor:
    return torch.as_tensor(np.array(values, float))


class _Process:
    """The posterior of a `GaussianProcess` on outputs, with gradients.

    Args:
        process: The process.
        outputs: Of its training inputs ``(n,)``.
        deviation: The process's standard deviation.
    """

    def __init__(self, process: GaussianProcess, outputs: Array, deviation: float) -> None:
        kernel = process.kernel
        self.training, self.variance = _tensor(process.inputs), deviation**2
        self.lengths, self.slopes = _tensor(kernel.length_scales), _tensor(kernel.slopes)
        self.signal, self.offset = kernel.signal_variance, kernel.constant
        covariance = kernel(process.inputs, process.inputs) + process.noise_variance * np.eye(len(process.inputs))
        self.factor = _tensor(np.linalg.cholesky(covariance))
        self.solved = _tensor(np.linalg.solve(covariance, outputs))

    def _kernel(self, a: Tensor, b: Tensor) -> Tensor:
        difference = (a / self.lengths)[..., :, None, :] - (b / self.lengths)[..., None, :, :]
        linear = (a * self.slopes**2) @ b.transpose(-1, -2)
        return self.signal * torch.exp(-0.5 * (difference**2).sum(-1)) + linear + self.offset

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        cross = self._kernel(inputs, self.training)
        half = torch.linalg.solve_triangular(self.factor, cross.transpose(-1, -2), upper=False)
        covariance = self._kernel(inputs, inputs) - half.transpose(-1, -2) @ half
        return cross @ self.solved, self.variance * covariance


class _TorchEmulator:
    """The posterior of an emulator over the unit cube, with gradients."""

    def __init__(self, emulator: Emulator | Corrected) -> None:
        self.correction: _Process | None = None
        base = emulator
        if isinstance(emulator, Corrected):
            base = emulator.base
            self.correction = _Process(emulator.process, emulator.residuals, emulator.deviation)
        assert isinstance(base, Emulator)
        kriging, space = base.kriging, base.space
        self.logarithm, self.mean = base.logarithm, kriging.output_mean
        self.low, self.range = _tensor(space.low), _tensor(space.high - space.low)
        self.logged, self.powers, self.constant = torch.as_tensor(base.logged), _tensor(base.powers), base.constant
        self.columns = torch.as_tensor(np.array(kriging.columns))
        self.means, self.scales = _tensor(kriging.input_means), _tensor(kriging.input_scales)
        self.process = _Process(kriging.process, kriging.outputs, kriging.standard_deviation)

    def __call__(self, unit_rows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean ``(..., q)`` and covariance ``(..., q, q)`` of what the emulator's posterior is of."""
        rows = self.low + unit_rows * self.range
        inputs = torch.where(self.logged, torch.log(rows.clamp_min(1e-30)), rows)[..., self.columns]
        mean, covariance = self.process((inputs - self.means) * self.scales)
        mean = self.mean + mean
        law = self.constant * torch.prod(rows.abs().clamp_min(1e-30) ** self.powers, -1)
        if self.logarithm:
            mean = mean + torch.log(law)
        else:
            mean, covariance = mean * law, covariance * law[..., :, None] * law[..., None, :]
        if self.correction is not None:
            added, uncertain = self.correction(unit_rows)
            mean, covariance = mean + added, covariance + uncertain
        size = covariance.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(1e-300)
        jitter = _JITTER * size + 1e-14 * mean.abs().mean(-1) ** 2
        return mean, covariance + jitter[..., None, None] * torch.eye(rows.shape[-2], dtype=rows.dtype)


def propose(
    space: Space,
    goals: Goals,
    emulators: Sequence[Emulator | Corrected],
    rows: Array,
    *,
    count: int,
    seed: int,
    extra: Sequence[tuple[Emulator | Corrected, float]] = (),
) -> Array:
    """Designs whose answers are likely to be better than all before.

    Args:
        space: Of the designs.
        goals: What is sought.
        emulators: One for each of ``goals.outputs``.
        rows: Designs that were answered ``(n, d)``, SI.
        count: How many.
        seed: Of the search.
        extra: Further emulated numbers that must be at most a bound.

    Returns:
        Rows ``(count, d)``, SI.
    """
    model = EmulatorModel([*emulators, *(emulator for emulator, _ in extra)])
    places = {output.key: index for index, output in enumerate(goals.outputs)}
    constraints = [
        *_constraints(goals, emulators, places),
        *(_at_most(len(emulators) + index, emulator, bound) for index, (emulator, bound) in enumerate(extra)),
    ]
    baseline = torch.as_tensor(space.unit_rows(rows))
    sampler = SobolQMCNormalSampler(torch.Size([_SAMPLES]), seed=seed)
    costs = [_cost(objective, emulators[places[objective.output.key]], places[objective.output.key])
             for objective in goals.objectives]  # fmt: skip
    with warnings.catch_warnings(), manual_seed(seed), _one_thread():
        warnings.simplefilter("ignore")  # of BoTorch and linear_operator, on matrices near to singular
        if len(costs) == 1:
            acquisition: Any = qLogNoisyExpectedImprovement(
                model, baseline, sampler=sampler, constraints=constraints or None, cache_root=False, eta=_SHARP,
                prune_baseline=len(rows) > 8,
                objective=GenericMCObjective(lambda samples, X=None: -costs[0](samples)),
            )  # fmt: skip
        else:
            objective = GenericMCMultiOutputObjective(
                lambda samples, X=None: torch.stack([-cost(samples) for cost in costs], -1)
            )
            with torch.no_grad():
                known = objective(model.posterior(baseline).mean)
            span = (known.amax(0) - known.amin(0)).clamp_min(1e-12)
            acquisition = qLogNoisyExpectedHypervolumeImprovement(
                model, (known.amin(0) - 0.1 * span).tolist(), baseline, sampler=sampler, objective=objective,
                constraints=constraints or None, cache_root=False, eta=_SHARP, prune_baseline=len(rows) > 8,
            )  # fmt: skip
        unit = torch.stack([torch.zeros(len(space.variables)), torch.ones(len(space.variables))]).double()
        chosen, _ = optimize_acqf(
            acquisition, unit, q=count, num_restarts=_RESTARTS, raw_samples=_RAW, sequential=count > 1,
            options={"batch_limit": _RESTARTS, "maxiter": _STEPS},
        )  # fmt: skip
    return space.rows(chosen.detach().numpy())


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """The matrices are small: threads would wait for each other ten times as long as they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _cost(objective: Objective, emulator: Emulator | Corrected, place: int) -> Any:
    if objective.sense == "minimise":
        return lambda samples: samples[..., place]
    if objective.sense == "maximise":
        return lambda samples: -samples[..., place]
    target = float(emulator.transformed(objective.target))
    return lambda samples: (samples[..., place] - target).abs()


def _constraints(goals: Goals, emulators: Sequence[Emulator | Corrected], places: dict[str, int]) -> list[Any]:
    """Functions of samples that are at most zero where a constraint holds, each of the size of the output's spread."""
    functions = []
    for constraint in goals.constraints:
        place = places[constraint.output.key]
        emulator = emulators[place]
        if np.isfinite(constraint.high):
            functions.append(_at_most(place, emulator, constraint.high))
        if np.isfinite(constraint.low):
            functions.append(_at_least(place, emulator, constraint.low))
    return functions


def _at_most(place: int, emulator: Emulator | Corrected, bound: float) -> Any:
    limit, size = float(emulator.transformed(bound)), emulator.spread
    return lambda samples: (samples[..., place] - limit) / size


def _at_least(place: int, emulator: Emulator | Corrected, bound: float) -> Any:
    limit, size = float(emulator.transformed(bound)), emulator.spread
    return lambda samples: (limit - samples[..., place]) / size
