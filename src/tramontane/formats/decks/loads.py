"""What a deck loads its model with, as numbers by which cases can differ: forces, moments, pressures, weight.

Decks state no units, and neither do these: a force is in the deck's own. Measured with CalculiX 2.20: loads on one node
add up within a step; in a later step, a load takes the place of what the node had in the same direction, what is not
mentioned stays, and ``OP=NEW`` takes away all of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tramontane.formats.decks.inp import Statement
from tramontane.formats.elements import Ids

KEYWORDS = ("CLOAD", "DLOAD", "DSLOAD", "BOUNDARY")
_TEMPERATURE = 11  # the direction of a node's temperature
_AXES = {1: "x", 2: "y", 3: "z"}
_PRESSURE = re.compile(r"P[1-6]?|PRES")


@dataclass
class _Concentrated:
    """Forces on nodes ``(n,)`` in one direction, given in one step."""

    target: str
    direction: int
    step: int
    nodes: Ids
    values: NDArray[np.float64]


@dataclass(frozen=True)
class LoadCard:
    """A statement of loads and the step that it stands in, counted from one."""

    step: int
    statement: Statement


def loads_of(
    file: Path,
    cards: Sequence[LoadCard],
    numbers: Ids,
    node_sets: Mapping[str, Ids],
    given: Mapping[str, float],
    warnings: list[str],
    *,
    step: int | None = None,
) -> dict[str, float]:
    """The loads that act in a step, by name.

    ``load_x_TIP`` is the resultant of the concentrated loads on set TIP (``load_x``: on nodes given by number),
    ``moment_x_TIP`` that of their moments, ``pressure_TOP`` the pressure on a set of elements or a surface,
    ``gravity_z_ALL`` the acceleration, ``omega_squared_ALL`` that of a rotation, ``displacement_x_TIP`` what nodes are
    moved by, ``temperature_HOT`` what they are held at.

    Args:
        file: The deck, for messages.
        cards: In the deck's order.
        numbers: ``(n,)`` node numbers.
        node_sets: Index of the nodes of each set.
        given: Values of ``*PARAMETER``.
        warnings: Added to, where something cannot be read as a number.
        step: The last one where None.
    """
    sets = {name.upper(): numbers[index] for name, index in node_sets.items()}
    read = _Loads(file, np.sort(numbers), sets, given, warnings)
    for card in cards:
        if step is None or card.step <= step:
            read.take(card)
    return read.parameters()


class _Loads:
    """Loads as one statement after the other leaves them."""

    def __init__(
        self, file: Path, numbers: Ids, sets: Mapping[str, Ids], given: Mapping[str, float], warnings: list[str]
    ) -> None:
        self.file, self.numbers, self.sets, self.given, self.warnings = file, numbers, sets, given, warnings
        self.concentrated: list[_Concentrated] = []
        # By name and target, then by the place on it: the step that says so, and the value.
        self.distributed: dict[tuple[str, str], dict[str, tuple[int, float]]] = {}
        self.moved: dict[tuple[str, str], dict[str, tuple[int, float]]] = {}

    def take(self, card: LoadCard) -> None:
        statement = card.statement
        if statement.option("OP").upper() == "NEW":
            if statement.keyword == "CLOAD":
                self.concentrated = []
            else:
                (self.moved if statement.keyword == "BOUNDARY" else self.distributed).clear()
        if "AMPLITUDE" in statement.options:
            self._warn(
                statement, f"follows amplitude {statement.option('AMPLITUDE')}; its value is taken as it stands there"
            )
        if "IMAGINARY" in statement.options or statement.option("LOADCASE") == "2":
            self._warn(statement, "is the imaginary part of a load; it is left out")
            return
        if statement.keyword == "BOUNDARY" and statement.option("TYPE").upper() in ("VELOCITY", "ACCELERATION"):
            self._warn(
                statement,
                f"is of type {statement.option('TYPE').upper()}, whose values are no parameters; it is left out",
            )
            return
        rows = [[entry.strip().strip("\"'") for entry in line.split(",")] for line in statement.lines()]
        if statement.keyword == "CLOAD":
            self._concentrated(card, rows)
        elif statement.keyword == "BOUNDARY":
            self._moved(card, rows)
        elif "SUBMODEL" not in statement.options:
            self._distributed(card, rows)

    def parameters(self) -> dict[str, float]:
        """The numbers by name."""
        parameters: dict[str, float] = {}
        for target in dict.fromkeys(each.target for each in self.concentrated):
            own = [each for each in self.concentrated if each.target == target]
            for what, first in (("load", 1), ("moment", 4)):
                if not any(first <= each.direction < first + 3 for each in own):
                    continue
                # All three: a case whose deck leaves a zero out has the same parameters as the others.
                for axis in _AXES:
                    total = sum(float(each.values.sum()) for each in own if each.direction == axis + first - 1)
                    parameters["_".join(filter(None, (what, _AXES[axis], target)))] = total
        for key, places in (self.distributed | self.moved).items():
            name, values = "_".join(filter(None, key)), {value for _, value in places.values()}
            if len(values) == 1:
                parameters[name] = values.pop()
            elif key[1]:
                parameters |= {f"{name}_{place}": value for place, (_, value) in places.items()}
            else:
                self.warnings.append(f"{self.file}: {name} differs between {len(places)} places that are given by "
                                     "number; it is no parameter")  # fmt: skip
        return parameters

    def _concentrated(self, card: LoadCard, rows: Iterable[Sequence[str]]) -> None:
        single: dict[int, list[tuple[int, float]]] = {}
        for row in rows:
            value = self._value(card.statement, row, 2)
            if value is None or not row[1].isdecimal() or not 1 <= int(row[1]) <= 6:
                continue
            target = row[0].upper()
            if re.fullmatch(r"\d{1,18}", target.rpartition(".")[2]):
                if self._has(card.statement, target):
                    single.setdefault(int(row[1]), []).append((int(target.rpartition(".")[2]), value))
            elif target in self.sets:
                nodes = self.sets[target]
                self._add(_Concentrated(target, int(row[1]), card.step, nodes, np.full(len(nodes), value)))
            else:
                self._warn(card.statement, f"loads set {row[0]}, which is not defined; it is left out")
        for direction, pairs in single.items():
            nodes = np.array([node for node, _ in pairs], dtype=np.int64)
            self._add(_Concentrated("", direction, card.step, nodes, np.array([value for _, value in pairs])))

    def _add(self, new: _Concentrated) -> None:
        for old in self.concentrated:
            if old.direction == new.direction and old.step < new.step:
                kept = ~np.isin(old.nodes, new.nodes)
                old.nodes, old.values = old.nodes[kept], old.values[kept]
        self.concentrated.append(new)

    def _distributed(self, card: LoadCard, rows: Iterable[Sequence[str]]) -> None:
        for row in rows:
            label = row[1].upper() if len(row) > 1 else ""
            value = self._value(card.statement, row, 2)
            if value is None:
                continue
            target = "" if row[0].isdecimal() else row[0].upper()
            place = f"{row[0]} {label}" if not target else label
            if _PRESSURE.fullmatch(label):
                self._set(self.distributed, ("pressure", target), place, card.step, value, adds=True)
            elif label == "CENTRIF":
                self._set(self.distributed, ("omega_squared", target), place, card.step, value)
            elif label == "GRAV" and len(row) > 5:
                along = [self._value(card.statement, row, entry) or 0.0 for entry in (3, 4, 5)]
                size = float(np.linalg.norm(along)) or 1.0
                for axis, share in zip(_AXES.values(), along, strict=True):
                    self._set(self.distributed, (f"gravity_{axis}", target), place, card.step, value * share / size)
            elif value:
                self._warn(card.statement, f"has a load of type {label or '?'}, which is no parameter; it is left out")

    def _moved(self, card: LoadCard, rows: Iterable[Sequence[str]]) -> None:
        """Nodes that are held where they are say nothing."""
        for row in rows:
            value = self._value(card.statement, row, 3) if len(row) > 3 and row[3] else None
            if not value or not row[1].isdecimal() or (row[0].isdecimal() and not self._has(card.statement, row[0])):
                continue
            last = int(row[2]) if row[2].isdecimal() else int(row[1])
            for direction in range(int(row[1]), min(last, 3) + 1):
                target = "" if row[0].isdecimal() else row[0].upper()
                self._set(self.moved, (f"displacement_{_AXES[direction]}", target), row[0], card.step, value)
            if int(row[1]) == _TEMPERATURE:
                target = "" if row[0].isdecimal() else row[0].upper()
                self._set(self.moved, ("temperature", target), row[0], card.step, value)
            elif last > 3:
                self._warn(card.statement, f"prescribes direction {last}, which is no parameter; it is left out")

    def _has(self, statement: Statement, node: str) -> bool:
        """Whether the deck has a node; those of an instance, ``PART-1.7``, are counted by the instance."""
        if "." in node or self.numbers.searchsorted(int(node), "right") > self.numbers.searchsorted(int(node)):
            return True
        self._warn(statement, f"names node {node}, which the deck does not have; it is left out")
        return False

    @staticmethod
    def _set(
        values: dict[tuple[str, str], dict[str, tuple[int, float]]], key: tuple[str, str], place: str, step: int,
        value: float, *, adds: bool = False,
    ) -> None:  # fmt: skip
        places = values.setdefault(key, {})
        before, of = places.get(place, (0, 0.0))
        places[place] = (step, value + of if adds and before == step else value)

    def _value(self, statement: Statement, row: Sequence[str], place: int) -> float | None:
        text = row[place] if len(row) > place else ""
        if text.startswith("<") and text.strip("<> ") in self.given:
            return self.given[text.strip("<> ")]
        try:
            value = float(text.upper().replace("D", "E"))
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            if statement.keyword != "BOUNDARY":
                self._warn(statement, f"has {', '.join(row)[:60]!r}, of which no size can be read; it is left out")
            return None
        return value

    def _warn(self, statement: Statement, what: str) -> None:
        sentence = f"{statement.file}: *{statement.keyword} {what}"
        if sentence not in self.warnings:
            self.warnings.append(sentence)
