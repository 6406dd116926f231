"""Domains of a finite-element mesh, the faces of its surface named after the sets and surfaces of its deck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.formats.decks.deck import Deck
from tramontane.formats.elements import (
    SHELLS,
    SOLIDS,
    Elements,
    Ids,
    Skin,
    index_of,
    make_grid,
    make_skin,
    with_data,
)
from tramontane.formats.results import Results, set_patches

OTHER = "other"
_SIDES = {"NEG": 1, "SNEG": 1, "POS": 2, "SPOS": 2, **{f"E{edge}": edge + 2 for edge in range(1, 5)}}


@dataclass(frozen=True)
class Named:
    """Sets and surfaces in a mesh's own terms.

    Attributes:
        nodes: Index of the mesh's points of each node set.
        elements: Numbers of the elements of each element set.
        surfaces: Of element faces: element numbers and a label (``S3``, ``SPOS``, or empty) each.
    """

    nodes: Mapping[str, Ids] = field(default_factory=dict)
    elements: Mapping[str, Ids] = field(default_factory=dict)
    surfaces: Mapping[str, Sequence[tuple[Ids, str]]] = field(default_factory=dict)


def named_in(deck: Deck, numbers: Ids | None = None) -> Named:
    """A deck's sets and surfaces, for its own mesh or for one whose nodes have these numbers."""
    if numbers is None:
        return Named(deck.node_sets, deck.element_sets, deck.surfaces)
    nodes = {name: index_of(numbers, deck.numbers[index]) for name, index in deck.node_sets.items()}
    return Named(
        {name: index[index >= 0] for name, index in nodes.items()},
        {name: deck.element_numbers[places] for name, places in deck.element_sets.items()},
        {name: [(deck.element_numbers[places], label) for places, label in faces]
         for name, faces in deck.surfaces.items()},
    )  # fmt: skip


def add_domains(
    results: Results,
    file: object,
    points: NDArray[Any],
    blocks: Sequence[Elements],
    data: Mapping[str, NDArray[Any]],
    named: Named | None = None,
) -> None:
    """Give results the domains of a mesh: ``volume`` of its solids and ``surface`` around them, or of its shells.

    Args:
        results: To fill; what is left out is said in its warnings.
        file: The file, for warnings.
        points: ``(n, 3)``.
        blocks: The elements.
        data: Fields, ``(n,)`` or ``(n, components)``.
        named: What to name the surface's faces after.
    """
    solids = [block for block in blocks if block.cell in SOLIDS]
    others = [block for block in blocks if block.cell not in SOLIDS and block.cell not in SHELLS]
    if solids:
        grid, source = make_grid(points, solids)
        results.meshes["volume"] = with_data(grid, source, data)
    if len(others) < len(blocks):
        skin = make_skin(points, blocks)
        results.meshes["surface"] = with_data(skin.mesh, skin.source, data)
        if named is not None:
            _name_faces(results, file, skin, len(points), named)
        if others:
            count = sum(len(block.numbers) for block in others)
            results.warnings.append(f"{file}: its {count} line elements are left out; beams are read where there is "
                                    "nothing else")  # fmt: skip
    elif others:
        grid, source = make_grid(points, others)
        results.meshes["volume"] = with_data(grid, source, data)


def describe_deck(results: Results, deck: Deck) -> None:
    """Put into results what a deck says beside its mesh."""
    description = {
        "title": deck.heading,
        "materials": deck.materials,
        "conditions": deck.conditions,
        "node_sets": {name: len(index) for name, index in deck.node_sets.items()},
        "element_sets": {name: len(places) for name, places in deck.element_sets.items()},
    }
    results.extra |= {key: value for key, value in description.items() if value}


def _name_faces(results: Results, file: object, skin: Skin, count: int, named: Named) -> None:
    """Mark each face with the first that holds it: named surfaces, sets of shells that lie on solids, then sets of
    nodes (all of its corners) and of elements; of one kind, the smaller one."""
    ids, names = np.full(skin.mesh.n_cells, -1, dtype=np.int32), list[str]()
    for kind in (_of_surfaces, _of_covered, _of_sets):
        masks = kind(skin, count, named)
        for name in sorted(masks, key=lambda name: int(masks[name].sum())):
            mask = masks[name]
            if not mask.any() or name.startswith("_") or (kind is not _of_surfaces and mask.all()):
                continue
            if kind is _of_surfaces and (mask & (ids >= 0)).any():
                results.warnings.append(f"{file}: {int((mask & (ids >= 0)).sum())} faces of surface {name} are in "
                                        "another one, too, and belong to that one's patch")  # fmt: skip
            mask = mask & (ids < 0)
            if mask.any():
                if name not in names:
                    names.append(name)
                ids[mask] = names.index(name)
    if names:
        if (ids < 0).any():
            names.append(OTHER)
            ids[ids < 0] = len(names) - 1
        set_patches(skin.mesh, ids, names)


def _of_surfaces(skin: Skin, count: int, named: Named) -> dict[str, NDArray[np.bool_]]:
    masks = {}
    for name, entries in named.surfaces.items():
        mask = np.zeros(len(skin.numbers), dtype=bool)
        for numbers, label in entries:
            face = _SIDES.get(label) or (int(label[1:]) if label[:1] == "S" and label[1:].isdecimal() else 0)
            if label and not face:
                continue
            of_face = np.ones(len(mask), dtype=bool) if not label else skin.faces == face
            if label in ("NEG", "SNEG", "POS", "SPOS"):
                of_face |= skin.faces == 0
            mask |= of_face & np.isin(skin.numbers, numbers)
        masks[name] = mask
    return masks


def _of_covered(skin: Skin, count: int, named: Named) -> dict[str, NDArray[np.bool_]]:
    masks: dict[str, NDArray[np.bool_]] = {}
    for numbers, codes in skin.covered:
        for name, members in named.elements.items():
            chosen = codes[np.isin(numbers, members)]
            if len(chosen):
                on_these: NDArray[np.bool_] = np.isin(skin.codes, chosen)
                masks[name] = masks[name] | on_these if name in masks else on_these
    return masks


def _of_sets(skin: Skin, count: int, named: Named) -> dict[str, NDArray[np.bool_]]:
    masks: dict[str, NDArray[np.bool_]] = {
        name: np.isin(skin.numbers, members) for name, members in named.elements.items()
    }
    for name, index in named.nodes.items():
        inside = np.zeros(count, dtype=bool)
        inside[index] = True
        corners: NDArray[np.bool_] = np.asarray(inside[skin.corners].all(axis=1))
        masks[name] = np.logical_or(corners, masks[name]) if name in masks else corners
    return masks
