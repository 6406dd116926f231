"""A contract as rows that a person edits: names, units, roles, ranges, and what is left out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tramontane.errors import UnitError
from tramontane.units import si_unit

ROLES = ("operating", "geometry", "constant")


@dataclass
class Entry:
    """One parameter, field or QoI.

    Attributes:
        kind: ``parameters``, ``fields`` or ``qoi``.
        domain: Of a field; empty otherwise.
        source: Its name in the source files.
        spec: Its table in the contract.
        name: By which it goes from here on.
        kept: Whether it is read.
        before: By which it went.
    """

    kind: str
    domain: str
    source: str
    spec: dict[str, Any]
    name: str = ""
    kept: bool = True
    before: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.name = self.before = self.name or self.source

    @property
    def unit(self) -> str:
        """Its unit."""
        return str(self.spec.get("display_unit") or self.spec.get("unit") or "")

    @unit.setter
    def unit(self, unit: str) -> None:
        if self.spec.get("display_unit"):
            self.spec["unit"] = unit  # what it is in the files; it is shown in it, too
            self.spec.pop("display_unit")
        else:
            self.spec["unit"] = unit

    @property
    def key(self) -> str:
        """The same for no other entry."""
        return f"{self.kind}/{self.domain}/{self.source}"


class ContractTable:
    """The rows, and the contract that they come to.

    Args:
        text: A contract in TOML, as `Contract.to_toml` writes it.
    """

    def __init__(self, text: str) -> None:
        self.data = tomllib.loads(text)
        self.entries = list(self._entries())

    def _entries(self) -> Iterator[Entry]:
        for kind in ("parameters", "qoi"):
            for name, spec in self.data.get(kind, {}).items():
                yield Entry(kind, "", str(spec.get("source", name)), spec, name)
        for domain, specs in self.data.get("fields", {}).items():
            for name, spec in specs.items():
                yield Entry("fields", domain, str(spec.get("source", name)), spec, name)

    def faults(self) -> dict[str, dict[str, str]]:
        """By entry, then by what of it is at fault, the key of the message: ``name``, ``unit``, ``low``."""
        faults: dict[str, dict[str, str]] = {}
        taken: dict[tuple[str, str, str], str] = {}
        for each in self.entries:
            if not each.kept:
                continue
            own: dict[str, str] = {}
            place = each.kind, each.domain, each.name
            if not each.name.strip() or any(mark in each.name for mark in ".[]\"'\n/"):
                own["name"] = "contract.bad_name"
            elif place in taken:
                own["name"] = "contract.name_taken"
            taken[place] = each.key
            try:
                si_unit(each.unit)  # degC has no factor, and is known
            except UnitError:
                own["unit"] = "contract.bad_unit"
            low, high = each.spec.get("low"), each.spec.get("high")
            if each.kind == "parameters" and not (low is not None and high is not None and low <= high):
                own["low"] = "contract.bad_range"
            if own:
                faults[each.key] = own
        if not any(each.kept and each.kind != "parameters" for each in self.entries):
            faults.setdefault("", {})["outputs"] = "contract.no_outputs"
        return faults

    def toml(self) -> str:
        """The contract in TOML; renames are written as a person would, with ``name`` below the name in the files."""
        import tomli_w

        data = {key: value for key, value in self.data.items() if key not in ("parameters", "qoi", "fields", "domains")}
        # Power laws name parameters by their names in the files, as a person writes them; definitions name fields by
        # the names that they have from here on.
        sources = {each.before: each.source for each in self.entries if each.kind == "parameters" and each.kept}
        fields = {(each.domain, each.before): each.name for each in self.entries if each.kind == "fields" and each.kept}
        parts: dict[str, Any] = {"parameters": {}, "qoi": {}, "fields": {}}
        for each in self.entries:
            if not each.kept:
                continue
            spec = {key: value for key, value in each.spec.items() if key != "source"}
            if each.name != each.source:
                spec["name"] = each.name
            if "scales_with" in spec:
                spec["scales_with"] = _of(sources, spec["scales_with"])
            if "definition" in spec:
                defined = _defined(dict(spec.pop("definition")), sources, fields)
                spec |= {} if defined is None else {"definition": defined}
            at = parts[each.kind].setdefault(each.domain, {}) if each.kind == "fields" else parts[each.kind]
            at[each.source] = spec
        domains = {name: spec for name, spec in self.data.get("domains", {}).items() if name in parts["fields"]}
        return tomli_w.dumps(data | {"domains": domains} | parts)


def _of(sources: dict[str, str], powers: dict[str, float]) -> dict[str, float]:
    return {sources[name]: power for name, power in powers.items() if name in sources}


def _defined(
    definition: dict[str, Any], sources: dict[str, str], fields: dict[tuple[str, str], str]
) -> dict[str, Any] | None:
    """A definition by the fields' new names; None where one of them is left out, and the cases' own number counts."""
    domain = definition.get("domain", "surface")
    for key in ("field", "shear"):
        if key in definition:
            if (domain, definition[key]) not in fields:
                return None
            definition[key] = fields[domain, definition[key]]
    if "per" in definition:
        definition["per"] = _of(sources, definition["per"])
    return definition
