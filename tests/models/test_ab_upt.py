"""AB-UPT: what attends to what, positions, the cache, and that it learns."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from tramontane.errors import TramontaneError
from tramontane.models import AbUpt, Inputs, build, layers
from tramontane.models.layers import (
    KeyValue,
    SupernodePooling,
    attend,
    compare_all,
    embed_positions,
    radius_graph,
    rotate,
    rotation,
)

SIZES = {"surface": 40, "volume": 56}
REFERENCE = {
    "surface": [[-0.032154, -0.258135], [-0.082009, -0.080941]],
    "volume": [[0.448253, 0.077842, -0.904252], [0.260057, 0.063237, -0.971057]],
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from threads, and lose much where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_inputs(sizes: dict[str, int] = SIZES, *, batch: int = 1, parameters: int = 2, seed: int = 0) -> Inputs:
    """Random points on the unit sphere, and random anchors."""
    generator = torch.Generator().manual_seed(seed)
    normals = F.normalize(torch.randn(batch, 200, 3, generator=generator), dim=-1)
    return Inputs(
        geometry=0.5 * normals,
        normals=normals,
        parameters=torch.randn(batch, parameters, generator=generator),
        points={name: torch.rand(batch, n, 3, generator=generator) * 2 - 1 for name, n in sizes.items()},
    )


def make_model(**changes: object) -> AbUpt:
    """A small network whose weights are large enough that everything it sees shows in what it says."""
    torch.manual_seed(0)
    config = {"domains": {"surface": 2, "volume": 3}, "n_parameters": 2, "dim": 32, "heads": 2, "supernodes": 24}
    model = AbUpt(**(config | {"decoder_depth": 1} | changes))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
    return model.eval()


def move(inputs: Inputs, domain: str, index: int) -> Inputs:
    """The same with one anchor elsewhere."""
    points = {name: at.clone() for name, at in inputs.points.items()}
    points[domain][:, index] += 0.3
    return Inputs(inputs.geometry, inputs.normals, inputs.parameters, points)


# -- positions -----------------------------------------------------------------------------------------------------


def test_rotary_logits_depend_on_differences_of_positions_only():
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 5, 1, 2, 24).unbind(0)
    at, shift = torch.rand(1, 5, 3), torch.tensor([0.25, -0.5, 0.125])

    def logits(query_at: Tensor, key_at: Tensor) -> Tensor:
        turned = rotate(query, rotation(query_at, 24, 500.0)), rotate(key, rotation(key_at, 24, 500.0))
        return torch.einsum("bnkhd,bmkhd->hnm", *turned)

    torch.testing.assert_close(logits(at + shift, at + shift), logits(at, at), atol=2e-3, rtol=0)
    assert (logits(at + shift, at) - logits(at, at)).abs().max() > 0.1


def test_rotation_leaves_lengths_alone_and_turns_each_axis_by_its_frequencies():
    x, at = torch.randn(1, 4, 1, 1, 12), torch.tensor([[[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0, 0, 0]]])
    turned = rotate(x, rotation(at, 12, 2.0))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    # Two frequencies an axis, 1 and 1/100: the pairs (0, 6), (1, 7) belong to x, and so on.
    angle = torch.atan2(turned[0, 0, 0, 0, 6], turned[0, 0, 0, 0, 0]) - torch.atan2(x[0, 0, 0, 0, 6], x[0, 0, 0, 0, 0])
    torch.testing.assert_close(torch.cos(angle), torch.cos(torch.tensor(2.0)))
    for axis in range(3):
        still = [i for i in range(12) if i % 6 // 2 != axis]
        torch.testing.assert_close(turned[0, axis, 0, 0, still], x[0, axis, 0, 0, still])
    assert torch.equal(turned[0, 3], x[0, 3])


def test_positions_are_embedded_as_sines_and_cosines_of_each_axis():
    embedded = embed_positions(torch.tensor([[0.1, 0.2, 0.3]]), 14, 10.0)
    expected = []
    for angle in (1.0, 2.0, 3.0):
        expected += [np.sin(angle), np.sin(angle / 100), np.cos(angle), np.cos(angle / 100)]
    np.testing.assert_allclose(embedded[0], [*expected, 0, 0], atol=1e-6)


# -- supernodes ----------------------------------------------------------------------------------------------------


def test_radius_graph_finds_what_brute_force_finds():
    torch.manual_seed(0)
    points = torch.rand(2, 300, 3)
    centres = points[:, :20]
    index, within = radius_graph(points, centres, radius=0.3, max_neighbours=12)
    for b in range(2):
        for s in range(20):
            distance = (points[b] - centres[b, s]).norm(dim=-1)
            nearest = distance.argsort()[:12]
            assert set(index[b, s][within[b, s]].tolist()) == set(nearest[distance[nearest] <= 0.3].tolist())
    assert not within.all()  # the radius counts ...
    assert within.all(-1).any()  # ... and so does the largest number


def test_all_distances_find_what_trees_find(monkeypatch):
    monkeypatch.setattr(layers, "_COMPARED", 7)
    points = torch.rand(2, 200, 3)
    centres = points[:, :30]
    trees = radius_graph(points, centres, radius=0.3, max_neighbours=12)
    compared = compare_all(points, centres, radius=0.3, max_neighbours=12)
    assert torch.equal(compared[0], trees[0])
    assert torch.equal(compared[1], trees[1])


def test_supernodes_hear_all_within_reach_whatever_their_order_and_nothing_beyond():
    torch.manual_seed(0)
    pooling = SupernodePooling(24, count=6, radius=0.4, max_neighbours=64, scale=20.0)
    points = torch.rand(1, 60, 3)
    tokens, centres = pooling(points)
    assert torch.equal(centres, points[:, :6])
    shuffled = torch.cat((points[:, :6], points[:, 6:][:, torch.randperm(54)]), dim=1)
    torch.testing.assert_close(pooling(shuffled)[0], tokens)
    far = torch.cat((points, torch.full((1, 3, 3), 5.0)), dim=1)
    torch.testing.assert_close(pooling(far)[0], tokens)
    near = torch.cat((points, points[:, :1] + 0.1), dim=1)
    assert not torch.allclose(pooling(near)[0][:, 0], tokens[:, 0], atol=1e-4)


# -- what attends to what ------------------------------------------------------------------------------------------


def test_queries_influence_neither_each_other_nor_the_anchors():
    model, inputs = make_model(), make_inputs()
    queries, others = torch.rand(1, 7, 3) * 2 - 1, torch.rand(1, 90, 3) * 2 - 1
    with torch.no_grad():
        cache = model.encode(inputs)
        before = [tensor.clone() for pairs in cache.key_values.values() for pair in pairs for tensor in pair]
        alone = model.decode(cache, "volume", queries)
        crowded = model.decode(cache, "volume", torch.cat((queries, others), dim=1))[:, :7]
        moved = model.decode(cache, "volume", torch.cat((queries, -others), dim=1))[:, :7]
    torch.testing.assert_close(crowded, alone)
    torch.testing.assert_close(moved, alone)
    after = [tensor for pairs in cache.key_values.values() for pair in pairs for tensor in pair]
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(("blocks", "own", "other"), [("p", False, False), ("s", True, False), ("c", False, True)])
def test_each_kind_of_block_reads_what_its_letter_says(blocks: str, own: bool, other: bool):
    model, inputs = make_model(blocks=blocks, decoder_depth=0), make_inputs()
    with torch.no_grad():
        first = model(inputs)["surface"][:, 0]
        of_own = (model(move(inputs, "surface", 5))["surface"][:, 0] - first).abs().max() > 1e-4
        of_other = (model(move(inputs, "volume", 5))["surface"][:, 0] - first).abs().max() > 1e-4
        inputs.geometry = inputs.geometry * 1.2
        of_geometry = (model(inputs)["surface"][:, 0] - first).abs().max() > 1e-4
    assert (bool(of_own), bool(of_other), bool(of_geometry)) == (own, other, blocks == "p")


def test_decoder_blocks_attend_within_their_domain():
    model, inputs = make_model(blocks="p", decoder_depth=1), make_inputs()
    with torch.no_grad():
        first = model(inputs)["surface"][:, 0]
        of_own = model(move(inputs, "surface", 5))["surface"][:, 0]
        of_other = model(move(inputs, "volume", 5))["surface"][:, 0]
    assert (of_own - first).abs().max() > 1e-4
    torch.testing.assert_close(of_other, first)


def test_permuting_points_permutes_the_answer():
    model, inputs = make_model(), make_inputs()
    order, queries = torch.randperm(SIZES["surface"]), torch.rand(1, 30, 3)
    turned = Inputs(
        inputs.geometry,
        inputs.normals,
        inputs.parameters,
        inputs.points | {"surface": inputs.points["surface"][:, order]},
    )
    with torch.no_grad():
        straight, permuted = model(inputs), model(turned)
        torch.testing.assert_close(permuted["surface"], straight["surface"][:, order])
        torch.testing.assert_close(permuted["volume"], straight["volume"])
        one, two = model.encode(inputs), model.encode(turned)
        shuffle = torch.randperm(30)
        torch.testing.assert_close(
            model.decode(two, "surface", queries[:, shuffle]), model.decode(one, "surface", queries)[:, shuffle]
        )


def test_cases_of_a_batch_do_not_mix():
    model, pair = make_model(), make_inputs(batch=2)
    with torch.no_grad():
        together = model(pair)
        for b in range(2):
            part = slice(b, b + 1)
            alone = model(Inputs(pair.geometry[part], pair.normals[part], pair.parameters[part],
                                 {name: at[part] for name, at in pair.points.items()}))  # fmt: skip
            for name in SIZES:
                torch.testing.assert_close(together[name][part], alone[name])


def test_operating_conditions_change_the_answer():
    model, inputs = make_model(), make_inputs()
    with torch.no_grad():
        before = model(inputs)
        inputs.parameters = inputs.parameters + torch.tensor([[0.0, 0.5]])
        after = model(inputs)
    for name in SIZES:
        assert (after[name] - before[name]).abs().max() > 0.01 * before[name].abs().max()


# -- the cache -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("sizes", [{"only": 30}, SIZES, {"surface": 20, "volume": 30, "particles": 10}])
def test_cached_queries_at_the_anchors_say_what_the_anchors_say(sizes: dict[str, int], qk_norm: bool):
    model = make_model(domains={name: i + 1 for i, name in enumerate(sizes)}, qk_norm=qk_norm)
    inputs = make_inputs(sizes, batch=2)
    with torch.no_grad():
        fields, cache = model(inputs), model.encode(inputs)
        for i, (name, n) in enumerate(sizes.items()):
            assert fields[name].shape == (2, n, i + 1)
            torch.testing.assert_close(model.decode(cache, name, inputs.points[name]), fields[name])
        points = make_inputs(dict.fromkeys(sizes, 5), batch=2, seed=3).points
        inputs.queries = points
        for name, decoded in model(inputs).items():
            torch.testing.assert_close(decoded, model.decode(cache, name, points[name]))


def test_cached_queries_agree_with_the_whole_network_written_out():
    """Queries put beside the anchors in one sequence, with a mask on who may be attended to, and no cache."""
    model, inputs = make_model(), make_inputs()
    queries = torch.rand(1, 11, 3) * 2 - 1
    with torch.no_grad():
        expected = written_out(model, inputs, "volume", queries)
        cache = model.encode(inputs)
        torch.testing.assert_close(model.decode(cache, "volume", queries), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_decoding_in_chunks_changes_nothing(chunk: int):
    model, inputs = make_model(), make_inputs()
    queries = torch.rand(1, 65, 3)
    with torch.no_grad():
        cache = model.encode(inputs)
        torch.testing.assert_close(
            model.decode(cache, "surface", queries, chunk=chunk), model.decode(cache, "surface", queries)
        )


def test_the_cache_is_the_anchors_keys_and_values_and_no_more():
    model, inputs = make_model(), make_inputs()
    cache = model.encode(inputs)
    tensors = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
               for pairs in cache.key_values.values() for pair in pairs for tensor in pair}  # fmt: skip
    # Perceiver: the supernodes once. Five blocks and a decoder: every anchor once. Keys and values of 32 float32.
    assert sum(tensors.values()) == (24 + 6 * sum(SIZES.values())) * 2 * 32 * 4


def written_out(model: AbUpt, inputs: Inputs, domain: str, queries: Tensor) -> Tensor:
    """The paper's network with nothing shared, cached or fused, in complex arithmetic where it turns."""
    dim, heads, scale = model.dim, model.heads, model.position_scale
    head_dim = dim // heads

    def turned(x: Tensor, at: Tensor) -> Tensor:
        pairs = torch.complex(x[..., : head_dim // 2], x[..., head_dim // 2 :])
        count = head_dim // 6
        angle = torch.zeros(pairs.shape)
        for axis in range(3):
            for i in range(count):
                angle[:, axis * count + i] = at[:, axis] * scale * 10000 ** (-i / count)
        pairs = pairs * torch.polar(torch.ones(pairs.shape), angle)
        return torch.cat((pairs.real, pairs.imag), dim=-1)

    def run(block, x, x_at, memory, memory_at, visible, *, same):
        shift = block.modulation(condition).reshape(6, dim)
        normed = block.attention_norm(x) * (1 + shift[0]) + shift[1]
        memory = block.attention_norm(memory) * (1 + shift[0]) + shift[1] if same else memory
        weight, bias = block.qkv.weight.reshape(3, heads, head_dim, dim), block.qkv.bias.reshape(3, heads, head_dim)
        out = []
        for h in range(heads):
            query = turned(normed @ weight[0, h].T + bias[0, h], x_at)
            key = turned(memory @ weight[1, h].T + bias[1, h], memory_at)
            logits = (query @ key.T / head_dim**0.5).masked_fill(~visible, -torch.inf)
            out.append(logits.softmax(-1) @ (memory @ weight[2, h].T + bias[2, h]))
        x = x + (1 + shift[2]) * block.out(torch.cat(out, dim=-1))
        return x + (1 + shift[5]) * block.mlp(block.mlp_norm(x) * (1 + shift[3]) + shift[4])

    condition = model.condition(inputs.parameters)[0]
    supernodes, centres = model.geometry.pooling(inputs.geometry)
    supernodes, centres = supernodes[0], centres[0]
    everyone = torch.ones(len(supernodes), len(supernodes), dtype=torch.bool)
    for block in model.geometry.blocks:
        supernodes = run(block, supernodes, centres, supernodes, centres, everyone, same=True)
    supernodes = model.geometry.norm(supernodes)

    names = sorted(inputs.points)
    at = torch.cat([*(inputs.points[name][0] for name in names), queries[0]])
    branch_of = torch.cat([*(torch.full((inputs.points[name].shape[1],), i) for i, name in enumerate(names)),
                           torch.full((queries.shape[1],), names.index(domain))])  # fmt: skip
    anchor = torch.arange(len(at)) < len(at) - queries.shape[1]
    own = (branch_of[:, None] == branch_of) & anchor
    other = (branch_of[:, None] != branch_of) & anchor
    x = torch.zeros(len(at), dim)
    for i, branch in enumerate(model.branches):
        x[branch_of == i] = branch.embed(embed_positions(at[branch_of == i], dim, scale))
    for kind, block in zip(model.kinds, model.physics, strict=True):
        if kind == "p":
            all_of_it = torch.ones(len(x), len(supernodes), dtype=torch.bool)
            x = run(block, x, at, supernodes, centres, all_of_it, same=False)
        else:
            x = run(block, x, at, x, at, own if kind == "s" else other, same=True)
    branch = model.branches[names.index(domain)]
    for block in branch.blocks:
        x = run(block, x, at, x, at, own, same=True)
    return branch.fields(x[~anchor][None])


# -- training, saving ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"n_parameters": 0}, {"qk_norm": True}, {"blocks": "sc"}])
def test_gradients_reach_every_parameter(changes: dict[str, object]):
    model = make_model(**changes)
    fields = model(make_inputs(parameters=0 if "n_parameters" in changes else 2))
    sum(field.square().sum() for field in fields.values()).backward()
    dead = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert dead == []


def test_a_network_is_rebuilt_from_its_configuration_whatever_the_order_of_domains():
    model, inputs = make_model(), make_inputs()
    config = json.loads(json.dumps(model.config))
    config["domains"] = dict(reversed(config["domains"].items()))
    twin = build("ab-upt", config)
    twin.load_state_dict(model.state_dict())
    with torch.no_grad():
        for name, field in model(inputs).items():
            assert torch.equal(twin(inputs)[name], field)


def test_bfloat16_stays_near_float32():
    model, inputs = make_model(), make_inputs()
    with torch.no_grad():
        exact = model(inputs)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(inputs)
            cached = model.decode(model.encode(inputs), "surface", inputs.points["surface"])
    for name, field in exact.items():
        assert (rough[name].float() - field).norm() < 0.05 * field.norm()
    torch.testing.assert_close(cached.float(), rough["surface"].float(), atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"domains": {}}, "domains"),
        ({"domains": {"surface": 0}}, "'surface'"),
        ({"dim": 32, "heads": 5}, "heads 5"),
        ({"blocks": "psx"}, "'x'"),
        ({"depth": 3}, "'depth'"),
    ],
)
def test_arguments_that_do_not_go_together_are_named(changes: dict[str, object], named: str):
    config = {"domains": {"surface": 1}, "n_parameters": 0, "dim": 32, "heads": 2} | changes
    with pytest.raises(TramontaneError, match=named):
        build("ab-upt", config)


