"""Who signed in on the page with a token of a provider: a short secret stands for it in the browser's cookie."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from tramontane.service.access.caller import Caller

PREFIX = "tms_"
_MOST = 10_000


@dataclass(frozen=True)
class _Entry:
    caller: Caller
    until: float


class SignedIn:
    """Those who are signed in, in memory: after a restart of the server they sign in again."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def open(self, caller: Caller, seconds: float) -> str:
        """Remember a caller for so long; the secret that stands for them, which is kept as a hash."""
        now = time.time()
        self._entries = {key: entry for key, entry in self._entries.items() if entry.until > now}
        for oldest in list(self._entries)[: max(0, len(self._entries) - _MOST + 1)]:
            del self._entries[oldest]
        secret = PREFIX + secrets.token_urlsafe(32)
        self._entries[_hash(secret)] = _Entry(caller, now + seconds)
        return secret

    def find(self, secret: str) -> Caller | None:
        """The caller whom a secret stands for, while it does."""
        entry = self._entries.get(_hash(secret))
        return entry.caller if entry is not None and entry.until > time.time() else None

    def close(self, secret: str) -> None:
        """Forget a caller."""
        self._entries.pop(_hash(secret), None)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
