"""A reader that crashes, hangs or wants all memory is an error in one line, and this process goes on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pyvista as pv

from helpers.formats.loaders import (
    load_and_count,
    load_and_crash,
    load_and_raise,
    load_badly,
    load_complaining,
    load_for_ever,
    load_short,
    load_too_much,
    load_two,
    load_with_a_helper,
    polyhedron,
)
from helpers.formats.meshes import assert_same
from tramontane.errors import FormatError
from tramontane.formats.isolation import isolated
from tramontane.formats.isolation.isolated import read_isolated


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "some.file").write_text("content")
    return tmp_path / "some.file"


def test_meshes_come_back_bit_for_bit_with_their_names(file: Path) -> None:
    blocks, extra = read_isolated(load_two, file)
    assert [block.path for block in blocks] == [("some", "out", "a/b"), ("some", "in")]
    assert_same(blocks[0].mesh, polyhedron())
    sphere = load_two(file)[0]["in"]
    assert isinstance(blocks[1].mesh, pv.PolyData)
    assert_same(blocks[1].mesh, sphere)
    assert extra == {"read": "content"}


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (load_and_crash, r"cannot be read \(its reader crashes: SIGSEGV\); write or copy it again"),
        (load_too_much, r"cannot be read \(its reader wants more than 4 GB for it\); write or copy it again"),
        (load_and_raise, r"cannot be read \(its reader ends: RuntimeError: no such luck\); write or copy it again"),
        (load_badly, r"a cell has point 7, points are 0 to 2; write it again"),
        (load_complaining, r"cannot be read \((?!its reader).*\); write or copy it again"),
        (load_short, r"field short has 5 values for 8 points; it is cut off or damaged, write or copy it again"),
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_what_goes_wrong_there_is_said_here(
    file: Path, load: isolated.Loader, message: str, fresh: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FormatError, match=f"some.file: {message}$") as error:
        read_isolated(load, file, fresh=fresh)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_reader_that_hangs_is_stopped(file: Path) -> None:
    with pytest.raises(FormatError, match=r"some\.file: was not read within 2 s, so it is probably damaged"):
        read_isolated(load_for_ever, file, seconds=2.0)


def test_nothing_is_left_behind(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    read_isolated(load_two, file)
    with pytest.raises(FormatError):
        read_isolated(load_and_crash, file)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_fresh_process_reads_beside_others_and_takes_what_it_started_with_it(tmp_path: Path) -> None:
    slow, quick = tmp_path / "slow.txt", tmp_path / "quick.txt"
    slow.write_text("x")
    quick.write_text("y")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(read_isolated, load_with_a_helper, slow, seconds=12.0, fresh=True)
        helper = until_written(slow)
        _, extra = read_isolated(load_two, quick, fresh=True)  # the other still reads
        assert extra == {"read": "y"}
        assert not waiting.done()
        with pytest.raises(FormatError, match="was not read within"):
            waiting.result()
    state = Path(f"/proc/{helper}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_each_file_that_is_read_alone_has_a_process_that_has_read_no_other(file: Path) -> None:
    isolated.prepare(load_and_count)
    counts = [read_isolated(load_and_count, file, fresh=True)[1] for _ in range(3)]
    assert [each["read"] for each in counts] == [1, 1, 1]
    assert len({each["process"] for each in counts}) == 3
    assert len({each["parent"] for each in counts}) == 1  # which has everything imported


def until_written(beside: Path) -> int:
    """The number of the process that `load_with_a_helper` started."""
    file = beside.with_suffix(".helper")
    for _ in range(400):
        if file.is_file() and (text := file.read_text()):
            return int(text)
        time.sleep(0.05)
    raise AssertionError("no process was started")
