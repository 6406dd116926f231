"""Tokens of an OpenID provider that runs in a process of its own: what is taken, what is not, and what they allow."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from helpers.company import Company
from helpers.serving import Running, inputs, part, until
from tramontane.errors import TramontaneError
from tramontane.service.access.oidc import Provider
from tramontane.service.settings import Oidc

ROLES = ("--oidc-claim", "realm_access.roles", "--oidc-role", "predict=cfd", "--oidc-role", "read=guests")


def ask(running: Running, path: str, token: str, method: str = "GET", **request: Any) -> httpx.Response:
    return running.http.request(method, path, headers={"authorization": f"Bearer {token}"}, **request)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    provider = Company(tmp_path_factory.mktemp("company"))
    yield provider
    provider.end()


@pytest.fixture(scope="module")
def server(company: Company, saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """It can be reached by others, and has no token of its own."""
    state = tmp_path_factory.mktemp("oidc") / "state"
    options = ("--host", "0.0.0.0", "--oidc-issuer", company.issuer, "--oidc-audience", "tramontane")
    with Running(saved.parent, state, *options) as running:
        yield running


def test_who_logs_in_at_the_provider_may_ask(company: Company, server: Running) -> None:
    answer = ask(server, "/v1/models", company.log_in("anna", scope="openid predict"))
    assert answer.status_code == 200
    assert [each["name"] for each in answer.json()["models"]] == ["model"]
    assert ask(server, "/v1/models", company.log_in("anna", "the payroll", scope="predict")).status_code == 401
    assert server.http.get("/v1/models").status_code == 401


def test_scopes_of_a_token(company: Company, server: Running, tmp_path: Path) -> None:
    content = part(tmp_path).read_bytes()
    allowed = {}
    for scope in ("read", "predict", "admin"):
        token = company.sign(scope=f"openid {scope} email")
        allowed[scope] = [
            ask(server, "/v1/models", token).status_code,
            ask(server, "/v1/geometries?name=a.stl", token, "POST", content=content).status_code,
            ask(server, "/v1/models/reload", token, "POST").status_code,
        ]
    assert allowed == {"read": [200, 403, 403], "predict": [200, 201, 403], "admin": [200, 200, 200]}
    for nothing in ("openid email", "", None, "READ", ["openid"], 7, {"read": True}):
        refused = ask(server, "/v1/models", company.sign(scope=nothing))
        assert (refused.status_code, inputs(refused)) == (403, {})
    assert ask(server, "/v1/models", company.sign(scope=["read"])).status_code == 200


def test_jobs_are_of_whom_the_token_speaks_for(company: Company, server: Running, tmp_path: Path) -> None:
    anna, bert = (company.sign(sub=sub, scope="predict") for sub in ("anna", "bert"))
    stored = ask(server, "/v1/geometries?name=a.stl", anna, "POST", content=part(tmp_path).read_bytes()).json()
    request = {"model": "model", "designs": [{"geometry": stored["hash"], "parameters": {"load": 300}}], "cells": 500}
    job = ask(server, "/v1/jobs", anna, "POST", json=request).json()["id"]
    again = company.sign(sub="anna", scope="predict", exp=int(time.time()) + 1200)
    assert ask(server, f"/v1/jobs/{job}", again).status_code == 200
    assert ask(server, f"/v1/jobs/{job}", bert).status_code == 404
    assert "anna" not in server.log.read_text()


def _now(seconds: float) -> int:
    return int(time.time() + seconds)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"aud": "payroll"}, "for somebody else"),
        ({"aud": ["payroll", "mail"]}, "for somebody else"),
        ({"aud": None}, "lacks the claim 'aud'"),
        ({"iss": "https://evil.example"}, "as its issuer"),
        ({"iss": None}, "lacks the claim 'iss'"),
        ({"exp": -60}, "has expired"),
        ({"exp": None}, "lacks the claim 'exp'"),
        ({"exp": "soon"}, "does not hold"),
        ({"nbf": 120}, "is not valid yet"),
        ({"sub": None}, "lacks the claim 'sub'"),
        ({"sub": ["anna"]}, "does not hold"),
    ],
)
def test_claims_that_are_not_good(company: Company, server: Running, changed: dict[str, Any], message: str) -> None:
    at = {name: _now(value) if isinstance(value, int) else value for name, value in changed.items()}
    answer = ask(server, "/v1/models", company.sign(**at))
    assert (answer.status_code, answer.headers["www-authenticate"], inputs(answer)) == (401, "Bearer", {})
    assert message in answer.json()["detail"]


def test_clocks_may_differ_a_little(company: Company, server: Running) -> None:
    for near in ({"exp": _now(-10)}, {"nbf": _now(15)}, {"aud": ["mail", "tramontane"]}):
        assert ask(server, "/v1/models", company.sign(**near)).status_code == 200


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _published(company: Company) -> jwt.PyJWK:
    (key,) = company.http.get("/jwks").json()["keys"]
    return jwt.PyJWK(key)


def _unsigned(company: Company, name: str) -> str:
    header = {"alg": "none", "typ": "JWT", "kid": name}
    return f"{_encoded(header)}.{_encoded(company.claims(scope='admin'))}."


def _with_the_public_key(company: Company, name: str) -> str:
    """The known confusion: what everybody can read, taken as a secret that both sides share."""
    import hashlib
    import hmac

    public = _published(company).key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = f"{_encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': name})}.{_encoded(company.claims(scope='admin'))}"
    mac = base64.urlsafe_b64encode(hmac.new(public, text.encode(), hashlib.sha256).digest()).rstrip(b"=")
    return f"{text}.{mac.decode()}"


def _with_another_key(company: Company, name: str) -> str:
    key = rsa.generate_private_key(65537, 2048)
    return jwt.encode(company.claims(scope="admin"), key, "RS256", headers={"kid": name})


def _with_a_key_of_its_own(company: Company, name: str) -> str:
    key = rsa.generate_private_key(65537, 2048)
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return jwt.encode(company.claims(scope="admin"), key, "RS256", headers={"kid": name, "jwk": own})


def _changed(company: Company, name: str) -> str:
    head, _, signature = company.sign(scope="read").split(".")
    return f"{head}.{_encoded(company.claims(scope='admin'))}.{signature}"


def _of_an_unknown_key(company: Company, name: str) -> str:
    return _with_another_key(company, "nobody's")


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (_unsigned, "signed with 'none'"),
        (_with_the_public_key, "signed with 'HS256'"),
        (_with_another_key, "does not hold"),
        (_with_a_key_of_its_own, "does not hold"),
        (_changed, "does not hold"),
        (_of_an_unknown_key, "does not publish"),
    ],
)
def test_forged_tokens(
    company: Company,
    server: Running,
    forge: Callable[[Company, str], str],
    message: str,
    request: pytest.FixtureRequest,
) -> None:
    name = company.http.get("/jwks").json()["keys"][0]["kid"]
    answer = ask(server, "/v1/models", forge(company, name))
    assert (answer.status_code, inputs(answer)) == (401, {})
    assert message in answer.json()["detail"]


def test_what_is_no_token_at_all(server: Running) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 9000).decode()
    headers = [deep, *(_encoded(header) for header in ([1], {"alg": ["RS256"]}, {"alg": "RS256", "kid": 7}))]
    for wrong in ("x", "a.b.c", "..", "x" * 40_000, "tmt_0_0", *(f"{header}.e30.e30" for header in headers)):
        answer = ask(server, "/v1/models", wrong)
        assert (answer.status_code, inputs(answer)) == (401, {}), wrong[:40]


def test_an_unknown_key_does_not_make_the_server_ask_each_time(company: Company, server: Running) -> None:
    def requests() -> int:
        return company.log.read_text().count("GET /jwks")

    token, before, begun = _of_an_unknown_key(company, ""), requests(), time.monotonic()
    for _ in range(40):
        assert ask(server, "/v1/models", token).status_code == 401
    assert requests() - before <= 1 + (time.monotonic() - begun) / 5


def test_a_provider_that_goes_comes_back_and_changes_its_key(saved: Path, tmp_path: Path) -> None:
    company = Company(tmp_path)
    port = int(company.issuer.rpartition(":")[2])
    good = company.sign()
    company.end()
    options = ("--oidc-issuer", company.issuer, "--oidc-audience", "tramontane")
    with Running(saved.parent, tmp_path / "state", *options) as running:
        # Away at the start: the server runs, and says that it cannot check.
        refused = ask(running, "/v1/models", good)
        assert (refused.status_code, refused.headers["retry-after"], inputs(refused)) == (503, "5", {})
        assert '"provider away"' in running.log.read_text()
        assert running.http.get("/healthz").status_code == 200
        assert running.http.get("/v1/models").status_code == 401
        company = Company(tmp_path, port)
        until(lambda: ask(running, "/v1/models", good).status_code == 200, 30.0)
        # Another key: its first token makes the server look.
        company.http.post("/change").raise_for_status()
        fresh = company.sign()
        until(lambda: ask(running, "/v1/models", fresh).status_code == 200, 30.0)
        assert ask(running, "/v1/models", good).status_code == 401
        # Away later: what is known still counts, what is not known cannot be checked.
        company.end()
        assert ask(running, "/v1/models", fresh).status_code == 200
        until(lambda: ask(running, "/v1/models", _renamed(good)).status_code == 503, 30.0)
        assert ask(running, "/v1/models", fresh).status_code == 200


def _renamed(token: str) -> str:
    return ".".join([_encoded({"alg": "RS256", "kid": "another"}), *token.split(".")[1:]])


def test_roles_in_a_claim_of_the_company(company: Company, saved: Path, tmp_path: Path) -> None:
    options = ("--oidc-issuer", company.issuer, "--oidc-audience", "tramontane", *ROLES)
    content = part(tmp_path).read_bytes()
    with Running(saved.parent, tmp_path / "state", *options) as running:
        statuses = []
        for roles in (["staff", "cfd"], ["guests"], ["guests", "cfd"], ["predict", "admin"]):
            token = company.log_in("carl", realm_access={"roles": roles}, scope="admin")
            posted = ask(running, "/v1/geometries?name=a.stl", token, "POST", content=content)
            statuses.append((ask(running, "/v1/models", token).status_code, posted.status_code))
        assert statuses == [(200, 201), (200, 403), (200, 200), (403, 403)]


def test_settings_that_do_not_fit(company: Company) -> None:
    def refused(message: str, issuer: str = company.issuer, audience: str = "tramontane", **more: Any) -> None:
        with pytest.raises(TramontaneError, match=message):
            Provider(Oidc(issuer, audience, **more))

    refused("--oidc-audience", audience="")
    refused("--oidc-issuer", issuer="")
    refused("https://", issuer="http://idp.example")
    refused("https://", issuer="ftp://idp.example")
    refused("https://", issuer="http://[")
    refused("letter by letter", issuer=f"{company.issuer}/")
    refused("status 404", issuer=f"{company.issuer}/realm")
    refused("--oidc-role predict", claim="groups")
    refused("SCOPE=VALUE", claim="groups", roles=("write=cfd",))
    refused("SCOPE=VALUE", claim="groups", roles=("predict",))
    refused("two scopes", claim="groups", roles=("predict=cfd", "admin=cfd"))
