"""Ingesting what people have: one pass, in processes, resumable; bad cases are named and left out; contracts obeyed."""

from __future__ import annotations

import functools
import io
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from rich.console import Console

import tramontane.dataset.ingest.run as ingesting
from helpers.ellipsoids import ellipsoid
from helpers.formats.bad_readers import crash, eat, err, hang
from tramontane.contract import Contract, DomainSpec, FieldSpec, ParameterSpec, QoiSpec
from tramontane.dataset import Dataset
from tramontane.dataset.audit import report as audit_module
from tramontane.dataset.ingest import staging
from tramontane.dataset.ingest.run import ingest
from tramontane.errors import ContractError, DatasetError, TramontaneError
from tramontane.formats import collection as collection_module
from tramontane.formats import write_case, write_mesh
from tramontane.formats.collection import open_collection
from tramontane.formats.results import CaseSource, set_patches
from tramontane.qoi import QoiDefinition


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Eight ellipsoids, each of its own size."""
    for index in range(8):
        write_case(
            ellipsoid(f"{index}", (1.0 - 0.05 * index, 0.8, 0.6), 100.0 + 10 * index), tmp_path / "r" / f"{index}"
        )
    return tmp_path / "r"


def spoil(root: Path, case: str) -> None:
    file = root / case / "volume.vtu"
    file.write_bytes(file.read_bytes()[:-300])


def quiet() -> Console:
    return Console(file=io.StringIO(), width=400)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_processes_write_the_same_dataset_as_one_alone(results: Path, tmp_path: Path) -> None:
    alone = ingest(results, tmp_path / "a", workers=0)
    spread = ingest(results, tmp_path / "b", workers=2)
    assert {file.name for file in (tmp_path / "a").iterdir()} - {".lock"} == {"cases", "ingest.json", "manifest.json"}
    assert spread.fingerprint() == alone.fingerprint()
    assert spread.verify() == []
    assert not list(tmp_path.glob(".*")), "nothing is left beside the datasets"


def test_a_bad_case_is_named_and_left_out_and_strict_refuses(results: Path, tmp_path: Path) -> None:
    spoil(results, "3")
    console = quiet()
    dataset = ingest(results, tmp_path / "d", console=console)
    assert dataset.names == ["0", "1", "2", "4", "5", "6", "7"]
    assert f"left out: {results / '3'}" in text(console)
    assert "volume.vtu: is cut off" in text(console)
    assert list(json.loads((tmp_path / "d" / "ingest.json").read_text())["left_out"]) == ["3"]
    with pytest.raises(DatasetError, match=r"volume\.vtu: is cut off"):
        ingest(results, tmp_path / "e", strict=True)
    spoil(results, "5")
    with pytest.raises(DatasetError, match=r"\(and 1 more; they are named above\)"):
        ingest(results, tmp_path / "e", strict=True, console=quiet())
    assert not list(tmp_path.glob("*e*")), "nothing half-written stays"


def test_a_case_that_disagrees_with_the_others_is_left_out(results: Path, tmp_path: Path) -> None:
    odd = ellipsoid("odd", (0.9, 0.7, 0.5), 100.0)
    odd.meshes["surface"] = odd.meshes["surface"].point_data_to_cell_data()
    write_case(odd, results / "odd")
    console = quiet()
    assert "odd" not in ingest(results, tmp_path / "d", console=console).names
    assert "is cell data, in other cases point data" in text(console)


def test_when_no_case_is_good_there_is_no_dataset(results: Path, tmp_path: Path) -> None:
    for index in range(8):
        spoil(results, f"{index}")
    with pytest.raises(DatasetError, match=r"is cut off .* \(and 7 more"):
        ingest(results, tmp_path / "d")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (crash, "its process was ended by SIGSEGV"),
        (hang, "was not done after 8 s"),
        (eat, "GiB of memory"),
        (err, "ZeroDivisionError: in a reader"),
    ],
)
def test_a_reader_that_crashes_hangs_or_eats_memory_costs_its_case_alone(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any, message: str
) -> None:
    honest = open_collection(results)
    bad = CaseSource("bad", results / "bad.x", read)
    monkeypatch.setattr(
        ingesting, "open_collection", lambda root, **_: replace(honest, sources=[bad, *honest.sources[:4]])
    )
    if read is hang:
        monkeypatch.setattr(staging, "_CASE_SECONDS", 8.0)
    monkeypatch.setattr(staging, "_machine_memory", lambda: 2 * 2**30)
    console = quiet()
    dataset = ingest(results, tmp_path / "d", workers=1, validation=0, test=1, console=console)
    assert dataset.names == ["0", "1", "2", "3"]
    assert f"left out: {results / 'bad.x'}: " in text(console)
    assert message in text(console)


@pytest.mark.parametrize("stage", ["read", "assemble", "write"])
def test_whatever_goes_wrong_with_a_case_costs_that_case(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Without processes of their own, too: no error of a kind that nobody thought of ends the run."""
    place, name = {
        "read": (collection_module, "read_results"), "assemble": (audit_module, "assemble_source"),
        "write": (staging, "write_case"),
    }[stage]  # fmt: skip
    honest = getattr(place, name)

    def broken(*given: Any, **options: Any) -> Any:
        if any("3" in (str(getattr(each, "name", each)), str(each)[-1:]) for each in given):
            raise ZeroDivisionError("in a reader")
        return honest(*given, **options)

    monkeypatch.setattr(place, name, broken)
    console = quiet()
    dataset = ingest(results, tmp_path / "d", workers=0, console=console)
    assert dataset.names == [f"{index}" for index in range(8) if index != 3]
    line = next(line for line in text(console).splitlines() if line.startswith("left out: "))
    assert str(results / "3") in line
    assert "ZeroDivisionError: in a reader" in line
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_a_refused_run_leaves_nothing_behind(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(results, "3")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DatasetError, match="is cut off"):
        ingest(results, tmp_path / "d", strict=True)
    assert sorted(tmp_path.iterdir()) == before

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("in the splits")

    monkeypatch.setattr(ingesting, "make_splits", broken)
    with pytest.raises(ZeroDivisionError):
        ingest(results, tmp_path / "d")
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_that_the_disk_ended_says_what_it_keeps(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging, "write_case", full)
    with pytest.raises(DatasetError, match=r"No space left .* is kept in .*\.d\.partial for the next run"):
        ingest(results, tmp_path / "d", workers=0)
    assert (tmp_path / ".d.partial").is_dir()


