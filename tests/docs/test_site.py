"""The site: it builds without a warning, loads nothing from elsewhere, has what the package's tables have, opens."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from helpers.pages import GALLERY, ROOT
from tramontane import formats
from tramontane.cli import app, documents
from tramontane.errors import TramontaneError
from tramontane.formats import readers
from tramontane.surrogate.kinds import ASKED, KINDS
from tramontane.surrogate.kinds.kind import ModelKind

pytest.importorskip("sphinx_gallery", reason="pip install 'tramontane[docs]'")
sys.path.insert(0, str(ROOT / "docs"))
import generate

EXAMPLES = sorted(GALLERY.glob("[0-9]_*.py"))
# What a browser loads by itself; a plain link (<a href>) is followed by people.
_LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class _Loaded(HTMLParser):
    """Addresses that a page loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        address = dict(attributes).get(_LOADED.get(tag, ""))
        if address:
            self.addresses.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: the examples run, and one that fails is a warning, which is an error."""
    place = tmp_path_factory.mktemp("docs")
    ignored = shutil.ignore_patterns("gallery", "_generated", "_api", "cli.md", "__pycache__")
    shutil.copytree(ROOT / "docs", place / "docs", ignore=ignored)
    shutil.copytree(ROOT / "examples", place / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "CHANGELOG.md", place)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"]
    if not _draws():
        command += ["-D", "plot_gallery=0"]
    # Whoever asks for the network while it builds is refused.
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        [*command, "-d", str(place / "trees"), str(place / "docs"), str(place / "site")],
        capture_output=True, text=True, check=False, env=os.environ | offline,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return place / "site"


def _draws() -> bool:
    """Whether this machine can draw off screen; where it cannot, VTK ends the process that tries."""
    code = "import pyvista as pv; pv.Sphere().plot(off_screen=True, screenshot=True)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_examples_ran(site: Path) -> None:
    if not _draws():
        pytest.skip("this machine cannot draw off screen: apt-get install libgl1 libegl1 libxrender1")
    for example in EXAMPLES:
        page = (site / "gallery" / f"{example.stem}.html").read_text(encoding="utf-8")
        assert "Total running time of the script" in page
        assert "Traceback" not in page
    assert len(EXAMPLES) == 6
    assert len(list((site / "_images").glob("sphx_glr_*_001.png"))) >= 4  # pictures of a mesh or a chart


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        for address in _Loaded(page.read_text(encoding="utf-8")).addresses:
            assert not re.match(r"(https?:)?//", address), f"{page}: loads {address}"
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"(?:url\(|@import )['\"]?([^'\")\s]+)", sheet.read_text(encoding="utf-8")):
            assert not re.match(r"(https?:)?//", address), f"{sheet}: loads {address}"


def test_every_link_within_the_site_leads_to_a_page(site: Path) -> None:
    for page in site.rglob("*.html"):
        for target in re.findall(r'<a [^>]*href="([^"#:]+)["#]', page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target} is not there"


def test_the_reference_has_every_command_kind_and_public_name(site: Path) -> None:
    import tramontane

    text = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    assert all(f"tramontane {name}" in text for name in ("inspect", "train", "token create", "docs"))
    text = (site / "reference" / "models.html").read_text(encoding="utf-8")
    assert all(name in text for name in ASKED)
    index = (site / "reference" / "api.html").read_text(encoding="utf-8")
    assert all(f"tramontane.{name}.html" in index for name in tramontane.__all__)


def test_a_page_is_opened(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(documents, "PAGES", site)
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    done = CliRunner().invoke(app, ["docs"])
    assert (done.exit_code, done.output.strip()) == (0, (site / "index.html").as_uri())
    assert opened == [(site / "index.html").as_uri()]
    assert CliRunner().invoke(app, ["docs", "--no-browser"]).exit_code == 0
    assert len(opened) == 1


def test_where_the_pages_are_not_built_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(documents, "PAGES", tmp_path)
    error = CliRunner().invoke(app, ["docs"]).exception
    assert isinstance(error, TramontaneError)
    assert "run `make docs`" in str(error)


_TOY = """
from tramontane.formats.format import Format

FORMATS = (Format("Toy", (".toy",), lambda file: None),)
"""


def _none(_: object) -> Any:
    """Neither fitted nor restored here."""


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "toy_format_of_docs.py").write_text(_TOY)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    monkeypatch.setitem(KINDS, "toy", ModelKind("toy", "a toy | of a model", fit=_none, restore=_none))
    readers.known_formats.cache_clear()
    yield
    readers.known_formats.cache_clear()


@pytest.mark.usefixtures("toys")
def test_a_new_kind_and_a_new_format_are_in_the_tables() -> None:
    assert "| `toy` | a toy \\| of a model | yes | no |" in generate.model_kinds()
    assert "| Toy | `.toy` |" in generate.formats()
