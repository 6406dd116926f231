"""Results of ANSYS Mechanical (``.rst``, ``.rth``), read with ``ansys-mapdl-reader`` (MIT), the extra ``ansys``.

That library trusts its file: damage can end the whole process or ask for any amount of memory. It therefore runs
isolated and hands back plain arrays.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.elements import SHELLS, SOLIDS, Elements, fill_middles, index_of
from tramontane.formats.format import Format
from tramontane.formats.isolation.isolated import read_isolated
from tramontane.formats.patches import Named, add_domains
from tramontane.formats.results import Results
from tramontane.quantities import von_mises
from tramontane.units import Quantity

# What the unit systems of a file's header mean; temperatures in degrees Celsius have no factor and stay without.
_SYSTEMS = {
    "SI": ("m", "Pa", "K"), "MKS": ("m", "Pa", None), "MPA": ("mm", "MPa", None), "CGS": ("cm", "dyn/cm^2", None),
    "uMKS": ("um", "MPa", None),
}  # fmt: skip
_VECTORS = {"displacement": ("UX", "UY", "UZ"), "rotation": ("ROTX", "ROTY", "ROTZ"), "velocity": ("VX", "VY", "VZ")}
_SCALARS = {"TEMP": "temperature", "PRES": "pressure", "VOLT": "voltage", "MAG": "magnetic_potential"}
_MODAL = 2


def read_ansys(file: Path, *, result: int | None = None) -> Results:
    """Read one result set of a file.

    Args:
        file: The ``.rst`` or ``.rth``.
        result: Number of the set, from 1; the last one where None, or, where they are modes, the first.

    Returns:
        ``volume`` and ``surface``, or ``surface`` alone for shells. Nodal stresses and elastic strains are ANSYS' own
        averages; amid edges, where it stores none, they are the mean of the edge's ends. Shears of the strain are whole
        angles, as ANSYS has them. Named components are patches, natural frequencies QoIs.

    Raises:
        FormatError: Damaged, cut off, without results, or the extra ``ansys`` is not installed.
    """
    _check_start(file)
    if not _installed():
        raise FormatError(f'{file}: what reads results of ANSYS is not installed; pip install "tramontane[ansys]"')
    _, arrays = read_isolated(load, file, options=[result or 0])
    return _results(file, arrays)


def load(file: Path, number: int) -> tuple[None, dict[str, NDArray[Any]]]:
    """A result set's arrays, by the library."""
    warnings.simplefilter("ignore")
    try:
        return None, _extracted(file, number)
    except (FormatError, MemoryError):
        raise
    except Exception as error:  # whatever the library trips over in a damaged file
        reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
        raise FormatError(f"{file}: cannot be read ({reason}); it is damaged, write or copy it again") from error


def _installed() -> bool:
    try:
        return importlib.util.find_spec("ansys.mapdl.reader") is not None
    except ModuleNotFoundError:
        return False


def _check_start(file: Path) -> None:
    """The first two records of a file say what it is and how long it must be."""
    try:
        size = file.stat().st_size
        words = np.fromfile(file, "<i4", 120)
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error}); check the path") from error
    if size == 0:
        raise FormatError(f"{file}: is empty; write or copy it again")
    if len(words) < 120 or words[0] != 100 or words[2] != 12 or words[105] != 12:
        raise FormatError(f"{file}: is no result file of ANSYS Mechanical, or is damaged; write or copy it again")
    if min(words[106], words[107], words[111]) < 1 or words[113] < 1:
        raise FormatError(f"{file}: has no nodes, no elements or no results; solve again")
    if words[114] > size // 4:
        raise FormatError(f"{file}: is cut off ({size} of {4 * int(words[114])} bytes are there); copy it again")


