"""The loop: resumption, schedules, optimisers, culprits, several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
import torch
from safetensors import SafetensorError
from scipy.spatial import cKDTree
from torch import nn

from helpers.ellipsoids import TINY
from helpers.forked import Forked, run
from tramontane.contract import Contract, DomainSpec
from tramontane.dataset import Dataset, sample_surface
from tramontane.errors import FileError, SurrogateError, TrainingError, TramontaneError
from tramontane.geometry.distance import inside
from tramontane.metrics import relative_l2
from tramontane.models import build
from tramontane.surrogate import Surrogate
from tramontane.surrogate.files import write_surrogate
from tramontane.surrogate.fit import discard, fit
from tramontane.surrogate.resolved import stored_design
from tramontane.training import Normalization, Sampler, Validation, Watch, channel_count, parse_budget, train
from tramontane.training.anchors import draw_anchors, fit_template, geometry_input, to_box
from tramontane.training.checkpoint import load_checkpoint, save_checkpoint
from tramontane.training.loop import FieldError, _draws
from tramontane.training.optimizers import Lion, make_optimizer
from tramontane.training.schedule import learning_rate


def network(dataset: Dataset, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    domains = {domain: channel_count(dataset.contract, domain) for domain in dataset.contract.fields}
    return build("ab-upt", {"domains": domains, "n_parameters": 1, **TINY})


def sampler(dataset: Dataset, seed: int = 0, kind: type[Sampler] = Sampler) -> Sampler:
    names, domains = dataset.splits["train"], dataset.contract.fields
    return kind(
        dataset, names, Normalization.measure(dataset, names),
        templates={domain: fit_template(dataset, names, domain) for domain in domains},
        points=48, anchors=48, geometry_points=128, seed=seed,
    )  # fmt: skip


class KilledError(Exception):
    pass


class DyingSampler(Sampler):
    """Stands for a kill: the process ends in the middle of a run, after some checkpoint."""

    die_at = 9

    def draw(self, step: int, *, rank: int = 0, world: int = 1):  # type: ignore[no-untyped-def]
        if step == self.die_at:
            raise KilledError
        return super().draw(step, rank=rank, world=world)


def test_a_killed_run_ends_with_the_same_weights_bit_for_bit(dataset: Dataset, tmp_path: Path) -> None:
    whole = network(dataset)
    train(whole, sampler(dataset), steps=14, lr=1e-3)

    checkpoint = tmp_path / "checkpoint.safetensors"
    dying = sampler(dataset, kind=DyingSampler)
    with pytest.raises(KilledError):
        train(network(dataset), dying, steps=14, lr=1e-3, checkpoint=checkpoint, checkpoint_seconds=0.0)
    resumed = network(dataset, seed=99)
    run = train(resumed, sampler(dataset), steps=14, lr=1e-3, checkpoint=checkpoint)

    assert run.steps == 14
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_checkpoint_restores_random_state_and_optimiser(dataset: Dataset, tmp_path: Path) -> None:
    model = network(dataset)
    adjust = make_optimizer("adamw", model, lr=1e-3, weight_decay=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    adjust.step()
    ema = {name: value.clone() for name, value in model.state_dict().items()}
    file = tmp_path / "c.safetensors"
    torch.manual_seed(5)
    save_checkpoint(file, model=model, ema=ema, optimizer=adjust, progress={"step": 1})
    expected = torch.rand(3)
    other, fresh = network(dataset, seed=1), {name: torch.zeros_like(value) for name, value in ema.items()}
    again = make_optimizer("adamw", other, lr=1e-3, weight_decay=0.1)
    assert load_checkpoint(file, model=other, ema=fresh, optimizer=again) == {"step": 1}
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(ema[name], fresh[name]) for name in ema)
    for index, state in adjust.state_dict()["state"].items():
        restored = again.state_dict()["state"][index]
        assert state.keys() == restored.keys()
        assert all(torch.equal(state[key], restored[key]) for key in state)


def test_a_damaged_checkpoint_is_named(dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    file.write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match=r"c\.safetensors.*delete it"):
        train(network(dataset), sampler(dataset), steps=1, checkpoint=file)


def test_training_lowers_the_error_below_the_mean_field(dataset: Dataset) -> None:
    errors: list[float] = []

    def measure(net: nn.Module) -> dict[str, FieldError]:
        from tramontane.surrogate.network import field_errors

        errors_now = field_errors(net, sampler(dataset))
        errors.append(errors_now["volume/displacement"].relative)
        return errors_now

    train(
        network(dataset),
        sampler(dataset),
        steps=150,
        lr=3e-3,
        ema_decay=0.98,
        validation=Validation(measure, every=0.5),
    )
    assert len(errors) == 2
    assert errors[-1] < 0.3  # the mean field of a displacement that is odd in x, y and z has an error of about 1


def test_early_stop_waits_for_patience(dataset: Dataset) -> None:
    never_better = Validation(lambda net: {"f": FieldError(1.0, 1.0, "Pa")}, every=0.1, patience=2)
    run = train(network(dataset), sampler(dataset), steps=40, validation=never_better)
    assert run.stopped_early
    assert len(run.history) == 3
    assert run.steps == 12


def test_nan_stops_with_the_culprit_named(dataset: Dataset) -> None:
    class Poisoned(Sampler):
        def draw(self, step: int, *, rank: int = 0, world: int = 1):  # type: ignore[no-untyped-def]
            batch = super().draw(step, rank=rank, world=world)
            if step == 2:
                batch.targets["surface"][0, 0] = float("nan")
                self.poisoned = batch.cases[0]
            return batch

    draws = sampler(dataset, kind=Poisoned)
    assert isinstance(draws, Poisoned)
    with pytest.raises(TrainingError, match="step 2: field surface/pressure of case") as caught:
        train(network(dataset), draws, steps=5)
    assert draws.poisoned in str(caught.value)


def test_a_run_needs_a_length(dataset: Dataset) -> None:
    with pytest.raises(TrainingError, match="steps or a budget"):
        train(network(dataset), sampler(dataset))


def test_budget_ends_a_run(dataset: Dataset) -> None:
    run = train(network(dataset), sampler(dataset), budget=1.0)
    assert 1.0 <= run.seconds < 60.0
    assert run.steps >= 1


def test_draws_are_a_function_of_seed_and_step_alone(dataset: Dataset) -> None:
    one, two = sampler(dataset), sampler(dataset)
    two.draw(3)
    assert torch.equal(one.draw(7).inputs.points["surface"], two.draw(7).inputs.points["surface"])
    assert not torch.equal(one.draw(8).inputs.points["surface"], one.draw(7).inputs.points["surface"])
    epoch = [one.draw(step).cases[0] for step in range(len(one.names))]
    assert sorted(epoch) == sorted(one.names)
    shared = [one.draw(step, rank=rank, world=2).cases[0] for step in range(2) for rank in range(2)]
    assert shared == epoch[:4]


@pytest.mark.parametrize("cached", [True, False])
def test_anchors_are_a_predictions_and_fields_asked_for_at_sites(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    if not cached:
        monkeypatch.setattr("tramontane.training.sampler._CACHE_BYTES", 0)
    draws, crowded, even, drawn, anchors, apart = sampler(dataset), [], [], [], [], []
    for step in range(2 * len(draws.names)):
        batch = draws.draw(step)
        name, scales = batch.cases[0], draws.normalization
        geometry, parameters = dataset.geometry(name), dataset.parameters(name)

        def metres(points: torch.Tensor, scales: Normalization = scales) -> np.ndarray:
            return points[0].numpy() * scales.half_extent + scales.center

        places, about = ({d: metres(p) for d, p in of.items()} for of in (batch.inputs.queries, batch.inputs.points))
        decoded = scales.decode(dataset.contract, "volume", batch.targets["volume"][0].numpy(), parameters)
        truth = 1e-6 * parameters["load"] * places["volume"]
        np.testing.assert_allclose(decoded["displacement"], truth, rtol=1e-3, atol=1e-9)
        # No anchor of the volume is one of the mesh's nodes, and none lies outside.
        assert cKDTree(dataset.sites(name, "volume").positions).query(about["volume"])[0].min() > 1e-5
        assert inside(geometry, about["volume"]).mean() > 0.98
        nearest = cKDTree(about["surface"]).query(about["surface"], k=2)[0][:, 1]
        apart.append(nearest.mean() / np.sqrt(geometry.area / len(nearest)))
        # The mesh crowds its nodes at the poles.
        top = 0.9 * float(geometry.bounds[5])
        sets = (dataset.sites(name, "surface").positions, sample_surface(geometry, 2000, 5)[0], places["surface"],
                about["surface"])  # fmt: skip
        for list_, points in zip((crowded, even, drawn, anchors), sets, strict=True):
            list_.append(np.mean(np.abs(points[:, 2]) > top))
    # A prediction's keep their distances; points drawn one by one are half a spacing from the nearest.
    assert np.mean(apart) > 0.6
    assert np.mean(crowded) > np.mean(even) + 0.1
    assert abs(np.mean(anchors) - np.mean(even)) < 0.03
    assert abs(np.mean(drawn) - np.mean(even)) < 0.06  # by area, without replacement


def test_a_case_is_seen_with_other_anchors_and_asked_elsewhere_from_step_to_step(dataset: Dataset) -> None:
    draws = sampler(dataset)
    one, two = (draws.batch([draws.names[0]], key=(step, 0)).inputs for step in (0, 1))
    for domain in one.points:
        assert not torch.equal(one.points[domain], two.points[domain])
        assert not torch.equal(one.queries[domain], two.queries[domain])


def test_anchors_outside_lie_where_training_cases_have_their_sites() -> None:
    body = pv.Sphere(radius=0.5).triangulate()
    contract = Contract(domains={"air": DomainSpec(side="outside", low=(None, None, 0.0))})
    rng = np.random.default_rng(0)
    template = rng.uniform(-0.5, 1.5, (5000, 3))
    points = draw_anchors(body, contract, "air", count=300, seed=1, template=template)
    assert points.shape == (300, 3)
    assert points[:, 2].min() >= 0
    assert not inside(body, points).any()
    assert cKDTree(template).query(to_box(points, body))[0].max() < 1e-5


def test_a_thin_slice_of_a_surface_has_as_many_points_as_were_asked_for() -> None:
    rod = pv.Cylinder(radius=0.5, height=100.0).triangulate()
    contract = Contract(domains={"skin": DomainSpec(side="on", low=(-0.1, None, None), high=(0.1, None, None))})
    points, normals = geometry_input(rod, contract, count=200, seed=0)
    assert points.shape == normals.shape == (200, 3)
    assert np.abs(points[:, 0]).max() <= 0.1
    far = Contract(domains={"skin": DomainSpec(side="on", low=(90.0, None, None))})
    with pytest.raises(SurrogateError, match="no part of the surface"):
        geometry_input(rod, far, count=50, seed=0)


def test_a_case_whose_geometry_has_no_room_is_named(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dataset, "geometry", lambda self, name: pv.Plane().triangulate())
    with pytest.raises(TrainingError, match=r"case \d+: domain volume: no room for it inside the geometry"):
        sampler(dataset).draw(0)


def test_training_never_draws_a_held_out_case(dataset: Dataset) -> None:
    left_out = set(dataset.splits["test"]) | set(dataset.splits["validation"])
    draws = sampler(dataset)
    assert left_out.isdisjoint(draws.draw(step).cases[0] for step in range(60))


def test_normalization_is_exact_both_ways(dataset: Dataset) -> None:
    name = dataset.splits["train"][0]
    scales = Normalization.measure(dataset, dataset.splits["train"])
    fields, values = dataset.sites(name, "volume").fields, dataset.parameters(name)
    scores = scales.encode(dataset.contract, "volume", fields, values)
    back = scales.decode(dataset.contract, "volume", scores, values)
    np.testing.assert_allclose(back["displacement"], fields["displacement"], atol=1e-9)
    assert abs(float(scores.mean())) < 0.3
    assert 0.5 < float(scores.std()) < 2.0


def test_learning_rate_warms_up_then_falls_like_a_cosine() -> None:
    rates = [learning_rate(done, peak=1.0) for done in (0.0, 0.025, 0.05, 0.525, 1.0)]
    assert rates == pytest.approx([1e-3, 0.5, 1.0, 0.505, 0.01])


@pytest.mark.parametrize(("text", "seconds"), [("10min", 600), ("90s", 90), ("1.5h", 5400), ("2 m", 120)])
def test_budgets_are_read(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["10", "min", "-3min", "0s", "3 days"])
def test_bad_budgets_are_refused(text: str) -> None:
    with pytest.raises(TrainingError, match="is not a duration"):
        parse_budget(text)


def test_lion_moves_by_the_sign_of_its_momentum() -> None:
    # Algorithm 2 of arXiv:2302.06675 by hand, two steps.
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    lion = Lion([weight], lr=0.1, betas=(0.9, 0.99), weight_decay=0.5)
    weight.grad = torch.tensor([3.0, -1.0])
    lion.step()
    assert weight.tolist() == pytest.approx([1.0 * 0.95 - 0.1, -2.0 * 0.95 + 0.1])
    weight.grad = torch.tensor([-0.1, 0.0])  # 0.9 * 0.03 - 0.1 * 0.1 > 0: the momentum wins
    lion.step()
    assert weight.tolist() == pytest.approx([0.85 * 0.95 - 0.1, -1.8 * 0.95 + 0.1])


def test_unknown_optimizer_is_refused(dataset: Dataset) -> None:
    with pytest.raises(TrainingError, match="choose adamw or lion"):
        make_optimizer("sgdx", network(dataset), lr=1.0, weight_decay=0.0)


def test_two_processes_train_one_model(few: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "model"
    config = [word for key in ("dim=32", "heads=2", "blocks=psc", "supernodes=32") for word in ("--config", key)]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "tramontane", "train", str(few.path), "-o", str(out), "--model", "ab-upt", "--steps", "4",
        "--points", "48", *config,
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (out / "manifest.json").is_file()
    assert done.stdout.count("Saved") == 1


def test_a_run_that_was_killed_outright_ends_with_the_same_file(few: Dataset, tmp_path: Path) -> None:
    def command(out: Path) -> list[str]:
        config = [word for key in ("dim=32", "heads=2", "blocks=psc", "supernodes=32") for word in ("--config", key)]
        return [
            "train", str(few.path), "-o", str(out), "--model", "ab-upt", "--steps", "30", "--points", "48",
            "--checkpoint-every", "0.1s", *config,
        ]  # fmt: skip

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(*command(whole)).returncode == 0

    with (tmp_path / "errors").open("w") as errors:
        process = Forked(command(killed), errors)
        checkpoint = tmp_path / "killed.training" / "checkpoint.safetensors"
        while not checkpoint.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.communicate()
    assert not killed.exists()
    resumed = run(*command(killed))

    assert "Going on from step" in resumed.stdout
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert not checkpoint.parent.exists()


def test_training_goes_on_from_a_saved_network(dataset: Dataset, surrogate: Surrogate, kriging: Surrogate) -> None:
    name = dataset.splits["train"][0]
    positions = {"volume": dataset.sites(name, "volume").positions}
    before = surrogate.fields(stored_design(dataset, name), positions)["volume"]["displacement"]
    sampling = {"points": 96, "geometry_points": 256}
    after = fit(dataset, start=surrogate, steps=1, lr=1e-9, **sampling)  # type: ignore[arg-type]
    assert after.model == "ab-upt"
    fields = after.fields(stored_design(dataset, name), positions)["volume"]["displacement"]
    assert relative_l2(fields, before) < 1e-3  # one step of no length
    with pytest.raises(TrainingError, match="leave out --model"):
        fit(dataset, start=surrogate, model="classical", steps=1)
    with pytest.raises(TrainingError, match="has no network to train on"):
        fit(dataset, start=kriging, steps=1)


def test_drawing_ahead_gives_the_same_batches(dataset: Dataset) -> None:
    draws = sampler(dataset)
    with _draws(draws, 0, 1, torch.device("meta")) as draw:
        ahead = [draw(step) for step in range(6)]
    for step, batch in enumerate(ahead):
        alone = draws.draw(step)
        assert batch.cases == alone.cases
        for domain, target in alone.targets.items():
            assert torch.equal(batch.targets[domain], target)
            assert torch.equal(batch.inputs.points[domain], alone.inputs.points[domain])
            assert torch.equal(batch.inputs.queries[domain], alone.inputs.queries[domain])


def test_ctrl_c_at_any_moment_changes_no_weight(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted within steps, validations and checkpoints, again and again, a run ends as one that never was."""
    count = moment = 0

    def strike(function: Callable[..., Any]) -> Callable[..., Any]:
        def struck(*given: Any, **named: Any) -> Any:
            nonlocal count
            result = function(*given, **named)
            count += 1
            if count == moment:
                signal.raise_signal(signal.SIGINT)
            return result

        return struck

    measured: list[int] = []

    def measure(net: nn.Module) -> dict[str, FieldError]:
        measured.append(len(measured))
        return {"f": FieldError(1.0 / len(measured), 1.0, "Pa")}

    length = {"steps": 12, "lr": 1e-3, "validation": Validation(strike(measure), every=0.25)}
    whole, draws = network(dataset), sampler(dataset)
    before = train(whole, draws, **length)  # type: ignore[arg-type]
    assert len(measured) == 4

    measured.clear()
    for place in ("training.loop.learning_rate", "training.loop.save_checkpoint"):
        home, _, name = f"tramontane.{place}".rpartition(".")
        monkeypatch.setattr(f"{home}.{name}", strike(getattr(sys.modules[home], name)))
    monkeypatch.setattr(nn.utils, "clip_grad_norm_", strike(nn.utils.clip_grad_norm_))
    monkeypatch.setattr(torch.optim.AdamW, "step", strike(torch.optim.AdamW.step))  # the weights have just changed
    monkeypatch.setattr(draws, "draw", strike(draws.draw))
    heeding = signal.signal(signal.SIGINT, signal.default_int_handler)
    checkpoint, interrupted = tmp_path / "checkpoint.safetensors", 0
    try:
        for moment in range(1, 100):
            count, resumed = 0, network(dataset, seed=0 if moment == 1 else 99)
            try:
                run = train(resumed, draws, checkpoint=checkpoint, checkpoint_seconds=0.0, **length)  # type: ignore[arg-type]
            except KeyboardInterrupt:
                interrupted += 1
                continue
            break
    finally:
        signal.signal(signal.SIGINT, heeding)

    assert interrupted >= 8
    assert run.steps == 12
    assert [entry["step"] for entry in run.history] == [entry["step"] for entry in before.history]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_two_runs_in_one_working_directory_are_kept_apart(dataset: Dataset, tmp_path: Path) -> None:
    class Second(Watch):
        refused = ""

        def step(self, network: str, step: int, loss: float) -> None:
            if not self.refused:
                thread = threading.Thread(target=self.other)
                thread.start()
                thread.join()

        def other(self) -> None:
            with pytest.raises(TramontaneError) as caught:
                fit(dataset, **given)  # type: ignore[arg-type]
            self.refused = str(caught.value)

    given = {"model": "ab-upt", "config": TINY, "steps": 2, "points": 48, "geometry_points": 128, "work": tmp_path}
    watch = Second()
    fit(dataset, watch=watch, **given)  # type: ignore[arg-type]
    assert "another run is writing here" in watch.refused
    fit(dataset, **given)  # type: ignore[arg-type]  # and it is free again


