"""A field in which a number is typed, in the reader's language or as programs write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tramontane.page.language.numerals import UnreadError
from tramontane.page.language.words import Words


class NumberField(ui.input):
    """A text field: a browser's own number field empties itself of a comma that it does not expect.

    Args:
        words: Of the reader's language.
        value: At first; None leaves it empty.
        changed: Called with each new number that can be read; what cannot be read is said at the field.
        unit: In which the number is meant, shown after it.
        label: Above the field.
        name: Of the input, in what is said of its unit.
    """

    def __init__(
        self, words: Words, value: float | None, changed: Callable[[float], Any], *, unit: str = "",
        label: str | None = None, name: str = "",
    ) -> None:  # fmt: skip
        super().__init__(label=label, value="" if value is None else words.editable(value))
        self.words, self.changed, self.unit, self.input_name = words, changed, unit, name
        self.number = value
        self.unread = False  # whether what stands there is no number
        self.props("inputmode=decimal")
        if unit:
            self.props["suffix"] = unit
        self.on("change", self._typed)
        self.on("keydown.enter", self._typed)

    def show(self, number: float, unit: str | None = None) -> None:
        """Show a number that was set elsewhere."""
        self.number = number
        if unit is not None:
            self.unit = self.props["suffix"] = unit
        self._complain(None)
        self.set_value(self.words.editable(number))

    def _typed(self) -> None:
        text = str(self.value or "")
        if self.number is not None and text.strip() == self.words.editable(self.number):  # as it stood
            self._complain(None)
            return
        try:
            number = self.words.read(text, unit=self.unit, name=self.input_name)
        except UnreadError as error:
            self._complain(self.words(error.key, **error.values))
            return
        self.show(number)
        self.changed(number)

    def _complain(self, message: str | None) -> None:
        self.unread = message is not None
        self.error = message
