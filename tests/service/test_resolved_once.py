"""A design is resolved at the edge: one question converts each parameter once, and hashes a geometry at most once."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from helpers.serving import part

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

from tramontane import units
from tramontane.cli import app as command_line
from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.http.app import create_app
from tramontane.page.language.words import Words
from tramontane.page.view.asking import Asking
from tramontane.page.view.buffers import Buffers
from tramontane.page.view.state import View
from tramontane.service.access.caller import Caller
from tramontane.service.settings import Settings
from tramontane.surrogate import Surrogate, resolved
from tramontane.surrogate import surrogate as surrogates

CELLS = 1500


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a number was converted into SI, parameters were validated, and a surface was hashed."""
    counter: Counter[str] = Counter()

    def count(owner: Any, name: str, label: str) -> None:
        original = getattr(owner, name)

        def counted(*args: Any, **options: Any) -> Any:
            counter[label] += 1
            return original(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    count(units, "in_si", "converted")
    count(Contract, "examine", "validated")
    for module in (resolved, surrogates):
        count(module, "hash_surface", "hashed")
    return counter


def test_a_request_and_a_view_convert_once_and_hash_what_was_uploaded_no_more(
    kriging: Surrogate, counts: Counter[str], tmp_path: Path
) -> None:
    kriging.save(tmp_path / "models" / "kriging")
    app = create_app(Settings(models=tmp_path / "models", state=tmp_path / "state"))

    async def ask() -> None:
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        ):
            upload = await client.post("/v1/geometries", params={"name": "a.stl"}, content=part(tmp_path).read_bytes())
            geometry = upload.json()["hash"]
            counts.clear()
            request = {"geometry": geometry, "parameters": {"load": "0.3 kN"}, "cells": CELLS}
            answer = await client.post("/v1/models/kriging/predict", json=request)
            assert answer.status_code == 200
            assert counts == {"converted": 1, "validated": 1}

            server = app.state.server
            asking = Asking(server, Buffers(), Caller(None, "predict"), Words("en"))
            view = View(model="kriging", geometry=geometry, parameters={"load": "320 N"}, cells=CELLS, section="y")
            for question in (asking.answer, asking.preview):  # of a surface and a section; of a coarse surface
                counts.clear()
                await question(view)
                assert counts == {"converted": 1, "validated": 1}

    asyncio.run(ask())


def test_a_prediction_of_the_command_line_converts_and_hashes_once(
    kriging: Surrogate, counts: Counter[str], tmp_path: Path
) -> None:
    kriging.save(tmp_path / "kriging")
    stl = part(tmp_path)
    result = CliRunner().invoke(command_line, ["predict", str(tmp_path / "kriging"), str(stl), "--set", "load=0.3 kN"])
    assert result.exit_code == 0, result.output
    assert counts == {"converted": 1, "validated": 1, "hashed": 1}

    counts.clear()
    table = tmp_path / "designs.csv"
    table.write_text(f"name,geometry,load [N]\na,{stl.name},200\nb,{stl.name},300\n")
    result = CliRunner().invoke(command_line, ["predict", str(tmp_path / "kriging"), str(table)])
    assert result.exit_code == 0, result.output
    assert counts == {"converted": 2, "validated": 2, "hashed": 2}  # of two designs


def test_a_design_that_was_checked_before_is_answered_with_the_same_bits(kriging: Surrogate, tmp_path: Path) -> None:
    design = Design(part(tmp_path), load="0.3 kN")
    case = kriging.simulate(design, cells=CELLS)
    again = kriging.simulate(kriging.check(design, values={"load": 300.0}), cells=CELLS)
    assert (again.qoi, again.verdict, again.design) == (case.qoi, case.verdict, design)
    for domain in case.meshes:
        for field in case.field_names(domain):
            np.testing.assert_array_equal(again.field_values(domain, field), case.field_values(domain, field))


def test_a_mesh_as_given_and_as_it_is_do_not_share_what_is_kept(kriging: Surrogate, tmp_path: Path) -> None:
    checked = kriging.check(Design(part(tmp_path), load=300))
    given = kriging.check(Design(checked.surface, load=300))
    assert given.surface_hash != checked.surface_hash  # what is read from a mesh may differ from it
    assert kriging.check(Design(checked.surface.copy(), load=200)).surface_hash == given.surface_hash
