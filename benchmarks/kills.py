"""Blows at random moments: what is left of generate, ingest, train and serve after a kill or Ctrl-C, run again.

Each command is run once undisturbed, on a small data set. Then it is run, struck at a random moment (SIGKILL or SIGINT,
to the process or its group), and given again, until it comes to its end. What then stands there must equal what the
undisturbed run left, with nothing beside it; after SIGINT the process must be gone with exit code 130 and without a
traceback. A server is struck while it works on a job of designs, and started again: every design must have its answer,
equal to the undisturbed one's.

``python benchmarks/kills.py --blows 200 --out benchmarks/results/kills.json``
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from record import heading, keep

from tramontane.case import Case, Provenance
from tramontane.design import Design
from tramontane.formats import write_case

_PATIENCE = 120.0  # s that a process may take to end after Ctrl-C
_ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
_PROGRAM = [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from tramontane.__main__ import main; main()"]  # fmt: skip


@dataclass
class Tally:
    """What happened to one command.

    Attributes:
        blows: By signal, how many fell on a running process.
        late: How many came after its end.
        runs: How often it came to its end, to be compared.
        seconds: Of the fastest undisturbed run.
        wrong: What was not as it should be, a line each.
    """

    blows: dict[str, int] = field(default_factory=lambda: {"SIGKILL": 0, "SIGINT": 0})
    late: int = 0
    runs: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Subject:
    """A command: its arguments below a folder, and what it leaves there, as a digest by name."""

    name: str
    arguments: Callable[[Path], list[str]]
    digest: Callable[[Path], dict[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blows", type=int, default=200, help="over all commands")
    parser.add_argument("--minutes", type=float, default=1e9, help="after which no new run begins")
    parser.add_argument("--commands", default="generate,ingest,train,networks,serve")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--machine", default="")
    given = parser.parse_args()
    names = given.commands.split(",")
    end = time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tallies = {}
        for turn, name in enumerate(names):
            draws = np.random.default_rng([given.seed, turn])
            share = end if name == names[-1] else time.monotonic() + (end - time.monotonic()) / (len(names) - turn)
            blows = given.blows // len(names) + (turn < given.blows % len(names))
            strike = strike_server if name == "serve" else strike_command
            tallies[name] = strike(name, prepare(root), root / name, blows, draws, share)
            print(name, json.dumps(asdict(tallies[name])), flush=True)
    total = {of: sum(tally.blows[of] for tally in tallies.values()) for of in ("SIGKILL", "SIGINT")}
    document = heading(given.machine) | {
        "blows": total, "lost_or_wrong": sum(len(tally.wrong) for tally in tallies.values()),
        "commands": {name: asdict(tally) for name, tally in tallies.items()},
    }  # fmt: skip
    keep(document, given.out)


def prepare(root: Path) -> Path:
    """A folder with results, a dataset and a model, made once."""
    given = root / "given"
    if not given.exists():
        rng = np.random.default_rng(0)
        for index in range(10):
            axes, load = rng.uniform(0.5, 1.0, 3), float(rng.uniform(100, 500))
            write_case(ellipsoid(f"{index:03d}", axes, load), given / "cases" / f"{index:03d}")
        done(["ingest", str(given / "cases"), "-o", str(given / "dataset")])
        done(["train", str(given / "dataset"), "-o", str(given / "models" / "m"), "--model", "classical"])
    return given


def ellipsoid(name: str, axes: np.ndarray, load: float) -> Case:
    """An ellipsoid with a pressure that follows from its shape and load."""
    body = pv.Sphere(radius=1.0, theta_resolution=16, phi_resolution=12)
    surface = pv.PolyData.from_regular_faces(body.points.astype(float) * axes, body.regular_faces)
    surface.point_data["pressure"] = load * (surface.points[:, 0] / axes[0] + 2 * (surface.points[:, 2] / axes[2]) ** 2)
    lengths = dict(zip(("half_length", "half_width", "half_height"), (f"{axis} m" for axis in axes), strict=True))
    return Case(
        name, Design(surface.copy(), load=f"{load} N", **lengths), {"surface": surface},
        {"peak": float(surface.point_data["pressure"].max())},
        field_units={"pressure": "Pa"}, qoi_units={"peak": "Pa"}, provenance=Provenance(solver="analytic", version="1"),
    )  # fmt: skip


def subject(name: str, given: Path) -> Subject:
    small = [word for key in ("dim=32", "heads=2", "blocks=psc", "supernodes=32") for word in ("--config", key)]
    network = ["--model", "ab-upt", "--steps", "40", "--points", "48", "--checkpoint-every", "0.3s", *small]
    both = ["--try-networks", "--steps", "12", "--checkpoint-every", "0.3s"]
    both += [word for key in ("dim=16", "depth=1", "hidden=16") for word in ("--config", key)]
    return {
        "generate": Subject(
            name, lambda at: ["generate", "bodies", "-n", "3", "-o", str(at / "out"), "--workers", "2"], files_of
        ),
        "ingest": Subject(
            name, lambda at: ["ingest", str(given / "cases"), "-o", str(at / "out"), "--workers", "2"], dataset_of
        ),
        "networks": Subject(
            name, lambda at: ["train", str(given / "dataset"), "-o", str(at / "out"), *network], model_of
        ),
        "train": Subject(name, lambda at: ["train", str(given / "dataset"), "-o", str(at / "out"), *both], model_of),
    }[name]


def strike_command(name: str, given: Path, root: Path, blows: int, draws: Any, end: float) -> Tally:
    """Run, strike, run again; compare at the end of each run."""
    command, tally = subject(name, given), Tally()
    started = time.monotonic()
    done(command.arguments(root / "whole"))
    tally.seconds = round(time.monotonic() - started, 1)
    whole = command.digest(root / "whole")
    while sum(tally.blows.values()) < blows and time.monotonic() < end:
        folder = root / f"run-{tally.runs}"
        for blow in range(int(draws.integers(2, 9))):
            last = blow > 0 and (sum(tally.blows.values()) >= blows or time.monotonic() > end)
            if last or not strike(
                command.arguments(folder), tally, float(draws.uniform(0, 1.1)) * tally.seconds, draws
            ):
                break
        process = done(command.arguments(folder), check=False)
        tally.runs += 1
        # A blow that comes after the last rename leaves all that was asked for: then nothing may be overwritten.
        finished = "exists" in process.stderr and (folder / "out").exists()
        if process.returncode != 0 and not finished:
            tally.wrong.append(f"run {tally.runs}: ended with {process.returncode}: {process.stderr[-500:]}")
            continue
        found = command.digest(folder)
        for key in sorted(whole.keys() | found.keys()):
            if whole.get(key) != found.get(key):
                tally.wrong.append(f"run {tally.runs}: {key} differs")
        shutil.rmtree(folder)
    return tally


def strike(arguments: list[str], tally: Tally, after: float, draws: Any) -> bool:
    """Start a command and strike it after a while; False where it had ended before."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([*_PROGRAM, *arguments], stdout=said, stderr=said, env=_ENVIRONMENT,
                                   start_new_session=True)  # fmt: skip
        started = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after)
        blow = signal.SIGKILL if draws.random() < 0.5 else signal.SIGINT
        everyone = draws.random() < 0.5 or blow is signal.SIGINT  # a terminal's Ctrl-C reaches the whole group
        if process.poll() is not None:
            tally.late += 1
            tally.seconds = min(tally.seconds, round(time.monotonic() - started, 1))
            return False
        (os.killpg if everyone else os.kill)(process.pid, blow)
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            tally.wrong.append(f"{blow.name} after {after:.2f} s was ignored")
            return True
        tally.blows[blow.name] += 1
        said.seek(0)
        text = said.read()
        if blow is signal.SIGINT and code not in (130, 0, -signal.SIGINT):
            tally.wrong.append(f"SIGINT after {after:.2f} s: exit code {code}: {text[-500:]}")
        if "Traceback" in text and code != -signal.SIGINT:
            tally.wrong.append(f"{blow.name} after {after:.2f} s: a traceback: {text[-1500:]}")
        return True


