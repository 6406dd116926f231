"""Results of CalculiX: a ``.frd``, with the deck (``.inp``) and the printed values (``.dat``) of the same name.

Neither of them states units. Stresses and strains have six components, xx, yy, zz, xy, yz, xz; strains are those of the
tensor, whose shears are half of the angles.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tramontane.errors import FormatError
from tramontane.formats.calculix.frd import Dataset, Frd, State, open_frd
from tramontane.formats.decks.deck import read_deck
from tramontane.formats.format import Format
from tramontane.formats.numerals import real
from tramontane.formats.patches import add_domains, describe_deck, named_in
from tramontane.formats.results import Results
from tramontane.quantities import von_mises
from tramontane.units import Quantity

FIELDS = {
    "DISP": "displacement", "STRESS": "stress", "TOSTRAIN": "strain", "MESTRAIN": "mechanical_strain",
    "NDTEMP": "temperature", "FORC": "reaction_force", "RFL": "reaction_heat", "FLUX": "heat_flux", "VELO": "velocity",
    "PE": "equivalent_plastic_strain", "ENER": "strain_energy", "ERROR": "error_estimate",
    "HERROR": "heat_error_estimate", "V3DF": "velocity", "PS3DF": "pressure", "TS3DF": "temperature",
    "DISPI": "displacement_imaginary", "STRESSI": "stress_imaginary", "TOSTRAII": "strain_imaginary",
}  # fmt: skip
# Given where bodies touch only: zero elsewhere.
_LOCAL = {"CONTACT", "CONTACTI", "CELS"}
# A dataset whose components are quantities of their own, each of another kind.
_APART = {
    "CONTACT": {"COPEN": "contact_opening", "CSLIP1": "contact_slip_1", "CSLIP2": "contact_slip_2",
                "CPRESS": "contact_pressure", "CSHEAR1": "contact_shear_1", "CSHEAR2": "contact_shear_2"},
}  # fmt: skip
_SYMMETRIC = ((1, 1), (2, 2), (3, 3), (1, 2), (2, 3), (1, 3))
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:E[-+]\d{1,3}|[-+]\d{3})?")
_FREQUENCY, _OTHER = 2, 4  # kinds of states whose values are modes
_PRINTED = re.compile(
    rb"^ *total ([a-z ]+?) *(?:\(([a-z, ]*)\))? for set +(\S+) and time +(\S+)\s*?\n\s*\n([^\n]*)", re.M
)
_SECTION = re.compile(
    rb"^ *statistics for surface set +(\S+) and time +(\S+)\s+total surface force [^\n]*\s+([^\n]*)"
    rb"(?:[^\n]*\n){1,20}? *area, [^\n]*\s+([^\n]*)",
    re.M,
)
_MODES = re.compile(
    rb"E I G E N V A L U E   O U T P U T[^\n]*\n(?:[^\n]*\n){5,6}?\n?((?: +\d+(?: +[-+.\dE]+){4}\s*\n)+)"
)
_BUCKLING = re.compile(
    rb"B U C K L I N G   F A C T O R   O U T P U T[^\n]*\n(?:[^\n]*\n){3,5}?((?: +\d+ +[-+.\dE]+\s*\n)+)"
)


def read_calculix(file: Path, *, state: int | None = None) -> Results:
    """Read one state of a result file, and what stands beside it.

    Args:
        file: The ``.frd``.
        state: Number of the time, load or mode, as ``extra["states"]`` lists them; the last one where None, or, where
            that is a mode, the first mode.

    Returns:
        ``volume`` and ``surface``, or ``surface`` alone for shells; ``von_mises`` follows from the stress. The deck's
        sets and surfaces name the patches. Totals, areas, frequencies and buckling factors that were printed are QoIs.

    Raises:
        FormatError: Damaged or cut off, not finite, or without such a state.
    """
    frd = open_frd(file)
    results = Results(files=[file], solver=frd.header.get("PGM", "") or "CalculiX")
    results.version = frd.header.get("VERSION", "").removeprefix("Version").strip()
    results.warnings.append(f"{file}: states no units; say which ones its lengths and fields are in, in a contract")
    if not frd.blocks:
        raise FormatError(f"{file}: has no elements; run the case again")
    chosen = _choose(file, frd, state, results)
    fields = _read_fields(frd, chosen, results) if chosen is not None else {}
    named = None
    deck_file = _beside(file, ".inp")
    if deck_file is not None:
        try:
            deck = read_deck(deck_file)
        except FormatError as error:
            results.warnings.append(f"{error} (the results are read without the names of its sets)")
        else:
            named = named_in(deck, frd.numbers)
            describe_deck(results, deck)
            parameters = deck.loads_in(chosen.step if chosen is not None else None) | deck.parameters
            results.parameters |= {name: Quantity(value) for name, value in parameters.items()}
            results.files += deck.files
            results.warnings += deck.warnings
    add_domains(results, file, frd.points, frd.blocks, fields, named)
    printed = _beside(file, ".dat")
    if printed is not None:
        results.qoi |= read_printed(printed)
        results.files.append(printed)
    _add_convergence(file, results)
    return results


def read_printed(file: Path) -> dict[str, Quantity]:
    """The totals in a ``.dat``, each one's last: ``force_x_NFIX`` for set NFIX, ``frequency_1``, ``area_SFIX``, ...

    Raises:
        FormatError: The file cannot be read, or a total is not finite.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error}); check the path") from error
    qoi: dict[str, float] = {}
    for label, components, name, _, line in (match.groups() for match in _PRINTED.finditer(text)):
        values = _numbers(file, line)
        suffixes = [f"_{each.decode().strip()[-1:]}" for each in components.split(b",")] if components else [""]
        key = "_".join(label.decode().split())
        if len(values) == len(suffixes):
            qoi |= {f"{key}{suffix}_{_text(name)}": value for suffix, value in zip(suffixes, values, strict=True)}
    for name, _, forces, areas in (match.groups() for match in _SECTION.finditer(text)):
        values, sizes = _numbers(file, forces), _numbers(file, areas)
        if len(values) == 6 and sizes:
            keys = [f"surface_{what}_{axis}" for what in ("force", "moment") for axis in "xyz"]
            qoi |= {f"{key}_{_text(name)}": value for key, value in zip(keys, values, strict=True)}
            qoi[f"area_{_text(name)}"] = sizes[0]
    for pattern, key, column in ((_MODES, "frequency", 3), (_BUCKLING, "buckling_factor", 1)):
        for table in pattern.findall(text)[-1:]:
            rows = [_numbers(file, line) for line in table.splitlines() if line.strip()]
            qoi |= {f"{key}_{int(row[0])}": row[column] for row in rows if len(row) > column}
    return {key: Quantity(value) for key, value in qoi.items()}


