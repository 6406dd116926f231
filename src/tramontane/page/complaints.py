"""What went wrong, told to readers: the server's own words, under a heading in theirs."""

from __future__ import annotations

from nicegui import ui

from tramontane.page.words import Words
from tramontane.serve.problems import Problem


def complaint(words: Words, wrong: Exception | str) -> str:
    """What the server says, which it says in English, named as that in the reader's language."""
    return words("problem.said", detail=wrong.detail if isinstance(wrong, Problem) else str(wrong))


def complain(words: Words, wrong: Exception | str) -> None:
    """Show it above the page until it was read."""
    ui.notify(complaint(words, wrong), type="negative", multi_line=True, timeout=10000, close_button=True)
