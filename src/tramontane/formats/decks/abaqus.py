"""Meshes in input decks of Abaqus and of CalculiX (``.inp``): a geometry and named patches, no results."""

from __future__ import annotations

from pathlib import Path

from tramontane.errors import FormatError
from tramontane.formats.decks.deck import read_deck
from tramontane.formats.format import Format
from tramontane.formats.patches import add_domains, describe_deck, named_in
from tramontane.formats.results import Results
from tramontane.units import Quantity


def read_abaqus(file: Path) -> Results:
    """Read a deck's mesh; its sets and surfaces name the patches of the surface.

    Args:
        file: The ``.inp``; what it includes lies beside it.

    Returns:
        ``volume`` and ``surface``, or ``surface`` alone for shells, without fields. Loads and supports are in
        ``extra["conditions"]``.

    Raises:
        FormatError: Damaged, without a mesh, or in need of a file that is not there.
    """
    deck = read_deck(file)
    if not deck.blocks:
        raise FormatError(f"{file}: has no elements that a mesh can show; give the deck that holds the mesh")
    results = Results(files=list(deck.files))
    results.warnings.append(f"{file}: states no units; say which one its lengths are in, in a contract")
    results.parameters = {name: Quantity(value) for name, value in (deck.loads_in() | deck.parameters).items()}
    results.warnings += deck.warnings
    describe_deck(results, deck)
    add_domains(results, file, deck.points, deck.blocks, {}, named_in(deck))
    return results


FORMATS = (Format("Abaqus deck", (".inp",), read_abaqus, read_with=(".frd",)),)
