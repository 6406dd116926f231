"""The words of OpenFOAM's files, and the long lists of numbers between them, ascii or binary."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.openfoam.files import AGAIN, parse_flat

COMPONENTS = {"label": 1, "scalar": 1, "vector": 3, "sphericalTensor": 1, "symmTensor": 6, "tensor": 9}
SPACE = rb"(?:\s|//[^\n]*|/\*.*?\*/)*"
_TOKENS = 1_000_000
_TOKEN = re.compile(
    rb'(?P<space>(?:\s+|//[^\n]*|/\*.*?\*/)+)|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<code>#\{.*?#\})|(?P<mark>[(){}\[\];])'
    rb'|(?P<word>\$\{\{.*?\}\}|\$\{[^{}\s]*\}|[A-Za-z_][^\s(){}\[\];"]*\([^\s{}\[\];"]*\)[^\s(){}\[\];"]*|[^\s(){}\[\];"]+)',
    re.DOTALL,
)
_COUNT = re.compile(SPACE + rb"(\d*)" + SPACE + rb"([({;]?)", re.DOTALL)
_BRACKETS = bytes.maketrans(b"()", b"  ")


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


@dataclass
class FoamText:
    """A file being read word by word.

    Attributes:
        file: For messages.
        text: Its bytes, unpacked.
        root: The folder inside which ``#include`` is followed; None to leave it.
        position: Of the next byte to be read.
        header: The ``FoamFile`` dictionary, once it has been read.
        binary: Whether numbers are written as bytes.
        notes: A sentence for each entry that is left out, since nobody but OpenFOAM can say what it stands for.
    """

    file: Path
    text: bytes
    root: Path | None = None
    position: int = 0
    header: dict[str, Any] = field(default_factory=dict)
    binary: bool = False
    notes: list[str] = field(default_factory=list)
    _tokens: int = 0
    _including: int = 0

    def word(self, key: str) -> str:
        """An entry of the header as one word, empty where it is not there."""
        return (words(self.header.get(key, [])) or [""])[0]

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
            end = place if (place := self.text.find(mark, self.position, end)) >= 0 else end
        if components == 1 or closing == b"}":
            end = min(place, end) if (place := self.text.find(closing, self.position, end)) >= 0 else -1
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
        return FormatError(f"{self.file}: is damaged at line {self._line()} ({what}); {AGAIN}")

    def _line(self, position: int | None = None) -> int:
        return self.text.count(b"\n", 0, self.position if position is None else position) + 1


def words(value: Any) -> list[str]:
    """All words in an entry's value, lists and tuples opened."""
    if isinstance(value, (list, tuple)):
        return [word for part in value for word in words(part)]
    return [value] if isinstance(value, str) else []
