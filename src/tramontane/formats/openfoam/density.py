"""The density of an incompressible OpenFOAM case, whose fields are divided by it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tramontane.errors import FormatError
from tramontane.formats.openfoam.dictionaries import Dictionary, numbers, read_dictionary
from tramontane.formats.openfoam.files import existing
from tramontane.formats.results import Results
from tramontane.units import Quantity

_FLUIDS = ("transportProperties", "physicalProperties", "thermophysicalProperties")


def find_density(folder: Path, region: str, control: Dictionary, results: Results) -> float | None:
    """The density in kg/m3 that the case states, or None; noted with its source, as is the viscosity.

    The fluid's own comes first; else that of its force function objects (``rhoInf``).

    Args:
        folder: Of the case.
        region: Whose fluid is meant; empty where there is one mesh.
        control: Its ``controlDict``.
        results: Gets parameters, notes and the files that were read.

    Raises:
        FormatError: A dictionary is damaged.
    """
    fluid: list[tuple[float, Path]] = []
    for name in _FLUIDS:
        file = existing(folder / "constant" / region / name)
        if file is None:
            continue
        results.files.append(file)
        entries = read_dictionary(file, root=folder, notes=results.warnings)
        fluid += [(value, file) for value in _values(file, entries, "rho")]
        viscosity = numbers(entries.get("nu", []))
        if viscosity and not isinstance(entries.get("nu"), dict) and math.isfinite(viscosity[-1]):
            results.parameters["kinematic_viscosity"] = Quantity(viscosity[-1], "m^2/s")
    functions = control.get("functions", {})
    stated = {
        value: name
        for name, entries in (functions.items() if isinstance(functions, dict) else ())
        if isinstance(entries, dict)
        for value in _values(folder / "system/controlDict", entries, "rhoInf")
    }
    if len({value for value, _ in fluid}) == 1:
        value, file = fluid[0]
        results.extra["density"] = {"value": value, "unit": "kg/m^3", "from": f"constant/{file.name}"}
        results.parameters["density"] = Quantity(value, "kg/m^3")
        for other, name in stated.items():
            if not math.isclose(other, value, rel_tol=1e-6):
                results.warnings.append(f"{folder}: function object {name} takes a density of {other:g} "
                                        f"kg/m3, {file.name} says {value:g}; forces do not fit pressure")  # fmt: skip
        return value
    if fluid:
        return None  # several phases: no field was divided by one density
    if len(stated) == 1:
        (value, name), *_ = stated.items()
        results.extra["density"] = {"value": value, "unit": "kg/m^3", "from": f"rhoInf of function object {name}"}
        return value
    if stated:
        values = ", ".join(f"{value:g} ({name})" for value, name in stated.items())
        results.warnings.append(f"{folder}: its function objects take several densities ({values}); none is used")
    return None


def _values(file: Path, entries: Any, key: str, depth: int = 0) -> list[float]:
    """Positive numbers under a key, at whatever depth: ``rho [1 -3 0 0 0 0 0] 1.2;`` counts as 1.2."""
    values = []
    for name, entry in entries.items():
        if isinstance(entry, dict) and depth < 8:
            values += _values(file, entry, key, depth + 1)
        elif name == key and isinstance(entry, list):
            plain = numbers([item for item in entry if isinstance(item, str)])
            if plain and math.isfinite(plain[-1]) and plain[-1] > 0:
                values.append(plain[-1])
            elif plain:
                raise FormatError(f"{file}: {key} is {plain[-1]:g}; give a density above 0 in kg/m3")
    return values
