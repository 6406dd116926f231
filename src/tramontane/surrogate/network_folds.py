"""Networks in folds, each trained without some of the cases: what they correct, and what that is worth on those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from tramontane.errors import TramontaneError
from tramontane.metrics import mean_absolute, relative_l2
from tramontane.models.local_tokens import Description, LocalTokens, describe
from tramontane.surrogate.reference import (
    Baseline,
    Rows,
    baseline_with_deviation,
    corrections,
    from_rows,
    make_layouts,
)
from tramontane.training import FieldError, Validation, channel_slices
from tramontane.training.reference_sampler import ReferenceSampler

if TYPE_CHECKING:
    from tramontane.surrogate.fit_reference import ReferenceFit

_POINTS = 4096  # reference points drawn of each domain in a step


@dataclass
class Candidate:
    """What networks on one baseline have come to.

    Attributes:
        baseline: What they correct.
        descriptions: Each training case as a network sees it, its baseline without the case itself.
        rows: Each training case's baseline by domain.
        size: By domain, the size of a correction of one ``(channels,)``.
        networks: By fold.
        left_out: By case, the corrections of the network that did not see it.
        shrink: By domain, the share of the corrections to be trusted ``(channels,)``.
        steps: All its networks' steps.
    """

    baseline: Baseline
    descriptions: list[Description]
    rows: list[Rows]
    size: Rows
    networks: dict[int, LocalTokens]
    left_out: dict[int, Rows]
    shrink: Rows
    steps: int = 0


def check_config(config: dict[str, Any]) -> None:
    """See that networks can be configured so, before anything is fitted.

    Raises:
        TramontaneError: There is no such argument, or one does not go together with another.
    """
    try:
        LocalTokens({}, {"": np.zeros((1, 3))}, channels={}, features={}, coordinates=1, **config)
    except TypeError as error:
        raise TramontaneError(
            f"networks of local tokens: {str(error).split('() ')[-1]}; correct their configuration"
        ) from error


def new_candidate(fitting: ReferenceFit, baseline: Baseline) -> Candidate:
    """What networks on a baseline begin with.

    Args:
        fitting: Of the training cases.
        baseline: What they correct.
    """
    layouts, coordinates = make_layouts(fitting.classical), fitting.classical.frame.designs.training
    descriptions, rows = [], []
    for case, mapped in enumerate(fitting.classical.mapped):
        base = {
            d: baseline_with_deviation(fitting.classical, baseline, d, coordinates[case], left_out=case)
            for d in layouts
        }
        descriptions.append(describe(fitting.classical.frame, layouts, mapped, base))
        rows.append({domain: mean for domain, (mean, _) in base.items()})
    size = {domain: np.ones(table.shape[2], np.float32) for domain, table in fitting.classical.kriging.tables.items()}
    for domain, columns in fitting.fields.values():
        left = [of[domain][:, columns] - row[domain][:, columns] for of, row in zip(fitting.truth, rows, strict=True)]
        size[domain][columns] = max(float(np.sqrt(np.mean([np.mean(part**2) for part in left]))), 1e-12)
    ones = {domain: np.ones_like(of) for domain, of in size.items()}
    return Candidate(baseline, descriptions, rows, size, {}, {}, ones)


def train_fold(fitting: ReferenceFit, candidate: Candidate, fold: int, folds: int, *, share: float, kind: str) -> None:
    """Train the network that does not see every ``folds``-th case, and ask it for those."""
    cases, options = range(len(fitting.names)), fitting.training.options
    training = [case for case in cases if case % folds != fold]
    size = candidate.size
    sampler = ReferenceSampler(
        [fitting.names[case] for case in training],
        [candidate.descriptions[case] for case in training],
        [{d: (of - candidate.rows[case][d]) / size[d] for d, of in fitting.truth[case].items()} for case in training],
        [{d: of / size[d] for d, of in fitting.truth[case].items()} for case in training],
        fitting.fields,
        points=_POINTS, batch_size=options.batch_size or 2, seed=options.seed,
    )  # fmt: skip
    torch.manual_seed(options.seed + fold)
    example = candidate.descriptions[0]
    network = LocalTokens(
        make_layouts(fitting.classical), fitting.classical.frame.points,
        channels={domain: len(of) for domain, of in size.items()},
        features={domain: local.shape[1] for domain, local in example.local.items()},
        coordinates=len(example.coordinates), **options.config,
    )  # fmt: skip
    steps, budget = options.steps, options.budget
    # What kriging took comes off the length.
    part = replace(
        options,
        steps=None if steps is None else max(round(share * steps), 1),
        budget=None if budget is None else share * max(budget - fitting.kriging_seconds, 1.0),
    )
    unseen = [case for case in cases if case % folds == fold]
    run = replace(fitting.training, options=part).train(
        network, sampler, called=f"{kind} {fold + 1}", checkpoint=f"{candidate.baseline}-{fold}",
        validation=Validation(lambda net: _validate(fitting, candidate, net, unseen)) if fitting.watch.active else None,
    )  # fmt: skip
    candidate.networks[fold] = network
    candidate.steps += run.steps
    for case in unseen:
        candidate.left_out[case] = _correction(candidate, network, case)


def _validate(
    fitting: ReferenceFit, candidate: Candidate, network: nn.Module, cases: Sequence[int]
) -> dict[str, FieldError]:
    """Errors of a network on cases that it does not see, at the reference points."""
    errors: dict[str, list[tuple[float, float]]] = {name: [] for name in fitting.fields}
    for case in cases:
        correction = _correction(candidate, network, case)
        for domain in correction:
            rows, truth = candidate.rows[case][domain] + correction[domain], fitting.truth[case][domain]
            both = [
                from_rows(fitting.contract, fitting.scales, domain, of, fitting.values[case]) for of in (rows, truth)
            ]
            for field, columns in channel_slices(fitting.contract, domain).items():
                errors[f"{domain}/{field}"].append((
                    relative_l2(rows[:, columns], truth[:, columns]), mean_absolute(both[0][field], both[1][field])
                ))  # fmt: skip
    units = {f"{d}/{f}": spec.unit for d, specs in fitting.contract.fields.items() for f, spec in specs.items()}
    means = {name: np.mean(pairs, axis=0) for name, pairs in errors.items()}
    return {name: FieldError(float(mean[0]), float(mean[1]), units[name]) for name, mean in means.items()}


def shrink_of(fitting: ReferenceFit, candidate: Candidate) -> Rows:
    """The share of each field's corrections that brings unseen cases' errors lowest (least squares)."""
    shrink = {domain: np.ones_like(of) for domain, of in candidate.size.items()}
    for domain, columns in fitting.fields.values():
        along = across = 0.0
        for case, correction in candidate.left_out.items():
            truth, row = fitting.truth[case][domain][:, columns], candidate.rows[case][domain][:, columns]
            change, energy = correction[domain][:, columns], float((truth**2).sum()) or 1.0
            along += float(((truth - row) * change).sum()) / energy
            across += float((change**2).sum()) / energy
        shrink[domain][columns] = np.clip(along / max(across, 1e-30), 0.0, 1.0)
    return shrink


def errors_of(fitting: ReferenceFit, candidate: Candidate) -> dict[str, float]:
    """Mean relative L2 of each field over the cases whose networks did not see them, at the reference points."""
    return {
        name: float(np.mean([
            relative_l2(
                candidate.rows[case][domain][:, columns]
                + correction[domain][:, columns] * candidate.shrink[domain][columns],
                fitting.truth[case][domain][:, columns],
            )
            for case, correction in candidate.left_out.items()
        ]))
        for name, (domain, columns) in fitting.fields.items()
    }  # fmt: skip


def _correction(candidate: Candidate, network: nn.Module, case: int) -> Rows:
    """What a network adds to a case's baseline."""
    by_domain = corrections(network, candidate.descriptions[case], list(candidate.size))  # type: ignore[arg-type]
    return {domain: correction * candidate.size[domain] for domain, correction in by_domain.items()}
