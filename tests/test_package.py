"""The package as a whole: what it exports, what an import costs."""

from __future__ import annotations

import json
import subprocess
import sys

import tramontane


def test_exported_names() -> None:
    assert sorted(tramontane.__all__) == [
        "Case", "Contract", "Dataset", "Design", "Simulator", "Surrogate", "TramontaneError", "connect",
    ]  # fmt: skip
    assert all(getattr(tramontane, name).__name__ == name for name in tramontane.__all__)


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, json, tramontane; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    loaded = set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))
    assert "tramontane" in loaded
    assert not loaded & {"torch", "vtk", "vtkmodules", "pyvista", "zarr", "scipy", "numpy", "pydantic", "ngsolve"}
