"""Train many networks side by side on an accelerator, and have them answer; the arrays come from `curves.py`.

    python benchmarks/peers/series.py FOLDER --models transolver,geotransolver,ab-upt

A step of a network of this size keeps a card busy for a fraction of the time that it takes to start its kernels. So
networks of one kind are stacked: their weights are one tensor, and each kernel works for all of them (`torch.vmap`).
The draw of a batch, both passes and the optimiser's step are recorded once as a CUDA graph, and the graphs of different
kinds are replayed side by side, each on a stream of its own. A processor takes plain steps (``--plain``). Networks
whose shapes depend on the data (GINO's) can't be stacked.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

sys.path.insert(0, str(Path(__file__).parent))
from worker import PEERS, POINTS, misfit, skip_fake_kernels

CHUNK = 16_384  # points answered at once, of networks that mix the points of a call
ANCHORS = 1024
TRIED = 100  # steps by which the pace is measured
AVERAGED = 10  # steps between two updates of the averaged weights


class AbUpts(nn.Module):
    """Our own AB-UPT, at the size that trains on a processor.

    Args:
        domains: Channels of each.
        parameters: Number of operating conditions.
    """

    def __init__(self, domains: dict[str, int], parameters: int) -> None:
        super().__init__()
        from tramontane.models.ab_upt import AbUpt
        from tramontane.models.inputs import Inputs

        self.inputs = Inputs
        self.net = AbUpt(domains=domains, n_parameters=parameters, dim=96, decoder_depth=1)

    def forward(self, case: dict[str, Tensor], at: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """Standard scores at the anchors."""
        return self.net(self.given(case, {d: where for d, (where, _) in at.items()}))

    def given(self, case: dict[str, Tensor], points: dict[str, Tensor]) -> Any:
        """The network's own inputs."""
        return self.inputs(case["geometry"], case["normals"], case["parameters"][:, 0], points)


NETWORKS = PEERS | {"ab-upt": AbUpts}


class Data:
    """The cases of one data set on the device, in the standard scores of all its training cases.

    Args:
        folder: What `curves.py` wrote.
        device: Where to.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        with np.load(folder / "arrays.npz") as file:
            self.arrays = {key: torch.from_numpy(file[key]) for key in file.files}
        self.about = json.loads((folder / "about.json").read_text())
        self.domains: list[str] = self.about["domains"]
        self.device = device
        self.case = {
            "geometry": self._places("geometry"), "normals": self._plain("normals"),
            "parameters": self._plain("parameters")[:, None],
        }  # fmt: skip
        self.rows = {d: self.full(d) for d in self.domains}

    def full(self, domain: str, case: str = "") -> tuple[Tensor, Tensor, Tensor]:
        """Positions, local description and standard scores: the sample of all cases, or all sites of a test case."""
        key = f"{domain}{'/' + case if case else ''}"
        local = self._plain(f"local/{key}")
        local = torch.cat([local, local[..., 3:].norm(dim=-1, keepdim=True)], -1)
        return self._places(f"positions/{key}"), local, self._plain(f"scores/{key}")

    def _places(self, key: str) -> Tensor:
        return self._plain(key) / self.about["unit"]

    def _plain(self, key: str) -> Tensor:
        return self.arrays[key].to(self.device).float()


class Scales:
    """From the standard scores of all training cases to those of the few that each network of a stack is trained on.

    Args:
        data: The data set.
        sets: The set of each network.
    """

    def __init__(self, data: Data, sets: list[dict[str, Any]]) -> None:
        def stacked(key: str, domain: str | None = None) -> Tensor:
            rows = [chosen[key][domain] if domain else chosen[key] for chosen in sets]
            return torch.tensor(rows, device=data.device)

        self.gain, self.offset, self.zero = (
            {d: stacked(key, d)[:, None] for d in data.domains} for key in ("gain", "offset", "zero")
        )
        self.parameters = stacked("parameter_gain")[:, None], stacked("parameter_offset")[:, None]

    def case(self, case: dict[str, Tensor]) -> dict[str, Tensor]:
        """Cases ``(networks, ...)`` with each network's own scores of parameters."""
        gain, offset = self.parameters
        return case | {"parameters": case["parameters"] * gain + offset}

    def scores(self, domain: str, scores: Tensor) -> Tensor:
        """Each network's own scores, ``(networks, n, channels)``."""
        return scores * self.gain[domain] + self.offset[domain]


