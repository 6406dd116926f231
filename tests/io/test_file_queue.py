"""A queue in a folder: what lies there is run, so nobody else may put anything in."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from tramontane.errors import TramontaneError
from tramontane.io.file_queue import FileQueue, work_of


def test_a_queue_that_others_may_write_to_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = FileQueue(tmp_path / "run" / "queue")
    assert queue.work() is None
    queue.begin(work_of(abs, None, None, None, 1))
    assert queue.folder.stat().st_mode & 0o077 == 0
    assert queue.work() is not None
    queue.folder.chmod(0o770)
    with pytest.raises(TramontaneError, match="others may write to it"):
        queue.work()
    queue.folder.chmod(0o700)
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(TramontaneError, match="is somebody else's"):
        queue.work()


def test_a_worker_that_was_thought_gone_goes_on_and_its_task_is_done_once(tmp_path: Path) -> None:
    asked, slow, fast = (FileQueue(tmp_path / "queue") for _ in range(3))
    asked.begin(work_of(abs, None, None, None, 1))
    asked.put("a", pickle.dumps(-1))
    claimed = slow.claim("slow")
    assert claimed is not None
    assert asked.give_back(claimed[0], "NODE_FAIL")
    again = fast.claim("fast")
    assert again is not None
    slow.settle(claimed[0], pickle.dumps(1), None)
    fast.settle(again[0], pickle.dumps(1), None)
    assert [(claim.worker, asked.outcome(claim)) for claim in asked.done()] == [("fast", (-1, 1, None))]
    assert not asked.claims()
