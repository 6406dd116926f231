"""Any number of points on one accelerator: AB-UPT's decoder fed from, and read back to, the host's memory.

    python benchmarks/many_points.py --million-points 1,10,140

Positions and answers lie in the host's memory, as a mesh's do; the card holds a portion of them at a time, while the
next is on its way. Weights are random: time and memory are those of trained ones.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from tramontane.models.ab_upt import AbUpt, Cache
from tramontane.models.inputs import Inputs

SIZES: dict[str, dict[str, Any]] = {
    "small": {"anchors": 1024, "config": {"dim": 96, "decoder_depth": 1}},
    "published": {
        "anchors": 8192, "config": {"dim": 192, "blocks": "pscscscscscs", "decoder_depth": 4, "supernodes": 4096},
    },
}  # fmt: skip
PORTION = 1 << 17


def decode_all(
    network: AbUpt, cache: Cache, places: torch.Tensor, answers: torch.Tensor, streams: list[torch.cuda.Stream]
) -> None:
    """Fill ``answers`` (n, 4) at ``places`` (n, 3), both on the host.

    A portion is under way on each stream, with pinned buffers of its own: one travels while the other is computed.
    """
    device = torch.device("cuda")
    given = [torch.empty(PORTION, 3, pin_memory=True) for _ in streams]
    found = [torch.empty(PORTION, answers.shape[1], pin_memory=True) for _ in streams]
    waiting: list[tuple[int, int] | None] = [None] * len(streams)

    def collect(turn: int) -> None:
        if (span := waiting[turn]) is not None:
            streams[turn].synchronize()
            answers[span[0] : span[1]] = found[turn][: span[1] - span[0]]
            waiting[turn] = None

    for number, start in enumerate(range(0, len(places), PORTION)):
        turn, end = number % len(streams), min(start + PORTION, len(places))
        collect(turn)
        given[turn][: end - start] = places[start:end]
        with torch.cuda.stream(streams[turn]):
            queries = given[turn].to(device, non_blocking=True)[None, : end - start]
            scores = network.decode(cache, "volume", queries)[0].float()
            found[turn][: end - start].copy_(scores, non_blocking=True)
        waiting[turn] = (start, end)
    for turn in range(len(streams)):
        collect(turn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million-points", default="1,10,140")
    parser.add_argument("--sizes", default="small,published")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    found: dict[str, Any] = {"card": torch.cuda.get_device_name(), "torch": torch.__version__, "portion": PORTION}
    counts = [int(1e6 * float(text)) for text in options.million_points.split(",")]
    # Random positions of a part, over and over: making them is no part of what is measured.
    places = (2 * torch.rand(1 << 20, 3, generator=generator) - 1).repeat(-(-max(counts) // (1 << 20)), 1)
    # Every new stream takes 32 MiB for the products' workspace.
    streams = [torch.cuda.Stream() for _ in range(2)]
    for size in options.sizes.split(","):
        settings = SIZES[size]
        network = AbUpt(domains={"surface": 4, "volume": 4}, n_parameters=1, **settings["config"]).cuda().eval()
        inputs = Inputs(
            *(2 * torch.rand(1, 16_384, 3, generator=generator) - 1 for _ in range(2)), torch.zeros(1, 1),
            {d: 2 * torch.rand(1, settings["anchors"], 3, generator=generator) - 1 for d in ("surface", "volume")},
        ).to("cuda")  # fmt: skip
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            cache = network.encode(inputs)
            decode_all(network, cache, places[: 4 * PORTION], torch.empty(4 * PORTION, 4), streams)
            for count in counts:
                torch.cuda.reset_peak_memory_stats()
                answers = torch.empty(count, 4)
                begun = time.perf_counter()
                decode_all(network, cache, places[:count], answers, streams)
                seconds = time.perf_counter() - begun
                found.setdefault(size, []).append({
                    "points": count, "seconds": seconds, "points_per_second": count / seconds,
                    "accelerator_memory_gib": torch.cuda.max_memory_allocated() / 2**30,
                    "finite": bool(torch.isfinite(answers).all()),
                })  # fmt: skip
                print(size, json.dumps(found[size][-1]), flush=True)
                if options.out:
                    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
