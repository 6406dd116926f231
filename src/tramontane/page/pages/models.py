"""What is served, as cards."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from tramontane.bundle import split_name
from tramontane.http.routes import describe
from tramontane.page.figures import because, figures, kind_of
from tramontane.page.shell import Reader, Shell
from tramontane.page.view.asking import parameters_of
from tramontane.service.registry import Served
from tramontane.service.trainings.schemas import ChoiceAnswer


def register(shell: Shell) -> None:
    """The page ``/``."""

    @ui.page("/")
    def models(request: Request) -> None:
        with shell.frame(request, "models") as reader:
            registry = shell.server.registry
            for name, reason in registry.refused.items():
                ui.label(reader.words("models.refused", name=name, reason=reason)).classes("is-error").props(
                    "role=alert"
                )
            if not registry.models:
                ui.label(reader.words("models.none")).classes("nothing")
            with ui.element("div").classes("cards"):
                models = registry.models
                for served in models.values():
                    name, number = split_name(served.name)
                    if number is None or name not in models:  # else the card of the promoted version names it
                        _card(shell, reader, served, [each for each in models.values() if _is_version(each, served)])


def _is_version(served: Served, model: Served) -> bool:
    name, number = split_name(served.name)
    return number is not None and name == model.name


def _card(shell: Shell, reader: Reader, served: Served, versions: list[Served]) -> None:
    words, model = reader.words, describe(served, shell.server.checks)
    contract, record = served.contract, served.surrogate.record
    with ui.element("article").classes("card panel").props(f"data-model={served.name}"):
        with ui.element("div").classes("card-picture"):
            if shell.pictures.has(served.hash):
                ui.element("img").props(f'src="/page/pictures/{served.hash}" alt=""')
            else:
                ui.label(words("models.no_picture"))
        with ui.element("div").classes("row-between"):
            ui.link(served.name, f"/predict?model={served.name}").classes("card-name")
            ui.label(kind_of(words, model.architecture)).classes("tag")
        ui.label(words("models.trained", count=len(record.data.train))).classes("quiet")
        ui.label(words("models.inputs")).classes("heading")
        with ui.element("table").classes("facts"):
            for name, spec in model.parameters.items():
                if name in parameters_of(served):
                    _row(name, f"{words.number(spec.low)} – {words.number(spec.high)} {spec.unit}")
        ui.label(words("models.outputs")).classes("heading")
        with ui.element("table").classes("facts"):
            for domain, fields in contract.fields.items():
                _row(domain, *_listed({name: spec.unit for name, spec in fields.items()}))
            if contract.qoi:
                _row("QoI", *_listed({name: spec.shown for name, spec in contract.qoi.items()}))
        report = shell.datasets.best_report(served)
        ui.label(words("models.figures" if report is None else "models.tested")).classes("heading")
        figures(words, model.figures, report)
        if model.checks is not None and model.checks.checks:
            counts = {"held": words.count(model.checks.held), "checks": words.count(model.checks.checks)}
            ui.label(words("check.count", **counts)).classes("small").props("data-checks")
        if choice := model.figures.get("choice"):
            ui.label(because(words, ChoiceAnswer.model_validate(choice))).classes("small").props("data-why")
        if versions:
            with ui.element("div").classes("row-wrap small").props("data-versions"):
                ui.label(words("models.versions"))
                for each in versions:
                    number = split_name(each.name)[1]
                    link = ui.link(f"@{number}", f"/predict?model={each.name}")
                    if each.hash == served.hash:
                        link.props("aria-current=true").classes("is-current")
        ui.button(words("models.open"), icon="play_arrow",
                  on_click=lambda: ui.navigate.to(f"/predict?model={served.name}")
                  ).props("unelevated no-caps").classes("card-open")  # fmt: skip


def _row(name: str, *values: str) -> None:
    with ui.element("tr"):
        with ui.element("th").props("scope=row"):
            ui.label(name.replace("_", " "))
        with ui.element("td"):  # a line breaks between two values, not within one
            for place, value in enumerate(values, start=1):
                ui.label(value + "," * (place < len(values)))


def _listed(units: dict[str, str]) -> list[str]:
    return [f"{name.replace('_', ' ')} [{unit or '–'}]" for name, unit in units.items()]
