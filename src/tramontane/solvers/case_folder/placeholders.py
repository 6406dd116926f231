"""``{{ speed }}`` in text files and commands stands for a value of the design."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tramontane.contract import Contract
from tramontane.errors import ContractError, UnitError
from tramontane.units import compatible, from_si

_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
_NAME = re.compile(r"\s*([\w.-]+)\s*(?:\[([^\]]*)\]\s*)?")
CORES = "cores"
"""Stands for the number of cores, and is no parameter."""


def template_files(folder: Path, patterns: Iterable[str], config: Path) -> list[Path]:
    """The files that patterns mean, relative to the folder.

    Raises:
        ContractError: A pattern means none.
    """
    files: dict[Path, None] = {}
    for pattern in patterns:
        matching = [file.relative_to(folder) for file in sorted(folder.glob(pattern)) if file.is_file()]
        if not matching:
            raise ContractError(f"{config}: templates: {folder / pattern} does not exist; correct the name")
        files |= dict.fromkeys(matching)
    return list(files)


def read_template(file: Path) -> str:
    """The text of a template, its ends of lines as they are.

    Raises:
        ContractError: It is no text.
    """
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContractError(f"{file}: is no text in UTF-8; list text files alone under templates") from error


def names_in(text: str, where: str, contract: Contract) -> Iterator[str]:
    """The parameters that placeholders in a text name.

    Raises:
        ContractError: One is no parameter, or in a unit of another dimension.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        for match in _PLACEHOLDER.finditer(line):
            said = _NAME.fullmatch(match[1])
            known = ", ".join([*contract.parameters, CORES])
            if said is None or said[1] not in (*contract.parameters, CORES):
                raise ContractError(f"{where}, line {number}: {match[0]} is no parameter (known are {known}); correct "
                                    "it, or add the parameter to solver.toml")  # fmt: skip
            if said[2] is not None:
                _check_unit(said[1], said[2], f"{where}, line {number}: {match[0]}", contract)
            yield said[1]


def filled(text: str, values: Mapping[str, float], contract: Contract, cores: int) -> str:
    """A text with values in place of its placeholders.

    Args:
        text: Its names were checked.
        values: In SI.
        contract: A value is written in its parameter's unit, or in the one behind its name: ``{{ angle [rad] }}``.
        cores: In place of ``{{ cores }}``.
    """

    def value_of(match: re.Match[str]) -> str:
        said = _NAME.fullmatch(match[1])
        assert said is not None
        if said[1] == CORES:
            return str(cores)
        spec = contract.parameters[said[1]]
        return written(values[said[1]], spec.unit if said[2] is None else said[2], integer=spec.integer)

    return _PLACEHOLDER.sub(value_of, text)


def words_of(command: str, where: str) -> list[str]:
    """A command's words; a placeholder is part of one word, blanks in it or not.

    Raises:
        ContractError: A quotation is not closed, or there are no words.
    """
    try:
        words = shlex.split(_PLACEHOLDER.sub(lambda match: match[0].replace(" ", ""), command))
    except ValueError as error:
        raise ContractError(f"{where}: cannot be split into words ({error}); close the quotation") from error
    if not words:
        raise ContractError(f"{where}: is empty; write a command, or remove it")
    return words


def written(value: float, unit: str, *, integer: bool) -> str:
    """A value in SI as a number in a unit, without the last digits that a change of units takes."""
    number = from_si(value, unit)
    return str(round(number)) if integer else f"{number:.15g}"


def _check_unit(name: str, unit: str, where: str, contract: Contract) -> None:
    declared = contract.parameters[name].unit if name in contract.parameters else ""
    try:
        if compatible(unit, declared):
            return
    except UnitError as error:
        raise ContractError(f"{where}: {error}") from error
    raise ContractError(f"{where}: {unit or 'no unit'} is no unit for {declared or 'a number'}; correct it")
