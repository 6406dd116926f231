"""What serving costs: time over the bare model, throughput of many clients against one, a long run under load.

    python benchmarks/serve.py models/ part.stl --set load=500N --out benchmarks/results/serve.json
    python benchmarks/serve.py models/ part.stl --set load=500N --soak 60 --clients 50
    python benchmarks/serve.py models/ part.stl --set load=500N --mix 600 --clients 50

One parameter (the first given) is varied, so that no answer comes from the cache unless that is what is measured. Bare
model and server take turns in one run. The server is a process of its own on loopback, as users start it.
"""

# ruff: noqa: E402
from __future__ import annotations

# The bare model has its threads as the server has them; NumPy looks once, when it is loaded.
from tramontane.idle_threads import let_them_sleep

let_them_sleep()

import argparse
import asyncio
import http.client
import io
import itertools
import json
import multiprocessing
import os
import re
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from record import heading, keep

from tramontane.design import Design
from tramontane.formats import read_geometry
from tramontane.surrogate import Surrogate
from tramontane.units import Quantity, from_si, parse_quantity, si_factor

POINTS = 50_000


class Asked:
    """Requests for one surface, each with another value of one parameter.

    Args:
        surrogate: The model.
        part: The geometry's file.
        given: Parameters.
    """

    def __init__(self, surrogate: Surrogate, part: Path, given: dict[str, str]) -> None:
        self.given, self.part = given, part
        self.varied = next(iter(given))
        spec = surrogate.contract.parameters[self.varied]
        self.low, self.high, self.unit = from_si(spec.low, spec.unit), from_si(spec.high, spec.unit), spec.unit
        self.domain = next(name for name, each in surrogate.contract.domains.items() if each.side == "on")
        self.length_unit = surrogate.contract.length_unit
        self.mesh = read_geometry(part, length_unit=surrogate.contract.length_unit).mesh
        self.counter = itertools.count()
        self.cells = POINTS
        while self.bare(surrogate)[1] < POINTS:
            self.cells = int(1.3 * self.cells)

    def value(self) -> Quantity:
        """One that was not asked before."""
        return Quantity(self.low + (self.high - self.low) * ((next(self.counter) * 0.6180339887) % 1.0), self.unit)

    def bare(self, surrogate: Surrogate) -> tuple[float, int]:
        """Seconds of the model itself, and the number of points."""
        design = Design(self.mesh, **(self.given | {self.varied: self.value()}))  # type: ignore[arg-type]
        begun = time.perf_counter()
        case = surrogate.simulate(design, cells=self.cells, domains=[self.domain])
        return time.perf_counter() - begun, case.meshes[self.domain].n_points

    def request(self, geometry: str, *, fresh: bool = True, form: str = "npz") -> dict[str, Any]:
        """The body of a request."""
        value = self.value() if fresh else parse_quantity(self.given[self.varied])
        parameters = self.given | {self.varied: f"{value.value!r} {value.unit or ''}".strip()}
        return {"geometry": geometry, "parameters": parameters, "cells": self.cells, "domains": [self.domain],
                "format": form}  # fmt: skip


def serving(models: Path, state: Path) -> Iterator[str]:
    """The URL of a server that runs until this is closed."""
    command = [sys.executable, "-m", "tramontane", "serve", str(models), "--port", "0", "--state", str(state)]
    with (state.parent / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--log-level", "warning"], stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit((state.parent / "log").read_text())
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


class Plain:
    """A client that costs little itself: it reads into memory that it has. To httpx, 5 MB are 3 ms of work.

    Args:
        url: The server's.
        path: That is asked.
    """

    def __init__(self, url: str, path: str) -> None:
        self.path = path
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=300)
        self.room = memoryview(bytearray(64 << 20))

    def ask(self, request: dict[str, Any]) -> tuple[float, memoryview]:
        """Milliseconds, and the answer, which stays until the next one."""
        begun = time.perf_counter()
        self.connection.request("POST", self.path, json.dumps(request), {"content-type": "application/json"})
        answer, size = self.connection.getresponse(), 0
        while read := answer.readinto(self.room[size : size + (1 << 20)]):
            size += read
        taken = 1e3 * (time.perf_counter() - begun)
        if answer.status != 200:
            raise SystemExit(bytes(self.room[:size]).decode())
        return taken, self.room[:size]


