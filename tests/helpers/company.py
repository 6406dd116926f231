"""A company with an OpenID provider."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx


class Company:
    """An OpenID provider.

    Args:
        folder: Where its key is kept.
        port: 0 takes a free one.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        program = Path(__file__).with_name("oidc_provider.py")
        self.log = folder / "provider.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(program), str(port), str(folder / "key.json")],
                stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | {"AUTHLIB_INSECURE_TRANSPORT": "1"},
            )  # fmt: skip
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 60.0)
        self.issuer = self.process.stdout.readline().strip() if ready else ""
        assert self.issuer, self.log.read_text()
        self.http = httpx.Client(base_url=self.issuer, timeout=30.0)

    def end(self) -> None:
        self.http.close()
        self.process.kill()
        self.process.communicate()

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of a good token, but for what is changed; None leaves a claim out."""
        now = int(time.time())
        plain = {"iss": self.issuer, "aud": "tramontane", "sub": "anna", "iat": now, "exp": now + 600, "scope": "read"}
        return {name: value for name, value in (plain | changed).items() if value is not None}

    def sign(self, *, header: dict[str, Any] | None = None, **changed: Any) -> str:
        """A token that the provider's own key signs."""
        answer = self.http.post("/sign", json=self.claims(**changed), params={"header": json.dumps(header or {})})
        return answer.raise_for_status().text

    def log_in(self, who: str, audience: str = "tramontane", **claims: Any) -> str:
        """A token as a person gets one: by the provider's own page, a code and the exchange of that code."""
        self.http.put(f"/users/{who}", json=claims).raise_for_status()
        back = "http://127.0.0.1/back"
        page = {"response_type": "code", "client_id": audience, "redirect_uri": back, "scope": "openid", "state": "1"}
        sent = self.http.post("/oauth2/authorize", params=page, data={"sub": who}).headers["location"]
        exchange = {"grant_type": "authorization_code", "code": parse_qs(urlsplit(sent).query)["code"][0],
                    "redirect_uri": back, "client_id": audience, "client_secret": "any"}  # fmt: skip
        return str(self.http.post("/oauth2/token", data=exchange).raise_for_status().json()["id_token"])
