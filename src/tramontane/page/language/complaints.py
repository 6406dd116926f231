"""What went wrong or is to be minded, told to readers in their language as far as the server says it in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nicegui import ui

from tramontane.notice import percent_of
from tramontane.page.language.words import Words
from tramontane.service.predictions.schemas import Warned
from tramontane.service.problems import Problem, without_paths


def complaint(words: Words, wrong: Exception | str) -> str:
    """What the server says, which it says in English, named as that in the reader's language."""
    detail = wrong.detail if isinstance(wrong, Problem) else str(wrong)
    return words("problem.said", detail=without_paths(detail))


_REASONS = ("unsure", "shape", "unusual", "missing_part", "new_part", "beyond")


def remark(words: Words, warned: Warned) -> str:
    """What is to be minded of an answer: a number outside its range in the reader's words, all else in the server's."""
    if warned.code in _REASONS and warned.value is not None:
        key = "farther" if warned.code == "beyond" else warned.code
        name = warned.input.partition(".")[2] or words("remark.a_dimension")
        named = {"name": name} if key == "farther" else {}
        return words(f"remark.{key}", **named, value=words.number(warned.value, 2))
    if warned.suggested_unit is not None:
        name = warned.input.rpartition(".")[2] if "." in warned.input else words("remark.geometry")
        return words("remark.unit", name=name, unit=warned.suggested_unit)
    if warned.value is None or warned.low is None or warned.high is None or warned.share is None:
        return warned.detail
    unit = warned.unit or ""
    if warned.axis is not None:
        value, low, high = (words.number(number) for number in (warned.value, warned.low, warned.high))
        return words("remark.extent", axis=warned.axis, value=f"{value} {unit}", low=low, high=f"{high} {unit}")
    name = warned.input.rpartition(".")[2]
    value, high = (f"{words.editable(number)} {unit}".rstrip() for number in (warned.value, warned.high))
    if warned.low == warned.high:
        return words("remark.constant", name=name, value=value, high=high)
    share = words.local(percent_of(warned.share))
    return words("remark.beyond", name=name, value=value, low=words.editable(warned.low), high=high, share=share)


def unforeseen(words: Words, error: Exception) -> str:
    """That something went wrong that the server does not say in words."""
    return words("problem.unforeseen", kind=type(error).__name__)


def warn_of_link(words: Words, model: str, unknown: Sequence[str]) -> None:
    """Say above the page which names of a link a model does not know."""
    if unknown:
        sentence = words("problem.not_in_model", model=model, names=", ".join(unknown))
        ui.notify(sentence, type="warning", multi_line=True, timeout=10000, close_button=True)


def missing_model(words: Words, name: str, available: Iterable[str]) -> str:
    """That a model is not served here, and which are."""
    return words("problem.no_model", name=name, known=", ".join(available) or "–")


def complain(words: Words, wrong: Exception | str) -> None:
    """Show it above the page until it was read."""
    ui.notify(complaint(words, wrong), type="negative", multi_line=True, timeout=10000, close_button=True)
