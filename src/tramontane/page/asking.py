"""A view's question answered: the prediction, as the API gives it, and what is drawn of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyvista as pv
from vtkmodules.vtkFiltersCore import vtkQuadricClustering

from tramontane.case import Case
from tramontane.contract import ParameterSpec
from tramontane.design import Design
from tramontane.errors import TramontaneError
from tramontane.page.buffers import Buffers
from tramontane.page.scene import Scene, choices, surface_domain, volume_domain
from tramontane.page.state import CELLS, View
from tramontane.serve import designs
from tramontane.serve.access import Caller
from tramontane.serve.predict import Prediction
from tramontane.serve.problems import Problem
from tramontane.serve.registry import Served
from tramontane.serve.schemas import PredictRequest
from tramontane.serve.server import Server
from tramontane.surrogate.places import default_mesh

_HEAVY = 150_000  # triangles
_DIVISIONS = 90  # along each axis, of what is clustered


@dataclass(frozen=True)
class Answer:
    """What was asked and answered.

    Attributes:
        served: The model.
        case: The case whose surface is drawn.
        domain: Its surface.
        where: The same for all answers on the same mesh.
        prediction: As the API gives it.
        told: What the view is told; None where the model has no fields.
    """

    served: Served
    case: Case
    domain: str
    where: str
    prediction: Prediction
    told: dict[str, Any] | None


def asked_of(served: Served) -> Mapping[str, ParameterSpec]:
    """The parameters that a model is asked with."""
    return served.contract.asked(geometry=served.surrogate.needs_geometry)


class Asking:
    """Asks for what views show.

    Args:
        server: Answers.
        buffers: Where buffers are put.
        caller: Who asks.
    """

    def __init__(self, server: Server, buffers: Buffers, caller: Caller) -> None:
        self.server, self.buffers, self.caller = server, buffers, caller

    def is_heavy(self, view: View) -> bool:
        """Whether a view's surface is so large that a coarse one is shown first."""
        served = self.server.registry.models.get(view.model)
        if served is None or not served.surrogate.needs_geometry or surface_domain(served.contract) is None:
            return False
        return max(view.cells, self.server.geometries.find(view.geometry).triangles) > _HEAVY

    async def preview(self, view: View) -> dict[str, Any]:
        """What the view is told of a heavy surface at first: the prediction on a coarse one, without a section.

        Raises:
            Problem: As for the API's route.
        """
        self.caller.need("predict")
        served = self.server.model(view.model)
        contract = served.contract
        on = str(surface_domain(contract))
        view.field = view.field if view.field in choices(contract) else next(iter(choices(contract)))
        asked = self.request(view)
        question = self.server.predictions.understand(served, asked, domains=[on])
        where = f"{served.hash} {question.geometry} {question.length_unit} coarse"

        def work() -> dict[str, Any]:
            design = designs.design(contract, self.server.geometries, question.values, geometry=question.geometry,
                                    length_unit=question.length_unit)  # fmt: skip
            mesh = self.buffers.drawn.get(
                (where, on, "mesh"),
                lambda: _coarse(served, design, on),
                size=lambda made: 1024 * made.actual_memory_size,
            )
            try:
                case = served.surrogate.simulate(design, meshes={on: mesh})
            except TramontaneError as error:
                raise Problem(422, str(error)) from error
            scene = Scene(self.buffers, view, contract)
            scene.surface(f"{question.key()} coarse", where, case, on)
            return scene.told()

        return await self.server.predictions.run(work)

    async def answer(self, view: View) -> Answer:
        """The surface, and the section where the view has one.

        Args:
            view: A model, a geometry and all its parameters; a field that the model has not is replaced.

        Raises:
            Problem: As for the API's route.
        """
        served = self.server.model(view.model)
        contract = served.contract
        if not contract.fields:
            prediction = await self.predict(view, None)
            return Answer(served, prediction.case, "", "", prediction, None)
        known = choices(contract)
        if view.field not in known:
            view.field = next(iter(known), "")
        on, within = surface_domain(contract), volume_domain(contract)
        prediction = await self.predict(view, [on] if on else None)
        volume = await self.predict(view, [within]) if within and view.section else None
        key = f"{served.hash} {view.geometry} {view.unit} {view.cells}"

        def draw() -> tuple[Case, str, dict[str, Any]]:
            scene = Scene(self.buffers, view, contract)
            case, domain = prediction.case, on
            if domain is None:
                domain = next(iter(case.meshes))
                outer = case.meshes[domain].extract_surface(algorithm="dataset_surface").triangulate()
                case = Case(case.name, case.design, {domain: outer}, field_units=case.field_units)
            scene.surface(prediction.key, key, case, domain)
            if volume is not None and within is not None:
                scene.section(volume.key, volume.case, within)
            return case, domain, scene.told()

        case, domain, told = await self.server.predictions.run(draw)
        return Answer(served, case, domain, key, prediction, told)

    async def predict(self, view: View, domains: list[str] | None) -> Prediction:
        """A prediction of some domains, from the cache of the API where it was asked before."""
        self.caller.need("predict")
        served = self.server.model(view.model)
        request = self.request(view, domains)
        question = self.server.predictions.understand(served, request, cells=request.cells, domains=domains)
        return (await self.server.predictions.ask(question))[0]

    def request(self, view: View, domains: list[str] | None = None, **more: Any) -> PredictRequest:
        """What a program would send to the API for the same."""
        served = self.server.model(view.model)
        geometry = view.geometry if served.surrogate.needs_geometry else None
        return PredictRequest(
            geometry=geometry, length_unit=view.unit or None, cells=view.cells, domains=domains,
            parameters={name: value for name, value in view.parameters.items() if name in asked_of(served)}, **more,
        )  # fmt: skip


def _coarse(served: Served, design: Design, domain: str) -> pv.PolyData:
    """A surface of at most some ten thousand triangles, where the model's own would have many more."""
    geometry = served.surrogate.check(design)[0]
    assert geometry is not None
    template = served.surrogate.templates[domain]
    mesh = default_mesh(geometry.mesh, served.contract, domain, template=template, cells=CELLS)
    if mesh.n_cells <= _HEAVY:
        return mesh
    clusters = vtkQuadricClustering()
    clusters.SetInputData(mesh)
    clusters.SetNumberOfDivisions(_DIVISIONS, _DIVISIONS, _DIVISIONS)
    clusters.AutoAdjustNumberOfDivisionsOn()
    clusters.CopyCellDataOff()
    clusters.Update()
    return pv.wrap(clusters.GetOutput()).triangulate()
