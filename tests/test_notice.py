"""What is to be minded of an answer: numbers in one place, sentences where they are read."""

from __future__ import annotations

import pytest

from tramontane.http.client import _notice
from tramontane.notice import Notice, percent_of
from tramontane.service.predictions.designs import warned

KINDS = [
    (Notice("range", "parameters.load", 980.0, 100.0, 900.0, "N"),
     "load = 980 N lies outside 100 to 900 N by 10 % of the range"),
    (Notice("range", "parameters.load", 900.001, 100.0, 900.0, "N"),
     "load = 900.001 N lies outside 100 to 900 N by < 1 % of the range"),
    (Notice("range", "parameters.density", 2.0, 1.5, 1.5, "kg/m^3"),
     "density = 2 kg/m^3 is not followed: it was 1.5 kg/m^3 in all cases"),
    (Notice("extent", "geometry", 3.0, 0.9, 1.2, "m", axis="x"),
     "the geometry is 3 m long in x, training cases 0.9 to 1.2 m"),
    (Notice("unit", "parameters.speed", 144.0, 30.0, 50.0, "m/s", suggested_unit="km/h", suggested_value=40.0),
     'is speed in km/h? 144 km/h is 40 m/s: write speed="144 km/h"'),
    (Notice("geometry", "geometry", detail="the surface has holes"), "the surface has holes"),
    (Notice("blank", "domains.volume", 3.0, high=9.0, detail="outside"),
     "3 of 9 places of volume lie outside the geometry, where nothing is predicted; they are left blank (NaN)"),
    (Notice("coarse", "domains.volume", 2e-5, high=1e-3, unit="m^3"),
     "the mesh of volume holds 2 % of the geometry's volume, whose walls are thinner than its cells; ask for more "
     "cells, or give a mesh"),
]  # fmt: skip


@pytest.mark.parametrize(("notice", "sentence"), KINDS)
def test_a_notice_says_its_sentence_here_and_behind_the_api(notice: Notice, sentence: str) -> None:
    assert str(notice) == sentence
    warning = warned(notice)
    assert (warning.detail, warning.code, warning.input) == (sentence, notice.code, notice.input)
    back = _notice(warning.model_dump(mode="json"))
    assert str(back) == sentence
    if notice.code in ("range", "extent", "unit", "coarse"):
        assert back == notice


def test_what_is_outside_is_never_outside_by_nothing() -> None:
    assert [percent_of(share) for share in (None, 0.0, 0.004, 0.006, 0.5)] == ["< 1", "< 1", "< 1", "1", "50"]
