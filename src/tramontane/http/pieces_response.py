"""An answer of HTTP in pieces, which go from the arrays that hold them to the socket."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tramontane.service.predictions.pieces import Pieces, size_of


class PiecesResponse(Response):
    """An answer in pieces.

    Args:
        pieces: Its body.
        media_type: Its kind.
        headers: Further headers.
    """

    def __init__(self, pieces: Pieces, *, media_type: str, headers: Mapping[str, str]) -> None:
        self.pieces = pieces
        super().__init__(media_type=media_type, headers={**headers, "content-length": str(size_of(pieces))})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; a client that does not read holds back all but the piece that it is at."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
