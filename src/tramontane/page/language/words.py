"""The page's messages in the languages that it speaks."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

from tramontane.page.language.numerals import Numerals

LANGUAGES = {"en": "English", "fr": "Français", "de": "Deutsch", "zh": "中文"}
QUASAR = {"en": "en-US", "fr": "fr", "de": "de", "zh": "zh-CN"}
"""What the page's own parts (tables, selections, lost connection) go by."""


@functools.cache
def catalogue() -> dict[str, dict[str, str]]:
    """By key, then by language."""
    with Path(__file__).with_name("words.toml").open("rb") as file:
        return {
            f"{group}.{name}": dict(zip(LANGUAGES, texts, strict=True))
            for group, messages in tomllib.load(file).items()
            for name, texts in messages.items()
        }


class Words(Numerals):
    """Messages and numbers in one language.

    Args:
        language: One of `LANGUAGES`.
    """

    @classmethod
    def of(cls, kept: str | None, accepted: str) -> Words:
        """The language that a reader chose, else the first that the browser asks for, else English.

        Args:
            kept: The choice.
            accepted: The browser's ``Accept-Language``.
        """
        preferred = [kept or "", *(part.split(";")[0].strip()[:2].lower() for part in accepted.split(","))]
        return cls(next((language for language in preferred if language in LANGUAGES), "en"))

    def __call__(self, key: str, **values: Any) -> str:
        """A message with its values."""
        return catalogue()[key][self.language].format(**values)
