"""The random order of a domain's sites, by a formula: any chunk of it is known without the others.

The mesh's own order is cut into as many strata as a chunk has rows, each of as many sites as there are chunks (or one
fewer). Every chunk takes one site of each stratum: a stratified random sample of the mesh, in mesh order, which
compresses far better than sites in random order. Which chunk takes which site of a stratum is a random affine map,
``multiplier * chunk + shift`` modulo the stratum's size, inverted nowhere and stored nowhere. Strata begin at a random
site, so that each site has the same chance of being in each chunk. Within a chunk, sites are drawn in a random order of
rows, so that any window, of whatever size, is a uniform sample.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from tramontane.mixing import mixed

CHUNK_ROWS = 32768
Piece = tuple[int, NDArray[np.intp]]
"""A chunk, and rows of it."""


class SiteOrder:
    """Where each site of a domain is stored, and in which order sites are drawn.

    Args:
        size: Number of sites.
        seed: The same size and seed give the same order, for ever: datasets on disk depend on it.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        rows = CHUNK_ROWS
        # Strata differ by at most one site only while there are fewer chunks than rows.
        while (size // rows) ** 2 > size:
            rows *= 2
        self._most_rows = rows
        self.chunks = -(-size // rows)
        self.rows = -(-size // self.chunks) if size else 1
        """Of every chunk but the last, which may be shorter."""

    def count(self, chunk: int) -> int:
        """Number of sites in a chunk."""
        return min(self.rows, self.size - chunk * self.rows)

    def mesh_ids(self, chunk: int) -> Int64[np.ndarray, " rows"]:
        """The mesh's own point or cell in each row of a chunk."""
        if self.chunks == 1:
            return np.arange(self.size)
        starts, sizes, multipliers, shifts, offset = self._strata
        if chunk == self.chunks - 1:
            taking = sizes > chunk  # the last chunk has nothing of the smaller strata
            starts, sizes, multipliers, shifts = (each[taking] for each in (starts, sizes, multipliers, shifts))
        place = (multipliers * sizes.dtype.type(chunk) + shifts) % sizes
        ids: NDArray[np.int64] = starts + place + offset
        ids[ids >= self.size] -= self.size
        return ids

    def drawn(self, chunk: int) -> NDArray[np.intp]:
        """The rows of a chunk in the order in which they are drawn; not to be changed."""
        return _drawn_rows(self._most_rows, self.seed % self._most_rows, self.count(chunk))

    def draw(self, count: int, rng: np.random.Generator) -> list[Piece]:
        """A uniform sample of at most ``size`` sites, of one chunk where that has so many.

        Each site has the same chance. A draw begins at a random site and goes on to its chunk's end, then from its
        chunk's beginning; the last chunk, where it is too short for that, makes one ring with the chunk before it.
        """
        start = int(rng.integers(self.size))
        if count > self.rows:
            first, stop = 0, self.size
        else:
            chunk = start // self.rows
            if chunk >= self.chunks - 2 and self.count(self.chunks - 1) < count:
                first, stop = max(self.chunks - 2, 0) * self.rows, self.size
            else:
                first = chunk * self.rows
                stop = first + self.count(chunk)
        drawn = list(self.pieces(start, min(start + count, stop)))
        if start + count > stop:
            drawn += self.pieces(first, first + start + count - stop)
        if len(drawn) == 2 and drawn[0][0] == drawn[1][0]:
            drawn = [(drawn[0][0], np.concatenate([drawn[0][1], drawn[1][1]]))]
        return drawn

    def pieces(self, start: int, stop: int) -> Iterator[Piece]:
        """Chunks, and the rows in them, that hold the sites from place ``start`` to ``stop`` of the random order."""
        for chunk in range(start // self.rows, -(-stop // self.rows) if stop > start else 0):
            first = chunk * self.rows
            yield chunk, self.drawn(chunk)[max(start - first, 0) : stop - first]

    def __array__(self, dtype: object = None, copy: object = None) -> Int64[np.ndarray, " size"]:
        """The mesh's own point or cell at each place of the random order."""
        parts = [self.mesh_ids(chunk)[self.drawn(chunk)] for chunk in range(self.chunks)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    @functools.cached_property
    def _strata(self) -> tuple[Any, ...]:
        """Of each stratum: first site and number of sites, multiplier and shift; and the site where strata begin."""
        ends = np.arange(self.rows + 1, dtype=np.int64) * self.size // self.rows
        sizes = np.diff(ends)
        bits = mixed(np.arange(2 * self.rows + 1, dtype=np.uint64), self.seed)
        multipliers, shifts = np.empty(self.rows, np.int64), np.empty(self.rows, np.int64)
        for size in np.unique(sizes):
            here = sizes == size
            choice = np.arange(size)
            choice = choice[np.gcd(choice, size) == 1]  # only these give each chunk a site of its own
            multipliers[here] = choice[bits[: self.rows][here] % np.uint64(len(choice))]
            shifts[here] = bits[self.rows : -1][here] % np.uint64(size)
        # Narrow numbers divide several times as fast; a multiplier times a chunk is less than their square.
        narrow: Any = np.uint32 if self.chunks < 2**16 else np.int64
        maps = (each.astype(narrow) for each in (sizes, multipliers, shifts))
        return ends[:-1], *maps, np.int64(bits[-1] % np.uint64(self.size))


@functools.lru_cache(maxsize=32)
def _drawn_rows(most: int, shift: int, count: int) -> NDArray[np.intp]:
    rows = (_shuffled_rows(most) + np.intp(shift)) & np.intp(most - 1)  # `most` is a power of two
    return rows[rows < count]


@functools.cache
def _shuffled_rows(count: int) -> NDArray[np.intp]:
    """The rows of a chunk, shuffled: for all chunks the same, turned by the seed."""
    return np.argsort(mixed(np.arange(count, dtype=np.uint64), 0), kind="stable")
