"""A view's question answered: the prediction, as the API gives it, and what is drawn of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tramontane.case import Case
from tramontane.page.buffers import Buffers
from tramontane.page.scene import Scene, choices, surface_domain, volume_domain
from tramontane.page.state import View
from tramontane.serve.access import Caller
from tramontane.serve.predict import Prediction
from tramontane.serve.registry import Served
from tramontane.serve.schemas import PredictRequest
from tramontane.serve.server import Server


@dataclass(frozen=True)
class Answer:
    """What was asked and answered.

    Attributes:
        served: The model.
        case: The case whose surface is drawn.
        domain: Its surface.
        where: The same for all answers on the same mesh.
        prediction: As the API gives it.
        told: What the view is told.
    """

    served: Served
    case: Case
    domain: str
    where: str
    prediction: Prediction
    told: dict[str, Any]


class Asking:
    """Asks for what views show.

    Args:
        server: Answers.
        buffers: Where buffers are put.
        caller: Who asks.
    """

    def __init__(self, server: Server, buffers: Buffers, caller: Caller) -> None:
        self.server, self.buffers, self.caller = server, buffers, caller

    async def answer(self, view: View) -> Answer:
        """The surface, and the section where the view has one.

        Args:
            view: A model, a geometry and all its parameters; a field that the model has not is replaced.

        Raises:
            Problem: As for the API's route.
        """
        served = self.server.model(view.model)
        contract = served.contract
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
        contract = self.server.model(view.model).contract
        return PredictRequest(
            geometry=view.geometry, length_unit=view.unit or None, cells=view.cells, domains=domains,
            parameters={name: value for name, value in view.parameters.items() if name in contract.operating}, **more,
        )  # fmt: skip
