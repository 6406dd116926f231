"""What stands for something else in OpenFOAM's dictionaries: ``$name``, and arithmetic in ``#eval`` and ``#calc``.

Arithmetic is that of numbers: what OpenFOAM evaluates with code, vectors or fields is refused, never guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

Scopes = Sequence[dict[str, Any]]
_LONGEST, _DEEPEST = 10_000, 60
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{([^{}]*)\}|([:.\w]*\w))")  # in arithmetic, / divides
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<mark>\|\||&&|[=!<>]=|[-+*/%<>!?:(),]))"
)
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))
_TRUE, _FALSE = ("true", "on", "yes", "t", "y"), ("false", "off", "no", "f", "n", "none")
_FUNCTIONS: dict[str, tuple[int, Callable[..., float]]] = {
    "pi": (0, lambda: math.pi), "degToRad": (1, math.radians), "radToDeg": (1, math.degrees),
    "mag": (1, abs), "sqr": (1, lambda x: x * x), "pow3": (1, lambda x: x**3), "pow4": (1, lambda x: x**4),
    "pow": (2, math.pow), "hypot": (2, math.hypot), "atan2": (2, math.atan2), "min": (2, min), "max": (2, max),
    "cbrt": (1, math.cbrt), "log": (1, math.log), "floor": (1, math.floor), "ceil": (1, math.ceil),
    **{name: (1, getattr(math, name)) for name in (
        "sqrt", "exp", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")},
}  # fmt: skip


class NoNumberError(Exception):
    """An expression that is no arithmetic of numbers; its text says what was found."""


def resolve(word: str, scopes: Scopes) -> Any:
    """The entry that ``$name`` points to in the enclosing dictionaries, or None.

    Args:
        word: ``$a``, ``${a}``, ``$a.b`` (``b`` in ``a``), ``$:a.b`` and ``$/a/b`` (from the file's top), ``$..a`` and
            ``$../a`` (from the dictionary around), ``${a:-1}`` (1 where there is no ``a``).
        scopes: The dictionaries from the file's top to the one in which the word stands.
    """
    name, dash, default = word.removeprefix("$").strip("{}").partition(":-")
    value = _lookup(name, scopes) if name else None
    return [default] if value is None and dash else value


def _lookup(name: str, scopes: Scopes) -> Any:
    if name.startswith(":"):
        return _down(scopes[0], name[1:].split(".")) if scopes else None
    if "/" in name:
        parts = name.split("/")
        starts = list(scopes[:1] if parts[0] == "" else scopes)
        while parts and parts[0] in ("", ".", ".."):
            starts = starts[:-1] if parts.pop(0) == ".." else starts
            if not starts:
                return None
        return _down(starts[-1], parts) if name[0] in "/." else _nearest(starts, parts)
    if name.startswith("."):
        path = name.lstrip(".")
        level = len(name) - len(path)
        return _down(scopes[-level], path.split(".")) if level <= len(scopes) else None
    value = _nearest(scopes, [name])
    return value if value is not None else _nearest(scopes, name.split("."))


def _nearest(scopes: Scopes, path: list[str]) -> Any:
    return next((value for scope in reversed(scopes) if (value := _down(scope, path)) is not None), None)


def _down(scope: Any, path: list[str]) -> Any:
    for part in path:
        scope = scope.get(part) if isinstance(scope, dict) else None
    return scope


def evaluate(text: str, scopes: Scopes, *, compiled: bool = False) -> str:
    """The value of an expression as OpenFOAM would write it out.

    Args:
        text: Between the braces of ``#eval{ }``, or the quotes of ``#calc " "``.
        scopes: As in `resolve`.
        compiled: Whether it is ``#calc``, which is C++: there 1/2 is 0, so a quotient of whole numbers is refused.

    Raises:
        NoNumberError: It is no arithmetic of numbers, names an entry that is not there, or has no finite value.
    """

    def value(match: re.Match[str]) -> str:
        entry = resolve(match[1] or match[2], scopes)
        words = entry if isinstance(entry, list) else []
        if len(words) != 1 or not isinstance(words[0], str):
            raise NoNumberError(f"{match[0]} is no number here")
        return f" {words[0]} "

    if len(text) > _LONGEST:
        raise NoNumberError("it is longer than arithmetic is")
    try:
        result = _Expression(_VARIABLE.sub(value, _COMMENT.sub(" ", text)), compiled).value()
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise NoNumberError(str(error)) from error
    if isinstance(result, complex) or not math.isfinite(result):
        raise NoNumberError(f"its value is {result}")
    return str(result)


def truth(words: Sequence[Any]) -> bool | None:
    """Whether one word, or a number, says yes; None where it says neither."""
    if len(words) != 1 or not isinstance(words[0], str):
        return None
    if words[0] in _TRUE or words[0] in _FALSE:
        return words[0] in _TRUE
    try:
        return float(words[0]) != 0
    except ValueError:
        return None


class _Expression:
    """Arithmetic in C's order of operations, by recursive descent."""

    def __init__(self, text: str, compiled: bool) -> None:
        self.tokens: list[str] = []
        self.place, self.depth, self.compiled = 0, 0, compiled
        position, text = 0, text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise NoNumberError(f"{text[position : position + 20].strip()!r} is no arithmetic of numbers")
            self.tokens.append(match[0].strip())
            position = match.end()

    def value(self) -> float:
        result = self._choice()
        if self.place != len(self.tokens):
            raise NoNumberError(f"{self.tokens[self.place]!r} is out of place")
        return result

    def _take(self, *wanted: str) -> str | None:
        if self.place < len(self.tokens) and self.tokens[self.place] in wanted:
            self.place += 1
            return self.tokens[self.place - 1]
        return None

    def _need(self, mark: str) -> None:
        if self._take(mark) is None:
            raise NoNumberError(f"{mark!r} is missing")

    def _choice(self) -> float:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise NoNumberError("it is nested too deep")
        condition = self._level(0)
        if self._take("?"):
            yes = self._choice()
            self._need(":")
            no = self._choice()
            condition = yes if condition else no
        self.depth -= 1
        return condition

    def _level(self, level: int) -> float:
        if level == len(_LEVELS):
            return self._single()
        left = self._level(level + 1)
        while (mark := self._take(*_LEVELS[level])) is not None:
            left = self._apply(mark, left, self._level(level + 1))
        return left

    def _apply(self, mark: str, left: float, right: float) -> float:
        if mark in ("/", "%") and self.compiled and isinstance(left, int) and isinstance(right, int):
            raise NoNumberError("C++ divides whole numbers without remainder")
        operations: dict[str, Callable[[], float]] = {
            "||": lambda: bool(left or right), "&&": lambda: bool(left and right), "==": lambda: left == right,
            "!=": lambda: left != right, "<": lambda: left < right, ">": lambda: left > right,
            "<=": lambda: left <= right, ">=": lambda: left >= right, "+": lambda: left + right,
            "-": lambda: left - right, "*": lambda: left * right, "/": lambda: left / right,
            "%": lambda: math.fmod(left, right),
        }  # fmt: skip
        result = operations[mark]()
        return int(result) if isinstance(result, bool) else result

    def _single(self) -> float:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise NoNumberError("it is nested too deep")
        result = self._primary()
        self.depth -= 1
        return result

    def _primary(self) -> float:
        if sign := self._take("-", "+", "!"):
            value = self._single()
            return -value if sign == "-" else int(not value) if sign == "!" else value
        if self._take("("):
            value = self._choice()
            self._need(")")
            return value
        if self.place == len(self.tokens):
            raise NoNumberError("it ends too early")
        token = self.tokens[self.place]
        self.place += 1
        if token[0].isdigit() or token[0] == ".":
            return int(token) if token.isdigit() and len(token) < 16 else float(token)
        if token in _TRUE[:1] or token in _FALSE[:1]:
            return int(token in _TRUE)
        function = _FUNCTIONS.get(token)
        if function is None or (token == "pi" and self.compiled):
            raise NoNumberError(f"{token!r} is no arithmetic of numbers")
        self._need("(")
        given: list[float] = []
        while self._take(")") is None:
            if given:
                self._need(",")
            given.append(self._choice())
        if len(given) != function[0]:
            raise NoNumberError(f"{token} has {len(given)} arguments, {function[0]} were expected")
        return function[1](*given)