def overhead(asked: Asked, surrogate: Surrogate, client: Plain, geometry: str, n: int) -> dict[str, Any]:
    """Served and bare in turn; times in milliseconds."""
    bare, served, beside, cached = [], [], [], []
    for _ in range(3):  # what is loaded and placed once; the bare model had its first questions already
        client.ask(asked.request(geometry))
    for _ in range(n):
        bare.append(1e3 * asked.bare(surrogate)[0])
        taken, content = client.ask(asked.request(geometry))
        served.append(taken)
        with np.load(io.BytesIO(content)) as arrays:
            own = 1e3 * json.loads(str(arrays["summary"]))["seconds"]
        # Around the model in the very same request: a neighbour on the machine disturbs both alike.
        beside.append(served[-1] - own)
    for _ in range(n):
        taken, content = client.ask(asked.request(geometry, fresh=False))
        cached.append(taken)
    size = len(content)

    def figures(times: list[float]) -> dict[str, float]:
        return {"median": statistics.median(times), "p99": float(np.quantile(times, 0.99))}

    return {
        "requests": n, "answer_bytes": size, "bare_ms": figures(bare), "served_ms": figures(served),
        "around_the_model_ms": figures(beside), "cached_ms": figures(cached[1:]),
        "overhead_of_medians_ms": statistics.median(served) - statistics.median(bare),
    }  # fmt: skip


async def load(
    url: str, path: str, asked: Asked, geometry: str, *, clients: int, seconds: float, cached: float = 0.0
) -> dict[str, Any]:
    """Clients that ask one request after the other; ``cached`` is the share of requests asked before."""
    counts, errors, times = [0] * clients, 0, []
    end = time.monotonic() + seconds
    rng = np.random.default_rng(0)

    async def client(number: int) -> None:
        nonlocal errors
        async with httpx.AsyncClient(base_url=url, timeout=300) as link:
            while time.monotonic() < end:
                begun = time.perf_counter()
                body = asked.request(geometry, fresh=bool(rng.random() >= cached))
                answer = await link.post(path, json=body)
                times.append(1e3 * (time.perf_counter() - begun))
                counts[number] += 1
                errors += answer.status_code != 200

    begun = time.monotonic()
    await asyncio.gather(*(client(number) for number in range(clients)))
    taken = time.monotonic() - begun
    return {
        "clients": clients, "seconds": taken, "requests": sum(counts), "errors": errors,
        "requests_per_second": sum(counts) / taken, "fewest_of_a_client": min(counts), "most_of_a_client": max(counts),
        "median_ms": statistics.median(times), "p99_ms": float(np.quantile(times, 0.99)),
    }  # fmt: skip


def scaled(mesh: Any, factor: float) -> bytes:
    """A surface as a binary STL, larger by a factor: a part that nobody sent before."""
    corners = np.asarray(mesh.points)[np.asarray(mesh.regular_faces)] * factor
    triangles = np.zeros(len(corners), dtype=[("numbers", "<f4", 12), ("attribute", "<u2")])
    triangles["numbers"][:, 3:] = corners.reshape(-1, 9)
    return bytes(80) + len(corners).to_bytes(4, "little") + triangles.tobytes()


async def mix(url: str, path: str, asked: Asked, geometry: str, *, clients: int, seconds: float) -> dict[str, Any]:
    """People at work: most ask what was asked before, some ask something new, some send a part and ask about it.

    Times in milliseconds by kind; ``errors`` are answers that are neither a success nor "come back later".
    """
    times: dict[str, list[float]] = {kind: [] for kind in ("cached", "fresh", "upload", "first of a part", "models")}
    errors, later = [], 0
    end = time.monotonic() + seconds
    unit_scale = 1.0 / float(si_factor(asked.length_unit))
    certificates = ssl.create_default_context()  # one for each client keeps all of them waiting while it is made

    async def client(number: int) -> None:
        nonlocal later
        rng = np.random.default_rng(number)

        async def ask(kind: str, method: str, where: str, **given: Any) -> httpx.Response:
            nonlocal later
            begun = time.perf_counter()
            async with link.stream(method, where, **given) as answer:
                times.setdefault(f"{kind}: first bytes", []).append(1e3 * (time.perf_counter() - begun))
                await answer.aread()
            times[kind].append(1e3 * (time.perf_counter() - begun))
            if answer.status_code == 503:
                later += 1
                await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
            elif answer.status_code >= 400:
                errors.append(f"{kind}: {answer.status_code} {answer.text[:200]}")
            return answer

        async with httpx.AsyncClient(base_url=url, timeout=600, verify=certificates) as link:
            while time.monotonic() < end:
                drawn = rng.random()
                if drawn < 0.70:
                    await ask("cached", "POST", path, json=asked.request(geometry, fresh=False))
                elif drawn < 0.85:
                    await ask("fresh", "POST", path, json=asked.request(geometry))
                elif drawn < 0.95:
                    await ask("models", "GET", "/v1/models")
                else:
                    content = scaled(asked.mesh, unit_scale * (0.97 + 0.06 * rng.random()))
                    sent = await ask("upload", "POST", "/v1/geometries", params={"name": "part.stl"}, content=content)
                    if sent.is_success:
                        await ask("first of a part", "POST", path, json=asked.request(sent.json()["hash"]))
                await asyncio.sleep(float(rng.exponential(0.5)))  # they look at what they got

    await asyncio.gather(*(client(number) for number in range(clients)))
    return {
        "clients": clients, "seconds": seconds, "errors": len(errors), "first_errors": errors[:3], "come_back": later,
        "requests": sum(len(of) for kind, of in times.items() if not kind.endswith("first bytes")),
        "ms": {kind: {"count": len(of), "median": statistics.median(of), "p99": float(np.quantile(of, 0.99))}
               for kind, of in times.items() if of},
    }  # fmt: skip


