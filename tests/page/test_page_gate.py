"""Who may see the page, for how long, and what a browser may load for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from helpers.browsing import Tab
from helpers.serving import Running

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")


@pytest.fixture(scope="module")
def server(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(saved.parent, tmp_path_factory.mktemp("page") / "state") as running:
        yield running


def test_a_revoked_token_ends_with_the_page_that_it_opened(browser: Any, saved: Path, tmp_path: Path) -> None:
    from tramontane.service.access.tokens import create_token, revoke_token
    from tramontane.service.database import open_database
    from tramontane.service.settings import Settings

    state = tmp_path / "state"
    state.mkdir()
    sessions = open_database(Settings(models=state, state=state).database_url)[1]
    tokens = [create_token(sessions, name, scope="predict") for name in ("Anna", "Ben")]
    with Running(saved.parent, state, "--require-tokens") as server:
        with Tab(browser, server.url) as tab, Tab(browser, server.url) as other:
            for opened, token in zip((tab, other), tokens, strict=True):
                opened.open("/page/predict?model=model")
                opened.page.fill("input[name=token]", token)
                opened.page.get_by_role("button", name="Sign in").click()
                opened.page.locator("input[type=file]").wait_for(state="attached")
            revoke_token(sessions, tokens[0].split("_")[1])
            # Nobody touches the page: its socket is closed, and it comes back as the page for signing in.
            tab.page.locator("input[name=token]").wait_for()
            assert not other.page.locator("input[name=token]").count()
            # A second page of the same browser ends when the first one signs out.
            second = other.context.new_page()
            second.goto(f"{server.url}/page/")
            second.get_by_text("model").first.wait_for()
            other.page.get_by_role("button", name="Sign out").click()
            other.page.locator("input[name=token]").wait_for()
            second.locator("input[name=token]").wait_for()
        assert "Traceback" not in server.log.read_text()


def test_the_pages_policy_names_this_server_alone(server: Running) -> None:
    def policy(path: str) -> dict[str, str]:
        answer = httpx.get(f"{server.url}{path}", follow_redirects=True)
        parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
        return {name: sources for name, _, sources in parts}

    document = policy("/page/")
    assert document["connect-src"] == "'self'"
    assert (document["object-src"], document["base-uri"], document["frame-ancestors"]) == ("'none'",) * 3
    # NiceGUI runs text that the server sends, so that its documents allow that; nothing else does.
    assert document["script-src"] == "'self' 'unsafe-inline' 'unsafe-eval'"
    for path in ("/page/static/page.js", "/page/static/icon.svg", "/v1/models"):
        assert "unsafe" not in policy(path).get("script-src", "'none'")
    assert all(source in ("'self'", "data:", "blob:", "'none'", "'unsafe-inline'", "'unsafe-eval'")
               for sources in document.values() for source in sources.split())  # fmt: skip
