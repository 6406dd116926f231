"""An OpenID provider in a process of its own, which also signs what a test asks for and changes its key.

    python oidc_provider.py PORT KEY.json

The key outlives the process, as that of a real provider does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import flask
import oidc_provider_mock
from authlib import jose
from oidc_provider_mock._app import AuthorizationCodeGrant
from werkzeug.serving import make_server


def main(port: int, file: Path) -> None:
    """Serve until killed; says its address in a line."""
    # A page is a public client: it proves itself by PKCE, without a secret.
    AuthorizationCodeGrant.TOKEN_ENDPOINT_AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post"]
    app = oidc_provider_mock.app()

    @app.before_request
    def known_key() -> None:
        if not file.exists():
            change()
        flask.g.oidc_provider_mock_storage.jwk = jose.JsonWebKey.import_key(json.loads(file.read_text()))

    @app.post("/sign")
    def sign() -> str:
        """A token with the claims of the body."""
        key = flask.g.oidc_provider_mock_storage.jwk
        header = {"alg": "RS256", "kid": key.thumbprint(), **json.loads(flask.request.args.get("header", "{}"))}
        return jose.jwt.encode(header, flask.request.get_json(), key, check=False).decode()

    @app.post("/change")
    def change() -> str:
        """Sign with another key from now on."""
        key = jose.JsonWebKey.generate_key("RSA", 2048, is_private=True)
        file.write_text(json.dumps(key.as_dict(is_private=True)))
        return ""

    challenges: dict[str, str] = {}

    @app.after_request
    def remember(answer: flask.Response) -> flask.Response:
        """Which challenge belongs to a code."""
        code = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("code")
        if flask.request.path == "/oauth2/authorize" and code and "code_challenge" in flask.request.args:
            assert flask.request.args["code_challenge_method"] == "S256"
            challenges[code[0]] = flask.request.args["code_challenge"]
        return answer

    @app.before_request
    def prove() -> tuple[dict[str, str], int] | None:
        """RFC 7636, which the provider itself leaves out."""
        challenge = (
            challenges.get(flask.request.form.get("code", "")) if flask.request.path == "/oauth2/token" else None
        )
        digest = hashlib.sha256(flask.request.form.get("code_verifier", "").encode()).digest()
        if challenge is not None and base64.urlsafe_b64encode(digest).decode().rstrip("=") != challenge:
            return {"error": "invalid_grant"}, 400
        return None

    server = make_server("127.0.0.1", port, app, threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
