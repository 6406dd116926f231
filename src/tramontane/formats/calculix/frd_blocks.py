"""The blocks of data in result files of CalculiX: nodes with values, and elements, in each of the four formats."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from tramontane.errors import FormatError

Bytes = NDArray[np.uint8]
_ROWS = 100_000  # decoded at a time: bounds the memory beside the arrays themselves
_STEP = 4 << 20  # bytes of lines that are taken apart at a time
_NEWLINE = 10
_LONG = re.compile(rb"[Ee][-+]\d{3}")
_SAME = tuple(range(20))
# VTK's shape, number of nodes, and which of them VTK's nodes are: here, middles of upright edges come before those on
# top.
SHAPES: dict[int, tuple[int, int, tuple[int, ...]]] = {
    1: (pv.CellType.HEXAHEDRON, 8, _SAME[:8]),
    2: (pv.CellType.WEDGE, 6, _SAME[:6]),
    3: (pv.CellType.TETRA, 4, _SAME[:4]),
    4: (pv.CellType.QUADRATIC_HEXAHEDRON, 20, (*range(12), 16, 17, 18, 19, 12, 13, 14, 15)),
    5: (pv.CellType.QUADRATIC_WEDGE, 15, (*range(9), 12, 13, 14, 9, 10, 11)),
    6: (pv.CellType.QUADRATIC_TETRA, 10, _SAME[:10]),
    7: (pv.CellType.TRIANGLE, 3, _SAME[:3]),
    8: (pv.CellType.QUADRATIC_TRIANGLE, 6, _SAME[:6]),
    9: (pv.CellType.QUAD, 4, _SAME[:4]),
    10: (pv.CellType.QUADRATIC_QUAD, 8, _SAME[:8]),
    11: (pv.CellType.LINE, 2, _SAME[:2]),
    12: (pv.CellType.QUADRATIC_EDGE, 3, _SAME[:3]),
}


# -- blocks of nodes ---------------------------------------------------------------------------------------------------


def node_block(
    file: Path, data: Bytes, start: int, count: int, form: int, components: int, label: str
) -> tuple[NDArray[np.int64], NDArray[Any], int]:
    """Node numbers, values ``(count, components)``, and where the block ends."""
    end = end_of_nodes(file, data, start, count, form, components, label)
    if form >= 2:
        records = data[start:end].view(_record(form, components))
        return records["node"].astype(np.int64), np.array(records["value"]), end
    digits = 5 if form == 0 else 10
    lines, size = _lines_of_record(file, data, start, components, label)
    if count and not (_is_of_columns(data, start, lines, digits, components) and _ends_at(data, start + count * size)):
        return *_uneven_rows(file, data, start, count, digits, components, label), end
    rows = data[start : start + count * size].reshape(count, size)
    numbers, values = np.empty(count, dtype=np.int64), np.empty((count, components))
    for at in range(0, count, _ROWS):
        part = rows[at : at + _ROWS]
        for line, (offset, _) in enumerate(lines):
            key = b" -1" if line == 0 else b" -2"
            if not (part[:, offset : offset + 3] == np.frombuffer(key, dtype=np.uint8)).all():
                raise _damaged(file, label, "has a line of another length or kind")
        numbers[at : at + _ROWS] = _integers(file, part[:, 3 : 3 + digits], label)
        for line, (offset, _) in enumerate(lines):
            first, last = 6 * line, min(6 * line + 6, components)
            left = offset + 3 + digits
            chars = part[:, left : left + 12 * (last - first)].reshape(len(part), last - first, 12)
            values[at : at + _ROWS, first:last] = _reals(file, chars, label)
    return numbers, values, end


def end_of_nodes(file: Path, data: Bytes, start: int, count: int, form: int, components: int, label: str) -> int:
    """Where a block of so many nodes ends; an error where the file says otherwise, before anything is allocated."""
    if form >= 2:
        end = start + count * _record(form, components).itemsize
        if end > len(data):
            raise _damaged(file, label, f"says {count} nodes, but the file ends before")
        return end
    claim = f"{label} says {count} nodes"
    if count == 0:
        return _end_of_lines(file, data, start, claim)
    lines, size = _lines_of_record(file, data, start, components, label)
    if _is_of_columns(data, start, lines, 5 if form == 0 else 10, components):
        if _ends_at(data, start + count * size):
            return _end_of_lines(file, data, start + count * size, claim)
    elif not _is_uneven(data, start, lines):
        raise _damaged(file, label, "has a line that is too short")
    # Lines of different lengths: exponents of three digits, which make negative numbers 13 characters long.
    end = _find_end(file, data, start, label)
    lines_there = sum(int((data[at : min(at + _STEP, end)] == _NEWLINE).sum()) for at in range(start, end, _STEP))
    return _end_of_lines(file, data, end if lines_there == count * len(lines) else len(data), claim)


def _is_of_columns(data: Bytes, start: int, lines: list[tuple[int, int]], digits: int, components: int) -> bool:
    """Whether the first record's lines are as long as columns of 12 characters make them."""
    for line, (offset, length) in enumerate(lines):
        width = 3 + digits + 12 * min(6, components - 6 * line)
        if bytes(data[start + offset + width : start + offset + length]).strip() or width >= length:
            return False
    return True


