"""The datasets that a server shows, and what is derived of them: pictures of shapes, reports of models."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import ValidationError

from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import RECORD
from tramontane.errors import TramontaneError
from tramontane.evaluation import evaluate
from tramontane.evaluation.report import Progress, Report
from tramontane.models.recent import Recent
from tramontane.service.problems import Problem
from tramontane.service.registry import Served
from tramontane.service.settings import Settings

_WIDE, _HIGH, _SAMPLES = 132, 88, 60_000


class Datasets:
    """Datasets by name of their directory.

    Args:
        settings: Say where they lie, by name.
        folder: Where pictures and reports are kept.

    Raises:
        TramontaneError: One is no dataset.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        for path in self.paths.values():
            Dataset.open(path)
        # A case of a large set is megabytes; only a few stay in memory.
        self._opened = Recent(4)
        self._drawing = threading.BoundedSemaphore(1)

    @property
    def paths(self) -> dict[str, Path]:
        """Where they lie, by name."""
        return self.settings.named_datasets

    def open(self, name: str) -> Dataset:
        """A dataset in its present state.

        Raises:
            TramontaneError: There is none of this name, or it is damaged.
        """
        if name not in self.paths:
            raise TramontaneError(f"dataset {name!r} is not served; there is {', '.join(self.paths) or 'none'}")
        path = self.paths[name]
        stamp = max(file.stat().st_mtime_ns for file in path.glob("*.json"))
        return self._opened.get((name, stamp), lambda: Dataset.open(path))

    def record(self, name: str) -> dict[str, Any]:
        """What ingest noted: ``left_out`` cases with reasons, ``warnings``."""
        file = self.paths[name] / RECORD
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return record

    def report(self, name: str, served: Served) -> Report | None:
        """A model's report that was made before, while neither has changed."""
        file = self._report_file(self.open(name), served)
        try:
            return Report.model_validate_json(file.read_text(encoding="utf-8")) if file.is_file() else None
        except ValidationError:  # of another version
            return None

    def evaluate(self, name: str, served: Served, progress: Progress = lambda *_: None) -> Report:
        """Make a model's report and keep it; ``progress`` is told how far it is.

        Raises:
            TramontaneError: The dataset does not fit the model.
        """
        dataset = self.open(name)
        report = evaluate(served.surrogate, dataset, progress=progress)
        file = self._report_file(dataset, served)
        file.parent.mkdir(parents=True, exist_ok=True)
        staged = file.with_suffix(".new")
        staged.write_text(report.model_dump_json(), encoding="utf-8")
        staged.replace(file)
        return report

    def document(self, name: str, served: Served) -> bytes:
        """A model's report, which was made before, as one HTML file; without pictures, as a server may have no display.

        Raises:
            TramontaneError: There is no such report, or the dataset is damaged.
        """
        from tramontane.evaluation.document import write_report

        report = self.report(name, served)
        if report is None:
            raise TramontaneError(f"model {served.name} was not evaluated on dataset {name}; evaluate it first")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "report.html"
            write_report(report, file, surrogate=served.surrogate, dataset=self.open(name), pictures=0)
            return file.read_bytes()

    def best_report(self, served: Served) -> Report | None:
        """A report of a model on any dataset."""
        reports = (self.report(name, served) for name in self.paths)
        return next((report for report in reports if report is not None), None)

    def fitting(self, name: str, models: Mapping[str, Served]) -> str:
        """Of some models, the first that was trained on a dataset as it is, else the first.

        Raises:
            TramontaneError: There is no such dataset, or it is damaged.
        """
        fingerprint = self.open(name).fingerprint()
        same = (model for model, served in models.items() if served.surrogate.record.data.fingerprint == fingerprint)
        return next(same, next(iter(models)))

    def router(self) -> APIRouter:
        """The route of the pictures."""
        router = APIRouter()

        @router.get("/page/pictures/{name}/{case}", include_in_schema=False)
        def fetch(name: str, case: str) -> FileResponse:
            try:
                dataset = self.open(name)
                if case not in dataset.names:
                    raise TramontaneError(f"dataset {name} has no case {case!r}")
                file = self.folder / "cases" / f"{_key(dataset.fingerprint(), case)}.png"
                if not file.is_file():
                    with self._drawing:
                        content = draw(dataset.geometry(case))
                    file.parent.mkdir(parents=True, exist_ok=True)
                    staged = file.with_suffix(f".{threading.get_ident()}")
                    staged.write_bytes(content)
                    staged.replace(file)
            except TramontaneError as error:
                raise Problem(404, str(error)) from error
            return FileResponse(file, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})

        return router

    def _report_file(self, dataset: Dataset, served: Served) -> Path:
        return self.folder / "reports" / f"{_key(served.hash, dataset.fingerprint())}.json"


def draw(mesh: pv.PolyData) -> bytes:
    """A small picture of a shape as PNG, transparent around it; drawn by points, since a server may have no display."""
    from PIL import Image

    points, faces = np.asarray(mesh.points, dtype=float), np.asarray(mesh.triangulate().regular_faces)
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(faces), size=_SAMPLES, p=areas / areas.sum())
    u, v = rng.random((2, _SAMPLES, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    positions = (1 - u - v) * corners[chosen, 0] + u * corners[chosen, 1] + v * corners[chosen, 2]
    eye = np.array([1.0, -1.0, 0.7]) / np.linalg.norm([1.0, -1.0, 0.7])
    right = np.cross([0.0, 0.0, 1.0], eye)
    right /= np.linalg.norm(right)
    up = np.cross(eye, right)
    across, along, depth = positions @ right, positions @ up, positions @ eye
    scale = min(_WIDE / (np.ptp(across) or 1.0), _HIGH / (np.ptp(along) or 1.0)) * 0.94
    column = ((across - (across.max() + across.min()) / 2) * scale + _WIDE / 2).astype(int).clip(0, _WIDE - 1)
    row = (_HIGH / 2 - (along - (along.max() + along.min()) / 2) * scale).astype(int).clip(0, _HIGH - 1)
    light = 0.35 + 0.6 * np.abs(normals @ (eye + 0.5 * up)) / (1.12 * np.maximum(areas, 1e-300))
    picture = np.zeros((_HIGH, _WIDE, 4), dtype=np.uint8)
    order = np.argsort(depth)  # the nearest last
    shade = np.clip(light[chosen[order], None] * np.array([120.0, 165.0, 185.0]), 0, 255)
    picture[row[order], column[order], :3] = shade
    picture[row[order], column[order], 3] = 255
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def stl(mesh: pv.PolyData) -> bytes:
    """A shape as a file; the same bytes whenever it is asked for, so that it is stored once."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "part.stl"
        mesh.triangulate().save(file)
        return file.read_bytes()


def _key(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:40]
