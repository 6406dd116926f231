"""What people call their geometries, and pictures of models: remembered for the page beside the server's files."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from tramontane.serve.problems import Problem

_MOST = 5000


class Names:
    """Names of geometries by hash.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file, self._lock = folder / "names.json", threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._names: dict[str, str] = {}
        if self._file.is_file():
            self._names = json.loads(self._file.read_text(encoding="utf-8"))

    def of(self, identity: str) -> str:
        """The name of a geometry, or the beginning of its hash."""
        return self._names.get(identity, identity[:12])

    def keep(self, identity: str, name: str) -> None:
        """Remember the name of a geometry; the newest is last."""
        with self._lock:
            self._names.pop(identity, None)
            self._names[identity] = name[:100]
            for old in list(self._names)[:-_MOST]:
                del self._names[old]
            staged = self._file.with_suffix(".new")
            staged.write_text(json.dumps(self._names), encoding="utf-8")
            staged.replace(self._file)


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
