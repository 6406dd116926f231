"""Pictures of models: remembered for the page beside the server's files."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from tramontane.service.problems import Problem


class Pictures:
    """A picture of each model, taken of the first prediction that somebody looked at.

    Args:
        folder: Where they are kept.
    """

    size = (480, 270)
    _head, _limit, _name = "data:image/webp;base64,", 200_000, re.compile(r"[0-9a-f]{64}")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def has(self, identity: str) -> bool:
        """Whether there is one of a model, by its hash."""
        return self._file(identity).is_file()

    def keep(self, identity: str, data: str) -> None:
        """Keep what a browser's canvas gave; what is no small WebP picture is not kept."""
        if not isinstance(data, str) or not data.startswith(self._head) or len(data) > self._limit:
            return
        try:
            content = base64.b64decode(data.removeprefix(self._head), validate=True)
        except binascii.Error:
            return
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            staged = self._file(identity).with_suffix(".new")
            staged.write_bytes(content)
            staged.replace(self._file(identity))

    def router(self) -> APIRouter:
        """The route by which they are fetched."""
        router = APIRouter()

        @router.get("/page/pictures/{identity}", include_in_schema=False)
        def fetch(identity: str) -> FileResponse:
            if not self._name.fullmatch(identity) or not self.has(identity):
                raise Problem(404, "there is no picture of this model yet")
            return FileResponse(self._file(identity), media_type="image/webp")

        return router

    def _file(self, identity: str) -> Path:
        return self.folder / f"{identity}.webp"
