"""Signing in at the company's provider: the authorization code flow (OpenID Connect Core 1.0) with PKCE (RFC 7636).

The browser is sent to the provider and comes back with a code; the server exchanges that for tokens, with a proof that
it is the one who sent the browser there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt

from tramontane.service.access.oidc import Provider
from tramontane.service.problems import Problem
from tramontane.service.settings import MIB

_SECONDS = 10.0


@dataclass(frozen=True)
class Begun:
    """What the browser keeps while the person is at the provider.

    Attributes:
        state: Comes back with the code, so that no other site can have sent the browser.
        nonce: Comes back in the ID token.
        verifier: Whose hash the provider was told.
    """

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Begun:
        """Three random texts."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))

    def text(self) -> str:
        """As it stands in a cookie."""
        return ".".join((self.state, self.nonce, self.verifier))

    @classmethod
    def read(cls, text: str) -> Begun | None:
        """The inverse of `text`; None where it is not one."""
        parts = text.split(".")
        return cls(*parts) if len(parts) == 3 and all(parts) else None


def address(provider: Provider, begun: Begun, back: str) -> str:
    """Where the browser is sent.

    Args:
        provider: The company's.
        begun: What the browser keeps.
        back: Where the provider sends it then.

    Raises:
        Problem: The provider is away, or has no such address.
    """
    challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code", "client_id": provider.settings.client_id, "redirect_uri": back,
        "scope": provider.settings.scope, "state": begun.state, "nonce": begun.nonce,
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    endpoint = _endpoints(provider)[0]
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


async def exchange(provider: Provider, begun: Begun, *, code: str, state: str, back: str) -> list[str]:
    """The tokens that a code is good for: the access token and the ID token, where they are there.

    Args:
        provider: The company's.
        begun: What the browser kept.
        code: That the provider gave.
        state: That came with it.
        back: As it was for `address`.

    Raises:
        Problem: The answer is to another question, or the provider does not take the code.
    """
    if not hmac.compare_digest(state.encode(), begun.state.encode()):
        raise Problem(401, "this sign-in was not begun in this browser; begin it again")
    given = {"grant_type": "authorization_code", "code": code, "redirect_uri": back,
             "client_id": provider.settings.client_id, "code_verifier": begun.verifier}  # fmt: skip
    if provider.settings.secret:
        given["client_secret"] = provider.settings.secret
    endpoint = _endpoints(provider)[1]
    try:
        async with httpx.AsyncClient(timeout=_SECONDS, headers={"Accept": "application/json"}) as http:
            answer = await http.post(endpoint, data=given)
        answer_document: Any = answer.json() if len(answer.content) < MIB else None
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        raise Problem(503, "the provider cannot be asked just now; try again in a moment", retry_after=5) from error
    if answer.status_code != 200 or not isinstance(answer_document, dict):
        refusal = answer_document.get("error") if isinstance(answer_document, dict) else None
        reason = str(refusal or answer.status_code)[:60]
        raise Problem(401, f"the provider did not accept the sign-in ({reason}); try again")
    tokens = [
        answer_document[name] for name in ("access_token", "id_token") if isinstance(answer_document.get(name), str)
    ]
    if isinstance(answer_document.get("id_token"), str):
        _check_nonce(answer_document["id_token"], begun.nonce)
    return tokens


def _check_nonce(token: str, nonce: str) -> None:
    """The ID token came from the provider itself; still, it is to be the one that was asked for here."""
    try:
        stated = jwt.decode(token, options={"verify_signature": False}).get("nonce")
    except jwt.PyJWTError:
        stated = None
    if not isinstance(stated, str) or not hmac.compare_digest(stated.encode(), nonce.encode()):
        raise Problem(401, "the provider's answer is not to this sign-in; begin it again")


def _endpoints(provider: Provider) -> tuple[str, str]:
    if provider.endpoints is None:
        raise Problem(503, "the provider has not said where one signs in; try again in a moment, or give a token",
                      retry_after=5)  # fmt: skip
    return provider.endpoints
