"""The page's messages: complete in every language, each used, each that is used there."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

import tramontane.page
from tramontane.evaluation.nulls import QOI_NULLS
from tramontane.page.words import LANGUAGES, QUASAR, Words, catalogue

SOURCES = "\n".join(file.read_text() for file in Path(tramontane.page.__file__).parent.glob("*.py"))


def test_every_language_has_every_message_with_the_same_values() -> None:
    for key, texts in catalogue().items():
        values = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts.values()]
        assert all(texts[language].strip() for language in LANGUAGES), key
        assert all(each == values[0] for each in values), key
    assert set(QUASAR) == set(LANGUAGES)


def test_messages_that_are_used_are_there() -> None:
    used = set(re.findall(r"""words\(\s*f?"([a-z_]+\.[a-z_]+)\"""", SOURCES))
    assert len(used) > 30
    assert used <= set(catalogue())


def test_no_message_is_unused() -> None:
    groups = {group for group, _ in re.findall(r'f"([a-z_]+)\.\{([a-z_]+)\}"', SOURCES)}
    for key in catalogue():
        group, name = key.split(".")
        if group == "null":
            continue
        assert f'"{key}"' in SOURCES or f"'{key}'" in SOURCES or (group in groups and f'"{name}"' in SOURCES), key


def test_every_null_has_a_name() -> None:
    assert {key.partition(".")[2] for key in catalogue() if key.startswith("null.")} == set(QOI_NULLS)


def test_the_language_is_the_readers_choice_then_the_browsers() -> None:
    assert Words.of("de", "fr-FR,fr;q=0.9").language == "de"
    assert Words.of(None, "it-IT,zh-CN;q=0.8,en;q=0.5").language == "zh"
    assert Words.of("xx", "").language == "en"
    assert Words.of(None, "fr")("predict.triangles", count=3) == "3 triangles"