def test_unknown_networks_and_domains_are_named():
    with pytest.raises(TramontaneError, match="ab-upt"):
        build("ab-upd", {})
    model = make_model()
    with pytest.raises(TramontaneError, match=r"'wake'.*surface, volume"):
        model.decode(model.encode(make_inputs()), "wake", torch.zeros(1, 1, 3))


def test_attention_over_one_token_returns_its_value():
    model = make_model()
    _, to = model.physics[1].project(torch.randn(1, 1, 32), rotation(torch.zeros(1, 1, 3), 16, 1.0), None)
    torch.testing.assert_close(attend(torch.randn(1, 2, 5, 16), to), to.value.flatten(1)[:, None].expand(1, 5, 32))


def test_numbers_stay_what_they_were():
    """Values of this implementation; a change that alters them breaks every saved surrogate."""
    model, inputs = make_model(), make_inputs()
    with torch.no_grad():
        fields = model(inputs)
    for name, expected in REFERENCE.items():
        torch.testing.assert_close(fields[name][0, :2], torch.tensor(expected), atol=2e-4, rtol=1e-3)


def test_two_shapes_are_learned_to_five_percent():
    """Potential of a dipole in each of two ellipsoids, outside and on the surface."""
    torch.manual_seed(0)
    half = torch.tensor([[0.5, 0.2, 0.2], [0.3, 0.3, 0.15]])[:, None]
    sphere = F.normalize(torch.randn(2, 128, 3), dim=-1)
    surface, volume = half * F.normalize(torch.randn(2, 64, 3), dim=-1), 2 * torch.rand(2, 64, 3) - 1
    inputs = Inputs(half * sphere, F.normalize(sphere / half, dim=-1), torch.zeros(2, 0),
                    {"surface": surface, "volume": volume})  # fmt: skip

    def dipole(at: Tensor) -> Tensor:
        return at[..., :1] * half[..., :1] / (at.square() / half).sum(-1, keepdim=True).clamp_min(0.05)

    targets = {name: dipole(at) for name, at in inputs.points.items()}
    targets = {name: field / field.std() for name, field in targets.items()}
    model = AbUpt(domains={"surface": 1, "volume": 1}, n_parameters=0, dim=48, blocks="psc", decoder_depth=1,
                  supernodes=32)  # fmt: skip
    steps = 200
    adam = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, total_steps=steps)
    for _ in range(steps):
        fields = model(inputs)
        loss = torch.stack([(fields[name] - targets[name]).square().mean() for name in targets]).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    with torch.no_grad():
        for name, field in model(inputs).items():
            error = float((field - targets[name]).norm() / targets[name].norm())
            assert error < 0.05, f"{name}: {error:.3f}"


def test_attention_in_bfloat16_on_a_cpu_is_that_of_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 2, count, 24, generator=generator) for count in (700, 90, 90))
    exact = attend(query, KeyValue(key, value))
    rough = attend(query.bfloat16(), KeyValue(key.bfloat16(), value.bfloat16()))
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).norm() < 0.01 * exact.norm()
