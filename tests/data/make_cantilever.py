"""Makes ``cantilever/``: a tiny saved surrogate of beams, and a part to ask it about. Run it when the format changes.

python tests/data/make_cantilever.py
"""

from __future__ import annotations

import runpy
import shutil
import tempfile
from pathlib import Path

import tramontane as tm

HERE = Path(__file__).parent
BEAMS = runpy.run_path(str(HERE.parents[1] / "examples" / "gallery" / "cantilevers.py"))

CELLS = (8, 2, 2)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        results = BEAMS["write_cantilevers"](Path(folder) / "beams", 10, CELLS)
        for file in results.glob("*/volume.vtu"):
            file.unlink()
        dataset = tm.ingest(results, Path(folder) / "beams.dataset", test=1, validation=1)
        surrogate = tm.fit(dataset, model="classical")
    target = HERE / "cantilever"
    shutil.rmtree(target, ignore_errors=True)
    surrogate.save(target / "model", licence="Apache-2.0")
    part = BEAMS["Cantilever"](CELLS).simulate(tm.Design(length="500 mm", width="40 mm", height="45 mm", load="500 N"))
    part.design.geometry.save(target / "part.stl")


if __name__ == "__main__":
    main()
