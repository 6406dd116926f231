"""The chain on the embedded solvers: brackets learned by heart, and a flow whose surface is a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest

from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.dataset.ingest.staging import case_geometry
from tramontane.design import Design
from tramontane.evaluation import evaluate
from tramontane.formats.folder import write_case
from tramontane.metrics import relative_l2
from tramontane.solvers import create
from tramontane.solvers.cylinder import Cylinder
from tramontane.studies import sobol_designs
from tramontane.surrogate.fit import fit
from tramontane.surrogate.resolved import stored_design

pytest.importorskip("ngsolve", reason="the embedded solvers are missing: pip install 'tramontane[solve]'")


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ten cylinders in a channel, from the solver to the store, on a coarse mesh."""
    root, solver = tmp_path_factory.mktemp("flow"), Cylinder(refinement=0.5)
    for index, design in enumerate(sobol_designs(solver.contract, 10, seed=0)):
        write_case(solver.simulate(design), root / "cylinder" / str(index))
    solver.contract.to_toml(root / "cylinder" / "contract.toml")
    return ingest(root / "cylinder", root / "store", test=2, validation=1)


def test_two_brackets_are_learned_by_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # every step has the shapes of the first
    solver = create("bracket")
    contract = solver.contract.in_si()
    displacement = {domain: {"displacement": specs["displacement"]} for domain, specs in contract.fields.items()}
    dataset = Dataset.create(tmp_path / "brackets", contract.model_copy(update={"fields": displacement, "qoi": {}}))
    for index, design in enumerate(sobol_designs(solver.contract, 2, seed=0)):
        case = solver.simulate(design)
        case.name = str(index)
        dataset.add(case, case_geometry(case))
    dataset.set_splits({"train": dataset.names})
    surrogate = fit(
        dataset, model="ab-upt", steps=1100, batch_size=2, points=256, anchors=96, geometry_points=256, lr=6e-3,
        config={"dim": 64, "blocks": "psc", "supernodes": 32, "qk_norm": True},
    )  # fmt: skip
    for name in dataset.names:
        sites = {domain: dataset.sites(name, domain) for domain in ("surface", "volume")}
        positions = {domain: of.positions for domain, of in sites.items()}
        answer = surrogate.fields(stored_design(dataset, name), positions)
        for domain, fields in answer.items():
            assert relative_l2(fields["displacement"], sites[domain].fields["displacement"]) < 0.02, (name, domain)


@pytest.mark.parametrize(
    ("model", "options"),
    [("classical", {}), ("ab-upt", {"steps": 3, "points": 64, "config": {"dim": 32, "heads": 1}})],
)
def test_a_flow_whose_surface_is_a_line_goes_all_the_way(flow: Dataset, model: str, options: dict[str, Any]) -> None:
    surrogate = fit(flow, model=model, **options)
    report = evaluate(surrogate, flow)
    if model == "classical":
        shear = report.fields["surface/wall_shear_stress"]
        assert shear.relative_l2 < 0.5 * shear.baselines["mean"]
    name = flow.splits["test"][0]
    values = {key: flow.parameters(name)[key] for key in flow.contract.operating}
    case = surrogate.simulate(Design(flow.geometry(name), **values), cells=500)
    assert set(case.meshes) == set(flow.contract.fields)
    assert all(np.isfinite(value) for value in case.qoi.values())
