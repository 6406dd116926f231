"""The text of input decks of Abaqus and CalculiX (``.inp``): statements, their options, and numbers between commas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError

_KEYWORD = re.compile(rb"^[ \t]*\*(?!\*)[^\r\n]*", re.MULTILINE)
_COMMENT = re.compile(rb"^[ \t]*\*\*[^\r\n]*(?:\r?\n|\Z)", re.MULTILINE)
_TRAILING, _BLANK = re.compile(rb"(?<! ) +\n"), re.compile(rb"\n{2,}")
_NO_TABS = bytes.maketrans(b"\t", b" ")
_INCLUDED = re.compile(
    rb"^[ \t]*\*(?:INCLUDE|NODE|ELEMENT)\b[^\r\n]*?,\s*INPUT[ \t]*=([^\r\n,]+)", re.MULTILINE | re.IGNORECASE
)
_EMPTY = re.compile(rb"(?:^|(?<=,)) *(?=,|\Z)")
_MOST_FILES = 100


@dataclass
class Statement:
    """A keyword, its options, and the data lines that follow it.

    Attributes:
        file: Where it stands.
        keyword: In capitals; empty for data that go on with the statement before an included file.
        options: By name in capitals.
        data: The lines, without comments.
    """

    file: Path
    keyword: str
    options: dict[str, str]
    data: bytes

    def lines(self) -> list[str]:
        """The data lines that are not empty."""
        return [line.strip() for line in self.data.decode("utf-8", "replace").splitlines() if line.strip()]

    def option(self, name: str) -> str:
        """The value of an option without quotes, empty where it is not given."""
        return self.options.get(name, "").strip("\"' ")

    def error(self, what: str, cure: str = "write the deck again") -> FormatError:
        """One that says which file and statement are meant."""
        name = self.option("NAME") or self.option("NSET") or self.option("ELSET") or self.option("TYPE")
        return FormatError(f"{self.file}: *{self.keyword}{f' {name[:60]}' if name else ''} {what}; {cure}")


def read_statements(file: Path, files: list[Path], folder: Path) -> Iterator[Statement]:
    """A deck's statements, those of included files in their place.

    Args:
        file: To read.
        files: All that were read so far, this one among them; included ones are added.
        folder: Of the deck, which inclusions are relative to.

    Raises:
        FormatError: No text, no keyword, or an included file is missing.
    """
    data = file.read_bytes()
    if b"\x00" in data[:4096]:
        raise FormatError(f"{file}: is no text; an input deck of Abaqus or CalculiX was expected")
    keywords = list(_KEYWORD.finditer(data))
    if not keywords and len(files) == 1:
        raise FormatError(f"{file}: has no keyword such as *NODE; an input deck of Abaqus or CalculiX was expected")
    lead = data[: keywords[0].start()] if keywords else data
    if len(files) > 1 and lead.strip():
        yield Statement(file, "", {}, _COMMENT.sub(b"", lead))
    for place, head in enumerate(keywords):
        end = keywords[place + 1].start() if place + 1 < len(keywords) else len(data)
        text, start = head[0].decode("utf-8", "replace").strip(), head.end()
        while text.endswith(",") and start < end:  # an option on the next line
            stop = data.find(b"\n", start + 2, end)
            line = data[start : end if stop < 0 else stop].decode("utf-8", "replace").strip()
            if "=" not in line:
                break
            text, start = text + line, end if stop < 0 else stop
        name, *rest = text[1:].split(",")
        statement = Statement(file, " ".join(name.upper().split()), _options(rest), data[start:end])
        if b"**" in statement.data:
            statement.data = _COMMENT.sub(b"", statement.data)
        other = beside_deck(folder, statement.option("INPUT"))
        if statement.keyword != "INCLUDE" and statement.option("INPUT") and not statement.data.strip():
            if not other.is_file():
                raise statement.error(
                    f"has its lines in {statement.option('INPUT')!r}, which is not there", "put it beside the deck"
                )
            if other not in files:
                files.append(other)
            statement.data = _COMMENT.sub(b"", other.read_bytes())
        if statement.keyword != "INCLUDE":
            yield statement
            continue
        if not statement.option("INPUT") or not other.is_file():
            raise FormatError(
                f"{file}: includes {statement.option('INPUT')!r}, which is not there; put it beside the deck"
            )
        if other in files or len(files) >= _MOST_FILES:
            raise FormatError(f"{file}: includes {other.name} again, or more than {_MOST_FILES} files; correct it")
        files.append(other)
        yield from read_statements(other, files, folder)
        if statement.data.strip():
            yield Statement(file, "", {}, statement.data)


def included_files(file: Path) -> list[Path]:
    """The files that a deck includes; empty where it cannot be read."""
    try:
        names = _INCLUDED.findall(file.read_bytes())
    except OSError:
        return []
    return [beside_deck(file.parent, name.decode("utf-8", "replace").strip("\"' \t")) for name in names]


def beside_deck(folder: Path, name: str) -> Path:
    """A file that a deck names, as Windows writes paths, too: ``mesh\\Part.inp``, in capital or small letters."""
    path = folder / name
    if path.is_file() or not name:
        return path
    plain = re.sub(r"^[A-Za-z]:", "", name).replace("\\", "/")
    words = plain.split("/")
    return _whatever_case(folder, words[-1:] if plain.startswith("/") else words) or path


def _whatever_case(folder: Path, words: list[str]) -> Path | None:
    for word in words:
        if word in ("", "."):
            continue
        if word == ".." or (folder / word).exists():
            folder = folder / word
            continue
        entries = [entry for entry in folder.iterdir() if entry.name.lower() == word.lower()] if folder.is_dir() else []
        if len(entries) != 1:
            return None
        folder = entries[0]
    return folder if folder.is_file() else None


def whole_numbers(statement: Statement, data: bytes | None = None) -> NDArray[np.int64]:
    """All whole numbers of a statement's lines (or of ``data``), whatever the lines."""
    text = _plain_lines(statement.data if data is None else data).replace(b"\n", b",").rstrip(b", ")
    numbers: NDArray[np.int64] = _parse(statement, text, np.int64)
    return numbers