def _extracted(file: Path, number: int) -> dict[str, NDArray[Any]]:
    source: Any = importlib.import_module("ansys.mapdl.reader").read_binary(str(file))
    header = source._resultheader
    count = int(source.nsets)
    modal = int(header["kan"]) == _MODAL
    place = number - 1 if number else (0 if modal else count - 1)
    if not 0 <= place < count:
        raise FormatError(f"{file}: has no result set {number}; it has {count}")
    grid = source.quadgrid  # the other one says that cells of second order are of first
    arrays: dict[str, Any] = {
        "points": np.asarray(grid.points),
        "numbers": np.asarray(grid.point_data["ansys_node_num"]),
        "elements": np.asarray(grid.cell_data["ansys_elem_num"]),
        "types": np.asarray(grid.celltypes),
        "offsets": np.asarray(grid.cell_offsets if hasattr(grid, "cell_offsets") else grid.offset),
        "connectivity": np.asarray(grid.cell_connectivity),
        "times": np.asarray(source.time_values, dtype=np.float64),
        "steps": np.asarray(header["ls_table"]).reshape(-1, 3),
        "place": np.array(place),
        "modal": np.array(modal),
        "units": np.array(str(header["units"])),
        "version": np.array(str(header["verstring"])),
        "title": np.array(str(header["title"])),
    }
    nodes, values = source.nodal_solution(place)
    arrays |= {"solution_nodes": nodes, "solution": values, "freedoms": np.array(source.result_dof(place), dtype=str)}
    available = source.available_results
    for key, name, method in (("ENS", "stress", "nodal_stress"), ("EEL", "elastic_strain", "nodal_elastic_strain")):
        if key in available:
            nodes, values = getattr(source, method)(place)
            arrays |= {f"{name}_nodes": nodes, name: np.asarray(values)[:, :6]}
    for kind in ("node", "element"):
        for name, members in getattr(source, f"{kind}_components").items():
            arrays[f"{kind}_component.{name}"] = np.asarray(members)
    return arrays


def _results(file: Path, arrays: dict[str, NDArray[Any]]) -> Results:
    results = Results(files=[file], solver="ANSYS Mechanical", version=str(arrays["version"]))
    numbers, points = arrays["numbers"].astype(np.int64), arrays["points"].astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise FormatError(f"{file}: node {numbers[bad[0]]} has coordinates that are not finite; write it again")
    blocks = _blocks(file, arrays, len(points))
    fields = _fields(file, arrays, numbers, blocks, results)
    length, stress, temperature = _SYSTEMS.get(str(arrays["units"]), (None, None, None))
    results.length_unit = length
    if length is None:
        results.warnings.append(f"{file}: states no units; say which ones its lengths and fields are in, in a contract")
    named = Named(
        {name: index[index >= 0] for name, members in _components(arrays, "node")
         if len(index := index_of(numbers, members))},
        dict(_components(arrays, "element")),
    )  # fmt: skip
    add_domains(results, file, points, blocks, fields, named)
    units = {"displacement": length, "stress": stress, "von_mises": stress, "elastic_strain": "" if length else None}
    for domain in results.meshes:
        for name, unit in (units | {"temperature": temperature}).items():
            if unit is not None and name in fields:
                results.units[f"{domain}/{name}"] = unit
    times, place = arrays["times"].tolist(), int(arrays["place"])
    if arrays["modal"]:
        results.qoi = {f"frequency_{mode}": Quantity(value, "Hz") for mode, value in enumerate(times, start=1)}
        results.warnings.append(f"{file}: holds modes, whose size means nothing; the fields are mode {place + 1}")
    results.extra["results"] = [
        {"number": index + 1, "value": value, "step": int(row[0]), "substep": int(row[1])}
        for index, (value, row) in enumerate(zip(times, arrays["steps"], strict=False))
    ]
    results.extra["result"] = place + 1
    if str(arrays["title"]).strip():
        results.extra["title"] = str(arrays["title"]).strip()
    sets = {name: len(members) for kind in ("node", "element") for name, members in _components(arrays, kind)}
    results.extra |= {"components": sets} if sets else {}
    return results


