"""A view's question answered: the prediction, as the API gives it, and what is drawn of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvista as pv
from vtkmodules.vtkFiltersCore import vtkQuadricClustering

from tramontane.case import Case
from tramontane.contract import Contract, ParameterSpec
from tramontane.errors import TramontaneError
from tramontane.page.language.words import Words
from tramontane.page.view.bounds import bounded, widths
from tramontane.page.view.buffers import Buffers
from tramontane.page.view.cuts import isosurface, section
from tramontane.page.view.line_plot import LinePlot, along, through
from tramontane.page.view.scene import Scene, choices, field_of, label_of, surface_domain, volume_domain
from tramontane.page.view.state import AXES, CELLS, View
from tramontane.service.access.caller import Caller
from tramontane.service.predictions import designs
from tramontane.service.predictions.predictions import Prediction, Question
from tramontane.service.predictions.schemas import PredictRequest
from tramontane.service.problems import Problem
from tramontane.service.registry import Served
from tramontane.service.server import Server
from tramontane.surrogate.places import default_mesh
from tramontane.surrogate.resolved import CheckedDesign

_HEAVY = 150_000  # triangles
_DIVISIONS = 90  # along each axis, of what is clustered


@dataclass(frozen=True)
class Answer:
    """What was asked and answered.

    Attributes:
        view: As it was when it was asked.
        served: The model.
        case: The case whose surface is drawn.
        domain: Its surface.
        mesh_key: The same for all answers on the same mesh.
        prediction: As the API gives it.
        payload: What the view is told; None where the model has no fields.
        line: Values along the line that the view has.
    """

    view: View
    served: Served
    case: Case
    domain: str
    mesh_key: str
    prediction: Prediction
    payload: dict[str, Any] | None
    line: LinePlot | None = None


def parameters_of(served: Served) -> Mapping[str, ParameterSpec]:
    """The parameters that a model is asked with."""
    return served.contract.asked(geometry=served.surrogate.needs_geometry)


def choices_of(served: Served, words: Words) -> dict[str, str]:
    """What can be looked at of a model, and its names for people: fields, and how wide their intervals are."""
    contract, options = served.contract, choices(served.contract)
    return options | {choice: label_of(contract, choice, words) for choice in widths(options, intervals_of(served))}


def intervals_of(served: Served) -> set[str]:
    """The fields of which a model has intervals."""
    calibration = served.surrogate.calibration
    return {key.partition("/")[2] for key in (calibration.fields if calibration is not None else ())}


class Asking:
    """Asks for what views show.

    Args:
        server: Answers.
        buffers: Where buffers are put.
        caller: Who asks.
        words: Of the reader's language, for what pictures state.
    """

    def __init__(self, server: Server, buffers: Buffers, caller: Caller, words: Words) -> None:
        self.server, self.buffers, self.caller, self.words = server, buffers, caller, words

    def settled(self, view: View) -> View:
        """A snapshot of a view, with a field that its model has."""
        snapshot, served = view.snapshot(), self.server.registry.models.get(view.model)
        if served is not None and snapshot.field not in (options := choices_of(served, self.words)):
            snapshot.field = next(iter(options), "")
        return snapshot

    def unknown(self, view: View) -> list[str]:
        """What a view asks that its model does not have: a field, parameters."""
        served = self.server.registry.models.get(view.model)
        if served is None:
            return []
        field = [view.field] if view.field and view.field not in choices_of(served, self.words) else []
        return field + [name for name in view.parameters if name not in parameters_of(served)]

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
        view = self.settled(view)
        served = self.server.model(view.model)
        contract = served.contract
        on = str(surface_domain(contract))
        question = self._question(served, view, [on])
        mesh_key = f"{served.hash} {question.geometry} {question.length_unit} coarse"

        def work() -> dict[str, Any]:
            design = designs.design(contract, self.server.geometries, question.values, geometry=question.geometry,
                                    length_unit=question.length_unit)  # fmt: skip
            try:
                checked = served.surrogate.check(design, values=question.values, surface_hash=question.surface_hash)
                mesh = self.buffers.drawn.get(
                    (mesh_key, on, "mesh"),
                    lambda: _coarse(served, checked, on),
                    size=lambda made: 1024 * made.actual_memory_size,
                )
                case = served.surrogate.simulate(checked, meshes={on: mesh}, qoi=False)
            except TramontaneError as error:
                raise Problem(422, str(error)) from error
            scene = Scene(self.buffers, view, contract, self.words)
            scene.surface(f"{question.key()} coarse", mesh_key, bounded(case, field_of(contract, view.field)), on)
            return scene.payload()

        return await self.server.predictions.run(work)

    async def answer(self, view: View) -> Answer:
        """The surface, and the section where the view has one.

        Args:
            view: A model, a geometry and all its parameters; a field that the model has not is replaced. What
                becomes of it later does not matter: the answer, and every key under which parts of it are kept, is of a
                snapshot.

        Raises:
            Problem: As for the API's route.
        """
        view = self.settled(view)
        served = self.server.model(view.model)
        contract = served.contract
        if not contract.fields:
            prediction = await self._ask(self._question(served, view, None))
            return Answer(view, served, prediction.case, "", "", prediction, None)
        on, within = surface_domain(contract), volume_domain(contract)
        question = self._question(served, view, [on] if on else None)
        prediction = await self._ask(question)
        wanted = view.section or view.iso or view.line
        volume = await self._ask(question.on([within])) if within and wanted else None

        def draw() -> tuple[Case, str, dict[str, Any], LinePlot | None]:
            scene = Scene(self.buffers, view, contract, self.words)
            field = field_of(contract, view.field)
            case, domain = bounded(prediction.case, field), on
            if domain is None:
                domain = next(iter(case.meshes))
                outer = case.meshes[domain].extract_surface(algorithm="dataset_surface").triangulate()
                case = Case(case.name, case.design, {domain: outer}, field_units=case.field_units)
            scene.surface(prediction.key, prediction.place, case, domain)
            line = None
            if volume is not None and within is not None:
                whole = bounded(volume.case, field)
                if view.section:
                    section(scene, volume.key, whole, within)
                if view.iso:
                    isosurface(scene, volume.key, whole, within)
                if view.line:
                    line = self._line(view, contract, volume.case, within, case.meshes[domain])
                    scene.spec["line"] = [*line.points[0].tolist(), *line.points[-1].tolist()]
            return case, domain, scene.payload(), line

        case, domain, payload, line = await self.server.predictions.run(draw)
        return Answer(view, served, case, domain, prediction.place, prediction, payload, line)

    @staticmethod
    def _line(view: View, contract: Contract, case: Case, domain: str, body: Any) -> LinePlot:
        if view.line in AXES:
            inner, outer = (np.asarray(each.bounds, dtype=float).reshape(3, 2) for each in (body, case.meshes[domain]))
            ends = through(inner, outer, AXES.index(view.line))
        else:
            ends = [float(part) for part in view.line.split(",")]
        return along(case, domain, contract, ends, smooth=view.smooth)

    async def whole(self, answer: Answer) -> Prediction:
        """All domains and QoIs of what was answered, by the same model."""
        return await self._ask(self._question(answer.served, answer.view, None))

    def request(self, answer: Answer, domains: list[str] | None = None, **more: Any) -> PredictRequest:
        """What a program would send to the API for what was answered."""
        return self._request(answer.served, answer.view, domains, **more)

    async def _ask(self, question: Question) -> Prediction:
        """A prediction, from the cache of the API where it was asked before."""
        return (await self.server.predictions.ask(question))[0]

    def _question(self, served: Served, view: View, domains: list[str] | None) -> Question:
        self.caller.need("predict")
        request = self._request(served, view, domains)
        return self.server.predictions.understand(served, request, cells=request.cells, domains=domains)

    def _request(self, served: Served, view: View, domains: list[str] | None, **more: Any) -> PredictRequest:
        geometry = view.geometry if served.surrogate.needs_geometry else None
        return PredictRequest(
            geometry=geometry, length_unit=view.unit or None, cells=view.cells, domains=domains,
            parameters={name: value for name, value in view.parameters.items() if name in parameters_of(served)},
            **more,
        )  # fmt: skip


def _coarse(served: Served, design: CheckedDesign, domain: str) -> pv.PolyData:
    """A surface of at most some ten thousand triangles, where the model's own would have many more."""
    template = served.surrogate.templates[domain]
    mesh = default_mesh(design.surface, served.contract, domain, template=template, cells=CELLS)
    if mesh.n_cells <= _HEAVY:
        return mesh
    clusters = vtkQuadricClustering()
    clusters.SetInputData(mesh)
    clusters.SetNumberOfDivisions(_DIVISIONS, _DIVISIONS, _DIVISIONS)
    clusters.AutoAdjustNumberOfDivisionsOn()
    clusters.CopyCellDataOff()
    clusters.Update()
    return pv.wrap(clusters.GetOutput()).triangulate()