def rows_of_numbers(statement: Statement, columns: int) -> NDArray[np.float64]:
    """The numbers of each line, ``(lines, columns)``; what a line lacks or leaves empty is 0, more are left out."""
    text = _plain_lines(statement.data)
    chars = np.frombuffer(text, dtype=np.uint8)
    ends = np.append(np.flatnonzero(chars == 10), len(chars))
    counts = np.diff(np.searchsorted(np.flatnonzero(chars == 44), ends), prepend=0) + 1
    if len(chars) == 0:
        raise statement.error("has no numbers")
    values = _parse(statement, text.replace(b"\n", b","), np.float64)
    if len(values) != counts.sum():
        raise statement.error("has lines that are no numbers between commas")
    if (counts == columns).all():
        whole: NDArray[np.float64] = values.reshape(-1, columns)
        return whole
    rows = np.zeros((len(counts), columns))
    firsts = np.cumsum(counts) - counts
    for column in range(columns):
        has = counts > column
        rows[has, column] = values[firsts[has] + column]
    return rows


def _plain_lines(data: bytes) -> bytes:
    """Without what may stand around line ends: spaces, one comma, empty lines. Bytes alone, since decks are large."""
    text = data.translate(_NO_TABS, b"\r").strip()
    if b" \n" in text:
        text = _TRAILING.sub(b"\n", text)
    text = text.replace(b",\n", b"\n")
    return _BLANK.sub(b"\n", text) if b"\n\n" in text else text


def _parse(statement: Statement, text: bytes, kind: type) -> Any:
    """All numbers between commas; an empty entry is 0."""
    if b"<" in text:
        raise statement.error("uses a *PARAMETER in place of a number", "write the deck with its value")
    if kind is np.float64 and (b"D" in text or b"d" in text):
        text = text.replace(b"D", b"E").replace(b"d", b"e")
    dense = text.replace(b" ", b"")
    if b",," in dense or dense[:1] == b"," or dense[-1:] == b",":
        text = _EMPTY.sub(b"0", text)
    try:
        values: Any = np.fromstring(text, dtype=kind, sep=",") if text else np.empty(0, dtype=kind)
    except (ValueError, DeprecationWarning) as error:
        raise _bad_entry(statement, text, kind) from error
    if len(values) != (text.count(b",") + 1 if text else 0):
        raise _bad_entry(statement, text, kind)
    return values


def _bad_entry(statement: Statement, text: bytes, kind: type) -> FormatError:
    for entry in text.split(b","):
        try:
            kind(entry)
        except (ValueError, OverflowError):
            shown = entry[:40].decode("utf-8", "replace").strip()
            return statement.error(f"has {shown!r} where a {'whole ' if kind is np.int64 else ''}number is expected")
    return statement.error("has something else where a number is expected")


def _options(entries: list[str]) -> dict[str, str]:
    parts = (entry.partition("=") for entry in entries)
    return {"".join(key.upper().split()): value.strip() for key, _, value in parts if key.strip()}
