"""Input decks of Abaqus and CalculiX as one mesh with named sets, and what they say of loads.

An instance of a part follows the other, and its sets are named ``INSTANCE.SET``. Names are compared without regard to
case, as both programs do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.decks.inp import Statement, read_statements, rows_of_numbers, whole_numbers
from tramontane.formats.decks.loads import KEYWORDS as _LOADS
from tramontane.formats.decks.loads import LoadCard, loads_of
from tramontane.formats.decks.notices import Notices
from tramontane.formats.decks.parts import Instance, MixedSet, Part, Resolver, Sets, last_of_each, named, placed
from tramontane.formats.decks.systems import System, from_kind, system_of
from tramontane.formats.elements import Elements, Ids, index_of

# Statements that place nodes and elements by a rule, which is not carried out here.
_GENERATORS = ("NGEN", "NFILL", "NMAP", "NCOPY", "ELGEN", "ELCOPY", "SYMMETRIC MODEL GENERATION")
_CONDITIONS = {
    "BOUNDARY", "CLOAD", "DLOAD", "DSLOAD", "CFLUX", "DFLUX", "FILM", "RADIATE", "TEMPERATURE", "INITIAL CONDITIONS",
    "STATIC", "FREQUENCY", "BUCKLE", "HEAT TRANSFER", "COUPLED TEMPERATURE-DISPLACEMENT", "DYNAMIC", "MODAL DYNAMIC",
    "STEADY STATE DYNAMICS", "UNCOUPLED TEMPERATURE-DISPLACEMENT", "RIGID BODY", "TIE", "CONTACT PAIR", "EQUATION",
}  # fmt: skip
_MATERIAL = {"ELASTIC", "DENSITY", "EXPANSION", "CONDUCTIVITY", "SPECIFIC HEAT", "PLASTIC", "HYPERELASTIC"}
_SHOWN = 20  # lines of one statement that are kept
_MOST_POINTS = 500_000_000  # a few lines of instances can ask for any number
_SAME = tuple(range(20))
_SOLID = re.compile(r"(?:C3D|DC3D|AC3D|F3D|DCC3D|EC3D|Q3D|SC|CSS|COH3D)(\d+)(?!V)[A-Z]*")
_FLAT = re.compile(
    r"(?:S|STRI|DS|M3D|SFM3D|R3D|CPS|CPE|CPEG|CAX|CGAX|DC2D|DCAX|AC2D|ACAX|COH2D|COHAX)(\d)(?:5|[A-Z]\w*)?"
)
_LINE = re.compile(r"(?:B[23]|PIPE[23]|T[23]D|DC1D|R[23]D|RB[23]D)([123])[A-Z]*")
_SOLID_SHAPES = {
    4: pv.CellType.TETRA, 5: pv.CellType.PYRAMID, 6: pv.CellType.WEDGE, 8: pv.CellType.HEXAHEDRON,
    10: pv.CellType.QUADRATIC_TETRA, 13: pv.CellType.QUADRATIC_PYRAMID, 15: pv.CellType.QUADRATIC_WEDGE,
    20: pv.CellType.QUADRATIC_HEXAHEDRON,
}  # fmt: skip
_FLAT_SHAPES = {
    3: pv.CellType.TRIANGLE, 4: pv.CellType.QUAD, 6: pv.CellType.QUADRATIC_TRIANGLE, 8: pv.CellType.QUADRATIC_QUAD,
    9: pv.CellType.BIQUADRATIC_QUAD,
}  # fmt: skip


def shape_of(kind: str) -> tuple[int, int, tuple[int, ...]] | None:
    """VTK's shape of an element type, how many nodes a deck lists for it, and which of them VTK's nodes are.

    None for springs, masses, connectors and other elements that a mesh cannot show.
    """
    if match := _SOLID.fullmatch(kind):
        count = int(match[1])
        if count == 27:  # the nodes amid faces and cell are left out
            return int(pv.CellType.QUADRATIC_HEXAHEDRON), 27, _SAME
        return (int(_SOLID_SHAPES[count]), count, _SAME[:count]) if count in _SOLID_SHAPES else None
    if (match := _LINE.fullmatch(kind)) and not kind.startswith(("R3D3", "R2D3")):
        if match[1] == ("2" if kind.startswith(("B", "PIPE")) else "3"):
            return int(pv.CellType.QUADRATIC_EDGE), 3, (0, 2, 1)  # the middle stands between the ends
        return int(pv.CellType.LINE), 2, (0, 1)
    if match := _FLAT.fullmatch(kind):
        count = int(match[1])
        return (int(_FLAT_SHAPES[count]), count, _SAME[:count]) if count in _FLAT_SHAPES else None
    return None


@dataclass
class Deck:
    """What a deck says, its parts' instances put together.

    Attributes:
        files: It, and the files that it includes.
        numbers: ``(n,)`` node numbers; they repeat where there are several instances.
        points: ``(n, 3)``.
        blocks: The elements by type; a block's ``numbers`` are places in ``element_numbers``, its nodes in ``points``.
        element_numbers: All elements' numbers.
        node_sets: Index of the nodes of each set.
        element_sets: Place of the elements of each set.
        surfaces: Of element faces: each a list of places of elements, and a label (``S3``, ``SPOS``, or empty).
        conditions: Loads, supports and step types as text, by statement.
        materials: The lines of each material.
        parameters: Values of ``*PARAMETER``.
        loads: Its statements of loads; see `loads_in`.
        heading: Its title.
        warnings: What to mind.
    """

    files: list[Path]
    numbers: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    points: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    blocks: list[Elements] = field(default_factory=list)
    element_numbers: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    node_sets: dict[str, Ids] = field(default_factory=dict)
    element_sets: dict[str, Ids] = field(default_factory=dict)
    surfaces: dict[str, list[tuple[Ids, str]]] = field(default_factory=dict)
    conditions: list[dict[str, Any]] = field(default_factory=list)
    materials: dict[str, list[str]] = field(default_factory=dict)
    parameters: dict[str, float] = field(default_factory=dict)
    loads: list[LoadCard] = field(default_factory=list)
    heading: str = ""
    warnings: list[str] = field(default_factory=list)

    def loads_in(self, step: int | None = None) -> dict[str, float]:
        """The loads that act in a step by name, in the deck's units; see `tramontane.formats.decks.loads.loads_of`."""
        return loads_of(self.files[0], self.loads, self.numbers, self.node_sets, self.parameters, self.warnings,
                        step=step)  # fmt: skip