def _blocks(file: Path, arrays: dict[str, NDArray[Any]], count: int) -> list[Elements]:
    """The cells by shape; a file that claims cells of points that do not exist is refused."""
    types, offsets, connectivity = (arrays[name].astype(np.int64) for name in ("types", "offsets", "connectivity"))
    if len(offsets) != len(types) + 1 or (np.diff(offsets) < 1).any() or offsets[-1] != len(connectivity):
        raise FormatError(f"{file}: its list of elements is damaged; write or copy it again")
    if len(connectivity) == 0 or connectivity.min() < 0 or connectivity.max() >= count:
        raise FormatError(f"{file}: has elements of nodes that it does not define; write or copy it again")
    numbers, sizes, blocks = arrays["elements"].astype(np.int64), np.diff(offsets), []
    for cell, size in np.unique(np.stack([types, sizes], axis=1), axis=0).tolist():
        which = np.flatnonzero((types == cell) & (sizes == size))
        blocks.append(Elements(cell, numbers[which], connectivity[offsets[which][:, None] + np.arange(size)]))
    return blocks


def _fields(
    file: Path, arrays: dict[str, NDArray[Any]], numbers: NDArray[np.int64], blocks: list[Elements], results: Results
) -> dict[str, NDArray[np.float64]]:
    """Fields at all nodes; one that elements of the mesh lack at a node is left out, and that is said."""
    shown = [block for block in blocks if block.cell in SOLIDS]
    shown = shown or [block for block in blocks if block.cell in SHELLS] or blocks
    used = np.zeros(len(numbers), dtype=bool)
    for block in shown:
        used[block.nodes] = True
    given: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    freedoms = [str(name) for name in arrays["freedoms"]]
    for name, parts in _VECTORS.items():
        if any(part in freedoms for part in parts):
            vector = np.zeros((len(arrays["solution"]), 3))  # a plane model has two of them
            for axis, part in enumerate(parts):
                if part in freedoms:
                    vector[:, axis] = arrays["solution"][:, freedoms.index(part)]
            given[name] = arrays["solution_nodes"], vector
    for part, name in _SCALARS.items():
        if part in freedoms:
            given[name] = arrays["solution_nodes"], arrays["solution"][:, [freedoms.index(part)]]
    given |= {name: (arrays[f"{name}_nodes"], arrays[name]) for name in ("stress", "elastic_strain") if name in arrays}
    fields: dict[str, NDArray[np.float64]] = {}
    for name, (nodes, values) in given.items():
        index = index_of(numbers, nodes.astype(np.int64))
        whole = np.full((len(numbers), values.shape[1]), np.nan)
        whole[index[index >= 0]] = values[index >= 0]
        fill_middles(shown, whole)
        lacking = int((used & ~np.isfinite(whole).all(axis=1)).sum())
        if lacking:
            results.warnings.append(f"{file}: field {name} is left out, {lacking} of {int(used.sum())} nodes have no "
                                    "finite value; write it for all nodes")  # fmt: skip
            continue
        whole[~np.isfinite(whole)] = 0.0  # at nodes of no element that is shown
        fields[name] = whole[:, 0] if whole.shape[1] == 1 else whole
    if "stress" in fields:
        fields["von_mises"] = von_mises(fields["stress"])
    return fields


def _components(arrays: dict[str, NDArray[Any]], kind: str) -> list[tuple[str, NDArray[np.int64]]]:
    prefix = f"{kind}_component."
    return [(key.removeprefix(prefix), each.astype(np.int64)) for key, each in arrays.items() if key.startswith(prefix)]


def _is_binary(file: Path) -> bool:
    """Whether a file is no text: a README has the suffix ``.rst``, too."""
    try:
        with file.open("rb") as stream:
            head = stream.read(400)
    except OSError:
        return True
    return head == b"" or b"\x00" in head


FORMATS = (
    Format("ANSYS Mechanical", (".rth",), read_ansys),
    Format("ANSYS Mechanical", (".rst",), read_ansys, recognises=_is_binary),
)
