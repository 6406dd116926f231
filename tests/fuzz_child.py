"""The process that `fuzz` watches: reads what it is told to, and says on its standard output how that ended."""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY = 3 << 30  # bytes on top of what the libraries take, for files of some kilobytes


def main() -> None:
    """Answer requests, a line each."""
    channel = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)

    def say(word: str, rest: str = '""') -> None:
        channel.write(f"{word} {rest}\n")
        channel.flush()

    from tramontane.errors import TramontaneError
    from tramontane.formats import isolated, isolated_child

    def ask(request: dict[str, Any], seconds: float) -> int:
        say("inside")
        code = 0
        try:
            isolated_child.answer(request)
        except Exception:
            Path(request["folder"], isolated.OUTPUT).write_text(traceback.format_exc(), encoding="utf-8")
            code = 1
        say("outside")
        return code

    isolated._ask = ask  # type: ignore[assignment]
    warnings.simplefilter("ignore")
    _bound()
    for line in sys.stdin:
        request = json.loads(line)
        path = Path(request["path"])
        try:
            (_read_geometry if request["geometry"] else _read_results)(path)
        except TramontaneError as error:
            say("refused", json.dumps(str(error)))
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)
            places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(where[-6:]))
            say("raised", json.dumps(f"{type(error).__name__}: {str(error)[:300]} at {places}"))
        else:
            say("read")


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))


def _read_geometry(path: Path) -> None:
    from tramontane.formats.geometry import read_geometry

    read_geometry(path)


def _read_results(path: Path) -> None:
    """As `ingest` does: what is in the path, each case of it, in SI, its facts and its sites."""
    from tramontane.dataset.facts import examine
    from tramontane.dataset.ingest import read_source
    from tramontane.dataset.mesh_arrays import mesh_to_arrays
    from tramontane.dataset.sites import mesh_sites
    from tramontane.errors import TramontaneError
    from tramontane.formats.collection import open_collection

    collection = open_collection(path)
    errors: list[TramontaneError] = []
    for source in collection.sources:
        try:
            case = read_source(source, collection, None)
            examine(case)
            for mesh in case.meshes.values():
                mesh_to_arrays(mesh)
                mesh_sites(mesh, "cell", None)
        except TramontaneError as error:
            errors.append(error)
    if errors:
        raise errors[0]


Reader = Callable[[Path], None]

if __name__ == "__main__":
    main()
