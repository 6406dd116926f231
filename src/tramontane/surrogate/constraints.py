"""What is exact in nature, or in all training cases, is exact in predictions, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.contract import Contract
from tramontane.dataset import Dataset
from tramontane.quantities import NON_NEGATIVE, von_mises
from tramontane.trust.calibration import LeftOut

Array = NDArray[np.floating[Any]]

STRESS, MISES = "stress", "von_mises"
_CASES, _SITES = 20, 1000  # that are looked at
_EXACT = 2e-3  # share of the root mean square: fields are stored with as many digits as they are worth


def exact_laws(dataset: Dataset, names: Sequence[str], contract: Contract) -> dict[str, str]:
    """Which laws all of a set of cases obey exactly, and the field that others follow until `leader` knows better.

    There is one law, ``domain/von_mises``: the equivalent stress is that of the stress tensor.
    """
    laws = (f"{domain}/{MISES}" for domain in contract.fields)
    return {
        law: MISES for law in laws
        if obeyable(law, MISES, contract)
        and all(_is_of_stress(dataset, name, law.rpartition("/")[0]) for name in names[:_CASES])
    }  # fmt: skip


def obeyable(law: str, led_by: object, contract: Contract) -> bool:
    """Whether a contract's fields can obey a law of that name, led by that field."""
    domain, _, name = law.rpartition("/")
    fields = contract.fields.get(domain, {})
    if name != MISES or led_by not in (STRESS, MISES) or not {STRESS, MISES} <= fields.keys():
        return False
    return fields[STRESS].components == 6 and fields[STRESS].scales_with == fields[MISES].scales_with


def _is_of_stress(dataset: Dataset, name: str, domain: str) -> bool:
    fields = dataset.sites(name, domain, 0, _SITES).fields
    stated = fields[MISES].ravel().astype(np.float64)
    return bool(np.linalg.norm(von_mises(fields[STRESS]) - stated) <= _EXACT * np.linalg.norm(stated))


def leader(law: str, cases: Sequence[LeftOut], contract: Contract) -> str:
    """Which of two fields is to lead: the one that the other loses less by following, over cases left out.

    Von Mises stress has one component to be wrong in; its tensor is the smoother field. A field that a QoI follows from
    leads in any case: what is known of such a QoI's errors is known of that field as it is predicted.
    """
    domain = law.rpartition("/")[0]
    followed = {spec.definition.field for spec in contract.qoi.values()
                if spec.definition is not None and spec.from_fields and spec.definition.domain == domain}  # fmt: skip
    for name in (MISES, STRESS):
        if name in followed:
            return name
    names = {STRESS: f"{law.rpartition('/')[0]}/{STRESS}", MISES: law}
    errors = {led_by: {STRESS: 0.0, MISES: 0.0} for led_by in ("", STRESS, MISES)}
    for case in cases:
        means = case.fields[names[STRESS]].mean, case.fields[names[MISES]].mean
        for led_by, of in errors.items():
            for name, mean in zip((STRESS, MISES), agreeing(*means, led_by) if led_by else means, strict=True):
                of[name] += float(((mean - case.fields[names[name]].truth) ** 2).sum())
    lost = {led_by: errors[led_by][other] / max(errors[""][other], 1e-300)
            for led_by, other in ((MISES, STRESS), (STRESS, MISES))}  # fmt: skip
    return min(lost, key=lambda led_by: lost[led_by])


def obey(fields: Mapping[str, dict[str, Array]], exact: Mapping[str, str]) -> None:
    """Change predicted fields, by domain and name, so that they obey.

    What cannot be negative is not. Where von Mises stress must be that of its tensor, it is computed from it; or it
    leads, and the deviator of the tensor is scaled to it, whose hydrostatic part and directions stay.
    """
    for domain, of in fields.items():
        for name in NON_NEGATIVE & of.keys():
            of[name] = np.maximum(of[name], 0.0)
        led_by = exact.get(f"{domain}/{MISES}")
        if led_by is not None:
            of[STRESS], of[MISES] = agreeing(of[STRESS], of[MISES], led_by)


def agreeing(stress: Array, equivalent: Array, led_by: str) -> tuple[Array, Array]:
    """Stresses ``(n, 6)`` and their equivalents, of the shape that was given, one of them changed to fit the other."""
    if led_by == STRESS:
        return stress, von_mises(stress).reshape(equivalent.shape)
    return scaled_to(stress, equivalent), equivalent


def scaled_to(stress: Array, equivalent: Array) -> Array:
    """Stresses ``(n, 6)`` whose von Mises equivalent is ``(n,)`` or ``(n, 1)``; those without a deviator stay."""
    own = von_mises(stress)
    scale = np.divide(equivalent.ravel(), own, out=np.ones_like(own), where=own > 0)
    pressure = np.zeros_like(stress)
    pressure[:, :3] = stress[:, :3].mean(axis=1, keepdims=True)
    scaled: Array = pressure + (stress - pressure) * scale[:, None]
    return scaled