def test_a_killed_run_goes_on_where_it_was(results: Path, tmp_path: Path) -> None:
    target = tmp_path / "d"
    program = f"from tramontane.dataset.ingest.run import ingest; ingest({str(results)!r}, {str(target)!r}, workers=0)"
    victim = subprocess.Popen([sys.executable, "-c", program])
    staged = tmp_path / ".d.partial" / "staged"
    deadline = time.monotonic() + 120
    while len(list(staged.glob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    victim.kill()
    victim.wait()
    before = {file.name: file.stat().st_mtime_ns for file in staged.glob("*.json")}
    assert 3 <= len(before) < 8, "the blow was meant to fall in the middle"
    assert not target.exists()

    times: list[dict[str, int]] = []
    register = Dataset.register

    def spy(self: Dataset, *cases: Any) -> None:
        times.append({file.name: file.stat().st_mtime_ns for file in staged.glob("*.json")})
        register(self, *cases)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dataset, "register", spy)
        resumed = ingest(results, target, workers=0)
    assert {name: times[0][name] for name in before} == before, "a case was read again"
    assert resumed.fingerprint() == ingest(results, tmp_path / "whole", workers=0).fingerprint()
    assert resumed.verify() == []


def test_a_file_that_changed_meanwhile_is_read_again(results: Path, tmp_path: Path) -> None:
    def stop(self: Dataset, *cases: Any) -> None:
        raise KeyboardInterrupt

    spoil(results, "3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dataset, "register", stop)
        with pytest.raises(KeyboardInterrupt):
            ingest(results, tmp_path / "d")
    changed = ellipsoid("2", (0.3, 0.4, 0.6), 500.0)
    for case in (changed, ellipsoid("3", (0.85, 0.8, 0.6), 130.0)):
        for file in (results / case.name).iterdir():
            file.unlink()
        (results / case.name).rmdir()
        write_case(case, results / case.name)
    dataset = ingest(results, tmp_path / "d", strict=True)
    assert dataset.parameters("2")["load"] == 500.0
    assert len(dataset.names) == 8
    assert not list(tmp_path.glob(".*")), "nothing is left beside the dataset"


def test_a_second_run_is_kept_out(results: Path, tmp_path: Path) -> None:
    with ingesting._claimed(tmp_path / ".d.partial", tmp_path / "d"), pytest.raises(DatasetError, match="another run"):
        ingest(results, tmp_path / "d")


# -- contracts ---------------------------------------------------------------------------------------------------------


def block(name: str, speed: float) -> tuple[pv.PolyData, dict[str, Any]]:
    """A unit cube in a hydrostatic pressure and a uniform shear, its six faces as patches."""
    cube = pv.Box((0, 1, 0, 1, 0, 1), quads=True)
    names = ["x0", "x1", "y0", "y1", "floor", "roof"]
    set_patches(cube, np.arange(6), names)
    centres = cube.cell_centers().points
    cube.cell_data["p"] = speed**2 * (2.0 - centres[:, 2])
    cube.cell_data["tau"] = np.tile([0.5 * speed**2, 0.0, 0.0], (6, 1))
    return cube, {"parameters": {"U": {"value": speed, "unit": "m/s"}}}


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    for index, speed in enumerate((1.0, 2.0, 3.0, 4.0)):
        mesh, document = block(f"{index}", speed)
        write_mesh(mesh, tmp_path / "blocks" / f"{index}" / "wall.vtp")
        (tmp_path / "blocks" / f"{index}" / "case.json").write_text(json.dumps(document))
    return tmp_path / "blocks"


def mapping(**qoi: QoiSpec) -> Contract:
    return Contract(
        parameters={"speed": ParameterSpec(unit="m/s", low=1, high=4, source="U")},
        domains={"surface": DomainSpec(source="wall")},
        fields={
            "surface": {
                "pressure": FieldSpec(unit="Pa", location="cell", source="p"),
                "wall_shear_stress": FieldSpec(unit="Pa", location="cell", components=3, source="tau"),
            }
        },
        qoi=qoi,
    )


FORCE = QoiDefinition(kind="force", field="pressure", shear="wall_shear_stress")


def test_a_contract_renames_and_defines_what_the_cases_do_not_state(blocks: Path, tmp_path: Path) -> None:
    contract = mapping(
        # Archimedes: the pressure falls by one unit over the height of a unit cube.
        buoyancy=QoiSpec(unit="N", definition=FORCE.model_copy(update={"direction": (0, 0, 1), "shear": None})),
        drag=QoiSpec(unit="N", definition=FORCE),
        drag_of_roof=QoiSpec(unit="N", definition=FORCE.model_copy(update={"patches": ("ro*",)})),
        drag_coefficient=QoiSpec(definition=FORCE.model_copy(update={"factor": 2.0, "per": {"speed": 2.0}})),
        # Shear on six faces along x, about y through the origin: the mean height is one half.
        pitch=QoiSpec(
            unit="N*m",
            definition=FORCE.model_copy(update={"kind": "moment", "direction": (0, 1, 0), "center": (0.5, 0.5, 0)}),
        ),
        roof=QoiSpec(unit="Pa", definition=QoiDefinition(kind="mean", field="pressure", patches=("roof",))),
        highest=QoiSpec(unit="Pa", definition=QoiDefinition(kind="max", field="pressure")),
    )
    dataset = ingest(blocks, tmp_path / "d", contract=contract)
    assert dataset.names == ["0", "1", "2", "3"]
    for name, speed in zip(dataset.names, (1.0, 2.0, 3.0, 4.0), strict=True):
        q = speed**2
        qoi = dataset.qoi(name)
        assert qoi["buoyancy"] == pytest.approx(q, rel=1e-6)
        assert qoi["drag"] == pytest.approx(3.0 * q, rel=1e-6)
        assert qoi["drag_of_roof"] == pytest.approx(0.5 * q, rel=1e-6)
        assert qoi["drag_coefficient"] == pytest.approx(6.0, rel=1e-6)
        assert qoi["pitch"] == pytest.approx(1.5 * q, rel=1e-6)
        assert qoi["roof"] == pytest.approx(q, rel=1e-6)
        assert qoi["highest"] == pytest.approx(2.0 * q, rel=1e-6)
        assert dataset.parameters(name) == {"speed": speed}
        sites = dataset.sites(name, "surface")
        assert sorted(sites.fields) == ["pressure", "wall_shear_stress"]
    assert dataset.contract.parameters["speed"].source is None, "in the store there is one name"


def test_a_domain_of_some_patches(blocks: Path, tmp_path: Path) -> None:
    contract = mapping()
    sides = contract.model_copy(update={"domains": {"surface": DomainSpec(source="wall", patches=("x?", "roof"))}})
    dataset = ingest(blocks, tmp_path / "d", contract=sides)
    case = dataset.case("1")
    assert case.meshes["surface"].n_cells == 3
    assert case.meshes["surface"].area == pytest.approx(3.0)
    assert sorted(case.field_values("surface", "pressure")) == pytest.approx([4.0, 6.0, 6.0])
    lost = contract.model_copy(update={"domains": {"surface": DomainSpec(source="wall", patches=("keel",))}})
    with pytest.raises(TramontaneError, match="has no patch keel; it has x0, x1, y0, y1, floor, roof"):
        ingest(blocks, tmp_path / "e", contract=lost)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (FORCE.model_copy(update={"field": "heat"}), "there is no 'heat'"),
        (FORCE.model_copy(update={"domain": "hull"}), "there is no 'hull'"),
        (FORCE.model_copy(update={"patches": ("keel",)}), "no patch is called keel; there are x0, x1"),
        (FORCE.model_copy(update={"per": {"span": 1.0}}), "per span, which is not among the parameters"),
    ],
)
def test_a_definition_that_cannot_be_measured_says_why(
    blocks: Path, tmp_path: Path, definition: QoiDefinition, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        ingest(blocks, tmp_path / "d", contract=mapping(drag=QoiSpec(unit="N", definition=definition)))


def test_the_contract_that_inspect_writes_is_obeyed_after_an_edit(blocks: Path, tmp_path: Path) -> None:
    file = tmp_path / "contract.toml"
    command = functools.partial(subprocess.run, capture_output=True, text=True, check=False)
    made = command([sys.executable, "-m", "tramontane", "inspect", str(blocks), "--write-contract", str(file)])
    assert made.returncode == 0, made.stdout + made.stderr
    edited = file.read_text().replace("[fields.wall.p]", '[fields.wall.p]\nname = "pressure"')
    edited = edited.replace("[parameters.U]", '[parameters.U]\nname = "speed"')
    edited = edited.replace("[domains.wall]", '[domains.wall]\nname = "surface"')
    assert edited != file.read_text()
    edited += (
        '\n[qoi.drag]\nunit = "N"\n'
        'definition = { kind = "force", domain = "surface", field = "pressure", shear = "tau" }\n'
    )
    file.write_text(edited)
    done = command([sys.executable, "-m", "tramontane", "ingest", str(blocks), "-o", str(tmp_path / "d"),
                    "--contract", str(file)])  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    dataset = Dataset.open(tmp_path / "d")
    assert dataset.qoi("1")["drag"] == pytest.approx(12.0)
    assert sorted(dataset.contract.fields["surface"]) == ["pressure", "tau"]
    assert dataset.parameters("1") == {"speed": 2.0}
    with pytest.raises(ContractError, match="cannot be read as a contract"):
        Contract.from_toml(Path(__file__))


def test_cases_without_any_parameter_are_pointed_out(results: Path, tmp_path: Path) -> None:
    for file in results.glob("*/case.json"):
        document = json.loads(file.read_text())
        file.write_text(json.dumps(document | {"parameters": {}}))
    console = quiet()
    dataset = ingest(results, tmp_path / "d", console=console)
    assert dataset.contract.parameters == {}
    assert "no case states a parameter; if more than the geometry differs" in text(console)
    other = quiet()
    ingest(parameters_stated(tmp_path), tmp_path / "e", console=other)
    assert "no case states a parameter" not in text(other)


def parameters_stated(tmp_path: Path) -> Path:
    for index in range(3):
        write_case(ellipsoid(f"{index}", (1.0 - 0.05 * index, 0.8, 0.6), 100.0), tmp_path / "stated" / f"{index}")
    return tmp_path / "stated"


def test_many_cases_left_out_are_counted(tmp_path: Path) -> None:
    lines = ["speed [m/s],qoi:drag [N]", *(f"{number},{number**2}" for number in range(1, 9)), *[",1"] * 27]
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    console = quiet()
    ingest(tmp_path / "runs.csv", tmp_path / "d", console=console)
    output = text(console)
    assert output.count("is empty; write a number") == 20
    assert f"left out: ... and 7 more; {tmp_path / 'd' / 'ingest.json'} names all" in output
    assert len(json.loads((tmp_path / "d" / "ingest.json").read_text())["left_out"]) == 27
