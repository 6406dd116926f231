"""The wheel is real: built as it is released, installed where nothing but its base dependencies is, and used there.

The bare environment sees the dependencies that are installed here by links, since an installation from the index takes
minutes. With ``TRAMONTANE_FROM_INDEX=1`` pip installs them, torch as torch.lock pins it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tramontane
from helpers import ROOT, TESTS
from helpers.bare import base_dependencies, make_bare

pytest.importorskip("hatchling", reason="pip install hatchling")

BEAM = TESTS / "data" / "cantilever"
BASE = {
    "torch", "numpy", "scipy", "scikit-learn", "threadpoolctl", "pyvista", "vtk", "trimesh", "numcodecs",
    "google-crc32c", "isal", "filelock", "safetensors", "pydantic", "typer", "rich", "jaxtyping", "tomli-w",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy in which the documents are there."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "site"))
    (source / "src/tramontane/site").mkdir()
    (source / "src/tramontane/site/index.html").write_text("<p>The documents.</p>")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(source / "dist")],
        cwd=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (built,) = (source / "dist").iterdir()
    return built


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of the bare environment."""
    pinned = ""
    if os.environ.get("TRAMONTANE_FROM_INDEX"):
        try:
            urllib.request.urlopen("https://pypi.org/simple/", timeout=20).close()
        except (urllib.error.URLError, OSError):
            pytest.skip("pip's index cannot be reached: nothing was installed from it")
        pinned = re.findall(r"(?m)^torch==\S+", (ROOT / "torch.lock").read_text())[0]
    dependencies = base_dependencies(metadata(wheel).get_all("Requires-Dist"))
    return make_bare(tmp_path_factory.mktemp("bare"), wheel, dependencies, from_index=pinned)


def run(programs: Path, folder: Path, *words: str | Path, code: int = 0) -> str:
    """What the installed program prints; it sees nothing of this clone."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [programs / "tramontane", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        env=environment | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_what_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    inside = {name.removeprefix("tramontane/") for name in names if name.startswith("tramontane/")}
    assert {"py.typed", "site/index.html", "cli/run.py"} <= inside
    files = {str(file.relative_to(ROOT / "src/tramontane")) for file in (ROOT / "src/tramontane").rglob("*")
             if file.is_file() and "__pycache__" not in file.parts and "site" not in file.parts}  # fmt: skip
    assert files <= inside  # scripts, words and pictures of the page, too
    (info,) = {name.split("/")[0] for name in names} - {"tramontane"}
    assert f"{info}/licenses/LICENSE" in names
    assert wheel.stat().st_size < 20e6


def test_what_it_asks_for(wheel: Path) -> None:
    head = metadata(wheel)
    assert head["Version"] == tramontane.__version__
    requirements = [Requirement(each) for each in head.get_all("Requires-Dist")]
    assert {canonicalize_name(each.name) for each in requirements if "extra" not in str(each.marker)} == BASE
    assert {"serve", "solve", "docs", "dev"} <= set(head.get_all("Provides-Extra"))


def test_help_and_version(programs: Path, tmp_path: Path) -> None:
    text = run(programs, tmp_path, "--help")
    assert all(name in text for name in ("inspect", "ingest", "train", "evaluate", "predict", "serve", "docs"))
    assert run(programs, tmp_path, "--version") == f"tramontane {tramontane.__version__}\n"


def test_inspect_and_predict(programs: Path, tmp_path: Path) -> None:
    assert "(0, -0.02, -0.0225) to (0.5, 0.02, 0.0225) m" in run(programs, tmp_path, "inspect", BEAM / "part.stl")
    words = ("predict", BEAM / "model", BEAM / "part.stl", "--set", "load=500N")
    run(programs, tmp_path, *words, "--json", "answer.json", "-o", "answer.vtp")
    qoi = json.loads((tmp_path / "answer.json").read_text())["qoi"]
    inertia = 0.04 * 0.045**3 / 12
    assert qoi["deflection"]["value"] == pytest.approx(500 * 0.5**3 / (3 * 210e9 * inertia), rel=0.05)
    assert qoi["max_von_mises"]["value"] == pytest.approx(500 * 0.5 * 0.0225 / inertia, rel=0.05)
    assert "von_mises" in run(programs, tmp_path, "inspect", "answer.vtp")


def test_the_documents_are_there(programs: Path, tmp_path: Path) -> None:
    address = run(programs, tmp_path, "docs", "--no-browser").strip()
    assert Path(address.removeprefix("file://")).read_text() == "<p>The documents.</p>"


def test_what_needs_an_extra_says_which(programs: Path, tmp_path: Path) -> None:
    assert "pip install 'tramontane[serve]'" in run(programs, tmp_path, "serve", BEAM, code=2)
    assert "pip install 'tramontane[solve]'" in run(programs, tmp_path, "generate", "bracket", "-n", "1", code=2)


def test_nothing_else_is_imported(programs: Path, wheel: Path, tmp_path: Path) -> None:
    code = (
        "import json, sys, tramontane\n"
        "from tramontane.cli import app\n"
        "for name in tramontane.__all__: getattr(tramontane, name)\n"
        "sys.argv[1:] = ['predict', *sys.argv[1:]]\n"
        "app(standalone_mode=False)\n"
        "top = {name.split('.')[0] for name in sys.modules}\n"
        "print(json.dumps(sorted(top - set(sys.stdlib_module_names))))\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [programs / "python", "-c", code, BEAM / "model", BEAM / "part.stl", "--set", "load=500N"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    imported = json.loads(done.stdout.splitlines()[-1])
    base = base_dependencies(metadata(wheel).get_all("Requires-Dist"))
    owners = {name: set(map(canonicalize_name, of)) for name, of in packages_distributions().items()}
    strangers = {name for name in imported if name in owners and not owners[name] & {*base, "tramontane"}}
    assert strangers == set()
    assert {"torch", "pyvista", "tramontane"} <= set(imported)
