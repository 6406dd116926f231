"""Asking a server from Python: a remote surrogate, or solver, is a simulator like any other."""

from __future__ import annotations

import hashlib
import tempfile
import time
import weakref
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvista as pv

from tramontane.case import Case, Provenance
from tramontane.contract import Contract
from tramontane.design import Design
from tramontane.errors import ContractError, SolverError, TramontaneError
from tramontane.formats import read_mesh
from tramontane.interval import LEVEL, Interval
from tramontane.notice import Notice
from tramontane.units import Quantity, difference_to_si, to_si
from tramontane.verdict import Verdict

if TYPE_CHECKING:
    import httpx

_RETRIES = 5


def connect(url: str, *, model: str | None = None, token: str | None = None, timeout: float = 300.0) -> Remote:
    """A model of a server, as a simulator.

    Args:
        url: Of the server: ``http://127.0.0.1:8000``.
        model: Which of its models; may be left out where it serves one.
        token: Where the server asks for one.
        timeout: Seconds to wait for an answer.

    Raises:
        TramontaneError: There is no server, it refuses the token, or it is not clear which model is meant.
    """
    try:
        import httpx
    except ImportError as error:
        raise TramontaneError(f"asking a server needs httpx ({error}); pip install 'tramontane[serve]'") from error
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    link = _Link(httpx.Client(base_url=url, headers=headers, timeout=timeout))
    models = {each["name"]: each for each in link.json("GET", "/v1/models")["models"]}
    promoted = [name for name in models if "@" not in name]  # besides, a server has all versions
    if model is None and len(promoted) == 1:
        (model,) = promoted
    if model not in models:
        problem = "" if model is None else f"does not serve {model!r}, it "
        raise TramontaneError(f"{url}: {problem}serves {', '.join(models) or 'nothing'}; give model=NAME")
    return Remote(link, models[model])


class Remote:
    """A surrogate or solver on a server; make one with `connect`.

    Args:
        link: To the server.
        description: What the server says of the model.
    """

    def __init__(self, link: _Link, description: dict[str, Any]) -> None:
        self._link = link
        self.name, self.kind, self.hash = (str(description[key]) for key in ("name", "kind", "hash"))
        self.figures: dict[str, Any] = description["figures"]
        self._contract = Contract.model_validate(description["contract"])

    @property
    def contract(self) -> Contract:
        """What goes in and what comes out."""
        return self._contract

    def simulate(
        self,
        design: Design,
        *,
        cells: int = 50_000,
        domains: Collection[str] | None = None,
        level: float = LEVEL,
    ) -> Case:
        """The case of one design, as the server's simulator answers it.

        Args:
            design: Its geometry is sent once, however often it is asked.
            cells: About how many cells each predicted mesh has; solvers mesh as they do.
            domains: Which are predicted; None takes all. QoIs of others are left out.
            level: The probability of the intervals of QoIs; those of fields stay on the server.

        Raises:
            ContractError: The design lacks an input, or has one in the wrong unit.
            SolverError: The solver failed on this design.
            TramontaneError: The server cannot be reached, or refuses.
        """
        request: dict[str, Any] = {"parameters": {name: _given(value) for name, value in design.parameters.items()}}
        if self.kind == "solver":
            return self._solve(design, request)
        if design.geometry is not None:
            request["geometry"] = self._store(design.geometry)
            if not isinstance(design.geometry, Path):
                request["length_unit"] = "m"
            elif design.length_unit is not None:
                request["length_unit"] = design.length_unit
        request |= {"cells": cells, "domains": None if domains is None else list(domains), "level": level}
        path = f"/v1/models/{self.name}/predict"
        summary = self._link.json("POST", path, json=request)

        def fetch(domain: str, form: str) -> bytes:
            return self._link.ask("POST", path, json=request | {"domains": [domain], "format": form}).content

        return self._case(design, summary, fetch)

    def _solve(self, design: Design, request: dict[str, Any]) -> Case:
        job = self._link.json("POST", "/v1/jobs", json={"model": self.name, "designs": [request], "keep": True})["id"]
        wait = 0.2
        while True:
            state = self._link.json("GET", f"/v1/jobs/{job}")
            if state["state"] in ("done", "stopped", "cancelled"):
                break
            time.sleep(wait)
            wait = min(1.5 * wait, 5.0)
        path = f"/v1/jobs/{job}/designs/0"
        answer = self._link.json("GET", path)
        if answer["state"] != "done":
            raise SolverError(answer["reason"] or state["reason"] or f"job {job} was {state['state']}; ask again")

        def fetch(domain: str, form: str) -> bytes:
            return self._link.ask("GET", path, params={"format": form, "domain": domain}).content

        return self._case(design, answer["summary"], fetch)

    def _case(self, design: Design, summary: dict[str, Any], fetch: Callable[[str, str], bytes]) -> Case:
        meshes: dict[str, pv.DataSet] = {}
        with tempfile.TemporaryDirectory(prefix="tramontane-") as folder:
            for domain, description in summary["domains"].items():
                form = "vtp" if description["mesh"] == "surface" else "vtu"
                file = Path(folder) / f"{len(meshes)}.{form}"
                file.write_bytes(fetch(domain, form))
                meshes[domain] = read_mesh(file)
        stated = {name: entry for name, entry in summary["qoi"].items() if entry["value"] is not None}
        qoi = {name: Quantity(entry["value"], entry["unit"]) for name, entry in stated.items()}
        deviations = {
            name: difference_to_si(entry["deviation"], entry["unit"])
            for name, entry in stated.items()
            if entry.get("deviation") is not None
        }
        level = summary.get("level", LEVEL)
        intervals = {
            name: Interval(
                to_si(Quantity(entry["low"], entry["unit"]), unit=entry["unit"], name=name),
                to_si(Quantity(entry["high"], entry["unit"]), unit=entry["unit"], name=name),
                level, assumed=entry.get("assumed", False),
            )
            for name, entry in stated.items()
            if entry.get("low") is not None and entry.get("high") is not None
        }  # fmt: skip
        judged = summary.get("verdict")
        fields = [each for description in summary["domains"].values() for each in description["fields"].items()]
        return Case(
            name=design.geometry.stem if isinstance(design.geometry, Path) else "prediction",
            design=design,
            meshes=meshes,
            qoi={name: to_si(entry, unit=entry.unit or "", name=name) for name, entry in qoi.items()},
            field_units={name: description["unit"] for name, description in fields},
            qoi_units={name: entry.unit or "" for name, entry in qoi.items()},
            qoi_deviations=deviations,
            qoi_intervals=intervals,
            verdict=None
            if judged is None
            else Verdict(judged["domain"], judged["score"], tuple(_notice(each) for each in judged["reasons"])),
            notices=[_notice(each) for each in summary["warnings"]],
            provenance=Provenance(
                solver=f"{summary['model']} at {self._link.client.base_url}",
                version=summary["model_hash"][:12],
            ),
        )

    def _store(self, geometry: Path | pv.PolyData) -> str:
        """Send a geometry where the server has not got it yet; its hash."""
        if isinstance(geometry, Path):
            if not geometry.is_file():
                raise ContractError(f"{geometry}: there is no such file; check the path")
            content, name = geometry.read_bytes(), geometry.name
        else:
            content, name = _ply(geometry), "geometry.ply"
        identity = hashlib.sha256(content).hexdigest()
        if self._link.ask("GET", f"/v1/geometries/{identity}", missing=True).status_code == 404:
            self._link.ask("POST", "/v1/geometries", params={"name": name}, content=content)
        return identity


