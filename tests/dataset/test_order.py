"""The random order of sites: every window, of any size and anywhere, is a uniform sample of the mesh."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tramontane.dataset.store.order import CHUNK_ROWS, SiteOrder

SEEDS = st.integers(0, 2**64 - 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 300_000) | st.sampled_from([0, 1, CHUNK_ROWS, CHUNK_ROWS + 1, 2 * CHUNK_ROWS]), SEEDS)
def test_each_site_is_stored_and_drawn_once(size: int, seed: int) -> None:
    order = SiteOrder(size, seed)
    stored = [order.mesh_ids(chunk) for chunk in range(order.chunks)]
    assert [len(ids) for ids in stored] == [order.count(chunk) for chunk in range(order.chunks)]
    assert np.array_equal(np.sort(np.concatenate([*stored, []])), np.arange(size))
    drawn = np.asarray(order)
    assert np.array_equal(np.sort(drawn), np.arange(size))
    start, stop = size // 3, size // 3 + size // 2
    window = [stored[chunk][rows] for chunk, rows in order.pieces(start, stop)]
    assert np.array_equal(np.concatenate([*window, []]), drawn[start:stop])


def test_a_chunk_is_a_stratified_sample_in_the_meshs_order() -> None:
    order = SiteOrder(1_000_003, 5)
    for chunk in (0, 17, order.chunks - 1):
        ids = order.mesh_ids(chunk)
        # In the order of the mesh, but for the one place where the last site is followed by the first.
        assert (np.diff(ids) < 0).sum() <= 1
        gaps = np.diff(np.sort(ids))
        assert gaps.max() < 4 * order.chunks
        counts = np.histogram(ids, bins=50, range=(0, order.size))[0]
        assert np.abs(counts - order.count(chunk) / 50).max() < 4


@pytest.mark.parametrize("size", [20_000, 100_000, 1_000_003])
@pytest.mark.parametrize("count", [500, 4_096, 16_384])
def test_windows_are_uniform_samples_wherever_they_lie(size: int, count: int) -> None:
    drawn, bins = np.asarray(SiteOrder(size, 11)), 40
    statistics = []
    for start in np.random.default_rng(0).integers(0, size - count, 60):
        counts = np.histogram(drawn[start : start + count], bins=bins, range=(0, size))[0]
        statistics.append(((counts - count / bins) ** 2 / (count / bins)).sum())
    # 39 degrees of freedom for independent draws: 39 on average, over 90 once in 100,000. Strata do no worse.
    assert max(statistics) < 90
    assert np.mean(statistics) < 39 + 6 * np.sqrt(2 * 39 / 60)


def test_sites_beside_each_other_in_the_mesh_are_drawn_independently() -> None:
    # A field that alternates with any short period in the mesh's order is seen in its true share by every window.
    drawn = np.asarray(SiteOrder(1_000_003, 3))
    for period in (2, 3, 5, 7, 31, 32, 64, 1024):
        starts = np.random.default_rng(period).integers(0, 990_000, 50)
        shares = np.array([(drawn[start : start + 4096] % period == 0).mean() for start in starts])
        scale = np.sqrt((1 / period) * (1 - 1 / period) / 4096)
        assert np.abs(shares - 1 / period).max() < 5 * scale
        assert abs(shares.mean() - 1 / period) < 5 * scale / np.sqrt(50)


def test_each_site_has_the_same_chance_of_being_in_a_given_window() -> None:
    size, seeds = 70_001, 400
    counts = np.zeros(size)
    order = SiteOrder(size, 0)
    windows = ((0, 3000), (order.rows - 1000, order.rows + 1000), (size - 2000, size))
    for seed in range(seeds):
        drawn = np.asarray(SiteOrder(size, seed * 0x9E3779B97F4A7C15 % 2**64))
        for start, stop in windows:
            counts[drawn[start:stop]] += 1
    grouped = counts[:70_000].reshape(100, -1).sum(axis=1)
    expected = seeds * 7000 / size * 700
    assert np.abs(grouped - expected).max() < 5 * np.sqrt(expected)
    # Of each site, a binomial count.
    share = 7000 / size
    assert counts.var() == pytest.approx(seeds * share * (1 - share), rel=0.03)


@pytest.mark.parametrize("size", [40_000, 3 * CHUNK_ROWS - 2, 100_003])
@pytest.mark.parametrize("count", [1, 9_000, 30_000, 39_999])
def test_a_draw_gives_each_site_the_same_chance_and_reads_one_chunk(size: int, count: int) -> None:
    order, rng, draws = SiteOrder(size, 7), np.random.default_rng(1), 600
    last = order.count(order.chunks - 1)
    counts, alone = np.zeros(size), 0
    for _ in range(draws):
        pieces = order.draw(count, rng)
        ids = np.concatenate([order.mesh_ids(chunk)[rows] for chunk, rows in pieces])
        assert len(ids) == len(np.unique(ids)) == count
        counts[ids] += 1
        alone += len({chunk for chunk, _ in pieces}) == 1
    # Of each chunk's sites together: draws come from one chunk, so its share varies as that of a lot with few tickets.
    for chunk in range(order.chunks):
        ids = order.mesh_ids(chunk)
        share, drawn = len(ids) / size, counts[ids].sum() / (draws * count)
        assert abs(drawn - share) < 5 * np.sqrt(share * (1 - share) / draws)
    if last >= count:
        assert alone == draws
    elif count <= order.rows:
        assert alone > draws * (order.chunks - 2) / order.chunks / 2
    # No row of a chunk has another chance than its neighbours.
    grouped = np.add.reduceat(counts[order.mesh_ids(0)][order.drawn(0)], np.arange(0, order.count(0), 1000))[:-1]
    expected = draws * count * 1000 / size
    assert np.abs(grouped - expected).max() < 6 * np.sqrt(1000 * expected)


def test_the_order_never_changes() -> None:
    # Cases on disk are put together by it.
    order = SiteOrder(100_000, 2**63 + 12345)
    assert order.mesh_ids(3)[:8].tolist() == [99753, 99758, 99762, 99766, 99770, 99772, 99779, 99782]
    assert order.drawn(3)[:8].tolist() == [997, 4276, 23215, 14441, 22831, 16524, 5585, 16202]


def test_a_billion_sites_take_no_memory_until_a_chunk_is_asked_for() -> None:
    order = SiteOrder(3_000_000_000, 1)
    assert sum(order.count(chunk) for chunk in range(order.chunks)) == order.size
    last = order.mesh_ids(order.chunks - 1)
    assert len(np.unique(last)) == order.count(order.chunks - 1)
    first, (chunk, rows) = order.mesh_ids(0), next(order.pieces(0, 16_384))
    assert (chunk, len(np.unique(first[rows]))) == (0, 16_384)
    assert not np.isin(first, last).any()