def read_deck(file: Path) -> Deck:
    """Read a deck and what it includes.

    Raises:
        FormatError: Missing, no deck, or damaged; file and statement are named.
    """
    files = [file]
    try:
        if file.stat().st_size == 0:
            raise FormatError(f"{file}: is empty; write or copy it again")
        reader = _Reader(files)
        before: Statement | None = None
        for statement in read_statements(file, files, file.parent):
            if statement.keyword == "" and before is not None:
                statement.keyword, statement.options = before.keyword, before.options
            reader.take(statement)
            before = statement
        return _assemble(reader)
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error}); check the path") from error
    except RecursionError as error:
        raise FormatError(f"{file}: has sets of sets of sets without end; correct the deck") from error


class _Reader:
    """Takes a deck's statements one after the other."""

    def __init__(self, files: list[Path]) -> None:
        self.deck = Deck(files)
        self.root = Part()
        self.current = self.root
        self.parts: dict[str, Part] = {}
        self.instances: list[Instance] = []
        self.material: list[str] | None = None
        self.step = 0
        self.left_out: dict[str, int] = {}
        self.system: System | None = None
        self.notices = Notices()

    def take(self, statement: Statement) -> None:
        self.notices.take(statement)
        match statement.keyword:
            case "SYSTEM":
                self.system = system_of(statement)
            case "NODE":
                self._nodes(statement)
            case "ELEMENT":
                self._elements(statement)
            case "NSET":
                self._set(statement, self.current.node_sets)
            case "ELSET":
                self._set(statement, self.current.element_sets)
            case "SURFACE":
                self._surface(statement)
            case "PART":
                self.current, self.system = self.parts.setdefault(statement.option("NAME").upper(), Part()), None
            case "INSTANCE":
                self._instance(statement)
            case "END PART" | "END INSTANCE" | "ASSEMBLY" | "END ASSEMBLY" | "ENDPART" | "ENDINSTANCE":
                self.current, self.system = self.root, None
            case "STEP":
                self.step += 1
            case "HEADING":
                self.deck.heading = self.deck.heading or " ".join(statement.lines())[:200]
            case "PARAMETER":
                self._parameters(statement)
            case "MATERIAL":
                self.material = self.deck.materials.setdefault(statement.option("NAME"), [])
            case keyword if keyword in _MATERIAL and self.material is not None:
                self.material += [f"{keyword.lower()}: {line}" for line in statement.lines()[:_SHOWN]]
            case keyword if keyword in _GENERATORS:
                raise statement.error(
                    "places nodes or elements by a rule, which is not read", "list them all in the deck"
                )
            case keyword if keyword in _CONDITIONS:
                self._condition(statement)

    def _nodes(self, statement: Statement) -> None:
        if not statement.data.strip():
            return
        rows = rows_of_numbers(statement, 4)
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1) | (rows[:, 0] % 1 != 0) | (np.abs(rows[:, 0]) > 2**53))
        if len(bad):
            raise statement.error(
                f"has node {rows[bad[0], 0]:g} with a number or coordinates that cannot be", "mesh again"
            )
        numbers, points = rows[:, 0].astype(np.int64), rows[:, 1:4]
        points = from_kind(statement, points)
        points = self.system.to_global(points) if self.system is not None else points
        self.current.nodes.append((numbers, points))
        if "NSET" in statement.options:
            named(self.current.node_sets, statement.option("NSET")).numbers.append(("", numbers))

    def _elements(self, statement: Statement) -> None:
        kind = statement.option("TYPE").upper()
        shape = shape_of(kind)
        if not statement.data.strip():
            return
        if shape is None:
            self.left_out[kind] = self.left_out.get(kind, 0) + len(statement.lines())
            return
        numbers = whole_numbers(statement)
        size = 1 + shape[1]
        if len(numbers) % size:
            raise statement.error(
                f"lists {len(numbers)} numbers, which is no multiple of {size} (an element and its nodes)"
            )
        rows = numbers.reshape(-1, size)
        self.current.elements.append((kind, rows[:, 0], rows[:, 1:]))
        if "ELSET" in statement.options:
            named(self.current.element_sets, statement.option("ELSET")).numbers.append(("", rows[:, 0]))

    def _set(self, statement: Statement, sets: Sets) -> None:
        members, instance = named(sets, statement.option(statement.keyword)), statement.option("INSTANCE").upper()
        if statement.keyword == "NSET" and "ELSET" in statement.options:
            members.of_elements.append((instance, statement.option("ELSET").upper()))
        if not statement.data.strip():
            return
        if "GENERATE" in statement.options:
            for line in statement.lines():
                first, *rest = whole_numbers(statement, line.encode()).tolist() or [0]
                if len(rest) not in (1, 2) or (step := [*rest, 1][1]) < 1:
                    raise statement.error(f"has {line[:60]!r} where a first and last number and a step are expected")
                members.ranges.append((instance, first, rest[0], step))
        elif re.search(rb"[A-Za-z_]", statement.data) is None:
            members.numbers.append((instance, whole_numbers(statement)))
        else:
            self._entries(members, instance, re.split(r"[,\n]", statement.data.decode("utf-8", "replace")))

    def _surface(self, statement: Statement) -> None:
        name, kind = statement.option("NAME"), statement.option("TYPE").upper() or "ELEMENT"
        lines = [[entry.strip().strip("\"'") for entry in line.split(",")] for line in statement.lines()]
        if kind == "NODE":
            self._entries(named(self.current.node_sets, name), "", [line[0] for line in lines])
        elif kind != "ELEMENT" or "COMBINE" in statement.options:
            self.deck.warnings.append(
                f"{statement.file}: surface {name} is not made of element faces; it names no patch"
            )
        else:
            faces = self.current.surfaces.setdefault(name.upper(), (name, []))[1]
            faces += [(line[0].upper(), line[1].upper() if len(line) > 1 else "") for line in lines]

    @staticmethod
    def _entries(members: MixedSet, instance: str, entries: Sequence[str]) -> None:
        """Numbers and names of other sets, mixed."""
        bare = [entry.strip().strip("\"'") for entry in entries]
        numbers = [int(entry) for entry in bare if re.fullmatch(r"\d{1,18}", entry)]
        members.numbers.append((instance, np.array(numbers, dtype=np.int64)))
        members.names += [(instance, entry.upper()) for entry in bare if entry and not re.fullmatch(r"\d{1,18}", entry)]

    def _instance(self, statement: Statement) -> None:
        part = self.parts.get(statement.option("PART").upper())
        if part is None:
            raise statement.error(f"is of part {statement.option('PART')!r}, which is not defined before it")
        place = rows_of_numbers(statement, 7) if statement.data.strip() else np.zeros((0, 7))
        if len(place) > 2 or not np.isfinite(place).all():
            raise statement.error("is not placed by a line of 3 and a line of 7 numbers")
        own = Part()
        self.instances.append(Instance(statement.option("NAME"), (part, own), place))
        self.current, self.system = own, None

    def _parameters(self, statement: Statement) -> None:
        for line in statement.lines():
            name, _, value = line.partition("=")
            try:
                self.deck.parameters[name.strip()] = float(value)
            except ValueError:
                self.deck.warnings.append(f"{statement.file}: *PARAMETER {line[:60]!r} is no number; it is left out")

    def _condition(self, statement: Statement) -> None:
        if statement.keyword in _LOADS:
            self.deck.loads.append(LoadCard(self.step, statement))
        lines = statement.lines()
        entry: dict[str, Any] = {"step": self.step, "keyword": statement.keyword}
        if statement.options:
            entry["options"] = ", ".join(f"{key}={value}" if value else key for key, value in statement.options.items())
        entry["lines"] = [" ".join(line.split()) for line in lines[:_SHOWN]]
        self.deck.conditions.append(entry | ({"lines_in_all": len(lines)} if len(lines) > _SHOWN else {}))


