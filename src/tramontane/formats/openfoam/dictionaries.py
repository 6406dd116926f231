"""OpenFOAM's dictionaries.

A dictionary becomes a ``dict``; the value of a plain entry is the list of its words, in which ``( )`` is a list,
``[ ]`` a tuple and ``List<vector> N (...)`` a `Numbers`. Entries that point elsewhere (``$name``, ``#include``,
``#eval``) are followed as far as a written case needs it; one that cannot be is left out, and named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError
from tramontane.formats.openfoam.files import AGAIN, existing, load
from tramontane.formats.openfoam.macros import NoNumberError, evaluate, resolve, truth
from tramontane.formats.openfoam.tokens import COMPONENTS, SPACE, FoamText, Numbers, words

__all__ = ["Dictionary", "FoamFile", "Numbers", "Pattern", "lookup", "numbers", "read_dictionary", "words"]

Dictionary = dict[str, Any]
_SMALL = 1 << 24  # bytes of a file that holds a dictionary alone
_DEPTH = 32
_HEADER = re.compile(SPACE + rb"FoamFile\b", re.DOTALL)
# After a directive: a file's name. In brackets after it: what stands before each value.
_NAME = re.compile(rb'[ \t]*(?:"([^"\n]*)"|([^\s";()]+))')
_COMMENT = re.compile(rb"//[^\n]*|/\*.*?\*/", re.DOTALL)
_ARGUMENT = re.compile(rb"(?:^|(?<=[\s,;]))([A-Za-z_]\w*)\s*=\s*")


class Pattern(str):
    """A key that was written in quotes: a regular expression over names."""

    __slots__ = ()


@dataclass(frozen=True)
class Unread:
    """Stands in a value for what is not known; ``why`` says what was found."""

    why: str


def read_dictionary(file: Path, *, root: Path | None = None, notes: list[str] | None = None) -> Dictionary:
    """A file that holds a dictionary alone.

    Args:
        file: To read.
        root: The folder inside which ``#include`` is followed.
        notes: Gets a sentence for each entry that is left out.

    Raises:
        FormatError: Damaged.
    """
    opened = FoamFile(file, load(file, _SMALL), root=root)
    entries = opened.entries()
    if notes is not None:
        notes += opened.notes
    return entries


def numbers(value: Any) -> list[float]:
    """All words of an entry's value that are numbers."""
    values = []
    for word in words(value):
        try:
            values.append(float(word))
        except ValueError:
            continue
    return values


def lookup(entries: Mapping[str, Any], name: str) -> Any:
    """The entry of a name: written out, or else the last pattern that matches it; None where there is none."""
    if name in entries and not isinstance(next(key for key in entries if key == name), Pattern):
        return entries[name]
    for key in reversed(list(entries)):
        if isinstance(key, Pattern) and _matches(key, name):
            return entries[key]
    return None


