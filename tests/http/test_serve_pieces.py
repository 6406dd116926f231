"""Files in pieces: the same bytes that NumPy would write, and no copy of what they are made of."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers.serving import Running, part
from tramontane.service.predictions.pieces import npz, size_of

ARRAYS = {
    "points": np.random.default_rng(0).normal(size=(5000, 3)),
    "summary": np.array('{"model": "bracket"}'),
    "connectivity": np.arange(30_000, dtype=np.int32),
    "empty": np.zeros((0, 3), dtype=np.float32),
    "point_data/stress": np.random.default_rng(1).normal(size=(5000, 6)).astype(np.float32),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "flags": np.array([True, False]),
}


def test_numpy_reads_what_was_gathered() -> None:
    content = b"".join(npz(ARRAYS))
    assert len(content) == size_of(npz(ARRAYS))
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays_read:
        assert list(arrays_read) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert (arrays_read[name].dtype, arrays_read[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(arrays_read[name], array)


def test_the_archive_is_whole_and_states_its_sizes_in_front_of_each_entry() -> None:
    content = b"".join(npz(ARRAYS))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        for entry in archive.infolist():
            # Programs that read an archive from its beginning cannot wait for what stands at its end.
            assert not entry.flag_bits & 0x08
            head = content[entry.header_offset :]
            assert int.from_bytes(head[14:18], "little") == entry.CRC
            assert int.from_bytes(head[18:22], "little") == entry.compress_size == entry.file_size


def test_a_large_array_is_a_piece_itself() -> None:
    points = ARRAYS["points"]
    own = [piece for piece in npz(ARRAYS) if np.shares_memory(np.frombuffer(piece, np.uint8), points)]
    assert [len(piece) for piece in own] == [points.nbytes]
    assert sum(isinstance(piece, memoryview) for piece in npz(ARRAYS)) == 3


@pytest.mark.parametrize("count", [0, 1])
def test_few_arrays(count: int) -> None:
    arrays = dict(list(ARRAYS.items())[:count])
    with np.load(io.BytesIO(b"".join(npz(arrays)))) as arrays_read:
        assert list(arrays_read) == list(arrays)


def test_an_answer_is_whole_on_pythons_own_event_loop_too(saved: Path, tmp_path: Path) -> None:
    plain = "import sys; sys.modules['uvloop'] = None; from tramontane.cli import main; main()"
    request = {"parameters": {"load": 300}, "cells": 60_000, "domains": ["surface"]}
    files = []
    for program in ([sys.executable, "-c", plain], None):
        with Running(saved.parent, tmp_path / f"state{len(files)}", program=program) as server:
            geometry = server.upload(part(tmp_path).read_bytes()).json()["hash"]
            answer = server.predict(geometry, **request, format="npz")
            again = server.predict(geometry, **request, format="npz")
            assert answer.content == again.content
            assert len(answer.content) == int(answer.headers["content-length"]) > 1_000_000
            files.append(answer.content)
    with np.load(io.BytesIO(files[0])) as one, np.load(io.BytesIO(files[1])) as other:
        for name in set(one) - {"summary"}:  # it says how long the model took
            np.testing.assert_array_equal(one[name], other[name])
