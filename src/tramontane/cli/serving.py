"""The commands of the server: run it, and say who may ask it what."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from tramontane.cli.common import app, console, naming, solvers
from tramontane.errors import TramontaneError
from tramontane.io.lazy_modules import loading

tokens = typer.Typer(help="Tokens of a server: who may ask what.", no_args_is_help=True)
app.add_typer(tokens, name="token")

State = Annotated[Path, typer.Option(help="Folder of uploads, jobs and tokens.", envvar="TRAMONTANE_STATE")]
Database = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="URL of a database; a file in STATE if not given.", envvar="TRAMONTANE_DATABASE"),
]
AllowHost = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(help="A name the server goes by, besides HOST.", envvar="TRAMONTANE_ALLOW_HOST"),
]
OidcIssuer = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Address of an OpenID provider whose tokens are taken.", envvar="TRAMONTANE_OIDC_ISSUER"),
]
OidcAudience = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="What its tokens for this server have as 'aud'.", envvar="TRAMONTANE_OIDC_AUDIENCE"),
]
OidcClaim = Annotated[
    str, typer.Option(help="The claim that says what a token allows.", envvar="TRAMONTANE_OIDC_CLAIM")
]
OidcRole = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        metavar="SCOPE=VALUE", help="A value of that claim, and what it allows.", envvar="TRAMONTANE_OIDC_ROLE"
    ),
]
OidcClient = Annotated[
    str,
    typer.Option(help="The page's client id there; the audience if not given.", envvar="TRAMONTANE_OIDC_CLIENT"),
]
OidcScope = Annotated[
    str, typer.Option(help="Scopes that the page asks for at a sign-in.", envvar="TRAMONTANE_OIDC_SCOPE")
]


@app.command(cls=naming(solvers=solvers))
def serve(
    models: Annotated[Path, typer.Argument(help="A folder of saved surrogates, or one.")],
    host: Annotated[str, typer.Option(help="Address to listen on.", envvar="TRAMONTANE_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    state: State = Path("tramontane-state"),
    database: Database = None,
    solver: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="A solver, or a solver folder, to serve, too: {solvers}."),
    ] = None,
    require_tokens: Annotated[bool, typer.Option(help="Ask for a token on loopback, too.")] = False,
    allow_host: AllowHost = None,
    oidc_issuer: OidcIssuer = None,
    oidc_audience: OidcAudience = None,
    oidc_claim: OidcClaim = "scope",
    oidc_role: OidcRole = None,
    oidc_client: OidcClient = "",
    oidc_scope: OidcScope = "openid",
    workers: Annotated[Optional[int], typer.Option(help="Predictions at once; all cores if not given.")] = None,  # noqa: UP045
    max_upload: Annotated[int, typer.Option(help="Largest upload, MiB.")] = 256,
    cache: Annotated[int, typer.Option(help="Memory of all caches together, MiB.", min=16)] = 512,
    predict_seconds: Annotated[float, typer.Option(help="Longest prediction, seconds.")] = 120.0,
    data: Annotated[Optional[list[Path]], typer.Option(help="A dataset to show on the page.")] = None,  # noqa: UP045
    results: Annotated[Optional[list[Path]], typer.Option(help="A folder of results to ingest on the page.")] = None,  # noqa: UP045
    page: Annotated[bool, typer.Option(help="Whether the page is served, too.")] = True,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Serve surrogates over HTTP: upload a geometry, predict, download; `tramontane docs` says more."""
    with _serve_extra():
        from tramontane.http.run import leave
        from tramontane.http.run import serve as run
        from tramontane.service.settings import MIB, Oidc, Settings

    oidc = None
    if oidc_issuer or oidc_audience or oidc_role or oidc_claim != "scope":
        # A secret on a command line would be seen by others.
        secret = os.environ.get("TRAMONTANE_OIDC_SECRET", "")
        oidc = Oidc(oidc_issuer or "", oidc_audience or "", oidc_claim, tuple(oidc_role or ()),
                    oidc_client, secret, oidc_scope)  # fmt: skip
    settings = Settings(
        models=models, host=host, port=port, state=state, database=database, solvers=tuple(solver or ()),
        hosts=tuple(allow_host or ()), require_tokens=require_tokens, oidc=oidc, datasets=tuple(data or ()),
        results=tuple(results or ()),
        workers=workers or os.cpu_count() or 1, upload_bytes=max_upload * MIB,
        cache_bytes=cache * MIB,
        predict_seconds=predict_seconds,
    )  # fmt: skip
    extend: Any = {}
    if page:
        with _serve_extra():
            from tramontane.page.mount import mount

            extend = {"extend": mount}
    run(settings, lambda line: console.print(line, highlight=False, markup=False), log_level=log_level, **extend)
    leave()


@tokens.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="Whose it is.")],
    scope: Annotated[str, typer.Option(help="read, predict or admin.")] = "predict",
    rate: Annotated[Optional[int], typer.Option(help="Requests a minute.")] = None,  # noqa: UP045
    max_upload: Annotated[Optional[int], typer.Option(help="Largest upload, MiB.")] = None,  # noqa: UP045
    state: State = Path("tramontane-state"),
    database: Database = None,
) -> None:
    """Make a token and print it; it is stored as a hash and cannot be shown again."""
    with _serve_extra():
        from tramontane.service.access.tokens import create_token as create
        from tramontane.service.settings import MIB

    size = None if max_upload is None else max_upload * MIB
    print(create(_sessions(state, database), name, scope=scope, rate=rate, upload_bytes=size))


@tokens.command("list")
def list_tokens(state: State = Path("tramontane-state"), database: Database = None) -> None:
    """Show all tokens, without their secrets."""
    with _serve_extra():
        from tramontane.service.access.tokens import list_tokens as every

    for row in every(_sessions(state, database)):
        ended = "" if row.revoked is None else "  revoked"
        console.print(f"{row.id}  {row.scope:7}  {row.name}{ended}", highlight=False, markup=False)


@tokens.command("revoke")
def revoke_token(
    identity: Annotated[str, typer.Argument(metavar="ID", help="The token's id, its second part.")],
    state: State = Path("tramontane-state"),
    database: Database = None,
) -> None:
    """End a token for good; a running server notices within two seconds."""
    with _serve_extra():
        from tramontane.service.access.tokens import revoke_token as revoke

    revoke(_sessions(state, database), identity)


def _sessions(state: Path, database: str | None) -> Any:
    with _serve_extra():
        from tramontane.service.database import open_database
        from tramontane.service.settings import Settings

    state.mkdir(parents=True, exist_ok=True)
    return open_database(Settings(models=state, state=state, database=database).database_url)[1]


@contextlib.contextmanager
def _serve_extra() -> Iterator[None]:
    try:
        with loading():
            yield
    except ModuleNotFoundError as error:
        raise TramontaneError(f"serving needs {error.name}: pip install 'tramontane[serve]'") from error