def _choose(file: Path, frd: Frd, number: int | None, results: Results) -> State | None:
    states = list(dict.fromkeys(dataset.state for dataset in frd.datasets))
    if number is not None:
        states = [each for each in states if each.number == number]
        if not states:
            numbers = sorted({dataset.state.number for dataset in frd.datasets})
            raise FormatError(f"{file}: has no state {number}; it has {', '.join(map(str, numbers[:20]))}")
        return states[-1]
    results.extra["states"] = [
        {"number": each.number, "step": each.step, "increment": each.increment, "value": each.value} for each in states
    ]
    if not states:
        results.warnings.append(f"{file}: holds a mesh and no results")
        return None
    last = states[-1]
    if last.kind in (_FREQUENCY, _OTHER):
        modes = [each for each in states if (each.step, each.kind) == (last.step, last.kind)]
        # The first of a buckling step is its preload, with the value 0.
        last = next((each for each in modes if each.value != 0.0), last) if last.kind == _OTHER else modes[0]
        results.warnings.append(f"{file}: holds modes, whose size means nothing; the fields are those of the first, "
                                f"at {last.value:.6g}")  # fmt: skip
    results.extra["state"] = {"number": last.number, "step": last.step, "value": last.value}
    return last


def _read_fields(frd: Frd, state: State, results: Results) -> dict[str, NDArray[Any]]:
    """The state's datasets at all nodes, under our names where there is one."""
    used = np.zeros(len(frd.points), dtype=bool)
    for block in frd.blocks:
        used[block.nodes] = True
    fields: dict[str, NDArray[Any]] = {}
    for dataset in frd.datasets:
        if dataset.state != state:
            continue
        name = FIELDS.get(dataset.name, dataset.name)
        name = dataset.name if name in fields else name
        if name in fields:
            raise FormatError(f"{frd.file}: has dataset {name} twice in state {state.number}; run the case again")
        index, values = frd.values(dataset)
        apart = _APART.get(dataset.name)
        values = values if apart else values[:, _order(dataset)]
        given = np.zeros(len(frd.points), dtype=bool)
        given[index] = True
        lacking = int((used & ~given).sum())
        if lacking and dataset.name not in _LOCAL:
            results.warnings.append(f"{frd.file}: dataset {dataset.name} is left out, {lacking} of {int(used.sum())} "
                                    "nodes have no value; write it for all nodes")  # fmt: skip
            continue
        if len(index) == len(given) and np.array_equal(index, np.arange(len(index))):
            whole = values
        else:
            whole = np.zeros((len(given), values.shape[1]), dtype=values.dtype)
            whole[index] = values
        if apart:
            fields |= {apart.get(label, label): whole[:, at] for at, (label, _, _) in enumerate(dataset.components)}
            continue
        fields[name] = whole[:, 0] if whole.shape[1] == 1 else whole
        if name == "stress" and whole.shape[1] == 6:
            fields["von_mises"] = von_mises(whole)
    return fields


