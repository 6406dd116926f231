"""OpenFOAM's files: dictionaries, and the long lists of numbers in them, ascii or binary, compressed or not.

A dictionary becomes a ``dict``; the value of a plain entry is the list of its words, in which ``( )`` is a list,
``[ ]`` a tuple and ``List<vector> N (...)`` a `Numbers`. Entries that point elsewhere (``$name``, ``#include``) are
followed as far as a written case needs it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.openfoam_files import AGAIN, existing, load, parse_flat

Dictionary = dict[str, Any]
COMPONENTS = {"label": 1, "scalar": 1, "vector": 3, "sphericalTensor": 1, "symmTensor": 6, "tensor": 9}
_SMALL = 1 << 24  # bytes of a file that holds a dictionary alone
_DEPTH, _TOKENS = 32, 1_000_000
_TOKEN = re.compile(
    rb'(?P<space>(?:\s+|//[^\n]*|/\*.*?\*/)+)|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<code>#\{.*?#\})|(?P<mark>[(){}\[\];])'
    rb'|(?P<word>[A-Za-z_][^\s(){}\[\];"]*\([^\s{}\[\];"]*\)[^\s(){}\[\];"]*|[^\s(){}\[\];"]+)',
    re.DOTALL,
)
_SPACE = rb"(?:\s|//[^\n]*|/\*.*?\*/)*"
_COUNT = re.compile(_SPACE + rb"(\d*)" + _SPACE + rb"([({;]?)", re.DOTALL)
_HEADER = re.compile(_SPACE + rb"FoamFile\b", re.DOTALL)
_BRACKETS = bytes.maketrans(b"()", b"  ")


class Pattern(str):
    """A key that was written in quotes: a regular expression over names."""

    __slots__ = ()


@dataclass(frozen=True)
class Numbers:
    """A list of numbers.

    Attributes:
        count: How many values it has.
        values: ``(count, components)``, or one row that stands for all.
    """

    count: int
    values: NDArray[Any]

    def expanded(self) -> NDArray[Any]:
        """``(count, components)`` values."""
        return np.broadcast_to(self.values, (self.count, self.values.shape[1]))


def read_dictionary(file: Path, *, root: Path | None = None) -> Dictionary:
    """A file that holds a dictionary alone; ``#include`` is followed inside ``root``.

    Raises:
        FormatError: Damaged.
    """
    return FoamFile(file, load(file, _SMALL), root=root).entries()


def words(value: Any) -> list[str]:
    """All words in an entry's value, lists and tuples opened."""
    if isinstance(value, (list, tuple)):
        return [word for part in value for word in words(part)]
    return [value] if isinstance(value, str) else []


def numbers(value: Any) -> list[float]:
    """All words of an entry's value that are numbers."""
    found = []
    for word in words(value):
        try:
            found.append(float(word))
        except ValueError:
            continue
    return found


def lookup(entries: Mapping[str, Any], name: str) -> Any:
    """The entry of a name: written out, or else the last pattern that matches it; None where there is none."""
    if name in entries and not isinstance(next(key for key in entries if key == name), Pattern):
        return entries[name]
    for key in reversed(list(entries)):
        if isinstance(key, Pattern):
            try:
                if re.fullmatch(key, name):
                    return entries[key]
            except re.error:
                continue
    return None


