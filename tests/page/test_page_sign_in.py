"""Signing in on the page at a company's provider, in a real browser: the provider is another site than the server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from helpers.browsing import Tab
from helpers.company import Company
from helpers.serving import Running

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    provider = Company(tmp_path_factory.mktemp("company"))
    yield provider
    provider.end()


@pytest.fixture(scope="module")
def server(company: Company, saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("sign-in") / "state"
    options = ("--host", "0.0.0.0", "--oidc-issuer", company.issuer, "--oidc-audience", "tramontane")
    with Running(saved.parent, state, *options) as running:
        yield running


@pytest.fixture
def tab(browser: Any, server: Running) -> Iterator[Tab]:
    # To a browser, localhost is another site than the provider's 127.0.0.1.
    with Tab(browser, f"http://localhost:{urlsplit(server.url).port}") as opened:
        yield opened


def at_provider(tab: Tab, company: Company, who: str) -> None:
    """Give a name on the provider's own page."""
    tab.page.wait_for_url(f"{company.issuer}/oauth2/authorize**")
    tab.page.locator("input[name=sub]").fill(who)
    tab.page.get_by_role("button", name="Authorize").click()


def cookies(tab: Tab) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in tab.context.cookies(tab.url)}


def test_a_person_signs_in_at_the_provider_and_comes_back(tab: Tab, company: Company, server: Running) -> None:
    company.http.put("/users/anna", json={"scope": "openid predict"}).raise_for_status()
    tab.open("/page/predict?model=model&p.load=250")
    tab.page.get_by_role("link", name="Sign in at 127.0.0.1").click()
    tab.page.wait_for_url(f"{company.issuer}/oauth2/authorize**")
    query = {key: of[0] for key, of in parse_qs(urlsplit(tab.page.url).query).items()}
    assert (query["client_id"], query["code_challenge_method"]) == ("tramontane", "S256")
    assert query["redirect_uri"] == f"{tab.url}/page/login/back"
    at_provider(tab, company, "anna")
    tab.page.wait_for_url("**/page/predict?model=model**")
    tab.page.locator("input[type=file]").wait_for(state="attached")
    assert tab.parameter("p.load") == "250"
    kept = cookies(tab)["tramontane_token"]
    assert (kept["httpOnly"], kept["sameSite"]) == (True, "Strict")
    assert len(kept["value"]) < 100  # the provider's token stays on the server
    head = {"cookie": f"tramontane_token={kept['value']}"}
    assert server.http.get("/v1/models", headers=head).status_code == 200
    assert server.http.get("/v1/geometries", headers=head).status_code == 200
    assert server.http.get("/v1/tokens", headers=head).status_code == 403  # that would need admin
    # Where a sign-in has ended, the browser is sent to the provider at once, and comes back.
    tab.context.clear_cookies(name="tramontane_token")
    tab.open("/page/predict?model=model&p.load=350")
    at_provider(tab, company, "anna")
    tab.page.wait_for_url("**/page/predict?model=model**")
    tab.page.get_by_role("button", name="Sign out").click()
    tab.page.get_by_role("link", name="Sign in at 127.0.0.1").wait_for()
    assert "tramontane_token" not in cookies(tab)
    assert {urlsplit(url).netloc for url in tab.requested if "/page/" in urlsplit(url).path} == {
        urlsplit(tab.url).netloc
    }


def test_who_signed_out_is_out(tab: Tab, company: Company, server: Running) -> None:
    company.http.put("/users/carl", json={"scope": "read"}).raise_for_status()
    tab.open("/page/login")
    tab.page.get_by_role("link", name="Sign in at 127.0.0.1").click()
    at_provider(tab, company, "carl")
    tab.page.wait_for_url("**/page/")
    head = {"cookie": f"tramontane_token={cookies(tab)['tramontane_token']['value']}"}
    assert server.http.get("/v1/models", headers=head).status_code == 200
    tab.page.get_by_role("button", name="Sign out").click()
    tab.page.wait_for_url("**/page/login**")
    assert server.http.get("/v1/models", headers=head).status_code == 401


