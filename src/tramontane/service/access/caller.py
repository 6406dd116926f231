"""Who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass

from tramontane.service.problems import Problem

SCOPES = ("read", "predict", "admin")
"""Each allows what those before it allow."""


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        token: Id of the token, or of whom a provider's token speaks for; None where none is needed.
        scope: What it allows.
        rate: Requests a minute; None does not count.
        upload_bytes: Largest upload; None leaves the server's limit.
    """

    token: str | None
    scope: str
    rate: int | None = None
    upload_bytes: int | None = None

    def may(self, scope: str) -> bool:
        """Whether the caller has a scope, or one that allows more."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def need(self, scope: str) -> None:
        """Go on only with a scope.

        Raises:
            Problem: The caller has not got it.
        """
        if not self.may(scope):
            raise Problem(403, f"this needs a token of scope {scope}, this one has {self.scope}; ask the operator")


ANYBODY = Caller(None, "admin")
"""On a server that only this machine reaches and that has no tokens."""