def probe(url: str, path: str, request: dict[str, Any], seconds: float, told: Any) -> None:
    """A client in a process of its own, which asks the same every fifth of a second: what a cached answer takes."""
    client, times, end = Plain(url, path), [], time.monotonic() + seconds
    while time.monotonic() < end:
        times.append(client.ask(request)[0])
        time.sleep(0.2)
    told.put(times)


def metric(link: httpx.Client, name: str) -> float:
    """A number that the server states of itself."""
    text = link.get("/metrics").raise_for_status().text
    return float(re.search(rf"^{name} (\S+)", text, re.MULTILINE)[1])  # type: ignore[index]


def memory(link: httpx.Client) -> float:
    """Resident memory of the server, MiB."""
    return metric(link, "process_resident_memory_bytes") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="a folder with one saved surrogate")
    parser.add_argument("part", type=Path, help="a geometry")
    parser.add_argument("--set", action="append", required=True, help="NAME=VALUE; the first is varied")
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--throughput", type=float, default=30.0, help="seconds of each side")
    parser.add_argument("--soak", type=float, default=600.0, help="seconds")
    parser.add_argument("--mix", type=float, default=0.0, help="seconds of a mix of uploads, new and old questions; "
                        "nothing else is measured then")  # fmt: skip
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    (directory,) = [file.parent for file in options.models.glob("*/manifest.json")]
    surrogate = Surrogate.load(directory)
    asked = Asked(surrogate, options.part, dict(entry.split("=", 1) for entry in options.set))
    path = f"/v1/models/{directory.name}/predict"
    found = heading() | {"model": surrogate.model, "cells": asked.cells}
    with tempfile.TemporaryDirectory() as folder:
        for url in serving(options.models, Path(folder) / "state"):
            with httpx.Client(base_url=url, timeout=300) as link:
                upload = link.post("/v1/geometries", params={"name": options.part.name},
                                   content=options.part.read_bytes()).raise_for_status()  # fmt: skip
                geometry = upload.json()["hash"]
                if options.mix > 0:
                    of = {"clients": options.clients}
                    asyncio.run(mix(url, path, asked, geometry, seconds=min(20.0, options.mix / 10), **of))
                    before = memory(link)
                    context = multiprocessing.get_context("spawn")
                    told: Any = context.Queue()
                    same = asked.request(geometry, fresh=False)
                    beside = context.Process(target=probe, args=(url, path, same, options.mix, told))
                    beside.start()
                    found["mix"] = asyncio.run(mix(url, path, asked, geometry, seconds=options.mix, **of))
                    times = told.get()
                    beside.join()
                    found["mix"]["cached_for_a_client_of_its_own_ms"] = {
                        "count": len(times), "median": statistics.median(times), "p99": float(np.quantile(times, 0.99))
                    }  # fmt: skip
                    found["mix"] |= {
                        "memory_mib": [before, memory(link)], "load_of_the_machine": os.getloadavg(),
                        "caches_mib": metric(link, "tramontane_caches_bytes") / 2**20,
                        "caches_limit_mib": metric(link, "tramontane_caches_limit_bytes") / 2**20,
                    }  # fmt: skip
                    continue
                found["overhead"] = overhead(asked, surrogate, Plain(url, path), geometry, options.requests)
                print(json.dumps(found, indent=1), flush=True)
                several = [
                    asyncio.run(load(url, path, asked, geometry, clients=clients, seconds=options.throughput))
                    for clients in (1, 8)
                ]
                found["throughput"] = {
                    "one": several[0], "eight": several[1],
                    "times": several[1]["requests_per_second"] / several[0]["requests_per_second"],
                }  # fmt: skip
                if options.soak > 0:
                    # Caches fill and pools grow in the first tenth; growth is what comes after.
                    first = asyncio.run(load(url, path, asked, geometry, clients=options.clients,
                                             seconds=options.soak / 10, cached=0.3))  # fmt: skip
                    before = memory(link)
                    rest = asyncio.run(load(url, path, asked, geometry, clients=options.clients,
                                            seconds=0.9 * options.soak, cached=0.3))  # fmt: skip
                    after = memory(link)
                    found["soak"] = rest | {
                        "errors_in_the_beginning": first["errors"], "memory_mib": [before, after],
                        "growth_percent": 100 * (after / before - 1),
                    }  # fmt: skip
    keep(found, options.out)


if __name__ == "__main__":
    main()