def strike_server(name: str, given: Path, root: Path, blows: int, draws: Any, end: float) -> Tally:
    """Strike a server while it works on a job, and start it again; every design must have its answer."""
    tally, root = Tally(), root.absolute()
    root.mkdir()
    designs = [{"parameters": {"load": f"{100 + 10 * k} N"}} for k in range(25)]
    part = root / "part.stl"
    pv.Sphere(radius=0.8, theta_resolution=16, phi_resolution=12).scale((1.0, 0.9, 0.8), inplace=False).save(part)
    whole: dict[str, Any] = {}
    while sum(tally.blows.values()) < blows and time.monotonic() < end:
        state, job = root / f"state-{tally.runs}", ""
        for blow in range(1 + int(draws.integers(1, 5)) if whole else 1):
            with server(given / "models", state) as (process, ask):
                if not job:
                    geometry = ask("POST", "/v1/geometries?name=part.stl", part.read_bytes())["hash"]
                    asked = {"model": "m", "designs": [one | {"geometry": geometry} for one in designs], "cells": 300}
                    job = ask("POST", "/v1/jobs", json.dumps(asked).encode())["id"]
                    started = time.monotonic()
                if whole and blow < 4:
                    time.sleep(float(draws.uniform(0, 1.1)) * tally.seconds)
                    hit = signal.SIGKILL if draws.random() < 0.5 else signal.SIGINT
                    process.send_signal(hit)
                    tally.blows[hit.name] += 1
                    try:
                        code = process.wait(_PATIENCE)
                    except subprocess.TimeoutExpired:
                        tally.wrong.append(f"run {tally.runs}: {hit.name} was ignored")
                        process.kill()
                        continue
                    if hit is signal.SIGINT and code not in (130, 0, -signal.SIGINT):
                        tally.wrong.append(f"run {tally.runs}: SIGINT: exit code {code}")
        with server(given / "models", state) as (process, ask):
            while (found := ask("GET", f"/v1/jobs/{job}"))["state"] in ("queued", "running"):
                time.sleep(0.1)
            if not whole:
                tally.seconds = round(time.monotonic() - started, 1)
            answers = ask("GET", f"/v1/jobs/{job}/designs?count=100")
        told = {
            "state": found["state"],
            "designs": json.dumps([(one["state"], (one["summary"] or {}).get("qoi")) for one in answers["designs"]]),
        }
        tally.runs += 1
        whole = whole or told
        for key, value in whole.items():
            if told[key] != value:
                tally.wrong.append(f"run {tally.runs}: {key} of the job is {told[key][:300]}, not {value[:300]}")
        shutil.rmtree(state)
    return tally