def _is_uneven(data: Bytes, start: int, lines: list[tuple[int, int]]) -> bool:
    """Whether the first record has a number with an exponent of three digits."""
    return _LONG.search(bytes(data[start : start + sum(length for _, length in lines)])) is not None


def _ends_at(data: Bytes, at: int) -> bool:
    return bytes(data[at : at + 3]) == b" -3"


def _uneven_rows(
    file: Path, data: Bytes, start: int, count: int, digits: int, components: int, label: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Node numbers and values of lines that differ in length, since exponents of three digits need more room."""
    end, per_record = _find_end(file, data, start, label), -(-components // 6)
    numbers, values = np.empty(count, dtype=np.int64), np.empty((count, components))
    rows, at = 0, start
    while at < end:
        stop = min(at + _STEP, end)
        stop = stop if stop == end else at + int(np.flatnonzero(data[at:stop] == _NEWLINE)[-1]) + 1
        newlines = at + np.flatnonzero(data[at:stop] == _NEWLINE)
        whole = len(newlines) // per_record  # records; what is left of the portion comes with the next one
        if whole == 0:
            raise _damaged(file, label, "has a line that is too long")
        stop = int(newlines[whole * per_record - 1]) + 1
        starts = np.concatenate([[at], newlines[: whole * per_record - 1] + 1]).reshape(whole, per_record)
        for line in range(per_record):
            key = np.frombuffer(b" -1" if line == 0 else b" -2", dtype=np.uint8)
            if not (data[starts[:, line, None] + np.arange(3)] == key).all():
                raise _damaged(file, label, "has a line of another kind")
        numbers[rows : rows + whole] = _integers(file, data[starts[:, 0, None] + np.arange(3, 3 + digits)], label)
        values[rows : rows + whole] = _long_reals(file, data[at:stop], whole, components, label)
        rows, at = rows + whole, stop
    return numbers, values


def _long_reals(file: Path, text: Bytes, rows: int, components: int, label: str) -> NDArray[np.float64]:
    """Numbers such as ``-1.23456E-003`` that follow one another without a blank; each has one ``E``."""
    places = np.flatnonzero((text | 32) == ord("e"))
    if len(places) != rows * components or (len(places) and places[0] < 8):
        raise _damaged(file, label, f"has {len(places)} numbers with an exponent, {rows * components} are expected")
    columns = places[:, None] + np.arange(-8, 5)
    chars = text[np.minimum(columns, len(text) - 1)]
    third = chars[:, 12] - np.uint8(48) <= 9
    chars[~third, 12] = ord(" ")
    chars[(chars[:, 0] != ord("-")) & (chars[:, 0] != ord("+")), 0] = ord(" ")  # of the number before
    entries = chars.view("S13").ravel()
    odd = (chars == ord("#")).any(axis=1)  # 1.#IND0E+000, 1.#QNAN, 1.#INF: what Windows prints where there is no number
    if odd.any():
        entries = entries.copy()
        entries[odd] = b"nan"
    try:
        values: NDArray[np.float64] = entries.astype(np.float64)
    except ValueError as error:
        raise _damaged(file, label, "has something else where a number is expected") from error
    return values.reshape(rows, components)


def _record(form: int, components: int) -> np.dtype[Any]:
    return np.dtype([("node", "<i4"), ("value", "<f4" if form == 2 else "<f8", (components,))])


def _lines_of_record(
    file: Path, data: Bytes, start: int, components: int, label: str
) -> tuple[list[tuple[int, int]], int]:
    """Offset and length of each line of a block's first record, which all others are like."""
    lines, at = [], start
    for _ in range(-(-components // 6)):
        length = _line_length(data, at)
        if length < 0:
            raise _damaged(file, label, "ends within a line")
        lines.append((at - start, length))
        at += length
    return lines, at - start


def _line_length(data: Bytes, at: int) -> int:
    """Of the line that starts there, its end counted; -1 where there is none."""
    ends = np.flatnonzero(data[at : at + 200] == 10)
    return int(ends[0]) + 1 if len(ends) else -1


def _end_of_lines(file: Path, data: Bytes, at: int, claim: str) -> int:
    """Where the line `` -3`` that must stand here ends."""
    length = _line_length(data, at) if at < len(data) else -1
    if length < 0 or bytes(data[at : at + 3]) != b" -3":
        raise FormatError(f"{file}: {claim}, but its block does not end there; it is cut off or damaged, run the case "
                          "again or copy it again")  # fmt: skip
    return at + length


# -- blocks of elements ------------------------------------------------------------------------------------------------

_Group = tuple[int, NDArray[np.int64], NDArray[np.int64]]


def ascii_elements(file: Path, data: Bytes, start: int, count: int, form: int) -> tuple[list[_Group], int]:
    """Kind, element numbers and node numbers of each group of one kind, and where the block ends."""
    digits, per_line, label = (5, 15, "the elements' block") if form == 0 else (10, 10, "the elements' block")
    end = _find_end(file, data, start, label)
    ends = start + np.flatnonzero(data[start:end] == 10)
    starts = np.concatenate([[start], ends[:-1] + 1]) if len(ends) else np.empty(0, dtype=np.int64)
    heads = starts[data[starts + 2] == ord("1")]
    if len(heads) != count:
        raise _damaged(file, label, f"says {count} elements, but holds {len(heads)}")
    sizes = np.diff(np.concatenate([heads, [end]]))
    if count == 0:
        return [], _end_of_lines(file, data, end, label)
    width = 3 + digits + 5
    if sizes.min() < width or heads[0] != start:
        raise _damaged(file, label, "has a line that is too short")
    columns = np.lib.stride_tricks.sliding_window_view(data[:end], width)
    kinds = _integers(file, columns[heads, 3 + digits :], label)
    groups: list[_Group] = []
    for kind in np.unique(kinds).tolist():
        if kind not in SHAPES:
            raise _damaged(file, label, f"has elements of type {kind}, which is not known")
        total = SHAPES[kind][1]
        chosen, size = heads[kinds == kind], int(sizes[kinds == kind][0])
        if (sizes[kinds == kind] != size).any():
            raise _damaged(file, label, f"has elements of type {kind} with different numbers of lines")
        numbers, nodes = np.empty(len(chosen), dtype=np.int64), np.empty((len(chosen), total), dtype=np.int64)
        records = np.lib.stride_tricks.sliding_window_view(data[:end], size)
        for at in range(0, len(chosen), _ROWS):
            part = records[chosen[at : at + _ROWS]]
            numbers[at : at + _ROWS] = _integers(file, part[:, 3 : 3 + digits], label)
            offset = _line_length(part[0], 0)
            for first in range(0, total, per_line):
                last = min(first + per_line, total)
                left = offset + 3
                if left + digits * (last - first) > size or not (part[:, offset + 2] == ord("2")).all():
                    raise _damaged(file, label, f"has an element of type {kind} with fewer than {total} nodes")
                chars = part[:, left : left + digits * (last - first)].reshape(len(part), last - first, digits)
                nodes[at : at + _ROWS, first:last] = _integers(file, chars, label)
                offset += max(_line_length(part[0], offset), 1)
        groups.append((kind, numbers, nodes))
    return groups, _end_of_lines(file, data, end, label)


def _find_end(file: Path, data: Bytes, start: int, label: str) -> int:
    """Start of the line `` -3`` that ends a block."""
    for at in range(start, len(data), 1 << 24):  # by portions: the block may be a small part of a huge file
        part = bytes(data[max(at - 4, start) : at + (1 << 24)])
        offset = 0 if at == start and part.startswith(b" -3") else part.find(b"\n -3") + 1
        if offset > 0 or (at == start and part.startswith(b" -3")):
            return max(at - 4, start) + offset
    raise _damaged(file, label, "does not end")


def binary_elements(file: Path, data: Bytes, start: int, count: int, form: int) -> tuple[list[_Group], int]:
    label = "the elements' block"
    if start + count * 4 * 6 > len(data):
        raise _damaged(file, label, f"says {count} elements, but the file ends before")
    words = data[start : start + (len(data) - start) // 4 * 4].view("<i4")
    groups: dict[int, list[NDArray[np.int32]]] = {}
    at, left, most = 0, count, 64
    while left:
        kind = int(words[at + 1]) if at + 1 < len(words) else 0
        if kind not in SHAPES:
            raise _damaged(file, label, f"has an element of type {kind}, which is not known")
        size = 4 + SHAPES[kind][1]
        # Records are of one kind as long as each one's own word says so; how far is tried in growing portions.
        rows = min(most, left, (len(words) - at) // size)
        same = words[at : at + rows * size].reshape(rows, size)
        run = rows if (same[:, 1] == kind).all() else int(np.argmax(same[:, 1] != kind))
        if run == 0:
            raise _damaged(file, label, f"says {count} elements, but the file ends before")
        most = min(2 * most, _ROWS) if run == rows else 64
        groups.setdefault(kind, []).append(same[:run])
        at, left = at + run * size, left - run
    joined = {kind: np.concatenate(parts) for kind, parts in groups.items()}
    return [
        (kind, rows[:, 0].astype(np.int64), rows[:, 4:].astype(np.int64)) for kind, rows in joined.items()
    ], start + 4 * at


# -- columns of digits -------------------------------------------------------------------------------------------------

_TENS = 10.0 ** np.arange(23)


def _integers(file: Path, chars: Bytes, label: str) -> NDArray[np.int64]:
    """Whole numbers in columns of fixed width, the last axis."""
    digits = np.where(chars == 32, 48, chars).astype(np.int64) - 48
    if ((digits < 0) | (digits > 9)).any():
        raise _damaged(file, label, "has something else where a whole number is expected")
    powers = 10 ** np.arange(chars.shape[-1] - 1, -1, -1, dtype=np.int64)
    values: NDArray[np.int64] = digits @ powers
    return values


def _reals(file: Path, chars: Bytes, label: str) -> NDArray[np.float64]:
    """Numbers in columns of 12 characters, the last axis; nearly all are ``-1.23456E+00``."""
    flat = np.ascontiguousarray(chars).reshape(-1, 12)
    digits = flat - np.uint8(48)  # what is no digit wraps around to more than 9
    plain = (flat[:, 2] == ord(".")) & ((flat[:, 8] | 32) == ord("e")) & ((flat[:, 0] == 32) | (flat[:, 0] == ord("-")))
    plain &= (flat[:, 9] == ord("+")) | (flat[:, 9] == ord("-"))
    for column in (1, 3, 4, 5, 6, 7, 10, 11):
        plain &= digits[:, column] <= 9
    mantissa = digits[:, 1].astype(np.int32)
    for column in (3, 4, 5, 6, 7):
        mantissa = mantissa * np.int32(10) + digits[:, column]
    exponent = digits[:, 10].astype(np.int16) * np.int16(10) + digits[:, 11]
    exponent = np.where(flat[:, 9] == ord("-"), -exponent, exponent) - 5
    plain &= np.abs(exponent) <= 22  # up to there both powers and results are exact
    power = _TENS[np.minimum(np.abs(exponent), 22)]
    values = np.where(exponent < 0, mantissa / power, mantissa * power)
    np.negative(values, out=values, where=flat[:, 0] == ord("-"))
    others = np.flatnonzero(~plain)
    if len(others):
        try:
            values[others] = flat[others].view("S12").ravel().astype(np.float64)
        except ValueError as error:
            raise _damaged(file, label, "has something else where a number is expected") from error
    numbers: NDArray[np.float64] = values.reshape(chars.shape[:-1])
    return numbers


def _damaged(file: Path, label: str, what: str) -> FormatError:
    return FormatError(f"{file}: {label} {what}; the file is cut off or damaged, run the case again or copy it again")
