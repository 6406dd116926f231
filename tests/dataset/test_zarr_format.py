"""What is on disk is Zarr v3: zarr-python opens what we write, and we read what it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from tramontane.dataset.store.chunks import ArrayWriter, CaseArrays
from tramontane.dataset.store.files import LocalFiles
from tramontane.dataset.store.order import SiteOrder
from tramontane.dataset.store.zarr_format import METADATA, ArrayLayout, DamageError

RANDOM = np.random.default_rng(0)
ARRAYS = {
    "flat": RANDOM.random(70_000).astype(np.float32),
    "vectors": RANDOM.random((70_000, 3)),
    "deep/down/bytes": RANDOM.integers(0, 255, 9).astype(np.uint8),
    "deep/flags": RANDOM.random(5) > 0.5,
    "deep/whole": RANDOM.integers(-(2**60), 2**60, (600_000, 2)),
    "empty": np.zeros((0, 3)),
    "no columns": np.zeros((4, 0), np.int32),
}


def test_zarr_opens_what_we_write(tmp_path: Path) -> None:
    order = SiteOrder(70_000, 3)
    with ArrayWriter(tmp_path / "case") as writer:
        for name, values in ARRAYS.items():
            writer.write(name, values, order if len(values) == order.size else None)
    group = zarr.open_group(tmp_path / "case", mode="r", zarr_format=3)
    assert sorted(group.keys()) == sorted({name.split("/")[0] for name in ARRAYS})
    stored = np.concatenate([order.mesh_ids(chunk) for chunk in range(order.chunks)])
    reader = CaseArrays(LocalFiles(tmp_path / "case"), writer.records, "case")
    for name, values in ARRAYS.items():
        shuffled = len(values) == order.size
        array = group[name]
        assert isinstance(array, zarr.Array)
        assert array.dtype == values.dtype
        assert np.array_equal(array[...], values[stored] if shuffled else values)
        back = reader.read(name, order if shuffled else None)
        assert back.dtype == values.dtype
        assert np.array_equal(back, values)
    assert list(reader.problems()) == []
    windows = reader.window(["flat", "vectors"], list(order.pieces(30_000, 40_000)))
    for name, values in zip(("flat", "vectors"), windows, strict=True):
        assert np.array_equal(values, ARRAYS[name][np.asarray(order)[30_000:40_000]])


@pytest.mark.parametrize("name", [name for name, values in ARRAYS.items() if values.size])
def test_we_read_what_zarr_writes(tmp_path: Path, name: str) -> None:
    values, rows = ARRAYS[name], 32_768
    array = zarr.create_array(
        tmp_path / "array",
        shape=values.shape,
        dtype=values.dtype,
        chunks=(rows, *values.shape[1:]),
        compressors=(BloscCodec(cname="zstd", clevel=4, shuffle="shuffle"), Crc32cCodec()),
        config={"write_empty_chunks": True},
    )
    array[...] = values
    layout = ArrayLayout.of_description((tmp_path / "array" / METADATA).read_bytes())
    assert layout == ArrayLayout(values.shape, values.dtype, rows)
    parts = [
        layout.unpack((tmp_path / "array" / layout.key(chunk)).read_bytes(), chunk) for chunk in range(layout.chunks)
    ]
    assert np.array_equal(np.concatenate(parts), values)


def test_a_chunk_of_another_size_or_with_a_changed_byte_is_refused() -> None:
    layout, other = ArrayLayout((8,), np.dtype("<f4"), 8), ArrayLayout((9,), np.dtype("<f4"), 9)
    data = layout.pack(np.arange(8, dtype=np.float32))
    assert layout.unpack(data, 0).tolist() == list(range(8))
    with pytest.raises(DamageError, match="another size"):
        other.unpack(data, 0)
    for place in range(len(data)):
        with pytest.raises(DamageError, match="altered"):
            layout.unpack(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :], 0)
        with pytest.raises(DamageError, match="altered"):
            layout.unpack(data[:place], 0)
