"""A server as a user starts it: a process of its own, asked over the network."""

from __future__ import annotations

import hashlib
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from helpers.ellipsoids import ellipsoid
from helpers.forked import COMMAND, Forked

Axes = tuple[float, float, float]


class Running:
    """A server that runs until the ``with`` block ends.

    Args:
        models: Folder of saved surrogates.
        state: Folder of the server's files.
        options: Further arguments of ``tramontane serve``.
        program: A program that is started for it; otherwise it is forked where the libraries are loaded.
        code: What it runs then.
    """

    def __init__(
        self, models: Path, state: Path, *options: str, program: list[str] | None = None, code: str = COMMAND
    ) -> None:
        arguments = ["serve", str(models), "--port", "0", "--state", str(state), *options]
        state.parent.mkdir(parents=True, exist_ok=True)
        self.log = state.with_name(f"{state.name}.log")
        self.process: Forked | subprocess.Popen[str]
        with self.log.open("ab") as log:
            if program is None:
                self.process = Forked(arguments, log, code)
            else:
                self.process = subprocess.Popen(
                    [*program, *arguments], stdout=subprocess.PIPE, stderr=log, text=True,
                    env=os.environ | {"OMP_NUM_THREADS": "1"},
                )  # fmt: skip
        self.url = self._listening()
        self.http = httpx.Client(base_url=self.url, timeout=60.0)

    def _listening(self) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 120.0)
        line = self.process.stdout.readline() if ready else ""
        match = re.search(r"http://\S+", line)
        if match is None:
            self.process.kill()
            self.process.communicate()
            raise AssertionError(f"the server did not start: {line}{self.log.read_text()}")
        return match[0]

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)

    def end(self, kind: signal.Signals) -> int:
        """Send a signal, wait for the end, and give the exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(kind)
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode

    def upload(self, content: bytes, name: str = "part.stl") -> httpx.Response:
        """Store a geometry."""
        return self.http.post("/v1/geometries", params={"name": name}, content=content)

    def predict(self, geometry: str, /, model: str = "model", **request: Any) -> httpx.Response:
        """Ask the model."""
        return self.http.post(f"/v1/models/{model}/predict", json={"geometry": geometry, **request})


def part(folder: Path, axes: Axes = (0.8, 0.7, 0.6), name: str = "part.stl") -> Path:
    """An ellipsoid's file."""
    file = folder / name
    ellipsoid("part", axes, 1.0).meshes["surface"].save(file)
    return file


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def until(condition: Any, seconds: float = 60.0) -> Any:
    """What a condition gives once it gives anything; an error if it never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("this did not come about")


def inputs(problem: httpx.Response) -> dict[str, str | None]:
    """The inputs that a problem document names, with their units."""
    assert problem.headers["content-type"] == "application/problem+json", problem.text
    document = problem.json()
    assert document["status"] == problem.status_code
    assert document["detail"]
    return {fault["input"]: fault["unit"] for fault in document["errors"]}
