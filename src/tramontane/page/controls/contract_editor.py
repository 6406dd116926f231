"""The contract of a folder of results as a table that is edited, what is wrong said at each field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tramontane.page.controls.contract_table import ROLES, ContractTable, Entry
from tramontane.page.controls.number_field import NumberField
from tramontane.page.language.words import Words

_KINDS = {"parameters": "contract.parameters", "fields": "contract.fields", "qoi": "contract.qoi"}


class ContractEditor:
    """The table.

    Args:
        words: Of the reader's language.
        identity: Of the look that found the contract.
        results: The folder that it is of.
        text: The contract, TOML.
    """

    def __init__(self, words: Words, identity: str, results: str, text: str) -> None:
        self.words, self.identity, self.results = words, identity, results
        self.table = ContractTable(text)
        self._before = self.table.toml()
        self._inputs: dict[tuple[str, str], Any] = {}
        heads = ("read", "source", "name", "unit", "role", "low", "high")
        with ui.element("div").classes("scrolls stacks"), ui.element("table").classes("figures contract"):
            with ui.element("tr"):
                for head in heads:
                    with ui.element("th").props("scope=col"):
                        ui.label(words(f"contract.{head}"))
            for kind, title in _KINDS.items():
                own = [each for each in self.table.entries if each.kind == kind]
                if own:
                    with (
                        ui.element("tr"),
                        ui.element("th").props(f"scope=rowgroup colspan={len(heads)}").classes("over"),
                    ):
                        ui.label(words(title))
                for each in own:
                    self._row(each)
        self.fault = ui.label().classes("is-error").props("role=alert")
        self.check()

    def changed(self) -> str | None:
        """The contract, where it was edited."""
        text = self.table.toml()
        return None if text == self._before else text

    def check(self) -> bool:
        """Say at each field what is wrong with it; whether nothing is."""
        faults = self.table.faults()
        for (key, part), field in self._inputs.items():
            fault = faults.get(key, {}).get(part)
            if not getattr(field, "unread", False):  # else the field says already what is wrong
                field.error = None if fault is None else self.words(fault)
        outputs = faults.get("", {}).get("outputs")
        self.fault.set_text("" if outputs is None else self.words(outputs))
        return not faults and not any(field.error for field in self._inputs.values())

    def _row(self, each: Entry) -> None:
        words = self.words
        with ui.element("tr").props(f'data-entry="{each.key}"'):
            with self._cell("read"):
                ui.checkbox(value=each.kept, on_change=lambda event: self._set(each, "kept", event.value)).props(
                    f'dense aria-label="{words("contract.read")}: {each.source}"')  # fmt: skip
            with ui.element("th").props("scope=row"):
                ui.label(f"{each.domain}/{each.source}" if each.domain else each.source)
            self._text(each, "name", each.name)
            self._text(each, "unit", each.unit)
            with self._cell("role"):
                if each.kind == "parameters":
                    roles = {role: words(f"contract.{role}") for role in ROLES}
                    ui.select(roles, value=each.spec.get("role", ROLES[0]),
                              on_change=lambda event: self._put(each, "role", event.value)).props(
                        "dense options-dense borderless data-part=role")  # fmt: skip
            for end in ("low", "high"):
                with self._cell(end):
                    if each.kind == "parameters":
                        self._inputs[each.key, end] = NumberField(
                            words, each.spec.get(end), self._end(each, end), unit=each.unit, name=each.name
                        )
                        self._inputs[each.key, end].props(f"dense data-part={end}")

    def _cell(self, head: str) -> ui.element:
        cell = ui.element("td")
        cell.props["data-head"] = self.words(f"contract.{head}")
        return cell

    def _text(self, each: Entry, part: str, value: str) -> None:
        with self._cell(part):
            field = ui.input(value=value, on_change=lambda event: self._set(each, part, str(event.value or "").strip()))
            field.without_auto_validation()  # which would take back what `check` says of a new value
            field.props(f'dense data-part={part} aria-label="{self.words(f"contract.{part}")}: {each.source}"')
            self._inputs[each.key, part] = field

    def _end(self, each: Entry, end: str) -> Callable[[float], None]:
        return lambda value: self._put(each, end, value)

    def _set(self, each: Entry, part: str, value: Any) -> None:
        setattr(each, part, value)
        if part == "unit" and each.kind == "parameters":
            for end in ("low", "high"):  # the numbers stay: it is their unit that was wrong
                field = self._inputs[each.key, end]
                field.unit = field.props["suffix"] = value
                field.update()
        self.check()

    def _put(self, each: Entry, key: str, value: Any) -> None:
        each.spec[key] = value
        self.check()
