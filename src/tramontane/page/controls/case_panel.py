"""The controls of which stored case is meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tramontane.dataset import Dataset
from tramontane.errors import TramontaneError
from tramontane.page.shell import Reader, Shell
from tramontane.page.view.state import View
from tramontane.units import from_si


class CasePanel:
    """What says which case of which dataset is meant.

    Args:
        shell: Of the page.
        reader: Who reads it.
        view: Is changed as the reader changes the controls: its ``set`` and ``case``.
        changed: Called after each change.
    """

    def __init__(self, shell: Shell, reader: Reader, view: View, changed: Callable[[], Any]) -> None:
        self.shell, self.words, self.view, self.changed = shell, reader.words, view, changed
        sets = list(shell.datasets.paths)
        with ui.element("section").classes("panel") as self.panel:
            if len(sets) > 1:
                ui.select(sets, value=view.set or None, label=self.words("data.set"), on_change=self._choose_set).props(
                    "outlined dense options-dense")  # fmt: skip
            self.case = ui.select([], label=self.words("data.case"), with_input=True, on_change=self._choose_case
                                  ).props("outlined dense options-dense data-case")  # fmt: skip
            self.about = ui.element("div").classes("quiet")
        if view.set:
            self._offer()

    def begin(self) -> None:
        """Choose a case, where none is: the first one of a dataset that nothing is trained on."""
        sets = list(self.shell.datasets.paths)
        self.view.set = self.view.set if self.view.set in sets else next(iter(sets), "")
        self._offer()

    def _offer(self) -> None:
        dataset = self._dataset()
        if dataset is None:
            return
        split_of = {case: split for split, cases in dataset.splits.items() for case in cases}
        if not self.view.case:
            self.view.case = next(iter([*dataset.splits.get("test", []), *dataset.names]), "")
        options = {name: f"{name} ({split_of[name]})" if name in split_of else name for name in dataset.names}
        # What a link names and is not there stays: the answer to the question says so.
        self.case.set_options(options, value=self.view.case if self.view.case in options else None)
        self._describe(dataset)

    def _dataset(self) -> Dataset | None:
        try:
            return self.shell.datasets.open(self.view.set)
        except TramontaneError:  # the answer to the question says what is wrong
            return None

    def _describe(self, dataset: Dataset) -> None:
        self.about.clear()
        if self.view.case not in dataset.names:
            return
        values = dataset.parameters(self.view.case)
        with self.about:
            for name, spec in dataset.contract.parameters.items():
                if name in values:
                    ui.label(
                        f"{name.replace('_', ' ')}: {self.words.number(from_si(values[name], spec.unit))} {spec.unit}"
                    )

    def _choose_set(self, event: Any) -> None:
        if event.value != self.view.set:
            self.view.set, self.view.case = event.value, ""
            self._offer()
            self.changed()

    def _choose_case(self, event: Any) -> None:
        dataset = self._dataset()
        if dataset is not None and event.value and event.value != self.view.case:
            self.view.case = event.value
            self._describe(dataset)
            self.changed()