def test_what_goes_wrong_at_a_sign_in_is_said(tab: Tab, company: Company) -> None:
    company.http.put("/users/berta", json={"scope": "openid"}).raise_for_status()
    tab.open("/page/login")
    tab.page.get_by_role("link", name="Sign in at 127.0.0.1").click()
    at_provider(tab, company, "berta")
    assert "has none of read, predict, admin" in tab.page.get_by_role("alert").inner_text()
    tab.picture("sign-in-failed")
    assert "tramontane_token" not in cookies(tab)
    tab.page.get_by_role("link", name="Try again").click()
    tab.page.get_by_role("link", name="Sign in at 127.0.0.1").wait_for()
    tab.picture("sign-in")
    tab.page.get_by_role("link", name="Sign in at 127.0.0.1").click()
    tab.page.wait_for_url(f"{company.issuer}/oauth2/authorize**")
    tab.page.get_by_role("button", name="Deny").click()
    assert "access_denied" in tab.page.get_by_role("alert").inner_text()
    tab.context.clear_cookies(name="tramontane_begun")
    tab.page.goto(f"{tab.url}/page/login/back?code=abc&state=def")  # another site sends the browser with its own code
    assert "not begun in this browser" in tab.page.get_by_role("alert").inner_text()


def sign_in(company: Company, server: Running, spoilt: str | None = None) -> httpx.Response:
    """What a browser does, in which one of the texts that it keeps was changed."""
    company.http.put("/users/anna", json={"scope": "openid predict"}).raise_for_status()
    begin = server.http.get("/page/login/begin")
    *given, _ = begin.cookies["tramontane_begun"].strip('"').split(".")
    kept = dict(zip(("state", "nonce", "verifier"), given, strict=True))
    server.http.cookies.clear()
    path = begin.headers["location"].removeprefix(company.issuer)
    back = urlsplit(company.http.post(path, data={"sub": "anna"}).headers["location"])
    if spoilt is not None:
        kept[spoilt] = kept[spoilt][::-1]
    begun = ".".join((*kept.values(), "%2Fpage%2F"))
    answer = server.http.get(f"{back.path}?{back.query}", headers={"cookie": f"tramontane_begun={begun}"})
    server.http.cookies.clear()
    return answer


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [(None, None), ("state", "not begun in this browser"), ("verifier", "invalid_grant"), ("nonce", "not to this")],
)
def test_a_code_needs_state_proof_and_nonce(
    company: Company, server: Running, spoilt: str | None, message: str | None
) -> None:
    answer = sign_in(company, server, spoilt)
    assert ("tramontane_token" in answer.cookies) == (message is None)
    assert (message or 'url=/page/"') in answer.text


def test_a_client_with_a_secret(company: Company, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {
        "redirect_uris": [f"http://127.0.0.1:{port}/page/login/back"],
        "token_endpoint_auth_method": "client_secret_post",
    }
    client = company.http.post("/oauth2/clients", json=given).raise_for_status().json()
    options = ("--oidc-issuer", company.issuer, "--oidc-audience", client["client_id"], "--port", str(port))
    for secret, comes_in in (("wrong", False), (client["client_secret"], True)):
        monkeypatch.setenv("TRAMONTANE_OIDC_SECRET", secret)
        with Running(saved.parent, tmp_path / "state", *options) as server:
            assert ("tramontane_token" in sign_in(company, server).cookies) is comes_in


def test_a_token_of_the_provider_can_be_given_by_hand(tab: Tab, company: Company) -> None:
    token = company.sign(scope="read", groups=["g" * 30] * 150)
    assert len(token) > 4096  # more than a cookie holds
    tab.open("/page/login")
    tab.page.fill("input[name=token]", token)
    tab.page.keyboard.press("Enter")
    tab.page.locator("[data-model=model]").wait_for()
    seconds = cookies(tab)["tramontane_token"]["expires"] - company.claims()["iat"]
    assert 500 < seconds <= 600  # it ends with the token
