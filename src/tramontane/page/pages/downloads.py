"""All domains of an answer as one file: a ZIP that ParaView opens by its ``.vtm``."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any
from xml.sax.saxutils import quoteattr

import pyvista as pv
from fastapi import APIRouter

from tramontane.http.pieces_response import PiecesResponse
from tramontane.http.routes import CallerOf, ModelName, ServerOf
from tramontane.service.predictions.predictions import Prediction
from tramontane.service.predictions.schemas import Format, PredictRequest

SURFACE_FORMS: tuple[Format, ...] = ("vtp", "vtu", "vtkhdf", "npz", "arrow")
VOLUME_FORMS: tuple[Format, ...] = ("vtu", "vtkhdf", "npz", "arrow")


def file_name(model: str, part: str, what: str, form: str) -> str:
    """What a download is called: model, part, domain.

    Args:
        model: Name of the model.
        part: Name of the geometry's file, or empty.
        what: The domain, or another word.
        form: The suffix.
    """
    stem = re.sub(r"\.(stl|obj|ply|step|stp)$", "", part, flags=re.IGNORECASE)
    words = (re.sub(r"[^\w.-]+", "-", each).strip("-.") for each in (model, stem, what))
    return "-".join(word for word in words if word) + f".{form}"


def router() -> APIRouter:
    """The route by which they are fetched."""
    routes = APIRouter()

    @routes.post("/page/files/{model}", include_in_schema=False)
    async def fetch(model: ModelName, body: PredictRequest, server: ServerOf, caller: CallerOf) -> Any:
        caller.need("predict")
        predictions = server.predictions
        question = predictions.understand(server.model(model), body, cells=body.cells)
        prediction, _ = await predictions.ask(question)
        files: dict[str, bytes] = {}
        for domain, mesh in prediction.case.meshes.items():
            form: Format = "vtp" if isinstance(mesh, pv.PolyData) else "vtu"
            pieces, _ = await predictions.file(question.on([domain]), form, None)
            files[f"{domain}.{form}"] = b"".join(bytes(piece) for piece in pieces)
        content = await predictions.run(lambda: packed(prediction, files))
        headers = {"Tramontane-Model": question.served.hash}
        return PiecesResponse((content,), media_type="application/zip", headers=headers)

    return routes


def packed(prediction: Prediction, files: dict[str, bytes]) -> bytes:
    """The ZIP.

    Args:
        prediction: Its summary goes in, too.
        files: Of each domain, by name with suffix.
    """
    sets = "".join(
        f"<DataSet index={quoteattr(str(index))} name={quoteattr(name.rpartition('.')[0])} file={quoteattr(name)}/>"
        for index, name in enumerate(files)
    )
    together = (
        '<?xml version="1.0"?><VTKFile type="vtkMultiBlockDataSet" version="1.0"><vtkMultiBlockDataSet>'
        f"{sets}</vtkMultiBlockDataSet></VTKFile>"
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("case.vtm", together)
        archive.writestr("summary.json", prediction.summary.model_dump_json(indent=1))
        for name, file in files.items():
            archive.writestr(name, file)
    return content.getvalue()
