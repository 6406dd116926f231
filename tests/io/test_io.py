"""Files that are whole or not there, locks, and Ctrl-C that is heard."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tramontane.errors import FileError, TramontaneError
from tramontane.io.atomic import cannot, replacing, write_json, write_text
from tramontane.io.interrupts import between_steps
from tramontane.io.locks import claimed


def test_a_file_is_replaced_whole_and_folders_above_it_are_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b.json"
    write_json(file, {"x": 1})
    write_json(file, {"x": 2})
    assert file.read_text() == '{\n "x": 2\n}\n'
    assert list(file.parent.iterdir()) == [file]


def test_a_disk_that_is_full_leaves_what_was_there_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "report.json"
    write_text(file, "before")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"report\.json: cannot be written \(no space left on device\); make room"):
        write_text(file, "after")
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_a_file_is_named_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="it is a folder; name a file"):
        write_text(tmp_path, "")
    with pytest.raises(FileError, match="choose a shorter name"):
        write_text(tmp_path / ("n" * 300), "")
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="a part of that path is a file"):
        write_text(tmp_path / "file" / "below", "")
    assert "d.txt: cannot be read (permission denied); allow it" in str(
        cannot("read", PermissionError(errno.EACCES, "Permission denied", "d.txt"))
    )


def test_an_error_within_the_block_is_not_the_files(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "x") as file:
        file.write_text(str(1 / 0))
    assert not list(tmp_path.iterdir())


def test_a_lock_keeps_others_out_but_not_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "new" / ".lock"
    with claimed(lock, "out"):
        with pytest.raises(TramontaneError, match=r"^out: another run is writing here"), claimed(lock, "out"):
            pass
        with claimed(lock, "out", within=True):
            pass
        with pytest.raises(TramontaneError, match="another run"), claimed(lock, "out"):
            pass  # the inner block did not free it
    with claimed(lock, "out"):
        pass


def test_ctrl_c_waits_for_the_end_of_a_step_and_a_second_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), between_steps() as stop_requested:  # noqa: PT012
            assert not stop_requested()
            signal.raise_signal(signal.SIGINT)
            assert stop_requested()  # and what is not asked for is not lost
        with pytest.raises(KeyboardInterrupt), between_steps():  # noqa: PT012
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the second one was not heard")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_that_a_library_swallows_is_raised_again() -> None:
    # As a callback of Python's own imports does: what is raised in it is printed and forgotten.
    program = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tramontane.io import interrupts
interrupts._AGAIN = 0.1
interrupts.heed()
class Swallows:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(60)
try:
    Swallows()
    print("swallowed", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    interrupts.end_interrupted()
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=50)
    assert process.returncode == 130
    assert "swallowed" in out
    assert err.startswith("Stopped; what was finished is kept.")  # and no traceback of what was swallowed


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_ctrl_c_waits_for_the_end_of_a_block_that_is_held() -> None:
    program = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tramontane.io import interrupts
interrupts.heed()
try:
    with interrupts.held():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        print("whole", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    interrupts.end_interrupted()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert (done.returncode, done.stdout) == (130, "whole\n"), done.stderr


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_ctrl_c_waits_for_the_end_of_an_import(tmp_path: Path) -> None:
    (tmp_path / "loads.py").write_text(
        "import os, signal, time\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "time.sleep(0.5)\n"  # the timer comes within it, too
        "print('whole', flush=True)\n"
    )
    program = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tramontane.io import interrupts
interrupts.heed()
try:
    import loads
    time.sleep(60)
except KeyboardInterrupt:
    interrupts.end_interrupted()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])})  # fmt: skip
    assert (done.returncode, done.stdout) == (130, "whole\n"), done.stderr
    assert done.stderr.startswith("Stopped; what was finished is kept.")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("way", ["swallowed", "made an error"])
def test_a_server_ends_at_a_ctrl_c_that_a_library_swallows_while_it_loads(tmp_path: Path, way: str) -> None:
    program = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
way = sys.argv.pop()
class Loads:  # in the middle of the program's own imports
    def find_spec(self, name, path=None, target=None):
        if name == "tramontane.http.app":
            sys.meta_path.remove(self)
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                if way == "made an error":
                    raise ValueError("no valid buffer format")
sys.meta_path.insert(0, Loads())
from tramontane.__main__ import main
main()
"""
    models = tmp_path / "models"
    models.mkdir()
    arguments = ["serve", str(models), "--port", "0", "--state", str(tmp_path / "state"), "--no-page", way]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True,
                               env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    try:
        _, err = process.communicate(timeout=50)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("Stopped; what was finished is kept.")
    assert "Traceback" not in err
