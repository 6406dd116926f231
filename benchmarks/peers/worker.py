"""Train a peer's network and let it answer, in the peer's own environment; called by `peer.py`.

The networks are the packages' own. Around them: the loss of our own models (relative L2 of each field of each case),
AdamW, warm-up and cosine over the same wall-clock budget, averaged weights.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

POINTS = 2048  # of each domain in a step
CHUNK = 16384  # points answered at once


def skip_fake_kernels() -> None:
    """torchvision registers shapes of CUDA kernels on import, which fails beside a CPU build of torch."""
    original = torch.library.register_fake

    def register(name: Any, *args: Any, **options: Any) -> Any:
        if isinstance(name, str) and name.startswith("torchvision::"):
            return lambda function: function
        return original(name, *args, **options)

    torch.library.register_fake = register


class Transolvers(nn.Module):
    """A Transolver for each domain, which is how the package's examples treat surface and volume."""

    def __init__(self, domains: dict[str, int], parameters: int) -> None:
        super().__init__()
        from physicsnemo.models.transolver import Transolver

        self.nets = nn.ModuleDict({
            domain: Transolver(functional_dim=7 + parameters, out_dim=channels, embedding_dim=3, n_layers=6,
                               n_hidden=128, n_head=4, slice_num=64, mlp_ratio=2, unified_pos=False, use_te=False)
            for domain, channels in domains.items()
        })  # fmt: skip

    def forward(self, case: dict[str, Tensor], at: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """Standard scores at points: by domain, positions and local description."""
        answer = {}
        for domain, (positions, local) in at.items():
            values = case["parameters"].expand(1, positions.shape[1], -1)
            answer[domain] = self.nets[domain](fx=torch.cat([local, values], -1), embedding=positions)
        return answer


class GeoTransolvers(nn.Module):
    """One GeoTransolver that takes all domains at once, and the geometry and operating conditions as its context."""

    def __init__(self, domains: dict[str, int], parameters: int) -> None:
        super().__init__()
        try:
            from physicsnemo.models.geotransolver import GeoTransolver
        except ImportError:
            from physicsnemo.experimental.models.geotransolver import GeoTransolver

        self.domains = list(domains)
        self.net = GeoTransolver(
            functional_dim=tuple(10 for _ in domains), out_dim=tuple(domains.values()), geometry_dim=6,
            global_dim=parameters, n_layers=6, n_hidden=128, n_head=4, slice_num=64, mlp_ratio=2, use_te=False,
            include_local_features=False,
        )  # fmt: skip

    def forward(self, case: dict[str, Tensor], at: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """Standard scores at points: by domain, positions and local description."""
        local = tuple(torch.cat(at[domain], dim=-1) for domain in self.domains)
        places = tuple(at[domain][0] for domain in self.domains)
        geometry = torch.cat([case["geometry"], case["normals"]], dim=-1)
        found = self.net(local, places, global_embedding=case["parameters"], geometry=geometry)
        return dict(zip(self.domains, found, strict=True))


class Ginos(nn.Module):
    """A GINO for each domain: graph to a latent grid, Fourier layers on it, graph to the points."""

    def __init__(self, domains: dict[str, int], parameters: int) -> None:
        super().__init__()
        from neuralop.models import GINO

        self.nets = nn.ModuleDict({
            domain: GINO(in_channels=3 + parameters, fno_in_channels=3 + parameters, out_channels=channels,
                         latent_feature_channels=1, in_gno_radius=0.12, out_gno_radius=0.12,
                         fno_n_modes=(10, 10, 10), fno_hidden_channels=32, fno_n_layers=3,
                         gno_use_open3d=False, gno_use_torch_scatter=False)
            for domain, channels in domains.items()
        })  # fmt: skip
        axis = torch.linspace(-1, 1, 20)
        self.register_buffer("grid", torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)[None])

    def forward(self, case: dict[str, Tensor], at: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """Standard scores at points: by domain, positions and local description."""
        answer = {}
        cloud = case["geometry"][:, :1500]
        far = torch.cdist(self.grid.flatten(1, 3), cloud).min(-1).values.reshape(*self.grid.shape[:-1], 1)
        for domain, (positions, _) in at.items():
            features = torch.cat([case["normals"][:, :1500], case["parameters"].expand(1, 1500, -1)], -1)
            answer[domain] = self.nets[domain](
                input_geom=cloud, latent_queries=self.grid, output_queries=positions[0], x=features, latent_features=far
            )
        return answer


PEERS = {"transolver": Transolvers, "geotransolver": GeoTransolvers, "gino": Ginos}


def misfit(
    found: dict[str, Tensor], truth: dict[str, Tensor], zero: dict[str, Tensor], widths: dict[str, list[int]]
) -> Tensor:
    """The loss of our own models: relative L2 of each field, whose zero lies at minus ``zero`` standard scores."""
    terms = []
    for domain, chosen in truth.items():
        start = 0
        for width in widths[domain]:
            columns = slice(start, start + width)
            wrong = (found[domain].reshape(chosen.shape) - chosen)[..., columns].square().sum()
            whole = (chosen + zero[domain])[..., columns].square().sum()
            terms.append((wrong / (whole + 1e-12) + 1e-12).sqrt())
            start += width
    return torch.stack(terms).mean()


def main(folder: Path) -> None:
    """Read the job, train, answer, say how it went."""
    skip_fake_kernels()
    job = json.loads((folder / "job.json").read_text())
    device = torch.device(job["device"])
    torch.manual_seed(job["seed"])
    domains: list[str] = job["domains"]
    cases = {}
    for name in [*job["train"], *job["test"]]:
        with np.load(folder / f"{name}.npz") as file:
            cases[name] = {key: torch.from_numpy(value).to(device) for key, value in file.items()}
        for key in ("geometry", "normals"):
            cases[name][key] = cases[name][key][None].float()
        cases[name]["parameters"] = cases[name]["parameters"].reshape(1, 1, -1).float()
    first = cases[job["train"][0]]
    channels = {domain: first[f"scores_{domain}"].shape[1] for domain in domains}
    net = PEERS[job["model"]](channels, first["parameters"].shape[-1]).to(device)
    # Parameters alone: a state may hold more than tensors.
    weights = list(net.parameters())
    average = [weight.detach().clone() for weight in weights]
    adjust = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05, betas=(0.9, 0.99))
    # On one thread the processor's time counts, from which other work on the machine takes nothing.
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.monotonic
    random, step, started = np.random.default_rng(job["seed"]), 0, clock()
    while (done := (clock() - started) / job["seconds"]) < 1:
        for group in adjust.param_groups:
            warm = min(done / 0.05, 1.0)
            group["lr"] = 1e-3 * max(warm, 1e-3) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        case = cases[job["train"][int(random.integers(len(job["train"])))]]
        at, chosen = {}, {}
        for domain in domains:
            count = len(case[f"positions_{domain}"])
            rows = torch.from_numpy((int(random.integers(count)) + np.arange(min(POINTS, count))) % count)
            chosen[domain] = case[f"scores_{domain}"][rows][None]
            at[domain] = (case[f"positions_{domain}"][rows][None], case[f"local_{domain}"][rows][None])
        found = net(case, at)
        zero = {domain: case[f"zero_{domain}"] for domain in domains}
        loss = misfit(found, chosen, zero, {domain: case[f"widths_{domain}"].tolist() for domain in domains})
        adjust.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adjust.step()
        step += 1
        decay = min(0.999, (1 + step) / (10 + step))
        torch._foreach_lerp_(average, [weight.detach() for weight in weights], 1 - decay)
        if step % 100 == 0:
            print(f"step {step}, {clock() - started:.0f} s, loss {loss.item():.3f}", flush=True)
    with torch.no_grad():
        torch._foreach_copy_(weights, average)
    net.eval()
    begun = time.monotonic()
    for name in job["test"]:
        case, answer = cases[name], {}
        counts = {domain: len(case[f"positions_{domain}"]) for domain in domains}
        parts: dict[str, list[Tensor]] = {domain: [] for domain in domains}
        with torch.inference_mode():
            # Networks that mix the points of a call are asked for all domains at once, in equal shares.
            pieces = max(-(-count // CHUNK) for count in counts.values())
            for piece in range(pieces):
                at = {
                    domain: (
                        case[f"positions_{domain}"][piece::pieces][None],
                        case[f"local_{domain}"][piece::pieces][None],
                    )
                    for domain in domains
                }
                for domain, scores in net(case, at).items():
                    parts[domain].append(scores.reshape(-1, channels[domain]).float().cpu())
        for domain in domains:
            scores = torch.empty(counts[domain], channels[domain])
            for piece, part in enumerate(parts[domain]):
                scores[piece::pieces] = part
            answer[f"scores_{domain}"] = scores.numpy()
        np.savez(folder / f"{name}.answer.npz", **answer)
    said = {
        "steps": step, "parameters": sum(p.numel() for p in net.parameters()),
        "prediction_seconds": (time.monotonic() - begun) / len(job["test"]),
    }  # fmt: skip
    (folder / "said.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
