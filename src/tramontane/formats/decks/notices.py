"""What a deck says that is not obeyed: a sentence for each keyword that moves nodes, takes cells away, or loads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tramontane.formats.decks.inp import Statement

# What the mesh or the loads would be, were the statement obeyed.
_CHANGES = {
    "TRANSFORM": "turns the directions of loads and supports at its nodes, which are read as they stand there",
    "IMPERFECTION": "moves nodes, which are read where *NODE has them",
    "ADJUST": "moves nodes, which are read where *NODE has them",
    "MODEL CHANGE": "takes elements out or brings them in, all are read",
    "CYCLIC SYMMETRY MODEL": "makes the mesh a sector of the body, the sector alone is read",
    "SUBSTRUCTURE GENERATE": "makes a substructure, which is not read",
    "SUBSTRUCTURE PROPERTY": "places a substructure, which is not read",
    "IMPORT": "takes a mesh from another analysis, which is not read",
    "INITIAL STATE": "takes a state from another analysis, which is not read",
    "MAP SOLUTION": "takes a state from another analysis, which is not read",
    "NODAL THICKNESS": "gives shells a thickness at nodes, which is not read",
}
# Loads that are shown among the conditions, and are no parameters.
_LOADS = {
    "CFLUX", "DFLUX", "DSFLUX", "FILM", "SFILM", "RADIATE", "SRADIATE", "TEMPERATURE", "FIELD", "INERTIA RELIEF",
    "CONNECTOR LOAD", "CONNECTOR MOTION", "PRE-TENSION SECTION", "BASE MOTION", "DECURRENT", "DECHARGE", "CLEARANCE",
    "SUBMODEL", "LOAD CASE",
}  # fmt: skip
_OUTPUTS = {"EL FILE", "ELEMENT OUTPUT", "NODE FILE", "NODE OUTPUT"}


class Notices:
    """Collects a deck's statements that are not obeyed."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.local = False

    def take(self, statement: Statement) -> None:
        """Count a statement, if it is one."""
        if statement.keyword in _CHANGES or statement.keyword in _LOADS:
            self.counts[statement.keyword] = self.counts.get(statement.keyword, 0) + 1
        self.local |= statement.keyword in _OUTPUTS and statement.option("GLOBAL").upper() == "NO"

    def sentences(self, file: Path, loads: Iterable[Statement]) -> list[str]:
        """One for each keyword.

        Args:
            file: The deck.
            loads: Its statements of loads and supports, which ``*TRANSFORM`` turns.
        """
        turned = any(True for _ in loads)
        sentences = [f"{file}: *{keyword} {_CHANGES[keyword]}" for keyword in self.counts
                     if keyword in _CHANGES and (keyword != "TRANSFORM" or turned)]  # fmt: skip
        names = [f"*{keyword}" for keyword in self.counts if keyword in _LOADS]
        if names:
            sentences.append(f"{file}: {', '.join(names)} are no parameters; where cases differ in them, name them in "
                             "a table or a case.json")  # fmt: skip
        if self.local:
            sentences.append(f"{file}: asks for results in local directions (GLOBAL=NO), which are read as if they "
                             "were global ones; write them with GLOBAL=YES")  # fmt: skip
        return sentences
