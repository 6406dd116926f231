"""What a server is told when it starts: where its files are, and its limits."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Oidc:
    """An OpenID provider whose tokens are taken.

    Attributes:
        issuer: Its address, as its tokens say it in ``iss``.
        audience: What tokens for this server have in ``aud``.
        claim: The claim that says what a token allows; a dot looks into an object: ``realm_access.roles``.
        roles: ``SCOPE=VALUE``: which values of that claim allow what; empty takes the scopes' own names.
        client: Under which id the page is known there; empty takes the audience.
        secret: Of that client, where it has one.
        scope: What the page asks for when somebody signs in.
    """

    issuer: str
    audience: str
    claim: str = "scope"
    roles: tuple[str, ...] = ()
    client: str = ""
    secret: str = field(default="", repr=False)
    scope: str = "openid"

    @property
    def client_id(self) -> str:
        """The page's id."""
        return self.client or self.audience


@dataclass(frozen=True)
class Settings:
    """Everything that an operator may change.

    Attributes:
        models: A folder of saved surrogates, or one saved surrogate.
        state: Folder of uploads, jobs' cases and, by default, the database.
        database: URL of SQLAlchemy; None takes a SQLite file in ``state``.
        database_seconds: How long a request waits for a database that another program holds.
        host: Address that is listened on.
        port: Port; 0 takes a free one.
        hosts: Names under which the server may be addressed, besides ``host`` and loopback.
        require_tokens: Whether a token is asked even on loopback.
        oidc: A provider whose tokens are taken beside the server's own.
        solvers: Names of embedded solvers that are served, too.
        datasets: Datasets that the page shows and evaluates models on, and that models are trained on.
        results: Folders of results that operators may make datasets of.
        workers: Predictions at once.
        queue: Predictions that may wait; beyond that a client is told to come back.
        cache_bytes: Memory for all that is kept to answer sooner: answers, files, surfaces, meshes, what was found out
            of shapes, what the page draws.
        upload_bytes: Largest upload.
        upload_seconds: Longest time to parse one.
        upload_memory: Memory that parsing one may take, bytes.
        triangles: Largest geometry.
        store_bytes: All stored geometries together.
        body_bytes: Largest JSON request.
        cells: Largest mesh that is predicted on when none is given.
        predict_seconds: Longest prediction.
        rate: Requests a minute of a token that says nothing else.
        designs: Designs in one job.
        job_seconds: Longest run of a solver on one design.
        job_memory: Memory that such a run may take, bytes.
        connections: Open connections; when there are more, the longest idle is closed.
        patience: Seconds after which a client is dropped that neither sends what it announced nor reads what it asked.
        poll_seconds: Time between two looks at ``models``.
        stop_seconds: How long requests may go on once the server is asked to stop.
    """

    models: Path
    state: Path = Path("tramontane-state")
    database: str | None = None
    database_seconds: float = 5.0
    host: str = "127.0.0.1"
    port: int = 8000
    hosts: tuple[str, ...] = ()
    require_tokens: bool = False
    oidc: Oidc | None = None
    solvers: tuple[str, ...] = ()
    datasets: tuple[Path, ...] = ()
    results: tuple[Path, ...] = ()
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    queue: int = 256
    cache_bytes: int = 512 * MIB
    upload_bytes: int = 256 * MIB
    upload_seconds: float = 120.0
    upload_memory: int = 4096 * MIB
    triangles: int = 2_000_000
    store_bytes: int = 20_000 * MIB
    body_bytes: int = 16 * MIB
    cells: int = 2_000_000
    predict_seconds: float = 120.0
    rate: int = 1200
    designs: int = 10_000
    job_seconds: float = 3600.0
    job_memory: int = 8192 * MIB
    connections: int = 2000
    patience: float = 60.0
    poll_seconds: float = 2.0
    stop_seconds: float = 30.0

    @property
    def named_datasets(self) -> dict[str, Path]:
        """The datasets by the names under which they are shown: those given, and those made of results here."""
        from tramontane.dataset import Dataset

        made = sorted(self.made_datasets.iterdir()) if self.made_datasets.is_dir() else []
        paths = [*(path for path in made if Dataset.is_dataset(path)), *self.datasets]
        return {path.resolve().name.removesuffix(".dataset"): path for path in paths}

    @property
    def made_datasets(self) -> Path:
        """Where datasets are kept that were made of results."""
        return self.state / "datasets"

    @property
    def named_results(self) -> dict[str, Path]:
        """The folders of results by the names under which they are chosen."""
        return {path.resolve().name: path for path in self.results}

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK or self.host.startswith("127.")

    @property
    def database_url(self) -> str:
        """The database's URL."""
        return self.database or f"sqlite:///{self.state.absolute() / 'serve.db'}"
