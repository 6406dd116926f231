"""What is told of tokens in JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class TokenAnswer(BaseModel):
    """A token, without its secret."""

    id: str
    name: str
    scope: Literal["read", "predict", "admin"]
    rate: int | None
    upload_bytes: int | None
    created: float
    revoked: float | None


class TokensAnswer(BaseModel):
    """All tokens."""

    tokens: list[TokenAnswer]
