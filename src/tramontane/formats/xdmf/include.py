"""XML of XDMF with its inclusions put in: some programs name them in a way that VTK's reader crashes on."""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError

_INCLUDE = re.compile(r"\{https?://www\.w3\.org/20\d\d/XInclude\}include")
_POINTER = re.compile(r"xpointer\((.*)\)\s*")
_PART = re.compile(r"(?:(\w+)|\*)((?:\[[^\]]*\])*)")
_ATTRIBUTE = re.compile(r"""@(\w+)\s*=\s*["']([^"']*)["']""")
_READ = ("NODE", "CELL")


def put_in(file: Path, root: Any) -> None:
    """Replace each inclusion by what it names.

    Args:
        file: For messages.
        root: The document's first element; changed.

    Raises:
        FormatError: An inclusion names nothing, or something in another file.
    """
    parents = [each for each in root.iter() if any(_INCLUDE.fullmatch(str(child.tag)) for child in each)]
    for parent in parents:
        for place in reversed(range(len(parent))):
            if _INCLUDE.fullmatch(str(parent[place].tag)):
                named = _named(root, parent[place].get("xpointer", ""))
                if not named or parent[place].get("href"):
                    raise FormatError(f"{file}: includes {parent[place].get('xpointer', '')[:80]!r}, which it does not "
                                      "have; write it again")  # fmt: skip
                parent[place : place + 1] = [copy.deepcopy(each) for each in named]


def left_out(root: Any) -> list[str]:
    """The names of fields whose values stand neither at points nor at cells, such as a finite element's own."""
    return list(dict.fromkeys(
        field.get("Name", "?") for field in root.iter("Attribute") if field.get("Center", "Node").upper() not in _READ
    ))  # fmt: skip


def write_mended(file: Path, root: Any, target: Path) -> bool:
    """Write a document as VTK's reader takes it; its heavy data stay where they are.

    Returns:
        False where nothing had to be mended; then there is no file.
    """
    if not left_out(root) and not any(_INCLUDE.fullmatch(str(each.tag)) for each in root.iter()):
        return False
    put_in(file, root)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "Attribute" and child.get("Center", "Node").upper() not in _READ:
                parent.remove(child)
    for item in root.iter("DataItem"):
        text = (item.text or "").strip()
        if item.get("Format", "XML").upper() in ("HDF", "BINARY") and text and not text.startswith("<"):
            item.text = str(file.parent.absolute() / text.removeprefix("File:").strip())
    target.write_bytes(ElementTree.tostring(root))
    return True


def _named(root: Any, pointer: str) -> list[Any]:
    """The elements that a path names: ``/Xdmf/Domain/Grid[@Name="mesh"]/*[self::Topology or self::Geometry]``."""
    match = _POINTER.fullmatch(pointer.strip())
    if match is None:
        return []
    elements, deep = [], False
    holder = ElementTree.Element("document")
    holder.append(root)
    elements = [holder]
    for step in re.sub(r"\bself::", "self=", match[1]).split("/")[1:]:
        if not step:
            deep = True
            continue
        part = _PART.fullmatch(step)
        if part is None:
            return []
        below = [list(each.iter())[1:] if deep else list(each) for each in elements]
        elements = [each for group in below for each in _chosen(group, part[1], re.findall(r"\[([^\]]*)\]", part[2]))]
        deep = False
    return elements


def _chosen(elements: list[Any], tag: str | None, predicates: list[str]) -> list[Any]:
    chosen = [each for each in elements if tag is None or each.tag == tag]
    for predicate in predicates:
        if predicate.strip().isdigit():
            chosen = chosen[int(predicate) - 1 : int(predicate)]
        elif match := _ATTRIBUTE.fullmatch(predicate.strip()):
            chosen = [each for each in chosen if each.get(match[1]) == match[2]]
        else:
            tags = {word.removeprefix("self=").strip() for word in predicate.split(" or ")}
            chosen = [each for each in chosen if each.tag in tags]
    return chosen
