"""Binary buffers for the view: meshes once, then values alone."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response

from tramontane.models.recent import Recent
from tramontane.service.cache import ByteCache
from tramontane.service.problems import Problem
from tramontane.service.settings import MIB

_CODES = {np.dtype(np.float32): "f4", np.dtype(np.uint32): "u4"}
Arrays = Mapping[str, np.ndarray[Any, Any]]


def pack(arrays: Arrays, about: Mapping[str, Any] | None = None) -> bytes:
    """Arrays as one buffer: the length of a JSON text (4 bytes), the text, then each array at the offset that it says.

    Args:
        arrays: By name, float32 or uint32, of any shape.
        about: What else is said, under ``about``.
    """
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    room = 4096 * (1 + len(json.dumps(about or {})) // 2048)
    entries, offset = {}, room
    for name, array in plain.items():
        entries[name] = {"type": _CODES[array.dtype], "offset": offset, "count": array.size}
        offset += array.nbytes
    text = json.dumps({"about": about or {}, "arrays": entries}).encode()
    head = struct.pack("<I", room - 4) + text.ljust(room - 4)
    return b"".join([head, *(array.data.cast("B") for array in plain.values() if array.size)])


class Buffers:
    """Buffers that browsers are about to fetch, by a hash of what they hold.

    Attributes:
        drawn: Triangles of the surfaces that were drawn last.

    Args:
        limit: Memory for them, bytes; the browser keeps what it fetched.
    """

    def __init__(self, limit: int = 256 * MIB) -> None:
        self._kept: ByteCache[bytes] = ByteCache(limit)
        self.drawn = Recent(16, room=limit)

    def put(self, key: object, make: Callable[[], bytes]) -> str:
        """The address of a buffer.

        Args:
            key: Equal for equal contents, and for no others; JSON.
            make: Packs it, where it is not there.
        """
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        if self._kept.get(name) is None:
            content = make()
            self._kept.put(name, content, len(content))
        return f"/page/buffers/{name}"

    def router(self) -> APIRouter:
        """The route by which they are fetched."""
        router = APIRouter()

        @router.get("/page/buffers/{name}", include_in_schema=False)
        def fetch(name: str) -> Response:
            content = self._kept.get(name)
            if content is None:
                raise Problem(404, "this buffer is not kept any more; load the page again")
            headers = {"Cache-Control": "private, max-age=31536000, immutable"}
            return Response(content, media_type="application/octet-stream", headers=headers)

        return router
