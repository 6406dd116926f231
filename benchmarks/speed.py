"""How fast: training steps, decoding, predictions and their memory, as ratios measured side by side in one run.

    python benchmarks/speed.py demo/ahmed/dataset --out benchmarks/results/speed.json
    python benchmarks/speed.py demo/ahmed/dataset --device cuda --out benchmarks/results/speed-gpu.json

On an accelerator it measures AB-UPT alone, at two sizes: training steps with everything around them, a whole case, and
140 million points asked for at once.

Every time is the median of several, of the two sides in turn. ``share`` is of the rate that one large float32 product
reaches on the same cores in the same run.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plain_ab_upt import PlainAbUpt
from record import heading, keep
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tramontane.dataset import Dataset, sample_surface
from tramontane.models import ab_upt as ab_upt_module
from tramontane.models.ab_upt import AbUpt
from tramontane.models.inputs import Inputs
from tramontane.models.layers import KeyValue
from tramontane.surrogate import Surrogate
from tramontane.surrogate.fit import fit
from tramontane.surrogate.mapped_shapes import MappedShapes
from tramontane.surrogate.resolved import ResolvedDesign

DOMAINS = {"surface": 4, "volume": 4}
CONFIG = {"domains": DOMAINS, "n_parameters": 1, "dim": 96, "decoder_depth": 1}
QUERIES = 16_384
# What an accelerator is asked for: the size that trains on a CPU, and about the published one.
SIZES: dict[str, dict[str, Any]] = {
    "small": {"points": 1024, "anchors": 1024, "geometry_points": 4096, "batch_size": 4, "config": {}},
    "published": {
        "points": 8192, "anchors": 8192, "geometry_points": 16_384, "batch_size": 1,
        "config": {"dim": 192, "blocks": "pscscscscscs", "decoder_depth": 4, "supernodes": 4096},
    },
}  # fmt: skip


def seconds(*sides: Callable[[], Any], repeats: int = 15) -> list[float]:
    """Median time of each, the sides taking turns."""
    for side in sides:
        side()
    taken: list[list[float]] = [[] for _ in sides]
    for _ in range(repeats):
        for side, times in zip(sides, taken, strict=True):
            begun = time.perf_counter()
            side()
            times.append(time.perf_counter() - begun)
    return [statistics.median(times) for times in taken]


def operations(work: Callable[[], Any]) -> float:
    """Floating-point operations of the matrix products in some work."""

    def attend(query: torch.Tensor, to: KeyValue) -> torch.Tensor:
        # Spelled out: the counter does not see into the fused kernel of a CPU.
        gathered = torch.softmax(query @ to.key.transpose(-1, -2), -1) @ to.value
        return gathered.transpose(1, 2).flatten(2)

    fused = ab_upt_module.attend
    ab_upt_module.attend = attend
    try:
        with FlopCounterMode(display=False) as counter:
            work()
    finally:
        ab_upt_module.attend = fused
    return float(counter.get_total_flops())


def ab_upt(device: torch.device, peak: float) -> dict[str, Any]:
    """Our AB-UPT against the plain one: a step that asks 1,024 anchors a domain, and decoding from a cache."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return (2 * torch.rand(*shape, generator=generator) - 1).to(device)

    inputs = Inputs(random(1, 4096, 3), random(1, 4096, 3), random(1, 1), {d: random(1, 1024, 3) for d in DOMAINS})
    queries = random(1, QUERIES, 3)
    torch.manual_seed(0)
    networks: list[Any] = [AbUpt(**CONFIG).to(device), PlainAbUpt(**CONFIG).to(device)]

    def sync() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def products(precision: str) -> Any:
        return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")

    def step(network: nn.Module, precision: str) -> Callable[[], None]:
        adjust = torch.optim.AdamW(network.parameters())

        def work() -> None:
            adjust.zero_grad(set_to_none=True)
            with products(precision):
                loss = sum(field.float().square().mean() for field in network(inputs).values())
            loss.backward()
            adjust.step()
            sync()

        return work

    def decode(network: Any, precision: str) -> Callable[[], None]:
        with torch.inference_mode(), products(precision):
            cache = network.encode(inputs)

        def work() -> None:
            with torch.inference_mode(), products(precision):
                for part in torch.split(queries, 2048 if device.type == "cpu" else QUERIES, dim=1):
                    network.decode(cache, "volume", part)
            sync()

        return work

    own, plain = networks
    out: dict[str, Any] = {}
    for name, kind in (("training step", step), ("decoding", decode)):
        sides = kind(own, "bfloat16"), kind(own, "float32"), kind(plain, "float32")
        low, full, straightforward = seconds(*sides)
        out[name] = {
            "plain_seconds": straightforward, "float32_seconds": full, "bfloat16_seconds": low,
            "times_faster_float32": straightforward / full, "times_faster_bfloat16": straightforward / low,
            "share_of_matrix_product_rate_float32": operations(sides[1]) / full / peak,
            "share_of_matrix_product_rate_bfloat16": operations(sides[1]) / low / peak,
        }  # fmt: skip
    out["decoding"]["points_per_second_bfloat16"] = QUERIES / out["decoding"]["bfloat16_seconds"]
    return out