def test_what_a_kill_left_beside_checkpoints_is_swept_away(dataset: Dataset, tmp_path: Path) -> None:
    work = tmp_path / "m.training"
    work.mkdir()
    for name in (".tmpAbC123", ".partial-77-checkpoint.safetensors", ".checkpoint.safetensors.partial", "notes.txt"):
        (work / name).touch()
    fit(dataset, model="ab-upt", config=TINY, steps=1, points=48, geometry_points=128, work=work)
    kept = {file.name for file in work.iterdir()}
    assert kept == {"checkpoint.safetensors", "settings.json", ".lock", "notes.txt"}
    discard(work, lock=True)
    assert [file.name for file in work.iterdir()] == ["notes.txt"]
    (work / "notes.txt").unlink()
    discard(work, lock=True)
    assert not work.exists()


def test_a_full_disk_is_named_and_the_checkpoint_before_it_stays(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.safetensors"
    model = network(dataset)
    adjust = make_optimizer("adamw", model, lr=1e-3, weight_decay=0.1)
    save_checkpoint(file, model=model, ema={}, optimizer=adjust, progress={"step": 1})
    before = file.read_bytes()

    def full(*given: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("tramontane.training.checkpoint.save_file", full)
    with pytest.raises(FileError, match=r"c\.safetensors: cannot be written \(No space left .*give the same command"):
        save_checkpoint(file, model=model, ema={}, optimizer=adjust, progress={"step": 2})
    assert file.read_bytes() == before
    with pytest.raises(FileError, match=r"model.*No space left"):
        write_surrogate(tmp_path / "model", tensors={}, documents={}, licence="")
    assert [each.name for each in tmp_path.iterdir()] == ["c.safetensors"]