class Stack:
    """Networks of one kind that take their steps as one: weights ``(networks, ...)``, products in batches.

    Each has its own cases, seed, scores, draws and bound on its gradient; they share kernels, not numbers.

    Args:
        runs: Model, set, seed and number of steps; the first and the last the same for all.
        data: The data set.
        graph: Record the step and replay it.
    """

    def __init__(self, runs: list[dict[str, Any]], data: Data, *, graph: bool) -> None:
        self.runs, self.data, device = runs, data, data.device
        self.model, self.steps = runs[0]["model"], runs[0]["steps"]
        self.sets = [data.about["sets"][run["set"]] for run in runs]
        self.scales = Scales(data, self.sets)
        channels = {d: rows[2].shape[-1] for d, rows in data.rows.items()}
        nets = []
        for run in runs:
            torch.manual_seed(run["seed"])
            nets.append(NETWORKS[self.model](channels, data.case["parameters"].shape[-1]).to(device))
        self.net = nets[0]
        # Parameters alone: a state may hold more than tensors.
        names = [name for name, _ in self.net.named_parameters()]
        each = [dict(net.named_parameters()) for net in nets]
        self.weights = {name: torch.stack([one[name].detach() for one in each]).requires_grad_() for name in names}
        self.average = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.answers = torch.vmap(
            lambda weights, case, at: torch.func.functional_call(self.net, weights, (case, at)), randomness="different"
        )
        self.misfits = torch.vmap(lambda found, chosen, zero: misfit(found, chosen, zero, data.about["widths"]))
        self.rate = torch.tensor(0.0, device=device)
        self.adjust = torch.optim.AdamW(
            self.weights.values(), lr=self.rate, weight_decay=0.05, betas=(0.9, 0.99), capturable=device.type == "cuda"
        )
        random = [np.random.default_rng(run["seed"]) for run in runs]
        order = [
            np.concatenate([draw.permutation(chosen["train"]) for _ in range(-(-self.steps // len(chosen["train"])))])
            for draw, chosen in zip(random, self.sets, strict=True)
        ]
        self.order = torch.from_numpy(np.stack([of[: self.steps] for of in order], 1)).to(device)
        most = ANCHORS if self.model == "ab-upt" else POINTS
        self.points = {d: min(most, rows[0].shape[1]) for d, rows in data.rows.items()}
        self.starts = {
            d: torch.from_numpy(np.stack([draw.integers(rows[0].shape[1], size=self.steps) for draw in random], 1)).to(
                device
            )
            for d, rows in data.rows.items()
        }
        # The rate of each step, looked up by a counter on the device: a graph takes no arguments.
        self.rates = _rates(self.steps).to(device)
        self.count = torch.zeros(1, dtype=torch.int64, device=device)
        self.losses = torch.zeros(len(runs), device=device)
        self.stream = torch.cuda.Stream() if device.type == "cuda" else None
        self.graph = self._record() if graph else None

    def step(self, number: int) -> None:
        """One step; the averaged weights follow now and then."""
        if self.graph is not None:
            with torch.cuda.stream(self.stream):
                self.graph.replay()
                self._follow(number)
        else:
            self.adjust.zero_grad(set_to_none=True)
            self._work()
            self._follow(number)

    def shorten(self, share: float) -> None:
        """Come to the end of the schedule after a share of the steps."""
        self.steps = max(round(share * self.steps), 1)
        self.rates[: self.steps] = _rates(self.steps).to(self.rates.device)

    def _follow(self, number: int) -> None:
        if number % AVERAGED == 0:
            round_ = number // AVERAGED
            decay = min(1 - 0.001 * AVERAGED, (1 + round_) / (10 + round_))
            weights = [weight.detach() for weight in self.weights.values()]
            torch._foreach_lerp_(list(self.average.values()), weights, 1 - decay)

    def _work(self) -> None:
        data = self.data
        place = torch.clamp(self.count, max=len(self.order) - 1)
        # Looked up by `index_select`, as an index in brackets would have to be known on the host.
        self.rate.copy_(self.rates.index_select(0, place)[0])
        which = self.order.index_select(0, place)[0]
        # One case to a network, with the batch of one that networks take.
        case = self.scales.case({key: value.index_select(0, which) for key, value in data.case.items()})
        case = {key: value[:, None] for key, value in case.items()}
        at, chosen = {}, {}
        for domain, rows in data.rows.items():
            size = rows[0].shape[1]
            start = self.starts[domain].index_select(0, place)[0]
            drawn = (start[:, None] + torch.arange(self.points[domain], device=data.device)) % size
            drawn = (drawn + which[:, None] * size).flatten()
            positions, local, scores = (
                part.flatten(0, 1).index_select(0, drawn).unflatten(0, (len(which), -1)) for part in rows
            )
            at[domain] = positions[:, None], local[:, None]
            chosen[domain] = self.scales.scores(domain, scores)[:, None]
        zero = {domain: of[:, 0] for domain, of in self.scales.zero.items()}
        # The fused kernels take no stacks: their backward pass is refused.
        with sdpa_kernel(SDPBackend.MATH):
            found = self.answers(self.weights, case, at)
        losses = self.misfits(found, chosen, zero)
        losses.sum().backward()
        self._clip()
        self.adjust.step()
        self.losses.copy_(losses.detach())
        self.count += 1

    def _clip(self) -> None:
        """No network's gradient is longer than one."""
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        length = (
            torch.stack([gradient.reshape(len(gradient), -1).square().sum(1) for gradient in gradients]).sum(0).sqrt()
        )
        shrink = (1 / (length + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(gradients, [shrink.view(-1, *[1] * (gradient.ndim - 1)) for gradient in gradients])

    def _record(self) -> Any:
        assert self.stream is not None
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for _ in range(3):
                self.adjust.zero_grad(set_to_none=True)
                self._work()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        self.adjust.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph, stream=self.stream):
            self._work()
        self.count.zero_()
        return graph

    def answer(self, folder: Path, seconds: float, together: int) -> None:
        """Errors of each field on the cases asked for, written with the scores themselves."""
        self.net.eval()
        for number, run in enumerate(self.runs):
            with torch.no_grad():
                for name, weight in self.net.named_parameters():
                    weight.copy_(self.average[name][number])
            self._answer(folder, run, self.sets[number], Scales(self.data, [self.sets[number]]), {
                "steps": self.steps, "seconds_together": seconds, "together": together,
                "loss": float(self.losses[number]),
            })  # fmt: skip

    def _answer(
        self, folder: Path, run: dict[str, Any], chosen: dict[str, Any], scales: Scales, about: dict[str, Any]
    ) -> None:
        data = self.data
        errors: dict[str, list[list[float]]] = {d: [] for d in data.domains}
        scores: dict[str, Any] = {}
        begun = time.monotonic()
        for name in chosen["ask"]:
            which = data.about["names"].index(name)
            case = scales.case({key: value[which][None] for key, value in data.case.items()})
            if chosen["whole"]:
                at = {d: data.full(d, name) for d in data.domains}
            else:
                at = {d: (rows[0][which], rows[1][which], rows[2][which]) for d, rows in data.rows.items()}
            with torch.inference_mode():
                found = self._ask(case, at)
            for domain, answer in found.items():
                truth, start, each = scales.scores(domain, at[domain][2][None])[0], 0, []
                for width in data.about["widths"][domain]:
                    columns = slice(start, start + width)
                    wrong = (answer - truth)[:, columns].double().square().sum()
                    whole = (truth + scales.zero[domain][0])[:, columns].double().square().sum()
                    each.append(float((wrong / whole).sqrt()))
                    start += width
                errors[domain].append(each)
                if domain in chosen["kept"]:
                    scores[f"{name}/{domain}"] = answer.half().cpu().numpy()
        seconds = (time.monotonic() - begun) / max(len(chosen["ask"]), 1)
        stem = f"{run['model']}-{run['set']}-{run['seed']}"
        np.savez_compressed(folder / f"{stem}.npz", **scores)
        said = run | about | {
            "errors": errors, "cases": chosen["ask"], "prediction_seconds": seconds,
            "parameters": sum(weight.numel() for weight in self.net.parameters()),
        }  # fmt: skip
        (folder / f"{stem}.json").write_text(json.dumps(said))
        means = {d: [round(100 * v, 1) for v in np.mean(of, 0)] for d, of in errors.items()}
        print(f"{stem}: {means}", flush=True)

    def _ask(self, case: dict[str, Tensor], at: dict[str, tuple[Tensor, Tensor, Tensor]]) -> dict[str, Tensor]:
        if isinstance(self.net, AbUpts):
            # Any sites in random order are anchors; all are queries.
            given = self.net.given(case, {d: parts[0][None, :ANCHORS] for d, parts in at.items()})
            cache = self.net.net.encode(given)
            return {d: self.net.net.decode(cache, d, parts[0][None], chunk=CHUNK)[0] for d, parts in at.items()}
        pieces = max(-(-len(parts[0]) // CHUNK) for parts in at.values())
        found = {d: torch.empty_like(parts[2]) for d, parts in at.items()}
        for piece in range(pieces):
            some = {d: (parts[0][piece::pieces][None], parts[1][piece::pieces][None]) for d, parts in at.items()}
            for domain, answer in self.net(case, some).items():
                found[domain][piece::pieces] = answer.reshape(-1, found[domain].shape[-1])
        return found


def _rates(steps: int) -> Tensor:
    done = torch.arange(steps) / steps
    warm = (done / 0.05).clamp(1e-3, 1.0)
    return 1e-3 * warm * (0.01 + 0.99 * 0.5 * (1 + torch.cos(math.pi * done)))


def fitting(stacks: list[Stack], pace: float, seconds: float) -> float:
    """The share of all steps that can be taken in a time, ``pace`` being that of a step of all stacks."""
    each = pace / len(stacks)
    return min(1.0, seconds / max(each * sum(stack.steps for stack in stacks), 1e-9))


def stacked(runs: list[dict[str, Any]], data: Data, most: int, *, graph: bool) -> list[Stack]:
    """Runs of one model and as many steps, side by side, ``most`` to a stack; those that fail are told and left out."""
    alike: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for run in runs:
        alike.setdefault((run["model"], run["steps"]), []).append(run)
    stacks = []
    for (model, _), group in alike.items():
        for first in range(0, len(group), most):
            try:
                stacks.append(Stack(group[first : first + most], data, graph=graph))
            except Exception:
                traceback.print_exc()
                print(f"{model}: could not be recorded", flush=True)
    return stacks


def train(stacks: list[Stack], device: torch.device, seconds: float | None, out: Path) -> None:
    """All steps of all stacks, one step of each in turn, and their answers."""
    begun, number = time.monotonic(), 0
    while number < max((stack.steps for stack in stacks), default=0):
        for stack in stacks:
            if number < stack.steps:
                stack.step(number)
        number += 1
        if device.type == "cuda" and (number % 500 == 0 or number == TRIED):
            torch.cuda.synchronize()
            print(f"step {number}, {time.monotonic() - begun:.1f} s", flush=True)
        if number == TRIED and seconds:
            share = fitting(stacks, (time.monotonic() - begun) / TRIED, seconds)
            for stack in stacks:
                stack.shorten(share)
    if device.type == "cuda":
        torch.cuda.synchronize()
    taken, together = time.monotonic() - begun, sum(len(stack.runs) for stack in stacks)
    for stack in stacks:
        stack.answer(out, taken, together)
    print(f"{together} networks, {taken:.0f} s, {time.monotonic() - begun:.0f} s with answers", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", default=",".join(NETWORKS))
    parser.add_argument("--sets", default="", help="only these sets of training cases")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--plain", action="store_true", help="plain steps, no graphs")
    parser.add_argument("--steps", type=int, help="in place of what the runs say")
    parser.add_argument("--seconds", type=float, help="take fewer steps where they would last longer than this")
    parser.add_argument("--together", type=int, default=8, help="networks in a stack, at most")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    skip_fake_kernels()
    torch.set_float32_matmul_precision("high")
    options.out.mkdir(parents=True, exist_ok=True)
    device, wanted = torch.device(options.device), options.models.split(",")
    data = Data(options.folder, device)
    runs = [
        run | ({"steps": options.steps} if options.steps else {}) for run in data.about["runs"]
        if run["model"] in wanted and (not options.sets or run["set"] in options.sets.split(","))
        and not (options.out / f"{run['model']}-{run['set']}-{run['seed']}.json").exists()
    ]  # fmt: skip
    train(stacked(runs, data, options.together, graph=not options.plain), device, options.seconds, options.out)


if __name__ == "__main__":
    main()
