"""Bearer tokens of the company's own OpenID provider: who signed them, for whom, until when, and what they allow.

Keys come from the issuer's discovery document and its key set (OpenID Connect Discovery 1.0, RFC 7517). Tokens are
signed JWTs (RFC 7519, RFC 9068); only signatures by a private key count, so nobody can make one from what is published.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from tramontane.errors import TramontaneError
from tramontane.service.access.caller import SCOPES, Caller
from tramontane.service.problems import Problem
from tramontane.service.settings import LOOPBACK, MIB, Oidc

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that are believed: those whose published key cannot sign."""
_LEEWAY = 30.0  # s by which clocks may differ
_FRESH = 600.0  # s after which the keys are asked for again, beside requests
_STALE = 86_400.0  # s for which keys count while the provider is away
_PAUSE = 5.0  # s between two questions to the provider, whatever clients send
_LONGEST = 16_384  # characters of a token
_log = logging.getLogger("tramontane.serve")


class Provider:
    """An OpenID provider whose tokens are taken.

    A provider that is away when the server starts is asked again later; its tokens are answered with 503 until then.

    Attributes:
        endpoints: Where people sign in, and where codes are exchanged for tokens; None where that is not known.

    Args:
        settings: Which provider, and what its tokens say.

    Raises:
        TramontaneError: The settings do not fit each other, or what the issuer's address says is no provider's.
    """

    def __init__(self, settings: Oidc) -> None:
        self.settings = settings
        self.roles = _roles(settings)
        if not settings.issuer or not settings.audience:
            raise TramontaneError("OIDC needs both --oidc-issuer (the provider's address) and --oidc-audience (what "
                                  "its tokens for this server have as 'aud')")  # fmt: skip
        _check_address(settings.issuer, "--oidc-issuer")
        self._decoder = jwt.PyJWT({"enforce_minimum_key_length": True})
        self.endpoints: tuple[str, str] | None = None
        self._keys: list[dict[str, Any]] = []
        self._made: dict[tuple[str | None, str], jwt.PyJWK] = {}
        self._fetched = self._tried = -_STALE - 1.0
        self._away: str | None = None
        self._asking: asyncio.Task[None] | None = None
        self._ask()

    async def identify(self, token: str, *, rate: int) -> Caller:
        """Who a token speaks for, and what it allows.

        Args:
            token: As it was sent.
            rate: Requests a minute that the caller may make.

        Raises:
            Problem: 401 where the token is not good, 403 where it allows nothing here, 503 where it cannot be checked
                since the provider is away.
        """
        claims = await self._claims(token)
        scopes = [self.roles[value] for value in _values(claims, self.settings.claim) if value in self.roles]
        if not scopes:
            raise Problem(403, f"the token's claim {self.settings.claim!r} has none of {', '.join(self.roles)}, one of "
                          "which this server asks for; ask whoever runs the provider")  # fmt: skip
        # Names of people stay out of the log and the database.
        person = hashlib.sha256(f"{claims['iss']}\n{claims['sub']}".encode()).hexdigest()[:32]
        return Caller(f"oidc-{person}", max(scopes, key=SCOPES.index), rate)

    async def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            if len(token) > _LONGEST:
                raise ValueError
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Problem(401, "the token is no JWT of the provider's, nor one of this server's own") from None
        algorithm, name = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise Problem(401, f"the token is signed with {str(algorithm)[:20]!r}; here it takes one of "
                          f"{', '.join(ALGORITHMS)}")  # fmt: skip
        key = await self._key(name, algorithm)
        issuer, audience = self.settings.issuer, self.settings.audience
        try:
            claims: Mapping[str, Any] = self._decoder.decode(
                token, key, algorithms=[algorithm], audience=audience, issuer=issuer, leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise Problem(401, f"the token has expired; get another from {issuer}") from None
        except jwt.ImmatureSignatureError:
            raise Problem(
                401, "the token is not valid yet; compare the clocks of the server and the provider"
            ) from None
        except jwt.InvalidAudienceError:
            raise Problem(401, f"the token is for somebody else; ask {issuer} for one whose audience is {audience!r}"
                          ) from None  # fmt: skip
        except jwt.InvalidIssuerError:
            raise Problem(401, f"the token does not name {issuer} as its issuer, whose tokens this server takes"
                          ) from None  # fmt: skip
        except jwt.MissingRequiredClaimError as error:
            raise Problem(401, f"the token lacks the claim {error.claim!r}") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Problem(
                401, "the token's signature or a claim does not hold; get another from the provider"
            ) from None
        return claims

    # -- keys ------------------------------------------------------------------------------------------------------

    async def _key(self, name: str | None, algorithm: str) -> jwt.PyJWK:
        age = time.monotonic() - self._fetched
        key = self._find(name, algorithm) if age < _STALE else None
        if key is not None:
            if age > _FRESH:
                self._begin()  # nobody waits for it
            return key
        asking = self._begin()
        if asking is not None:
            await asyncio.shield(asking)
        age = time.monotonic() - self._fetched
        key = self._find(name, algorithm) if age < _STALE else None
        if key is None and self._away is not None:
            raise Problem(503, "the token cannot be checked, since the provider cannot be asked for its keys just now; "
                          "try again in a moment", retry_after=_PAUSE)  # fmt: skip
        if key is None:
            raise Problem(401, "the token is signed with a key that the provider does not publish")
        return key

    def _find(self, name: str | None, algorithm: str) -> jwt.PyJWK | None:
        if (name, algorithm) in self._made:
            return self._made[name, algorithm]
        fitting = []
        for each in self._keys:
            if (name is not None and each.get("kid") != name) or each.get("alg", algorithm) != algorithm:
                continue
            try:
                fitting.append(jwt.PyJWK(each, algorithm))
            except (jwt.PyJWTError, ValueError, TypeError):  # of another kind
                continue
        if len(fitting) != 1:
            return None
        if name is None or any(each.get("kid") == name for each in self._keys):
            self._made[name, algorithm] = fitting[0]
        return fitting[0]

    def _begin(self) -> asyncio.Task[None] | None:
        """Ask the provider, once for all who wait, and not more often than it should be."""
        if self._asking is None or self._asking.done():
            if time.monotonic() - self._tried < _PAUSE:
                return None
            self._asking = asyncio.create_task(asyncio.to_thread(self._ask_again))
        return self._asking

    def _ask_again(self) -> None:
        try:
            self._ask()
        except TramontaneError as error:  # right at the start, and wrong now
            self._away = str(error)
            _log.warning("provider", extra={"reason": self._away})

    def _ask(self) -> None:
        """Read the provider's documents; one that is away leaves what is known as it is.

        Raises:
            TramontaneError: There is something else at the address.
        """
        issuer = self.settings.issuer
        configuration = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        self._tried = time.monotonic()
        try:
            with httpx.Client(timeout=5.0, headers={"Accept": "application/json"}) as http:
                about = _document(http, configuration)
                if about.get("issuer") != issuer:
                    raise TramontaneError(f"{configuration}: says that its issuer is {about.get('issuer')!r}; give "
                                          "that as --oidc-issuer, letter by letter")  # fmt: skip
                keys_at = str(about.get("jwks_uri"))
                _check_address(keys_at, f"{configuration}: jwks_uri")
                keys = _document(http, keys_at).get("keys")
        except httpx.HTTPError as error:
            self._away = f"{configuration}: {error or type(error).__name__}"
            _log.warning("provider away", extra={"reason": self._away})
            return
        usable = [each for each in keys if _signs(each)] if isinstance(keys, list) else []
        if not usable:
            raise TramontaneError(f"{keys_at}: has no key with which tokens could be checked")
        self._keys, self._made, self._away = usable, {}, None
        self.endpoints = _endpoints(about)
        self._fetched = time.monotonic()


def _document(http: httpx.Client, address: str) -> dict[str, Any]:
    """A JSON object at an address.

    Raises:
        httpx.HTTPError: It cannot be had just now.
        TramontaneError: There is none.
    """
    with http.stream("GET", address) as answer:
        if answer.status_code >= 500:
            raise httpx.HTTPError(f"answers with status {answer.status_code}")
        content = b""
        for part in answer.iter_bytes():
            content += part
            if len(content) > MIB:
                raise TramontaneError(f"{address}: is over a megabyte; check --oidc-issuer")
    if answer.status_code != 200:
        raise TramontaneError(f"{address}: answers with status {answer.status_code}; check --oidc-issuer")
    try:
        document = httpx.Response(200, content=content).json()
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise TramontaneError(f"{address}: is no JSON object; check --oidc-issuer")
    return document


def _check_address(address: str, what: str) -> None:
    try:
        parts = urlsplit(address)
        good = bool(parts.hostname) and (parts.scheme == "https" or
                                         (parts.scheme == "http" and parts.hostname in LOOPBACK))  # fmt: skip
    except ValueError:
        good = False
    if not good:
        raise TramontaneError(f"{what}: is {address!r}; give an address that begins with https://, since whoever could "
                              "change the keys on their way could make tokens")  # fmt: skip


def _endpoints(about: Mapping[str, Any]) -> tuple[str, str] | None:
    """Those for signing in; a provider without them still signs tokens."""
    addresses = [str(about.get(name)) for name in ("authorization_endpoint", "token_endpoint")]
    try:
        for each in addresses:
            _check_address(each, "provider")
    except TramontaneError:
        return None
    return addresses[0], addresses[1]


def _signs(key: Any) -> bool:
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


def _roles(settings: Oidc) -> dict[str, str]:
    """Scopes by the values of the claim that give them."""
    if not settings.roles:
        if settings.claim != "scope":
            raise TramontaneError(f"--oidc-claim {settings.claim}: also say which of its values allow what, such as "
                                  "--oidc-role predict=simulation-engineers")  # fmt: skip
        return {scope: scope for scope in SCOPES}
    roles: dict[str, str] = {}
    for text in settings.roles:
        scope, _, value = text.partition("=")
        if scope not in SCOPES or not value:
            raise TramontaneError(f"--oidc-role {text}: give SCOPE=VALUE with a scope of {', '.join(SCOPES)}")
        if value in roles:
            raise TramontaneError(f"--oidc-role {text}: {value} is given two scopes; each allows what those before it "
                                  f"allow ({', '.join(SCOPES)}), so give the widest")  # fmt: skip
        roles[value] = scope
    return roles


def _values(claims: Mapping[str, Any], claim: str) -> list[str]:
    """A claim's texts; ``realm_access.roles`` looks into objects unless there is a claim of just that name."""
    value: Any = claims
    for part in [claim] if claim in claims else claim.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, str):
        return [value, *value.split()]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
