"""Train many networks side by side on an accelerator, and have them answer; the arrays come from `curves.py`.

    python benchmarks/peers/series.py FOLDER --models transolver,geotransolver,ab-upt

A step of a network of this size keeps a card busy for a fraction of the time that it takes to start its kernels. So
the draw of a batch, both passes and the optimiser's step are recorded once as a CUDA graph, and the graphs of several
networks are replayed side by side, each on a stream of its own. Networks whose shapes depend on the data (GINO's) take
plain steps (``--plain``), as does any processor.
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
    """The cases of one data set on the device, in the standard scores of one set of training cases.

    Args:
        folder: What `curves.py` wrote.
        chosen: The set.
        device: Where to.
    """

    def __init__(self, folder: Path, chosen: dict[str, Any], device: torch.device) -> None:
        with np.load(folder / "arrays.npz") as file:
            self.arrays = {key: torch.from_numpy(file[key]) for key in file.files}
        self.about = json.loads((folder / "about.json").read_text())
        self.domains: list[str] = self.about["domains"]
        self.device, self.set = device, chosen
        self.zero = {d: torch.tensor(chosen["zero"][d], device=device) for d in self.domains}
        self.case = {
            "geometry": self._places("geometry"), "normals": self._plain("normals"),
            "parameters": (self._plain("parameters") * torch.tensor(chosen["parameter_gain"], device=device)
                           + torch.tensor(chosen["parameter_offset"], device=device))[:, None],
        }  # fmt: skip
        self.rows = {d: self.full(d) for d in self.domains}

    def full(self, domain: str, case: str = "") -> tuple[Tensor, Tensor, Tensor]:
        """Positions, local description and standard scores: the sample of all cases, or all sites of a test case."""
        key = f"{domain}{'/' + case if case else ''}"
        local = self._plain(f"local/{key}")
        local = torch.cat([local, local[..., 3:].norm(dim=-1, keepdim=True)], -1)
        gain, offset = (torch.tensor(self.set[name][domain], device=self.device) for name in ("gain", "offset"))
        return self._places(f"positions/{key}"), local, self._plain(f"scores/{key}") * gain + offset

    def _places(self, key: str) -> Tensor:
        return self._plain(key) / self.about["unit"]

    def _plain(self, key: str) -> Tensor:
        return self.arrays[key].to(self.device).float()


class Training:
    """One network and its steps.

    Args:
        run: Model, set, seed and number of steps.
        data: Its set's.
        graph: Record the step and replay it.
    """

    def __init__(self, run: dict[str, Any], data: Data, *, graph: bool) -> None:
        self.run, self.data, device = run, data, data.device
        torch.manual_seed(run["seed"])
        channels = {d: rows[2].shape[-1] for d, rows in data.rows.items()}
        self.net = NETWORKS[run["model"]](channels, data.case["parameters"].shape[-1]).to(device)
        self.weights = list(self.net.parameters())
        self.average = [weight.detach().clone() for weight in self.weights]
        self.rate = torch.tensor(0.0, device=device)
        self.adjust = torch.optim.AdamW(
            self.weights, lr=self.rate, weight_decay=0.05, betas=(0.9, 0.99), capturable=device.type == "cuda"
        )
        steps, random = run["steps"], np.random.default_rng(run["seed"])
        train = np.array(data.set["train"])
        order = np.concatenate([random.permutation(train) for _ in range(-(-steps // len(train)))])
        self.order = torch.from_numpy(order).to(device)
        most = ANCHORS if run["model"] == "ab-upt" else POINTS
        self.points = {d: min(most, rows[0].shape[1]) for d, rows in data.rows.items()}
        self.starts = {
            d: torch.from_numpy(random.integers(rows[0].shape[1], size=steps)).to(device)
            for d, rows in data.rows.items()
        }
        # The rate of each step, looked up by a counter on the device: a graph takes no arguments.
        self.rates = _rates(steps).to(device)
        self.count = torch.zeros(1, dtype=torch.int64, device=device)
        self.loss = torch.zeros((), device=device)
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
        self.run["steps"] = max(round(share * self.run["steps"]), 1)
        self.rates[: self.run["steps"]] = _rates(self.run["steps"]).to(self.rates.device)

    def _follow(self, number: int) -> None:
        if number % AVERAGED == 0:
            round_ = number // AVERAGED
            decay = min(1 - 0.001 * AVERAGED, (1 + round_) / (10 + round_))
            torch._foreach_lerp_(self.average, [weight.detach() for weight in self.weights], 1 - decay)

    def _work(self) -> None:
        data = self.data
        place = torch.clamp(self.count, max=len(self.order) - 1)
        # Looked up by `index_select`, as an index in brackets would have to be known on the host.
        self.rate.copy_(self.rates.index_select(0, place)[0])
        which = self.order.index_select(0, place)
        case = {key: value.index_select(0, which) for key, value in data.case.items()}
        at, chosen = {}, {}
        for domain, (positions, local, scores) in data.rows.items():
            size = positions.shape[1]
            start = self.starts[domain].index_select(0, place)
            rows = (start + torch.arange(self.points[domain], device=data.device)) % size + which * size
            at[domain] = tuple(part.flatten(0, 1).index_select(0, rows)[None] for part in (positions, local))
            chosen[domain] = scores.flatten(0, 1).index_select(0, rows)[None]
        loss = misfit(self.net(case, at), chosen, data.zero, data.about["widths"])
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.adjust.step()
        self.loss.copy_(loss.detach())
        self.count += 1

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

    def answer(self, folder: Path) -> dict[str, Any]:
        """Errors of each field on the cases asked for, written with the scores themselves."""
        with torch.no_grad():
            for weight, average in zip(self.weights, self.average, strict=True):
                weight.copy_(average)
        self.net.eval()
        errors: dict[str, list[list[float]]] = {d: [] for d in self.data.domains}
        scores: dict[str, Any] = {}
        begun = time.monotonic()
        for name in self.data.set["ask"]:
            which = self.data.about["names"].index(name)
            case = {key: value[which][None] for key, value in self.data.case.items()}
            if self.data.set["whole"]:
                at = {d: self.data.full(d, name) for d in self.data.domains}
            else:
                at = {d: tuple(part[which] for part in rows) for d, rows in self.data.rows.items()}
            with torch.inference_mode():
                found = self._ask(case, at)
            for domain, answer in found.items():
                truth, start, each = at[domain][2], 0, []
                for width in self.data.about["widths"][domain]:
                    columns = slice(start, start + width)
                    wrong = (answer - truth)[:, columns].double().square().sum()
                    whole = (truth + self.data.zero[domain])[:, columns].double().square().sum()
                    each.append(float((wrong / whole).sqrt()))
                    start += width
                errors[domain].append(each)
                if domain in self.data.set["kept"]:
                    scores[f"{name}/{domain}"] = answer.half().cpu().numpy()
        seconds = (time.monotonic() - begun) / max(len(self.data.set["ask"]), 1)
        run = self.run
        stem = f"{run['model']}-{run['set']}-{run['seed']}"
        np.savez_compressed(folder / f"{stem}.npz", **scores)
        said = run | {
            "errors": errors, "cases": self.data.set["ask"], "prediction_seconds": seconds,
            "parameters": sum(weight.numel() for weight in self.weights), "loss": float(self.loss),
        }  # fmt: skip
        (folder / f"{stem}.json").write_text(json.dumps(said))
        means = {d: [round(100 * v, 1) for v in np.mean(of, 0)] for d, of in errors.items()}
        print(f"{stem}: {means}", flush=True)
        return said

    def _ask(self, case: dict[str, Tensor], at: dict[str, tuple[Tensor, ...]]) -> dict[str, Tensor]:
        if isinstance(self.net, AbUpts):
            # Any sites in random order are anchors; all are queries.
            given = self.net.given(case, {d: parts[0][None, :ANCHORS] for d, parts in at.items()})
            cache = self.net.net.encode(given)
            return {d: self.net.net.decode(cache, d, parts[0][None], chunk=CHUNK)[0] for d, parts in at.items()}
        pieces = max(-(-len(parts[0]) // CHUNK) for parts in at.values())
        found = {d: torch.empty_like(parts[2]) for d, parts in at.items()}
        for piece in range(pieces):
            some = {d: tuple(part[piece::pieces][None] for part in parts[:2]) for d, parts in at.items()}
            for domain, answer in self.net(case, some).items():
                found[domain][piece::pieces] = answer.reshape(-1, found[domain].shape[-1])
        return found


def _rates(steps: int) -> Tensor:
    done = torch.arange(steps) / steps
    warm = (done / 0.05).clamp(1e-3, 1.0)
    return 1e-3 * warm * (0.01 + 0.99 * 0.5 * (1 + torch.cos(math.pi * done)))


def fitting(trainings: list[Training], pace: float, seconds: float) -> float:
    """The share of all steps that can be taken in a time, ``pace`` being that of a step of all networks."""
    each = pace / len(trainings)
    return min(1.0, seconds / max(each * sum(training.run["steps"] for training in trainings), 1e-9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", default=",".join(NETWORKS))
    parser.add_argument("--sets", default="", help="only these sets of training cases")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--plain", action="store_true", help="plain steps, no graphs")
    parser.add_argument("--steps", type=int, help="in place of what the runs say")
    parser.add_argument("--seconds", type=float, help="take fewer steps where they would last longer than this")
    parser.add_argument("--together", type=int, default=8, help="networks trained side by side")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    skip_fake_kernels()
    torch.set_float32_matmul_precision("high")
    options.out.mkdir(parents=True, exist_ok=True)
    about, device = json.loads((options.folder / "about.json").read_text()), torch.device(options.device)
    wanted = options.models.split(",")
    runs = [
        run for run in about["runs"]
        if run["model"] in wanted and (not options.sets or run["set"] in options.sets.split(","))
        and not (options.out / f"{run['model']}-{run['set']}-{run['seed']}.json").exists()
    ]  # fmt: skip
    if options.steps:
        runs = [run | {"steps": options.steps} for run in runs]
    sets: dict[str, Data] = {}
    for first in range(0, len(runs), options.together):
        trainings = []
        for run in runs[first : first + options.together]:
            if run["set"] not in sets:
                sets[run["set"]] = Data(options.folder, about["sets"][run["set"]], device)
            try:
                trainings.append(Training(run, sets[run["set"]], graph=not options.plain))
            except Exception:
                traceback.print_exc()
                print(f"{run}: could not be recorded", flush=True)
        begun, number = time.monotonic(), 0
        while number < max((t.run["steps"] for t in trainings), default=0):
            for training in trainings:
                if number < training.run["steps"]:
                    training.step(number)
            number += 1
            if device.type == "cuda" and (number % 500 == 0 or number == TRIED):
                torch.cuda.synchronize()
                print(f"step {number}, {time.monotonic() - begun:.1f} s", flush=True)
            if number == TRIED and options.seconds:
                share = fitting(trainings, (time.monotonic() - begun) / TRIED, options.seconds)
                for training in trainings:
                    training.shorten(share)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.monotonic() - begun
        for training in trainings:
            training.run["seconds_together"], training.run["together"] = seconds, len(trainings)
            training.answer(options.out)
        print(f"{len(trainings)} networks, {seconds:.0f} s, {time.monotonic() - begun:.0f} s with answers", flush=True)


if __name__ == "__main__":
    main()