def _order(dataset: Dataset) -> list[int]:
    """Columns of a dataset in the order of our components."""
    pairs = [(row, column) if row <= column else (column, row) for _, row, column in dataset.components]
    if sorted(pairs) == sorted(_SYMMETRIC):
        return [pairs.index(pair) for pair in _SYMMETRIC]
    rows = [row for _, row, _ in dataset.components]
    if sorted(rows) == list(range(1, len(rows) + 1)):
        return [rows.index(row) for row in range(1, len(rows) + 1)]
    return list(range(len(rows)))


def _add_convergence(file: Path, results: Results) -> None:
    """Residuals of the last iteration in a ``.cvg``, and whether the ``.sta`` counts its increment as done."""
    history, done = _beside(file, ".cvg"), _beside(file, ".sta")
    if history is None:
        return
    rows = _rows(history, 9)
    results.files.append(history)
    if rows:
        results.extra["residuals"] = {"force": rows[-1][5] / 100, "heat_flux": rows[-1][7] / 100}
    if done is not None:
        results.files.append(done)
        if rows and rows[-1][:2] not in [row[:2] for row in _rows(done, 7)]:
            results.warnings.append(f"{history}: increment {rows[-1][1]:g} of step {rows[-1][0]:g} did not converge")
            results.extra["converged"] = False


def _rows(file: Path, columns: int) -> list[list[float]]:
    """Lines of so many numbers; others are headings, and attempts that failed (``1U``)."""
    try:
        lines = [line.split() for line in file.read_text(encoding="ascii", errors="replace").splitlines()]
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error}); run the case again or remove it") from error
    lines = [line for line in lines if len(line) == columns and all(_NUMBER.fullmatch(entry) for entry in line)]
    return [[real(entry) for entry in line] for line in lines]


def _numbers(file: Path, line: bytes) -> list[float]:
    try:
        values = [real(entry) for entry in _text(line).split()]
    except ValueError as error:
        raise FormatError(f"{file}: {_text(line)[:60]!r} is no line of numbers; run the case again") from error
    if not np.isfinite(values).all():
        raise FormatError(f"{file}: a printed total is not finite ({_text(line)[:60]}); run the case again")
    return values


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip()


def _beside(file: Path, suffix: str) -> Path | None:
    """The file of the same name with another suffix, in small or capital letters."""
    for each in (suffix, suffix.upper()):
        if (other := file.with_suffix(each)).is_file():
            return other
    return None


FORMATS = (Format("CalculiX", (".frd",), read_calculix),)