@dataclass
class FoamFile:
    """A file being read.

    Attributes:
        file: For messages.
        text: Its bytes, unpacked.
        root: The folder inside which ``#include`` is followed; None to leave it.
        position: Of the next byte to be read.
        header: The ``FoamFile`` dictionary, once `read_header` has read it.
    """

    file: Path
    text: bytes
    root: Path | None = None
    position: int = 0
    header: Dictionary = field(default_factory=dict)
    binary: bool = False
    _tokens: int = 0
    _including: int = 0

    # --- dictionaries

    def read_header(self) -> Dictionary:
        """Read the ``FoamFile`` dictionary at the file's start, and with it how numbers are written.

        Raises:
            FormatError: There is none.
        """
        start = self.position
        _, word = self._next()
        if word != "FoamFile":
            self.position = start
            raise FormatError(f"{self.file}: is no OpenFOAM file (no FoamFile header); {AGAIN}")
        _, word = self._next()
        if word != "{":
            raise self._damaged("its FoamFile header has no {")
        self.header = self._dictionary([], 1, closed=True)
        self.binary = self.word("format") == "binary"
        return self.header

    def word(self, key: str) -> str:
        """An entry of the header as one word, empty where it is not there."""
        return (words(self.header.get(key, [])) or [""])[0]

    def entries(self) -> Dictionary:
        """The whole file as a dictionary, its header read before and left out."""
        if not self.header and _HEADER.match(self.text):
            self.read_header()
        return self._dictionary([], 0, closed=False)

    def list_of_dictionaries(self) -> list[tuple[str, Dictionary]]:
        """The rest of a file that is ``N ( name { ... } ... )``, as the list of patches is."""
        kind, word = self._next()
        given = int(word) if kind == "word" and word.isdigit() else None
        if given is not None:
            kind, word = self._next()
        if word != "(":
            raise self._damaged("a list has no (")
        found: list[tuple[str, Dictionary]] = []
        while True:
            kind, name = self._next()
            if kind == "end":
                raise FormatError(f"{self.file}: is cut off (a ( is not closed); {AGAIN}")
            if kind == "mark" and name == ")":
                break
            if kind == "mark" or self._next() != ("mark", "{"):
                raise self._damaged(f"{name[:20]!r} is followed by no {{")
            found.append((name, self._dictionary([], 1, closed=True)))
        if given is not None and given != len(found):
            raise FormatError(f"{self.file}: is damaged (it holds {len(found)} of {given} entries); {AGAIN}")
        return found

    def _dictionary(self, scopes: list[Dictionary], depth: int, *, closed: bool) -> Dictionary:
        if depth > _DEPTH:
            raise self._damaged(f"it is nested deeper than {_DEPTH}")
        entries: Dictionary = {}
        scopes = [*scopes, entries]
        while True:
            kind, word = self._next()
            if kind == "end":
                if closed:
                    raise FormatError(f"{self.file}: is cut off (a {{ is not closed); {AGAIN}")
                return entries
            if word == "}" and kind == "mark":
                if not closed:
                    raise self._damaged("a } is not opened")
                return entries
            if word == ";" and kind == "mark":
                continue
            if kind not in ("word", "quoted"):
                raise self._damaged(f"{word[:20]!r} stands where a name should")
            if kind == "word" and word.startswith("#"):
                self._directive(word, scopes)
                continue
            key = Pattern(word) if kind == "quoted" else word
            value = self._value(scopes, depth)
            if word.startswith("$") and value == []:
                found = _resolve(word, scopes[:-1]) or _resolve(word, scopes)
                if isinstance(found, dict):
                    entries.update(found)
                continue
            if isinstance(value, dict) and isinstance(entries.get(key), dict):
                entries[key] = entries[key] | value  # a dictionary that is written twice is merged
            else:
                entries.pop(key, None)
                entries[key] = value

    def _value(self, scopes: list[Dictionary], depth: int) -> Any:
        """What follows a key: a dictionary, or words up to ``;``."""
        value: list[Any] = []
        while True:
            kind, word = self._next()
            if kind == "end":
                raise FormatError(f"{self.file}: is cut off (an entry has no end); {AGAIN}")
            if kind == "mark" and word == ";":
                return value
            if kind == "mark" and word == "{":
                # Words before the brace belong to the key in a few old files; they carry nothing.
                return self._dictionary(scopes, depth + 1, closed=True)
            if kind == "mark" and word == "}":
                raise self._damaged("an entry has no ;")
            value.extend(self._item(kind, word, scopes, depth))

    def _item(self, kind: str, word: str, scopes: list[Dictionary], depth: int) -> list[Any]:
        if depth > _DEPTH:
            raise self._damaged(f"it is nested deeper than {_DEPTH}")
        if kind == "mark" and word in "([":
            end = {"(": ")", "[": "]"}[word]
            items: list[Any] = []
            while True:
                kind, inner = self._next()
                if kind == "end":
                    raise FormatError(f"{self.file}: is cut off (a {word} is not closed); {AGAIN}")
                if kind == "mark" and inner == end:
                    return [tuple(items) if end == "]" else items]
                if kind == "mark" and inner == "{":
                    items.append(self._dictionary(scopes, depth + 1, closed=True))
                elif kind == "mark" and inner in ";})]":
                    raise self._damaged(f"{inner!r} stands in a list")
                else:
                    items.extend(self._item(kind, inner, scopes, depth + 1))
        if kind == "word" and word.startswith("List<") and word[5:-1] in COMPONENTS:
            return [self.read_numbers(word[5:-1])]
        if kind == "word" and word.startswith("$"):
            found = _resolve(word, scopes)
            return found if isinstance(found, list) else [word]
        return [word]

    def _directive(self, word: str, scopes: list[Dictionary]) -> None:
        """``#include`` and ``#includeFunc``; every other line that begins with # says nothing about results."""
        end = self.text.find(b"\n", self.position)
        line = self.text[self.position : end if end >= 0 else len(self.text)]
        self.position += len(line)
        names = re.findall(rb'[^\s";]+', line)
        if self.root is None or not names or self._including >= 8:
            return
        name = names[0].decode("utf-8", "replace").split("(")[0]
        if word in ("#include", "#includeIfPresent", "#sinclude"):
            file = existing(self.file.parent / name)
        elif word == "#includeFunc":
            file = existing(self.root / "system" / name)
        else:
            return
        # A case may be handed on by anyone: it does not make us read files outside its folder.
        if file is None or not file.resolve().is_relative_to(self.root.resolve()):
            return
        other = FoamFile(file, load(file, _SMALL), root=self.root, _including=self._including + 1)
        if _HEADER.match(other.text):
            other.read_header()
        found = other._dictionary(scopes, 0, closed=False)
        scopes[-1].update({name: found} if word == "#includeFunc" and "type" in found else found)

    def _next(self) -> tuple[str, str]:
        """Kind and text of the next token; ``("end", "")`` at the file's end."""
        while True:
            if self.position >= len(self.text):
                return "end", ""
            match = _TOKEN.match(self.text, self.position)
            if match is None:
                raise self._damaged("a quote is not closed" if self.text[self.position] == 34 else "it is no text")
            self.position = match.end()
            self._tokens += 1
            if self._tokens > _TOKENS:
                raise self._damaged(f"it holds more than {_TOKENS} words outside of lists")
            if match[0].startswith(b"/*") and match.lastgroup == "word":
                raise self._damaged("a comment is not closed")
            if match.lastgroup != "space":
                word = match[0].decode("utf-8", "replace")
                return match.lastgroup or "word", word[1:-1] if match.lastgroup == "quoted" else word

    # --- lists of numbers

    def read_numbers(self, kind: str) -> Numbers:
        """The list that begins here: ``N ( ... )``, ``N { value }`` or ``N``, of labels, scalars, vectors or tensors.

        Raises:
            FormatError: Cut off, longer or shorter than it says, or no numbers.
        """
        if kind not in COMPONENTS:
            raise self._damaged(f"a list of {kind!r} is not read")
        components = COMPONENTS[kind]
        match = _COUNT.match(self.text, self.position)
        given, opening = (match[1], match[2]) if match else (b"", b"")
        if len(given) > 18 or (not given and opening != b"("):
            raise self._damaged(f"a list of {kind} has no length")
        count = int(given) if given else -1
        empty = np.zeros((0, components), dtype=np.int64 if kind == "label" else np.float64)
        if match is None or opening in (b"", b";"):
            if count != 0:
                raise FormatError(f"{self.file}: is cut off (a list of {count} {kind}s has no beginning); {AGAIN}")
            self.position = match.end(1) if match else self.position
            return Numbers(0, empty)
        self.position = match.end()
        if opening == b"{":
            values = self._ascii(kind, b"}", components)
            if len(values) != 1:
                raise self._damaged(f"a list of {count} equal {kind}s has {len(values)} values")
            return Numbers(count, values)
        if self.binary and given and count > 0:
            return Numbers(count, self._binary(kind, count, components))
        values = self._ascii(kind, b")", components)
        if count >= 0 and len(values) != count:
            what = "is cut off or damaged" if len(values) < count else "is damaged"
            raise FormatError(f"{self.file}: {what} (a list holds {len(values)} of {count} {kind}s); {AGAIN}")
        return Numbers(len(values), values)

    def _ascii(self, kind: str, closing: bytes, components: int) -> NDArray[Any]:
        """``(n, components)`` numbers up to the closing bracket that stands before ``;``, a comment or the end."""
        end = len(self.text)
        for mark in (b";", b"/"):
            end = found if (found := self.text.find(mark, self.position, end)) >= 0 else end
        if components == 1 or closing == b"}":
            end = min(found, end) if (found := self.text.find(closing, self.position, end)) >= 0 else -1
        else:
            end = self.text.rfind(closing, self.position, end)
        if end < 0:
            raise FormatError(f"{self.file}: is cut off (a list of {kind}s is not closed); {AGAIN}")
        flat = parse_flat(self.file, self.text[self.position : end].translate(_BRACKETS), kind == "label")
        self.position = end + 1
        if len(flat) % components:
            raise FormatError(f"{self.file}: is cut off or damaged (a list of {kind}s holds {len(flat)} numbers, which "
                              f"is no multiple of {components}); {AGAIN}")  # fmt: skip
        return flat.reshape(-1, components)

    def _binary(self, kind: str, count: int, components: int) -> NDArray[Any]:
        """``(count, components)`` numbers as bytes, followed by a closing bracket."""
        sign = ">" if "MSB" in self.word("arch") else "<"
        stated = re.search(r"label=(\d+)" if kind == "label" else r"scalar=(\d+)", self.word("arch"))
        widths = [int(stated[1]) // 8] if stated else [4, 8] if kind == "label" else [8, 4]
        for width in widths:
            if width not in (4, 8):
                raise self._damaged(f"numbers of {8 * width} bits are not read")
            end = self.position + count * components * width
            if self.text[end : end + 1] == b")":
                values = np.frombuffer(
                    self.text, f"{sign}{'i' if kind == 'label' else 'f'}{width}", count * components, self.position
                )
                self.position = end + 1
                return values.astype(values.dtype.newbyteorder("="), copy=False).reshape(count, components)
        left = len(self.text) - self.position
        if left < count * components * widths[0]:
            raise FormatError(f"{self.file}: is cut off or damaged (a list of {count} {kind}s needs "
                              f"{count * components * widths[0]} bytes, {left} are left); {AGAIN}")  # fmt: skip
        raise self._damaged(f"a list of {count} {kind}s does not end where it should")

    def _damaged(self, what: str) -> FormatError:
        line = self.text.count(b"\n", 0, self.position) + 1
        return FormatError(f"{self.file}: is damaged at line {line} ({what}); {AGAIN}")


def _resolve(word: str, scopes: list[Dictionary]) -> Any:
    """The entry that ``$name`` or ``$:a.b`` points to, in the nearest enclosing dictionary, or None."""
    name = word[1:].strip("{}")
    path = name.lstrip(":").split(".") if name.startswith(":") else [name]
    for scope in reversed(scopes[:1] if name.startswith(":") else scopes):
        found: Any = scope
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        if found is not None:
            return found
    return None