@dataclass
class FoamFile(FoamText):
    """A file being read; see `FoamText`."""

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
        entries: list[tuple[str, Dictionary]] = []
        while True:
            kind, name = self._next()
            if kind == "end":
                raise FormatError(f"{self.file}: is cut off (a ( is not closed); {AGAIN}")
            if kind == "mark" and name == ")":
                break
            if kind == "mark" or self._next() != ("mark", "{"):
                raise self._damaged(f"{name[:20]!r} is followed by no {{")
            entries.append((name, self._dictionary([], 1, closed=True)))
        if given is not None and given != len(entries):
            raise FormatError(f"{self.file}: is damaged (it holds {len(entries)} of {given} entries); {AGAIN}")
        return entries

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
                self._directive(word, scopes, depth)
                continue
            key = Pattern(word) if kind == "quoted" else word
            start = self.position
            value = self._value(scopes, depth)
            unread = _unread(value)
            if unread is not None:
                place = f"{self.file}: entry {word} at line {self._line(start)}"
                self.notes.append(f"{place} is left out ({unread.why}); write its value")
                entries.pop(key, None)
                continue
            if word.startswith("$") and value == []:
                resolved = resolve(word, scopes[:-1]) or resolve(word, scopes)
                if isinstance(resolved, dict):
                    entries.update(resolved)
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
                return dict(value[0]) if len(value) == 1 and isinstance(value[0], dict) else value
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
        if kind == "word" and word.startswith("${{"):
            return [_evaluated(word, word[3:-2], scopes)]
        if kind == "word" and word.startswith("$"):
            value = resolve(word, scopes)
            return value if isinstance(value, list) else [value] if isinstance(value, dict) else [word]
        if kind == "word" and word in ("#eval", "#calc"):
            return [_evaluated(word, self._expression(word), scopes)]
        if kind == "word" and word == "#codeStream":
            kind, word = self._next()
            if (kind, word) == ("mark", "{"):
                self._dictionary(scopes, depth + 1, closed=True)
            return [Unread("#codeStream is code, which is not run")]
        return [word]

    def _expression(self, word: str) -> str:
        """What ``#eval`` and ``#calc`` are given: in braces, in quotes, or between ``#{`` and ``#}``."""
        kind, first = self._next()
        if kind == "quoted":
            return first.replace("\\\n", " ")
        if kind == "code":
            return first[2:-2]
        if (kind, first) != ("mark", "{"):
            raise self._damaged(f"{word} is followed by no {{ and no quote")
        start, open_ = self.position, 1
        while open_:
            kind, first = self._next()
            if kind == "end":
                raise FormatError(f"{self.file}: is cut off (the {{ of {word} is not closed); {AGAIN}")
            if kind == "mark" and first in "{}":
                open_ += 1 if first == "{" else -1
        return self.text[start : self.position - 1].decode("utf-8", "replace")

    def _directive(self, word: str, scopes: list[Dictionary], depth: int) -> None:
        """A word that begins with # where a name should stand; those that are not known say nothing of results."""
        if word in ("#if", "#ifeq"):
            start = self.position
            chosen = self._condition(word, scopes, depth)
            if chosen is None:
                place = f"{self.file}: {word} at line {self._line(start)}"
                self.notes.append(f"{place} cannot be decided; what it encloses is left out")
            if not chosen:
                self._skip(to_else=chosen is False)
        elif word == "#else":
            self._skip(to_else=False)
        elif word == "#remove":
            kind, name = self._next()
            for each in words(self._item(kind, name, scopes, depth)):
                for key in [key for key in scopes[-1] if key == each or (kind == "quoted" and _matches(each, key))]:
                    del scopes[-1][key]
        elif word.startswith("#include") or word == "#sinclude":
            self._include(word, scopes)
        else:
            self._rest_of_line()

    def _condition(self, word: str, scopes: list[Dictionary], depth: int) -> bool | None:
        """Whether what follows ``#if`` or ``#ifeq`` is to be read; None where only OpenFOAM can say."""
        given = [self._item(*self._next(), scopes, depth) for _ in range(2 if word == "#ifeq" else 1)]
        self._rest_of_line()
        if any(not isinstance(each, str) or each.startswith("$") for item in given for each in item):
            return None
        if word == "#if":
            return truth(given[0])
        return given[0] == given[1] or (len(numbers(given)) == 2 and numbers(given[0]) == numbers(given[1]))

    def _skip(self, *, to_else: bool) -> None:
        """Pass over a branch, to its ``#else`` or its ``#endif``."""
        depth = 1
        while depth:
            kind, word = self._next()
            if kind == "end":
                raise FormatError(f"{self.file}: is cut off (an #if has no #endif); {AGAIN}")
            if kind == "word":
                depth += (word in ("#if", "#ifeq")) - (word == "#endif")
                if word == "#else" and depth == 1 and to_else:
                    return

    def _rest_of_line(self) -> str:
        end = self.text.find(b"\n", self.position)
        line = self.text[self.position : end if end >= 0 else len(self.text)]
        self.position += len(line)
        return line.decode("utf-8", "replace")

    def _include(self, word: str, scopes: list[Dictionary]) -> None:
        """Follow ``#include`` and ``#includeFunc`` to files of the case."""
        start = self.position
        name = self._name()
        arguments = self._arguments(scopes) if word == "#includeFunc" else {}
        if self.root is None or not name or self._including >= 8:
            return
        file: Path | None = None
        if word == "#includeFunc":
            file = existing(self.root / "system" / name)
        elif word in ("#include", "#includeIfPresent", "#sinclude"):
            place = re.match(r"(?:<case>|\$\{?FOAM_CASE\}?)/|<(system|constant)>/", name)
            inside = self.root / (place[1] or "") if place else self.file.parent
            file = existing(inside / (name[place.end() :] if place else name))
        # A case may be handed on by anyone: it does not make us read files outside its folder.
        if file is None or not file.resolve().is_relative_to(self.root.resolve()):
            if word == "#include":
                position = f"{self.file}: #include {name} at line {self._line(start)}"
                self.notes.append(f"{position} is left out (no such file in the case)")
            if arguments:
                scopes[-1][name] = arguments
            return
        other = FoamFile(file, load(file, _SMALL), root=self.root, _including=self._including + 1)
        if _HEADER.match(other.text):
            other.read_header()
        included = other._dictionary(scopes, 0, closed=False)
        self.notes += other.notes
        if word == "#includeFunc" and not (included and all(isinstance(entry, dict) for entry in included.values())):
            included = {name: included | arguments}
        elif arguments:
            included = {key: entry | arguments for key, entry in included.items()}
        scopes[-1].update(included)

    def _name(self) -> str:
        """The file that a directive names, with or without quotes, on its own line."""
        match = _NAME.match(self.text, self.position)
        if match is None:
            self._rest_of_line()
            return ""
        self.position = match.end()
        return (match[1] if match[1] is not None else match[2]).decode("utf-8", "replace")

    def _arguments(self, scopes: list[Dictionary]) -> Dictionary:
        """The entries that ``#includeFunc name`` is given in brackets, on its line or on those that follow."""
        start = self.position
        if self._next() != ("mark", "("):
            self.position = start
            self._rest_of_line()
            return {}
        start, open_ = self.position, 1
        while open_:
            kind, word = self._next()
            if kind == "end":
                raise FormatError(f"{self.file}: is cut off (a ( is not closed); {AGAIN}")
            if kind == "mark" and word in "()":
                open_ += 1 if word == "(" else -1
        text = _COMMENT.sub(b" ", self.text[start : self.position - 1])
        given = list(_ARGUMENT.finditer(text))
        ends = [*(match.start() for match in given[1:]), len(text)][: len(given)]
        entries = b"".join(
            match[1] + b" " + text[match.end() : end].strip(b" \t\r\n,;") + b";\n"
            for match, end in zip(given, ends, strict=True)
        )
        return FoamFile(self.file, entries, root=None)._dictionary(scopes, 0, closed=False)


def _evaluated(word: str, expression: str, scopes: list[Dictionary]) -> str | Unread:
    try:
        return evaluate(expression, scopes, compiled=word == "#calc")
    except NoNumberError as error:
        shown = " ".join(expression.split())
        return Unread(f"{word if word in ('#eval', '#calc') else '${{ }}'} of {shown[:60]!r} is not evaluated: {error}")


def _unread(value: Any) -> Unread | None:
    """The first part of an entry's value that is not known."""
    if isinstance(value, Unread):
        return value
    parts = value if isinstance(value, (list, tuple)) else ()
    return next((unread for part in parts if (unread := _unread(part)) is not None), None)


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return False
