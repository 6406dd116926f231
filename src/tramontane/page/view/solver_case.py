"""A case that a solver computed, beside what a model says of the same design on the solver's own meshes."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyvista as pv

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset import Dataset, mesh_sites
from tramontane.design import Design
from tramontane.evaluation.judge import fitting_contract
from tramontane.metrics import relative_l2
from tramontane.page.language.words import Words
from tramontane.page.view.asking import parameters_of
from tramontane.page.view.bounds import bounded
from tramontane.page.view.buffers import Buffers
from tramontane.page.view.cuts import isosurface, section
from tramontane.page.view.scene import Scene, field_of, surface_domain, values_of, volume_domain
from tramontane.page.view.state import View
from tramontane.service.registry import Served
from tramontane.units import Quantity, from_si

Role = Literal["trained", "validation", "unseen", "unknown"]


class SolverCase:
    """The case and the model's answers to it.

    Args:
        served: The model.
        dataset: Has the case.
        name: Of the case.

    Raises:
        TramontaneError: The dataset does not fit the model, or the case cannot be read.
    """

    def __init__(self, served: Served, dataset: Dataset, name: str) -> None:
        fitting_contract(served.surrogate, dataset)
        self.served, self.dataset, self.name = served, dataset, name
        self.key = f"{served.hash} {dataset.fingerprint()} {name}"
        self.true = dataset.case(name)
        self.role = role_of(served, dataset, name)

    @cached_property
    def on_surface(self) -> Case:
        """The prediction on what is drawn of the case: its surface where the model has one."""
        domain = surface_domain(self.served.contract)
        return self._ask([domain]) if domain else self.whole

    @cached_property
    def whole(self) -> Case:
        """The prediction on all of the case's meshes, with QoIs."""
        return self._ask(list(self.served.contract.fields))

    def errors(self) -> dict[str, float]:
        """The relative L2 error of each field over all sites of the case, by ``domain/field``, as a report has it."""
        errors = {}
        for domain, specs in self.served.contract.fields.items():
            places = self.whole.field_names(domain)
            for field in specs:
                truth = mesh_sites(self.true.meshes[domain], places[field], [field]).fields[field]
                predicted = self.whole.field_values(domain, field)
                errors[f"{domain}/{field}"] = relative_l2(predicted.reshape(truth.shape), truth)
        return errors

    def payloads(self, buffers: Buffers, view: View, words: Words) -> list[dict[str, Any]]:
        """What views are told of the solver's field, the model's, and the model's less the solver's.

        Args:
            buffers: Where buffers are put.
            view: How they are looked at.
            words: Of the reader's language, for what pictures state.
        """
        contract, within = self.served.contract, volume_domain(self.served.contract)
        predicted = self.whole if within and (view.section or view.iso) else self.on_surface
        predicted = bounded(predicted, field_of(contract, view.field))
        payloads = []
        shown = [drawn(case, contract) for case in (self.true, predicted)]
        for kind, case, (surface, domain) in zip(("true", "predicted"), (self.true, predicted), shown, strict=True):
            scene = Scene(buffers, view, contract, words)
            scene.spec["body"] = self.key
            scene.surface(f"{self.key} {kind}", self.key, surface, domain)
            if view.section and within:
                section(scene, f"{self.key} {kind}", case, within)
            if view.iso and within:
                isosurface(scene, f"{self.key} {kind}", case, within)
            payloads.append(scene.payload())
        true, own = (values_of(surface, domain, view.field, contract) for surface, domain in shown)
        difference = View(field=view.field, camera=view.camera, map="coolwarm")
        scene = Scene(buffers, difference, contract, words)
        scene.spec["body"] = self.key
        surface, domain = shown[1]
        less = np.full_like(own, np.nan) if own is not None and true is None else true
        scene.surface(self.key, self.key, surface, domain, None if own is None or less is None else own - less)
        payloads.append(scene.payload())
        return [*one_scale(*payloads[:2], locked=view.low is not None or view.high is not None), payloads[2]]

    def _ask(self, domains: list[str]) -> Case:
        values = self.dataset.parameters(self.name)
        parameters = {
            name: Quantity(from_si(values[name], spec.unit), spec.unit)
            for name, spec in parameters_of(self.served).items()
            if name in values
        }
        shape = self.dataset.geometry(self.name) if self.served.surrogate.needs_geometry else None
        meshes = {domain: _bare(self.true.meshes[domain]) for domain in domains}
        return self.served.surrogate.simulate(Design(shape, **parameters), meshes=meshes)


def role_of(served: Served, dataset: Dataset, name: str) -> Role:
    """Whether a model was trained on a case, judged by the data that it names."""
    data = served.surrogate.record.data
    if data.fingerprint != dataset.fingerprint():
        return "unknown"
    if name in data.train:
        return "trained"
    return "validation" if name in data.validation else "unseen"


def drawn(case: Case, contract: Contract) -> tuple[Case, str]:
    """A case whose only mesh is the surface that is drawn of it, and that domain."""
    domain = surface_domain(contract) or next(iter(contract.fields))
    mesh = case.meshes[domain]
    if not isinstance(mesh, pv.PolyData):
        mesh = mesh.extract_surface(algorithm="dataset_surface").triangulate()
    return Case(case.name, case.design, {domain: mesh}, field_units=case.field_units), domain


def one_scale(first: dict[str, Any], second: dict[str, Any], *, locked: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two views with one range and one unit, or nothing can be compared; a range that the reader locked stays."""
    if first["blank"] or second["blank"]:  # what one of them has not is compared with nothing
        return first, second
    (low, high), (other_low, other_high) = first["range"], second["range"]
    shared = {"unit": first["unit"], "factor": first["factor"]}
    if not locked:
        shared |= {"range": [min(low, other_low), max(high, other_high)]}
    return first | shared, second | shared


def _bare(mesh: Any) -> Any:
    plain = mesh.copy(deep=False)
    plain.clear_data()
    return plain
