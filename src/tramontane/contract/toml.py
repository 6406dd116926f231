"""A contract as a person edits it, in TOML: what stands above it, and the short forms that may be written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tramontane.errors import ContractError

HEAD = (
    "# What goes in and what comes out. Edit it; the commands follow it. low and high are in the unit beside them.\n"
    "# Roles: operating is always asked; geometry is described by the geometry file; constant is the same in\n"
    "# all cases and is not asked.\n"
    '# Headings are the names in the files; for another, write name = "pressure" below the heading.\n'
    '# What is removed here is not read. A domain may be a part of the boundary: patches = ["body*"].\n'
    "# A QoI that the cases do not state is measured: give it a definition, for example\n"
    "#   [qoi.drag_coefficient.definition]\n"
    '#   kind = "force"\n'
    '#   domain = "surface"\n'
    '#   field = "pressure"\n'
    '#   shear = "wall_shear_stress"\n'
    "#   direction = [1.0, 0.0, 0.0]\n"
    '#   patches = ["body*"]\n'
    "#   factor = 1.63\n"
    "#   per = { speed = 2.0 }\n"
    "# kind: force, moment (about direction at center), max, min, mean, integral, volume. factor: 2 for a\n"
    "# half model, the density for a mass, 2 / (density x area) for a coefficient; per: what divides it.\n\n"
)


def rename(data: dict[str, Any]) -> None:
    """Where a table says ``name``, that is the name from here on, and its heading the one in the source files."""
    fields = data.get("fields", {})
    for heading, spec in data.get("domains", {}).items():
        if "name" in spec and heading in fields:
            fields[spec["name"]] = fields.pop(heading)
    for section in (data.get("parameters", {}), data.get("domains", {}), data.get("qoi", {}), *fields.values()):
        for heading, spec in list(section.items()):
            if "name" in spec:
                name = spec.pop("name")
                if name != heading and name in section:
                    raise ContractError(f"two entries are called {name!r}; give one another name")
                section[name] = section.pop(heading) | {"source": heading}
    new = {spec["source"]: name for name, spec in data.get("parameters", {}).items() if "source" in spec}
    definitions = [spec["definition"] for spec in data.get("qoi", {}).values() if "definition" in spec]
    for table, key in (
        *((spec, "scales_with") for section in (*fields.values(), data.get("qoi", {})) for spec in section.values()),
        *((definition, "per") for definition in definitions),
    ):
        if key in table:
            table[key] = {new.get(name, name): power for name, power in table[key].items()}


def unit_of_the_field(qoi: dict[str, Any], data: Mapping[str, Any]) -> None:
    """A largest, smallest or mean value for which no unit is written is in its field's unit."""
    definition = qoi.get("definition", {})
    plain = definition.get("kind") in ("max", "min", "mean") and not {"factor", "per"} & set(definition)
    field = data.get("fields", {}).get(definition.get("domain", "surface"), {}).get(definition.get("field"), {})
    if plain and "unit" not in qoi and "unit" in field:
        qoi["unit"] = field["unit"]


def without_none(value: Any) -> Any:
    """TOML has no null: absent keys and, in the planes of a domain, the word ``free`` stand for None.

    What is empty is left out, too: fewer lines to read.
    """
    if isinstance(value, dict):
        return {key: without_none(entry) for key, entry in value.items() if entry not in (None, {}, [], ())}
    if isinstance(value, list):
        return ["free" if entry is None else without_none(entry) for entry in value]
    return value


def first_not_finite(data: Any, key_path: str = "") -> str | None:
    """A sentence on the first number that is nan or inf, which TOML allows; None where there is none."""
    if isinstance(data, float) and not math.isfinite(data):
        return f"{key_path} is {data}; give a finite number, or remove it"
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, entry in entries:
        if problem := first_not_finite(entry, f"{key_path}.{key}" if key_path else str(key)):
            return problem
    return None


def fault_of(error: ValidationError, document: str) -> str:
    """The first fault of a document, its key before it.

    Args:
        error: What checking it raised.
        document: What it is called, such as ``solver.toml``.
    """
    first = error.errors()[0]
    sentences = {
        "extra_forbidden": f"is no key of a {document}; correct or remove it",
        "missing": "is missing; write it",
    }
    text = first["msg"].removeprefix("Value error, ")
    bare = text if ";" in text else f"{text[:1].lower()}{text[1:]}; correct it"
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), sentences.get(first["type"], bare)]))
