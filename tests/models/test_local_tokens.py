"""Local tokens: what a point sees, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tramontane.models.local_tokens import LocalInputs, LocalTokens, TokenLayout

CHANNELS, FEATURES = {"surface": 4, "volume": 1}, {"surface": 14, "volume": 9}
REFERENCE = [0.388029, 0.735701, 0.478684, 1.841043]


@pytest.fixture(scope="module")
def points() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {"surface": random.random((300, 3)), "volume": 2 * random.random((500, 3))}


@pytest.fixture(scope="module")
def layouts(points: dict[str, np.ndarray]) -> dict[str, TokenLayout]:
    return {domain: TokenLayout(positions, 24, 4) for domain, positions in points.items()}


def network(layouts: dict[str, TokenLayout], points: dict[str, np.ndarray], *, trained: bool = True) -> LocalTokens:
    torch.manual_seed(0)
    made = LocalTokens(layouts, points, channels=CHANNELS, features=FEATURES, coordinates=5, dim=32, depth=2)
    if trained:
        with torch.no_grad():
            for decoder in made.decoders.values():
                torch.nn.init.normal_(decoder.head.weight, std=0.3)
    return made.eval()


def inputs(points: dict[str, np.ndarray], *, batch: int = 2) -> LocalInputs:
    generator = torch.Generator().manual_seed(1)
    return LocalInputs(
        coordinates=torch.randn(batch, 5, generator=generator),
        tokens={d: torch.randn(batch, 24, 2 * f, generator=generator) for d, f in FEATURES.items()},
        rows={d: torch.arange(len(points[d])) for d in FEATURES},
        local={d: torch.randn(batch, len(points[d]), f, generator=generator) for d, f in FEATURES.items()},
    )


def test_an_untrained_network_leaves_its_baseline_alone(layouts, points) -> None:
    for answer in network(layouts, points, trained=False)(inputs(points)).values():
        assert not answer.any()


def test_a_row_does_not_depend_on_which_others_are_asked_for(layouts, points) -> None:
    net, whole = network(layouts, points), inputs(points)
    some = torch.tensor([7, 3, 250])
    part = LocalInputs(whole.coordinates, whole.tokens, {"surface": some}, {"surface": whole.local["surface"][:, some]})
    torch.testing.assert_close(net(part)["surface"], net(whole)["surface"][:, some])
    assert set(net(part)) == {"surface"}


def test_every_token_reaches_every_row_but_rows_reach_no_token(layouts, points) -> None:
    net, before = network(layouts, points), inputs(points)
    after = inputs(points)
    after.tokens["volume"][:, 5] += 1.0
    assert (net(after)["surface"] - net(before)["surface"]).abs().amax(-1).min() > 0
    after = inputs(points)
    after.local["surface"][:, 5] += 1.0
    moved = (net(after)["surface"] - net(before)["surface"]).abs().amax((0, 2))
    assert moved.nonzero().flatten().tolist() == [5]
    assert torch.equal(net(after)["volume"], net(before)["volume"])


def test_a_point_looks_at_its_nearest_tokens_nearest_first(layouts, points) -> None:
    layout, positions = layouts["volume"], points["volume"]
    distance = np.linalg.norm(positions[:, None] - positions[layout.tokens], axis=-1)
    np.testing.assert_array_equal(layout.nearest, np.argsort(distance, axis=1)[:, :4])
    np.testing.assert_allclose(
        layout.offsets[9, 2] * layout.spacing, positions[9] - positions[layout.tokens[layout.nearest[9, 2]]]
    )


def test_tokens_gather_the_mean_of_what_lies_nearest_to_them(layouts, points) -> None:
    layout, values = layouts["surface"], np.random.default_rng(2).random((300, 3))
    gathered = layout.gather(values)
    for token in (0, 11):
        np.testing.assert_allclose(gathered[token, :3], values[layout.tokens[token]], rtol=1e-6)
        np.testing.assert_allclose(gathered[token, 3:], values[layout.nearest[:, 0] == token].mean(0), rtol=1e-6)


def test_the_numbers_are_those_of_the_first_version(layouts, points) -> None:
    answer = network(layouts, points)(inputs(points))["surface"][0, 17]
    np.testing.assert_allclose(answer.detach().numpy(), REFERENCE, atol=1e-4)
