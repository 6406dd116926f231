"""The gate of a server: tokens with a scope, a rate and a size, revocable, stored as hashes; others of a provider."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING

from sqlalchemy import select

from tramontane.errors import TramontaneError
from tramontane.service.access.caller import ANYBODY, SCOPES, Caller
from tramontane.service.access.signed_in import PREFIX as SIGNED_IN
from tramontane.service.access.signed_in import SignedIn
from tramontane.service.database import Sessions, TokenRow
from tramontane.service.problems import Problem
from tramontane.service.settings import Settings

if TYPE_CHECKING:
    from tramontane.service.access.oidc import Provider

_PREFIX = "tmt"
_FRESH = 1.0  # s between two looks at the tokens; one that is revoked works for two seconds more at most


def create_token(
    sessions: Sessions, name: str, *, scope: str, rate: int | None = None, upload_bytes: int | None = None
) -> str:
    """Make a token; this is the only time that it is seen.

    Args:
        sessions: The database.
        name: Whose it is.
        scope: ``read`` (models, known geometries, own jobs), ``predict`` (uploads, predictions, jobs) or ``admin``.
        rate: Requests a minute.
        upload_bytes: Largest upload.

    Raises:
        TramontaneError: The scope is not known, or a limit is not above zero.
    """
    if scope not in SCOPES:
        raise TramontaneError(f"scope {scope!r} is not known; give one of {', '.join(SCOPES)}")
    if any(limit is not None and limit < 1 for limit in (rate, upload_bytes)):
        raise TramontaneError("a limit must be above zero; leave it out for the server's own")
    identity, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    row = TokenRow(id=identity, name=name, hash=_hash(secret), scope=scope, rate=rate, upload_bytes=upload_bytes)
    with sessions.begin() as session:
        session.add(row)
    return f"{_PREFIX}_{identity}_{secret}"


def list_tokens(sessions: Sessions) -> list[TokenRow]:
    """All tokens, the oldest first, revoked ones included."""
    with sessions() as session:
        return list(session.scalars(select(TokenRow).order_by(TokenRow.created)))


def revoke_token(sessions: Sessions, identity: str) -> None:
    """End a token for good.

    Raises:
        TramontaneError: There is none of this id.
    """
    with sessions.begin() as session:
        row = session.get(TokenRow, identity)
        if row is None:
            raise TramontaneError(f"token {identity!r} is not known; `tramontane token list` shows them")
        row.revoked = row.revoked or time.time()


class Access:
    """The gate of a server.

    Args:
        settings: Where it listens, and its default rate.
        sessions: The database.

    Raises:
        TramontaneError: Others than this machine could ask, and there is no token; or `Provider` cannot be had.
    """

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self.settings, self.sessions = settings, sessions
        self.signed_in = SignedIn()
        self._tokens: dict[str, TokenRow] = {}
        self._read_at = -_FRESH
        self._reading: asyncio.Future[None] | None = None
        self._buckets: dict[str, tuple[float, float]] = {}
        self._refresh()
        self.provider = _provider(settings)
        if not self._tokens and self.provider is None and (settings.require_tokens or not settings.on_loopback):
            reason = "tokens are required" if settings.on_loopback else f"{settings.host} can be reached by others"
            raise TramontaneError(f"{reason}, and there is no token; make one with `tramontane token create NAME "
                                  f"--state {settings.state}`, or give --oidc-issuer")  # fmt: skip

    @property
    def needed(self) -> bool:
        """Whether a token is asked."""
        own = bool(self._tokens) or self.settings.require_tokens or not self.settings.on_loopback
        return own or self.provider is not None

    async def identify(self, authorization: str | None) -> Caller:
        """Who asks, and whether it may already again.

        Args:
            authorization: The header: ``Bearer TOKEN``, one of this server's or of its provider's.

        Raises:
            Problem: There is no token, it is not good, or it has asked too often.
        """
        caller = await self.verify(authorization)
        if caller is not ANYBODY:
            self._count(caller)
        return caller

    def holds(self, authorization: str | None) -> bool:
        """Whether a token that was good a moment ago still is, as far as is known here.

        Args:
            authorization: As for `verify`, which a provider's own tokens need.
        """
        kind, _, token = (authorization or "").partition(" ")
        if authorization is None or kind.lower() != "bearer":
            return not self.needed
        if token.startswith(SIGNED_IN):
            return self.signed_in.find(token) is not None
        return not token.startswith(f"{_PREFIX}_") or self._own(token) is not None

    async def verify(self, authorization: str | None) -> Caller:
        """As `identify`, without counting it among what the token asks.

        Raises:
            Problem: There is no token, or it is not good.
        """
        await self._look()
        if not self.needed and authorization is None:
            return ANYBODY
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Problem(401, "send a token: 'Authorization: Bearer tmt_…'; the server's operator makes them"
                          if self.provider is None else "send a token: 'Authorization: Bearer …'; get one from "
                          f"{self.provider.settings.issuer}, or from the server's operator")  # fmt: skip
        if token.startswith(SIGNED_IN):
            signed_in = self.signed_in.find(token)
            if signed_in is None:
                raise Problem(401, "this sign-in has ended; sign in again")
            return signed_in
        if self.provider is not None and not token.startswith(f"{_PREFIX}_"):
            return await self.provider.identify(token.strip(), rate=self.settings.rate)
        row = self._own(token)
        if row is None:
            raise Problem(401, "the token is not known, or was revoked; ask the server's operator for another")
        return Caller(row.id, row.scope, row.rate or self.settings.rate, row.upload_bytes)

    async def _look(self) -> None:
        """Read the tokens again where that was a while ago, once for all who ask meanwhile."""
        if time.monotonic() - self._read_at <= _FRESH:
            return
        loop = asyncio.get_running_loop()
        if self._reading is None or self._reading.done() or self._reading.get_loop() is not loop:
            self._reading = asyncio.ensure_future(asyncio.to_thread(self._refresh))
        await asyncio.shield(self._reading)

    def _own(self, token: str) -> TokenRow | None:
        """The row of one of the server's own tokens, if it is good."""
        parts = token.strip().split("_", 2)
        row = self._tokens.get(parts[1]) if len(parts) == 3 and parts[0] == _PREFIX else None
        return row if row is not None and hmac.compare_digest(row.hash, _hash(parts[2])) else None

    def _count(self, caller: Caller) -> None:
        """A bucket that holds a minute's requests at most a tenth of which may come at once."""
        assert caller.token is not None
        assert caller.rate is not None
        now, most = time.monotonic(), max(1.0, caller.rate / 10)
        left, since = self._buckets.get(caller.token, (most, now))
        left = min(most, left + (now - since) * caller.rate / 60)
        if left < 1:
            raise Problem(429, f"over {caller.rate} requests a minute, the most for this token; wait a moment",
                          retry_after=(1 - left) * 60 / caller.rate)  # fmt: skip
        self._buckets[caller.token] = left - 1, now

    def _refresh(self) -> None:
        self._tokens = {row.id: row for row in list_tokens(self.sessions) if row.revoked is None}
        self._read_at = time.monotonic()


def _provider(settings: Settings) -> Provider | None:
    if settings.oidc is None:
        return None
    try:
        from tramontane.service.access.oidc import Provider
    except ModuleNotFoundError as error:
        raise TramontaneError(f"--oidc-issuer: needs {error.name}: pip install 'tramontane[oidc]'") from error
    return Provider(settings.oidc)


def _hash(secret: str) -> str:
    # The secret is random and long: nothing is gained by a hash that takes its time.
    return hashlib.sha256(secret.encode()).hexdigest()
