"""What the tests of the documents share: the pages, and the blocks in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GALLERY = ROOT / "examples" / "gallery"
_GENERATED = ("docs/_generated", "docs/gallery", "docs/reference/_api", "docs/reference/cli.md")
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    if not str(page.relative_to(ROOT)).startswith(_GENERATED)
)

_BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a page in one language; of commands, which have none, by default."""
    return [body for block_language, body in _BLOCK.findall(text) if block_language == language]


def section(text: str, title: str) -> str:
    """What stands below a heading, up to the next one of the same depth."""
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def commands(text: str) -> list[list[str]]:
    """The words of every ``tramontane`` command in a page's blocks, comments left out."""
    lines = [line for block in blocks(text) for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("tramontane ")]