def predictions(dataset: Dataset) -> dict[str, Any]:
    """A whole case, and 50,000 points of a surface, by kriging and by AB-UPT (untrained: the time is the same).

    AB-UPT has 1,024 anchors of each domain, and once more the fewer that it has by default. Kriging is timed with the
    shape seen for the first time, and asked again, as under another operating condition.
    """
    classical: Any = fit(dataset, model="classical")
    network, fewer = (fit(dataset, model="ab-upt", steps=1, **of) for of in ({"anchors": 1024}, {}))
    name = dataset.splits["test"][0]
    geometry, values = dataset.geometry(name), dataset.parameters(name)
    sites = {domain: dataset.sites(name, domain).positions for domain in dataset.contract.fields}
    on = next(domain for domain, spec in dataset.contract.domains.items() if spec.side == "on")
    surface = {on: sample_surface(geometry, 50_000, 0)[0]}

    def ask(surrogate: Surrogate, where: dict[str, Any]) -> Callable[[], Any]:
        return lambda: surrogate.fields(ResolvedDesign(geometry, values), where)

    def ask_anew(where: dict[str, Any]) -> Callable[[], Any]:
        def work() -> None:
            # A shape that was never asked for: nothing of it is remembered.
            classical.predictor.shapes = MappedShapes(classical.predictor.classical.frame)
            classical.fields(ResolvedDesign(geometry, values), where)

        return work

    case, case_network, case_fewer = seconds(ask_anew(sites), ask(network, sites), ask(fewer, sites), repeats=9)
    points, points_network, points_fewer = seconds(
        ask_anew(surface), ask(network, surface), ask(fewer, surface), repeats=9
    )
    case_again, points_again = seconds(ask(classical, sites), ask(classical, surface), repeats=9)
    return {
        "case": name, "sites": {domain: len(where) for domain, where in sites.items()},
        "triangles": geometry.n_cells,
        "whole case": {
            "classical_seconds": case, "classical_again_seconds": case_again,
            "ab_upt_seconds": case_network, "times_faster": case_network / case,
            "ab_upt_by_default_seconds": case_fewer,
        },
        "50,000 surface points": {
            "classical_seconds": points, "classical_again_seconds": points_again,
            "ab_upt_seconds": points_network, "times_faster": points_network / points,
            "ab_upt_by_default_seconds": points_fewer,
        },
    }  # fmt: skip