# -- parts and instances into one mesh ---------------------------------------------------------------------------------


def _assemble(reader: _Reader) -> Deck:
    deck, file = reader.deck, reader.deck.files[0]
    instances = [*reader.instances, Instance("", (reader.root,), np.zeros((0, 7)))]
    if sum(len(numbers) for each in instances for part in each.parts for numbers, _ in part.nodes) > _MOST_POINTS:
        raise FormatError(f"{file}: its instances have more than {_MOST_POINTS} nodes; write smaller decks")
    numbers, points, elements = [deck.numbers], [deck.points], [deck.element_numbers]
    counts = [0, 0]
    for each in instances:
        each.first_node, each.first_element = counts
        own, places = last_of_each([entry for part in each.parts for entry in part.nodes])
        each.node_numbers = own
        listed = [entry for part in each.parts for entry in part.elements]
        for kind, ids, nodes in listed:
            shape = shape_of(kind)
            assert shape is not None  # the reader takes no others
            index = index_of(own, nodes[:, shape[2]])
            if (index < 0).any():
                row, column = np.argwhere(index < 0)[0]
                raise FormatError(f"{file}: element {ids[row]} ({kind}) has node {nodes[row, shape[2][column]]}, which "
                                  "is not defined; write the deck again")  # fmt: skip
            block = Elements(shape[0], counts[1] + np.arange(len(ids)), index + each.first_node)
            deck.blocks.append(block)
            counts[1] += len(ids)
        each.element_numbers = np.concatenate([np.empty(0, dtype=np.int64), *(ids for _, ids, _ in listed)])
        numbers.append(own)
        points.append(placed(places, each.place))
        elements.append(each.element_numbers)
        counts[0] += len(own)
    deck.numbers, deck.points = np.concatenate(numbers), np.concatenate(points)
    deck.element_numbers = np.concatenate(elements)
    if len(deck.points) == 0:
        raise FormatError(
            f"{file}: defines no nodes; give the deck that holds the mesh, or put what it includes beside it"
        )
    resolve = Resolver(file, instances, deck.blocks, deck.warnings)
    for each in instances:
        prefix = f"{each.name}." if each.name else ""
        for part in each.parts:
            for name, members in part.node_sets.items():
                deck.node_sets[prefix + members.name] = resolve.members(each, name, "node_sets")
            for name, members in part.element_sets.items():
                deck.element_sets[prefix + members.name] = resolve.members(each, name, "element_sets")
            for written, faces in part.surfaces.values():
                labels = dict.fromkeys(label for _, label in faces)
                deck.surfaces[prefix + written] = [
                    (resolve.faces(each, [entry for entry, of in faces if of == label]), label) for label in labels
                ]
    deck.warnings += reader.notices.sentences(file, (card.statement for card in deck.loads))
    deck.warnings += [f"{file}: {count} elements of type {kind or '?'} have no shape that a mesh can show; left out"
                      for kind, count in reader.left_out.items()]  # fmt: skip
    return deck
