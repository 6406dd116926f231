"""An OpenID provider in a process of its own, which also signs what a test asks for and changes its key.

    python oidc_provider.py PORT KEY.json

The key outlives the process, as that of a real provider does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import flask
import oidc_provider_mock
from authlib import jose
from werkzeug.serving import make_server


def main(port: int, file: Path) -> None:
    """Serve until killed; says its address in a line."""
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

    server = make_server("127.0.0.1", port, app, threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
