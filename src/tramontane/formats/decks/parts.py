"""Parts of a deck and their instances: what is numbered together, where it is placed, and who is in which set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.elements import Elements, Ids, index_of


@dataclass
class MixedSet:
    """What a set was said to hold: each entry with the instance that it speaks of (empty: where the set stands)."""

    name: str
    numbers: list[tuple[str, Ids]] = field(default_factory=list)
    ranges: list[tuple[str, int, int, int]] = field(default_factory=list)
    names: list[tuple[str, str]] = field(default_factory=list)
    of_elements: list[tuple[str, str]] = field(default_factory=list)


Sets = dict[str, MixedSet]


@dataclass
class Part:
    """Nodes, elements and sets that are numbered together; sets by their names in capitals."""

    nodes: list[tuple[Ids, NDArray[np.float64]]] = field(default_factory=list)
    elements: list[tuple[str, Ids, Ids]] = field(default_factory=list)
    node_sets: Sets = field(default_factory=dict)
    element_sets: Sets = field(default_factory=dict)
    surfaces: dict[str, tuple[str, list[tuple[str, str]]]] = field(default_factory=dict)


@dataclass
class Instance:
    """A part, what the instance adds to it, where it is placed, and where its nodes and elements begin."""

    name: str
    parts: tuple[Part, ...]
    place: NDArray[np.float64]
    first_node: int = 0
    first_element: int = 0
    node_numbers: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    element_numbers: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def named(sets: Sets, name: str) -> MixedSet:
    """The set of that name, made where there is none yet."""
    return sets.setdefault(name.upper(), MixedSet(name))


def last_of_each(nodes: list[tuple[Ids, NDArray[np.float64]]]) -> tuple[Ids, NDArray[np.float64]]:
    """Node numbers and places; a node that is defined again stands where the last definition says."""
    numbers = np.concatenate([np.empty(0, dtype=np.int64), *(each for each, _ in nodes)])
    points = np.concatenate([np.empty((0, 3)), *(each for _, each in nodes)])
    _, last = np.unique(numbers[::-1], return_index=True)
    if len(last) == len(numbers):
        return numbers, points
    kept = np.sort(len(numbers) - 1 - last)
    return numbers[kept], points[kept]


def placed(points: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points moved by the first row of ``place``, then turned about the axis of the second by its angle in degrees."""
    if len(place):
        points = points + place[0, :3]
    if len(place) > 1 and place[1, 6] != 0.0:
        base, axis = place[1, :3], place[1, 3:6] - place[1, :3]
        axis = axis / (np.linalg.norm(axis) or 1.0)
        angle, arm = np.deg2rad(place[1, 6]), points - base
        along = np.outer(arm @ axis, axis)
        points = base + along + (arm - along) * np.cos(angle) + np.cross(axis, arm) * np.sin(angle)
    return points


class Resolver:
    """Finds the members of sets that name other sets, and other instances."""

    def __init__(
        self, file: Path, instances: Sequence[Instance], blocks: Sequence[Elements], warnings: list[str]
    ) -> None:
        self.file, self.blocks, self.warnings = file, blocks, warnings
        self.instances = {each.name.upper(): each for each in instances}
        self.members_of: dict[tuple[str, str, str], Ids | None] = {}

    def members(self, scope: Instance, name: str, kind: str) -> Ids:
        """Index of each member of a set, sorted; ``kind`` is ``node_sets`` or ``element_sets``."""
        key = (scope.name, name, kind)
        if key in self.members_of:
            members = self.members_of[key]
            if members is None:
                raise FormatError(f"{self.file}: set {name} holds itself; correct the deck")
            return members
        self.members_of[key] = None
        if len(self.members_of) > 100_000:
            raise FormatError(f"{self.file}: has more than 100000 sets; write the deck with fewer")
        parts = [np.empty(0, dtype=np.int64), *self._parts(scope, name, kind)]
        members = np.unique(np.concatenate(parts))
        self.members_of[key] = members
        return members

    def faces(self, scope: Instance, entries: Sequence[str]) -> Ids:
        """Place of the elements that lines of a surface speak of, by number or by set."""
        numbers: dict[str, list[int]] = {}
        faces = [np.empty(0, dtype=np.int64)]
        for entry in entries:
            instance, _, last = entry.rpartition(".")
            if re.fullmatch(r"\d{1,18}", last) and (not instance or instance in self.instances):
                numbers.setdefault(instance, []).append(int(last))
            else:
                faces.append(self.members(scope, entry, "element_sets"))
        for instance, chosen in numbers.items():
            faces.append(self._present(self._instance(scope, instance), np.array(chosen), "element_sets"))
        return np.concatenate(faces)

    def _parts(self, scope: Instance, name: str, kind: str) -> Iterator[Ids]:
        sets_named = [sets[name] for part in scope.parts if name in (sets := getattr(part, kind))]
        if not sets_named:
            instance, _, rest = name.partition(".")
            if rest and instance in self.instances and self.instances[instance] is not scope:
                yield self.members(self.instances[instance], rest, kind)
                return
            self.warnings.append(f"{self.file}: set {name} is used, but not defined")
            return
        for each in sets_named:
            for instance, numbers in each.numbers:
                yield self._present(self._instance(scope, instance), numbers, kind)
            for instance, first, last, step in each.ranges:
                of = self._instance(scope, instance)
                all_numbers, start = (
                    (of.node_numbers, of.first_node) if kind == "node_sets" else (of.element_numbers, of.first_element)
                )
                yield start + np.flatnonzero(
                    (all_numbers >= first) & (all_numbers <= last) & ((all_numbers - first) % step == 0)
                )
            for instance, other in each.names:
                yield self.members(self._instance(scope, instance), other, kind)
            for instance, other in each.of_elements:
                chosen = self.members(self._instance(scope, instance), other, "element_sets")
                yield from (block.nodes[np.isin(block.numbers, chosen)].ravel() for block in self.blocks)

    def _instance(self, scope: Instance, name: str) -> Instance:
        if not name:
            return scope
        if name not in self.instances:
            raise FormatError(f"{self.file}: a set is of instance {name}, which is not defined; write the deck again")
        return self.instances[name]

    def _present(self, scope: Instance, numbers: Ids, kind: str) -> Ids:
        """Members by number; those that are not defined were left out with their elements."""
        nodes = kind == "node_sets"
        index = index_of(scope.node_numbers if nodes else scope.element_numbers, numbers)
        return index[index >= 0] + (scope.first_node if nodes else scope.first_element)
