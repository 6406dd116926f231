"""A queue of tasks in a folder that many machines share: a task is claimed by moving its file, which one of them can.

A worker's claim is told from another's by the worker's name, so that whoever knows which workers are gone can give
their tasks to others. Nothing else is needed of the disk than that a file is moved whole, as NFS does, too.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import pickle
import pickletools
import shutil
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tramontane.errors import TramontaneError
from tramontane.io.atomic import cannot, write_text

_ATTEMPTS = 3  # workers that a task may lose before it counts as failed
_LONG = 150  # characters of a file's name


class Claim(NamedTuple):
    """A task in the hands of a worker: one file's name, in parts.

    Attributes:
        key: Of the task.
        attempt: How many workers were lost with it before.
        worker: The worker's name.
    """

    key: str
    attempt: int
    worker: str

    @property
    def file(self) -> str:
        return f"{self.attempt}.{self.key}@{self.worker}"


@dataclass(frozen=True)
class Work:
    """What workers do with tasks; written once for all of them.

    Attributes:
        call: Function and ``prepare``, pickled.
        path: Where modules are searched for.
        seconds: After which a task is ended; None waits for ever.
        memory: Bytes at which a task is ended; None sets no bound.
        threads: Of numerical libraries in a process.
    """

    call: bytes
    path: tuple[str, ...]
    seconds: float | None
    memory: int | None
    threads: int


def work_of(
    function: Callable[..., Any],
    prepare: Callable[[], Any] | None,
    seconds: float | None,
    memory: int | None,
    threads: int,
) -> Work:
    """What workers on other machines need to know.

    Raises:
        TramontaneError: The function cannot be sent there.
    """
    try:
        call = pickle.dumps((function, prepare))
    except (AttributeError, TypeError, ValueError, pickle.PicklingError) as error:
        raise TramontaneError(
            f"this cannot be sent to other machines ({error}); give a function of a module"
        ) from error
    if any(argument == "__main__" for _, argument, _ in pickletools.genops(call)):
        raise TramontaneError("a function of the script itself cannot be sent to other machines; put it into a module")
    return Work(call, tuple(os.path.abspath(entry) for entry in sys.path), seconds, memory, threads)


def prepared(call: bytes) -> tuple[Callable[..., Any], Any]:
    """The function of `work_of`, and what ``prepare`` made."""
    function, prepare = pickle.loads(call)
    return function, prepare() if prepare is not None else None


def called(state: tuple[Callable[..., Any], Any], task: bytes) -> bytes:
    """The pickled answer to a pickled task."""
    function, made = state
    return pickle.dumps(function(made, pickle.loads(task)))


class FileQueue:
    """Tasks in a folder: to be done (``todo``), claimed (``taken``), and done, to be told (``done``).

    Args:
        folder: Its own; see `begin`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "log"
        self._todo, self._taken, self._done = (folder / name for name in ("todo", "taken", "done"))
        self._listed: list[str] = []

    def begin(self, work: Work) -> None:
        """Write down what is to be done with tasks.

        Raises:
            FileError: The folder cannot be written.
        """
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            # What lies here is unpickled, which may run anything: nobody else may write here.
            self.folder.mkdir(mode=0o700, exist_ok=True)
            for folder in (self._todo, self._taken, self._done, self.logs):
                folder.mkdir(exist_ok=True)
            self._write(self.folder / "work.pickle", pickle.dumps(work))
            (self.folder / "fatal").unlink(missing_ok=True)
        except OSError as error:
            raise cannot("written", error, self.folder) from error

    def work(self) -> Work | None:
        """What is to be done with tasks; None where no queue was begun.

        Raises:
            TramontaneError: Others may write here.
        """
        if self.folder.is_dir():
            status = self.folder.stat()
            if status.st_uid != os.getuid() or status.st_mode & 0o022:
                raise TramontaneError(f"{self.folder}: is somebody else's, or others may write to it, and what lies "
                                      "there would be run; delete it")  # fmt: skip
        try:
            work = pickle.loads((self.folder / "work.pickle").read_bytes())
        except FileNotFoundError:
            return None
        return work if isinstance(work, Work) else None

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- who asks for the work -------------------------------------------------------------------------------------

    def put(self, key: str, task: bytes, attempt: int = 0) -> None:
        """Add a task.

        Raises:
            FileError: It cannot be written.
        """
        try:
            self._write(self._todo / f"{attempt}.{key}", task)
        except OSError as error:
            raise cannot("written", error, self._todo) from error

    def withdraw(self) -> None:
        """Take away the tasks that nobody has claimed."""
        for name in _names(self._todo):
            (self._todo / name).unlink(missing_ok=True)

    def waiting(self) -> bool:
        """Whether there are tasks that nobody has claimed."""
        return bool(_names(self._todo))

    def claims(self) -> list[Claim]:
        """The tasks that were claimed and are not done."""
        return _claims(self._taken)

    def done(self) -> list[Claim]:
        """The tasks that are done and were not forgotten."""
        return _claims(self._done)

    def task(self, claim: Claim) -> bytes | None:
        """The task of a claim, done or not; None where it is settled this very moment."""
        for folder in (self._done, self._taken):
            with contextlib.suppress(FileNotFoundError):
                content = (folder / claim.file).read_bytes()
                return pickle.loads(content) if folder == self._done else content
        return None

    def outcome(self, claim: Claim) -> tuple[Any, Any, str | None]:
        """Task, answer and reason of a failure of one that is done."""
        try:
            with (self._done / claim.file).open("rb") as file:
                task = pickle.loads(pickle.load(file))
                answer, reason = pickle.load(file)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise TramontaneError(f"{self._done / claim.file}: cannot be read ({error}); delete it, and the task runs "
                                  "again") from error  # fmt: skip
        return task, None if answer is None else pickle.loads(answer), reason

    def forget(self, claim: Claim) -> None:
        """Remove one that is done."""
        (self._taken / claim.file).unlink(missing_ok=True)  # its worker may have died between two steps
        (self._done / claim.file).unlink(missing_ok=True)

    def fatal(self) -> str | None:
        """What keeps all workers from their work; None where there is nothing."""
        try:
            return (self.folder / "fatal").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    # -- workers, and who watches them -----------------------------------------------------------------------------

    def claim(self, worker: str) -> tuple[Claim, bytes] | None:
        """Claim the next task; None where all are claimed."""
        for again in (False, True):
            if again:
                self._listed = _names(self._todo)[::-1]
            while self._listed:
                name = self._listed.pop()
                attempt, _, key = name.partition(".")
                claim = Claim(key, int(attempt), worker)
                mine = self._taken / claim.file
                try:
                    os.rename(self._todo / name, mine)
                except OSError as error:
                    # NFS may say so of a move that it made, when its answer was lost on the way.
                    if error.errno not in (errno.ENOENT, errno.ESTALE) or not mine.exists():
                        if error.errno not in (errno.ENOENT, errno.ESTALE, errno.EACCES, errno.EPERM):
                            raise
                        continue
                return claim, mine.read_bytes()
        return None

    def settle(self, claim: Claim, answer: bytes | None, reason: str | None) -> None:
        """Write down what became of a claimed task; one that was given to others meanwhile is theirs."""
        try:
            task = (self._taken / claim.file).read_bytes()
        except FileNotFoundError:
            return
        self._write(self._done / claim.file, pickle.dumps(task) + pickle.dumps((answer, reason)))
        (self._taken / claim.file).unlink(missing_ok=True)

    def give_back(self, claim: Claim, cause: str) -> bool:
        """Let others have a task whose worker is gone, unless it lost as many as it may: then it counts as failed.

        Args:
            claim: Of the worker.
            cause: What became of the worker, such as ``NODE_FAIL``.

        Returns:
            Whether the task is free again.
        """
        if (self._done / claim.file).exists():
            (self._taken / claim.file).unlink(missing_ok=True)
            return False
        if claim.attempt + 1 >= _ATTEMPTS:
            self.settle(claim, None, f"its worker was lost {_ATTEMPTS} times, the last one by {cause}")
            return False
        try:
            os.rename(self._taken / claim.file, self._todo / f"{claim.attempt + 1}.{claim.key}")
        except FileNotFoundError:  # the worker itself was faster
            return False
        return True

    def fail(self, message: str) -> None:
        """Say what keeps this worker, and any other, from its work."""
        write_text(self.folder / "fatal", message)

    def _write(self, file: Path, content: bytes) -> None:
        temporary = self.folder / f".{uuid.uuid4().hex}"
        try:
            temporary.write_bytes(content)
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def key_of(name: str) -> str:
    """A task's name as a part of a file's."""
    key = quote(name, safe="")
    return key if len(key) <= _LONG else hashlib.sha256(name.encode()).hexdigest()


def _names(folder: Path) -> list[str]:
    """Names of files, sorted; NFS has hidden ones where a file was removed that somebody reads."""
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def _claims(folder: Path) -> list[Claim]:
    claims = []
    for name in _names(folder):
        attempt, _, rest = name.partition(".")
        key, _, worker = rest.rpartition("@")
        claims.append(Claim(key, int(attempt), worker))
    return claims