def accelerated(dataset: Dataset, device: torch.device, counts: list[float]) -> dict[str, Any]:
    """AB-UPT on an accelerator, beside the same on this machine's processor (the training of the small one only)."""
    name = dataset.splits["test"][0]
    geometry, values = dataset.geometry(name), dataset.parameters(name)
    sites = {domain: dataset.sites(name, domain).positions for domain in dataset.contract.fields}
    whole = sum(map(len, sites.values()))
    domain = max(sites, key=lambda key: len(sites[key]))
    out: dict[str, Any] = {"sites": {key: len(where) for key, where in sites.items()}}
    for size, settings in SIZES.items():
        found: dict[str, Any] = {"settings": settings}
        for where, steps in (("cpu", 20), (device.type, 600 if size == "small" else 150)):
            if where == "cpu" and size != "small":
                continue
            precision: Any = "float32" if where == "cpu" else "bfloat16"
            surrogate = fit(dataset, model="ab-upt", steps=steps, device=where, precision=precision, **settings)
            if where == "cpu":
                slower = surrogate
            # The later half alone: reading, sampling the shapes and compiling happen once.
            middle, end = (surrogate.record.figures.history[place] for place in (4, -1))
            rate = (end["step"] - middle["step"]) / (end["seconds"] - middle["seconds"])
            found[f"training, {where}"] = {
                "steps_per_second": rate, "cases_per_second": rate * settings["batch_size"],
                "points_per_second": rate * settings["batch_size"] * settings["points"] * len(sites),
            }  # fmt: skip

        ask = partial(surrogate.fields, ResolvedDesign(geometry, values), sites)
        on_device = seconds(ask, repeats=5)[0]
        found["whole case"] = {"seconds": on_device, "points_per_second": whole / on_device}
        if size == "small":
            on_cpu = seconds(partial(slower.fields, ResolvedDesign(geometry, values), sites), repeats=2)[0]
            found["whole case"] |= {"cpu_seconds": on_cpu, "times_faster": on_cpu / on_device}
        for count in counts:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            many_points = np.resize(sites[domain], (int(count), 3))
            begun = time.perf_counter()
            answer = surrogate.fields(ResolvedDesign(geometry, values), {domain: many_points})
            spent = time.perf_counter() - begun
            finite = all(bool(np.isfinite(field).all()) for field in answer[domain].values())
            found[f"{count / 1e6:g} million points of {domain}"] = {
                "seconds": spent, "points_per_second": count / spent, "finite": finite,
                "accelerator_memory_gib": torch.cuda.max_memory_allocated() / 2**30,
                "host_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
            }  # fmt: skip
            del answer, many_points
        out[size] = found
        print(json.dumps({size: found}), flush=True)
    return out


def memory(dataset: Dataset, counts: list[float]) -> list[dict[str, float]]:
    """Peak memory of a process that asks for more and more points, a million at a time."""
    surrogate = fit(dataset, model="classical")
    name = dataset.splits["test"][0]
    geometry, values = dataset.geometry(name), dataset.parameters(name)
    domain = sorted(dataset.contract.fields)[-1]
    seen = dataset.sites(name, domain).positions
    random = np.random.default_rng(0)
    out = []
    for count in counts:
        begun = time.perf_counter()
        for start in range(0, int(count), 1_000_000):
            many = seen[random.integers(len(seen), size=min(1_000_000, int(count) - start))]
            surrogate.fields(ResolvedDesign(geometry, values), {domain: many})
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        out.append({"points": count, "seconds": time.perf_counter() - begun, "peak_memory_gib": peak})
        print(out[-1], flush=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--million-points", default="0.1,1,10,100", help="numbers of points whose memory is measured")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    dataset, device = Dataset.open(options.dataset), torch.device(options.device)
    a, b = torch.randn(2, 2048, 2048, device=device)

    def product() -> None:
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()

    peak = 2 * 2048**3 / seconds(product)[0]
    found = heading(f"{torch.get_num_threads()} threads, {platform.machine()}, {device}")
    found["matrix_product_gflops"] = peak / 1e9
    counts = [1e6 * float(text) for text in options.million_points.split(",")]
    if device.type == "cpu":
        # First, since a process's peak memory only grows.
        found["memory"] = memory(dataset, counts)
        found["predictions"] = predictions(dataset)
    else:
        found["card"] = torch.cuda.get_device_name(device)
        found["accelerated"] = accelerated(dataset, device, counts)
    found["ab-upt"] = ab_upt(device, peak)
    keep(found, options.out)


if __name__ == "__main__":
    main()