@contextlib.contextmanager
def server(models: Path, state: Path) -> Iterator[tuple[subprocess.Popen[bytes], Callable[..., Any]]]:
    """A server, and a function that asks it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--state", str(state), "--no-page", "--log-level", "error"]
    process = subprocess.Popen([*_PROGRAM, "serve", str(models), *options], env=_ENVIRONMENT, stdout=subprocess.DEVNULL)

    def ask(method: str, path: str, body: bytes | None = None) -> Any:
        kind = "application/json" if body is None or body.startswith(b"{") else "application/octet-stream"
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": kind}, method=method)
        for _ in range(1200):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error
            except OSError:
                if process.poll() is not None:
                    raise
                time.sleep(0.1)
        raise RuntimeError(f"{method} {path}: no answer")

    try:
        yield process, ask
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def done(arguments: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command undisturbed."""
    process = subprocess.run([*_PROGRAM, *arguments], env=_ENVIRONMENT, capture_output=True, text=True)
    if check and process.returncode != 0:
        sys.exit(f"{' '.join(arguments)}: {process.stderr}")
    return process


def beside(folder: Path) -> dict[str, str]:
    """What stands beside ``out``."""
    return {f"beside: {file.name}": "" for file in folder.iterdir() if file.name != "out"}


def files_of(folder: Path) -> dict[str, str]:
    """The hash of each file; of the lock, only that it is there."""
    found = {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
             for file in folder.rglob("*") if file.is_file() and file.name != ".running"}  # fmt: skip
    return found | beside(folder)


def dataset_of(folder: Path) -> dict[str, str]:
    """The content of the dataset, and that all of it is as it was written."""
    from tramontane.dataset import Dataset

    dataset = Dataset.open(folder / "out")
    return {"fingerprint": dataset.fingerprint(), "damaged": "; ".join(dataset.verify())} | beside(folder)


def model_of(folder: Path) -> dict[str, str]:
    """The hash of the weights, and the documents that do not tell of time."""
    out = folder / "out"
    kept = ("model.safetensors", "contract.json", "predictor.json", "training_domain.json", "calibration.json")
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in kept} | beside(folder)


if __name__ == "__main__":
    main()