class _Link:
    """A server; its problem documents become errors."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        weakref.finalize(self, client.close)

    def json(self, method: str, path: str, **request: Any) -> Any:
        return self.ask(method, path, **request).json()

    def ask(self, method: str, path: str, *, missing: bool = False, **request: Any) -> httpx.Response:
        """A request; one that comes too early is made again.

        Args:
            method: Of HTTP.
            path: Below the server's URL.
            missing: Whether an answer of 404 is given back.
            request: Passed to httpx.
        """
        import httpx

        for attempt in range(_RETRIES):
            try:
                answer = self.client.request(method, path, **request)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise TramontaneError(f"{self.client.base_url}: does not answer ({error}); check the address, and that "
                                      "`tramontane serve` runs there") from error  # fmt: skip
            if answer.status_code not in (429, 503) or attempt == _RETRIES - 1:
                break
            time.sleep(float(answer.headers.get("retry-after", 1)))
        if answer.is_success or (missing and answer.status_code == 404):
            return answer
        try:
            detail = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            detail = f"answers {answer.status_code} {answer.reason_phrase}"
        kind = ContractError if answer.status_code == 422 else TramontaneError
        raise kind(f"{self.client.base_url}: {detail}")


def _given(quantity: Quantity) -> float | str:
    # In full: Quantity's own text rounds.
    return quantity.value if quantity.unit is None else f"{quantity.value!r} {quantity.unit}"


def _ply(mesh: pv.PolyData) -> bytes:
    """A surface in metres as PLY, in double precision, which no writer at hand keeps."""
    surface = mesh.triangulate()
    points = np.ascontiguousarray(surface.points, dtype="<f8")
    faces = np.empty(surface.n_cells, dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, surface.regular_faces
    head = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n"
        "property double x\nproperty double y\nproperty double z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    return head.encode() + points.tobytes() + faces.tobytes()


def _notice(document: dict[str, Any]) -> Notice:
    """What a server told of, with its numbers where there are some."""
    if document.get("code") not in ("range", "extent", "unit", "coarse"):
        return Notice("geometry", document["input"], detail=document["detail"])
    keys = ("value", "low", "high", "unit", "axis", "suggested_unit", "suggested_value")
    numbers: dict[str, Any] = {key: document.get(key) for key in keys}
    return Notice(document["code"], document["input"], **numbers)
