"""Commands of other programs: their limits, and that nothing that they started outlives them, or this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tramontane.io.commands import Command, Ended, run_commands

# Two children in sessions of their own, one of them an orphan, and their numbers in a file.
SPREAD = "setsid sleep 60 & echo $! >> pids; (setsid sh -c 'echo $$ >> pids; exec sleep 60' &); sleep 0.2; "


def run(folder: Path, *texts: str, **options: Any) -> Ended:
    commands = [Command(("sh", "-c", text), folder / "log.sh") for text in texts]
    return run_commands(commands, folder, environment=os.environ, **options)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def assert_all_end(folder: Path) -> None:
    pids = [int(line) for line in (folder / "pids").read_text().split()]
    end = time.monotonic() + 5.0
    while any(map(lives, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    assert len(pids) == 2
    assert not any(map(lives, pids))


def test_commands_run_one_after_the_other_until_one_fails(tmp_path: Path) -> None:
    ended = run(tmp_path, "echo one", "echo two; exit 3", "echo three")
    assert (ended.how, ended.command, ended.code, len(ended.seconds)) == ("exit", 1, 3, 2)
    assert (tmp_path / "log.sh").read_text() == "one\ntwo\n"
    assert run(tmp_path, "true").how == "done"
    missing = run_commands([Command(("no-such-program",), tmp_path / "log")], tmp_path, environment=os.environ)
    assert (missing.how, missing.reason) == ("missing", "No such file or directory")


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    started = time.monotonic()
    ended = run(tmp_path, SPREAD + "sleep 60", seconds=0.6)
    assert ended.how == "time"
    assert ended.seconds[0] == pytest.approx(0.6, abs=0.5)
    assert time.monotonic() - started < 5
    assert_all_end(tmp_path)


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    assert run(tmp_path, SPREAD).how == "done"
    assert_all_end(tmp_path)


def test_all_processes_of_a_command_count_for_its_memory(tmp_path: Path) -> None:
    take = f"{sys.executable} -S -c 'import time; block = bytearray(80_000_000); time.sleep(30)'"
    ended = run(tmp_path, f"{take} & {take}", memory=120_000_000, seconds=20)
    assert ended.how == "memory"
    assert ended.memory > 120_000_000
    assert run(tmp_path, "sleep 0.6", memory=120_000_000).how == "done"


def test_a_line_of_a_log_ends_a_run_that_diverges(tmp_path: Path) -> None:
    ended = run(tmp_path, "echo step 1; echo 'step 2: residual nan'; sleep 30", diverged=[r"\bnan\b"], seconds=20)
    assert (ended.how, ended.reason) == ("diverged", "step 2: residual nan")
    assert ended.seconds[0] < 5
    # One that ends at once after it has said so is none that ended well.
    assert run(tmp_path, "echo 'residual nan'", diverged=[r"\bnan\b"]).how == "diverged"


def test_a_command_that_is_killed_says_so(tmp_path: Path) -> None:
    ended = run(tmp_path, "kill -9 $$")
    assert (ended.how, ended.code) == ("exit", -signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_commands_end_when_the_process_that_runs_them_does(tmp_path: Path, number: int) -> None:
    work = tmp_path / "work"
    work.mkdir()
    code = (
        "import os; from pathlib import Path; from tramontane.io.commands import *; "
        f"run_commands([Command(('sh', '-c', {SPREAD + 'touch ready; sleep 60'!r}), Path('log'))], "
        f"Path({str(tmp_path)!r}), environment=os.environ, remove=Path({str(work)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while not (tmp_path / "ready").exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(number)
    process.wait(10)
    assert_all_end(tmp_path)
    while work.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not work.exists()


def test_commands_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    ended = run(tmp_path, "kill -9 $PPID; sleep 60")
    assert ended.how == "lost"
