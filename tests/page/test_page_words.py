"""The page's messages and numbers: complete in every language, each used, each that is used there."""

from __future__ import annotations

import re
import string
import time
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

import tramontane.page
from tramontane.evaluation.baselines import QOI_BASELINES
from tramontane.page.language.numerals import UnreadError
from tramontane.page.language.words import LANGUAGES, QUASAR, Words, catalogue
from tramontane.surrogate.kinds import ASKED

SOURCES = "\n".join(file.read_text() for file in Path(tramontane.page.__file__).parent.rglob("*.py"))


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
        if group in ("baseline", "kind"):
            continue  # named after a table, see below
        assert f'"{key}"' in SOURCES or f"'{key}'" in SOURCES or (group in groups and f'"{name}"' in SOURCES), key


def test_every_null_has_a_name() -> None:
    assert {key.partition(".")[2] for key in catalogue() if key.startswith("baseline.")} == set(QOI_BASELINES)


def test_every_kind_of_model_has_a_name() -> None:
    assert {key.partition(".")[2] for key in catalogue() if key.startswith("kind.")} == set(ASKED)


def test_the_language_is_the_readers_choice_then_the_browsers() -> None:
    assert Words.of("de", "fr-FR,fr;q=0.9").language == "de"
    assert Words.of(None, "it-IT,zh-CN;q=0.8,en;q=0.5").language == "zh"
    assert Words.of("xx", "").language == "en"
    assert Words.of(None, "fr")("predict.triangles", count=3) == "3 triangles"


NARROW = "\u202f"


@pytest.mark.parametrize(
    ("language", "value", "count", "share"),
    [
        ("en", "0.1234", "1,234,567", "12.3 %"),
        ("zh", "0.1234", "1,234,567", "12.3 %"),
        ("fr", "0,1234", f"1{NARROW}234{NARROW}567", "12,3 %"),
        ("de", "0,1234", f"1{NARROW}234{NARROW}567", "12,3 %"),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(language: str, value: str, count: str, share: str) -> None:
    words = Words(language)
    assert words.number(0.12341) == value
    assert words.count(1234567) == count
    assert words.share(0.1234) == share
    for number in (0.1234, 1234.5, -2.5e-7, 3.0, 1.5e9):
        assert words.read(words.editable(number)) == pytest.approx(number, rel=1e-5)
    assert words.read(words.count(1234567)) == 1234567


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.3", 0.3), ("0,3", 0.3), ("-1,5", -1.5), (".5", 0.5), ("1 234,5", 1234.5), ("1.234,5", 1234.5),
        ("1,234.5", 1234.5), ("1.234.567", 1234567.0), ("1'234.5", 1234.5), ("12.3456", 12.3456), ("0.300", 0.3),
        ("0,125", 0.125), ("2,5e3", 2500.0), ("\u22122,5", -2.5), ("\uff11\uff12", 12.0), ("1234.567", 1234.567),
    ],
)  # fmt: skip
def test_what_is_typed_is_read_in_every_form(language: str, text: str, value: float) -> None:
    assert Words(language).read(text) == pytest.approx(value)


def test_a_mark_that_could_be_a_thousand_is_asked_about() -> None:
    assert Words("en").read("1.234") == Words("de").read("1,234") == 1.234
    for language, text, other in (("en", "1,234", "1.234"), ("de", "1.234", "1,234"), ("fr", "-1.234", "-1,234")):
        with pytest.raises(UnreadError) as refused:
            Words(language).read(text)
        assert refused.value.key == "number.ambiguous"
        assert {refused.value.values["one"], refused.value.values["other"]} == {
            other,
            other.replace(".", "").replace(",", ""),
        }


def test_a_unit_that_is_typed_counts() -> None:
    assert Words("fr").read("0,3 kN", unit="N") == pytest.approx(300.0)
    assert Words("en").read("300 N", unit="N") == 300.0
    for text, unit, key in (("3 m", "N", "number.unit"), ("3 m", "", "number.unit"), ("abc", "N", "number.none"),
                            ("", "N", "number.none"), ("1,2,3", "", "number.none"), ("1e999", "", "number.none"),
                            ("nan", "", "number.none"), ("1.2.34", "", "number.none")):  # fmt: skip
        with pytest.raises(UnreadError) as refused:
            Words("en").read(text, unit=unit)
        assert refused.value.key == key, text


def test_dates_are_those_of_the_language() -> None:
    moment = time.mktime((2026, 3, 9, 14, 5, 0, 0, 0, -1))
    dates = {language: Words(language).when(moment) for language in LANGUAGES}
    assert dates == {
        "en": "2026-03-09 14:05",
        "fr": "09/03/2026 14:05",
        "de": "09.03.2026 14:05",
        "zh": "2026-03-09 14:05",
    }
