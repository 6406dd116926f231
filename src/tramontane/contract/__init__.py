"""The typed statement of inputs and outputs that travels with the data, the model, the API and the page."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tramontane.case import Location
from tramontane.contract.checks import check_contract
from tramontane.contract.toml import HEAD, first_not_finite, rename, unit_of_the_field, without_none
from tramontane.design import Design
from tramontane.errors import ContractError, UnitError
from tramontane.io.atomic import write_text
from tramontane.notice import Notice
from tramontane.qoi import QoiDefinition
from tramontane.units import Quantity, compatible, dimension, from_si, in_si, si_factor, si_unit, to_si

Role = Literal["operating", "geometry", "constant"]
_EQUAL = 1e-9  # two numbers are one to this share: a unit's factor takes the last digits


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ParameterSpec(_Spec):
    """One input number.

    Attributes:
        unit: The unit people use for it; a bare number is taken to be in it.
        low: Smallest value seen or allowed, SI.
        high: Largest value seen or allowed, SI.
        role: ``operating`` (speed, load: always asked), ``geometry`` (length, fillet radius: describes the geometry
            and is not asked when one is given) or ``constant`` (the same in all cases: never asked, and nothing follows
            it; ``low`` and ``high`` are its value).
        integer: Whether only whole numbers of its unit are meant (a number of blades).
        source: Its name in the source files, where that differs.
    """

    unit: str = ""
    low: float
    high: float
    role: Role = "operating"
    integer: bool = False
    source: str | None = None


class FieldSpec(_Spec):
    """One physical quantity on a domain.

    Attributes:
        unit: SI unit of the stored values (in a hand-edited contract: the unit in the source files).
        location: At points or at cells.
        components: 1 for a scalar, 3 for a vector, 6 for a symmetric tensor (xx, yy, zz, xy, yz, xz).
        scales_with: Exponent of each operating parameter to which the field is nearly proportional, such as
            ``{"speed": 2.0}`` for a pressure; networks and baselines work on the field divided by that product.
        source: Its name in the source files, where that differs.
    """

    unit: str = ""
    location: Location = "point"
    components: int = Field(default=1, ge=1)
    scales_with: dict[str, float] = Field(default_factory=dict)
    source: str | None = None


class DomainSpec(_Spec):
    """Where a domain lies relative to the geometry.

    Attributes:
        side: ``on`` the geometry's surface, ``inside`` or ``outside`` of it.
        low: Planes x, y, z (metres) at which every case's domain is cut off below, None where it is not cut.
        high: The same above. A half model has ``low = [None, 0.0, None]``.
        source: Its name in the source files, where that differs.
        patches: The patches of the boundary that make up this domain, by name or pattern (``body*``); empty takes all.
    """

    side: Literal["on", "inside", "outside"] = "on"
    low: tuple[float | None, float | None, float | None] = (None, None, None)
    high: tuple[float | None, float | None, float | None] = (None, None, None)
    source: str | None = None
    patches: tuple[str, ...] = ()


class QoiSpec(_Spec):
    """One output number.

    Attributes:
        unit: Its SI unit.
        display_unit: The unit in which people read it, where that is another.
        scales_with: As for a field.
        definition: How it follows from fields; None where it does not.
        source: Its name in the source files, where that differs.
    """

    unit: str = ""
    display_unit: str | None = None
    scales_with: dict[str, float] = Field(default_factory=dict)
    definition: QoiDefinition | None = None
    source: str | None = None

    @property
    def shown(self) -> str:
        """The unit in which it is shown."""
        return self.unit if self.display_unit is None else self.display_unit

    @property
    def from_fields(self) -> bool:
        """Whether predicted fields or the geometry give it; patches are known of a solver's meshes only."""
        return self.definition is not None and not self.definition.patches


class Contract(_Spec):
    """What goes into a simulator and what comes out: names, units, ranges, where.

    Attributes:
        name: What the cases are of.
        length_unit: Length unit of geometry files and of mesh files; metres everywhere behind them.
        parameters: Inputs by name.
        domains: Where each domain lies.
        fields: Outputs by domain, then by name.
        qoi: Scalar outputs by name.
    """

    name: str = "cases"
    length_unit: str = "m"
    parameters: dict[str, ParameterSpec] = Field(default_factory=dict)
    domains: dict[str, DomainSpec] = Field(default_factory=dict)
    fields: dict[str, dict[str, FieldSpec]] = Field(default_factory=dict)
    qoi: dict[str, QoiSpec] = Field(default_factory=dict)

    def __repr__(self) -> str:
        inputs = (
            f"{name} [{spec.unit}] {from_si(spec.low, spec.unit):.4g} to {from_si(spec.high, spec.unit):.4g}"
            + ("" if spec.role == "operating" else f" ({spec.role})")
            for name, spec in self.parameters.items()
        )
        lines = [f"<Contract {self.name}>", f"  inputs: {', '.join(inputs) or 'the geometry alone'}"]
        for domain, fields in self.fields.items():
            lines.append(f"  {domain}: {', '.join(f'{name} [{spec.unit}]' for name, spec in fields.items())}")
        if self.qoi:
            lines.append(f"  QoIs: {', '.join(f'{name} [{spec.shown}]' for name, spec in self.qoi.items())}")
        return "\n".join(lines)

    __str__ = __repr__

    # -- inputs ----------------------------------------------------------------------------------------------------

    @property
    def operating(self) -> dict[str, ParameterSpec]:
        """The parameters that are always asked."""
        return {name: spec for name, spec in self.parameters.items() if spec.role == "operating"}

    def asked(self, *, geometry: bool) -> dict[str, ParameterSpec]:
        """The parameters that are asked: with a geometry, operating conditions; without one, all that are not constant.

        Args:
            geometry: Whether a geometry is given, too.
        """
        return (
            self.operating if geometry else {n: spec for n, spec in self.parameters.items() if spec.role != "constant"}
        )

    def values(self, design: Design) -> dict[str, float]:
        """The design's parameters in SI, in the contract's order.

        See `asked` for which must be given; constants that are not given have their value.

        Raises:
            ContractError: A parameter is missing, unknown, or in a unit of the wrong dimension; all are named.
        """
        values, faults = self.examine(design.parameters, geometry=design.geometry is not None)
        if faults:
            raise ContractError("; ".join(faults.values()))
        return values

    def examine(self, parameters: Mapping[str, Quantity], *, geometry: bool) -> tuple[dict[str, float], dict[str, str]]:
        """Parameters in SI, in the contract's order, and what is wrong with each of the others.

        Args:
            parameters: As given.
            geometry: Whether a geometry is given, too; see `asked`.

        Returns:
            Values by name, constants among them, and by name a sentence on each that is missing, unknown or in a wrong
            unit.
        """
        faults = {
            name: f"parameter {name!r} is missing; give it in {spec.unit or 'no unit'}, for example "
            f"{name}={Quantity(from_si((spec.low + spec.high) / 2, spec.unit), spec.unit)}"
            for name, spec in self.asked(geometry=geometry).items()
            if name not in parameters
        }
        for name in sorted(set(parameters) - set(self.parameters)):
            faults[name] = f"parameter {name} is not known; known are {', '.join(self.parameters)}"
        values: dict[str, float] = {}
        for name, spec in self.parameters.items():
            if name in parameters:
                try:
                    values[name] = to_si(parameters[name], unit=spec.unit, name=f"parameter {name!r}")
                except UnitError as error:
                    faults[name] = str(error)
                    continue
                number = from_si(values[name], spec.unit)
                if spec.integer and abs(number - round(number)) > _EQUAL * max(1.0, abs(number)):
                    faults[name] = f"parameter {name!r} is {number:g}, and must be a whole number; give {round(number)}"
            elif spec.role == "constant":
                values[name] = spec.low
        return values, faults

    def outside_range(self, design: Design) -> list[str]:
        """One sentence for each parameter of a design that lies outside the contract's range, with how far."""
        return [str(notice) for notice in self.excesses(self.values(design))]

    def excesses(self, values: Mapping[str, float]) -> list[Notice]:
        """The parameters outside the contract's range, each in the contract's unit.

        Args:
            values: Parameters in SI.
        """
        notices = []
        for name, value in values.items():
            spec = self.parameters[name]
            slack = _EQUAL * max(abs(spec.low), abs(spec.high)) if spec.role == "constant" else 0.0
            if not spec.low - slack <= value <= spec.high + slack:
                given, low, high = (from_si(number, spec.unit) for number in (value, spec.low, spec.high))
                notices.append(Notice("range", f"parameters.{name}", given, low, high, spec.unit))
        return notices

    def site_location(self, domain: str) -> Location:
        """Where the sites of a domain are: at its cells as soon as one of its fields is."""
        return "cell" if any(spec.location == "cell" for spec in self.fields[domain].values()) else "point"

    def in_si(self) -> Contract:
        """The contract of the same data once it is read: fields and QoIs in SI units, nothing under another name."""

        def in_si_units(specs: Mapping[str, Any]) -> dict[str, Any]:
            return {
                name: spec.model_copy(update={"source": None, "unit": si_unit(spec.unit)})
                for name, spec in specs.items()
            }

        return self.model_copy(
            update={
                "parameters": {
                    name: spec.model_copy(update={"source": None}) for name, spec in self.parameters.items()
                },
                "domains": {
                    name: spec.model_copy(update={"source": None, "patches": ()}) for name, spec in self.domains.items()
                },
                "fields": {domain: in_si_units(specs) for domain, specs in self.fields.items()},
                "qoi": {
                    name: spec.model_copy(update={"display_unit": None if shown == spec.unit else shown})
                    for name, spec in in_si_units(self.qoi).items()
                    for shown in [self.qoi[name].shown]
                },
            }
        )

    def without_fields(self) -> Contract:
        """The contract of the QoIs alone; of their definitions, those by the geometry remain."""
        qoi = {
            name: spec if spec.definition is None or (spec.definition.kind == "volume" and spec.from_fields)
            else spec.model_copy(update={"definition": None})
            for name, spec in self.qoi.items()
        }  # fmt: skip
        return self.model_copy(update={"domains": {}, "fields": {}, "qoi": qoi})

    # -- comparison ------------------------------------------------------------------------------------------------

    def differences(self, other: Contract) -> list[str]:
        """What of ``other`` a simulator under this contract cannot serve, one line each; ranges do not count."""
        # What is asked here may well be the same in all cases there.
        other_parameters = set(other.operating) | {
            name for name, spec in other.parameters.items() if spec.role == "constant"
        }
        lines = [
            *(f"parameter {name!r} is missing" for name in sorted(set(self.operating) - other_parameters)),
            *(f"parameter {name!r} is new" for name in sorted(set(other.operating) - set(self.operating))),
        ]
        for name in sorted(set(self.operating) & other_parameters):
            mine, theirs = self.operating[name].unit, other.parameters[name].unit
            if not compatible(mine, theirs):
                lines.append(f"parameter {name!r} is in {theirs or 'no unit'}, not in {mine or 'no unit'}")
        for domain in sorted(set(self.fields) | set(other.fields)):
            mine_f, theirs_f = self.fields.get(domain, {}), other.fields.get(domain, {})
            for name in sorted(set(mine_f) | set(theirs_f)):
                if name not in theirs_f or name not in mine_f:
                    lines.append(f"field {domain}/{name} is {'missing' if name in mine_f else 'new'}")
                elif (a := mine_f[name]).components != (b := theirs_f[name]).components or (
                    si_unit(a.unit) != si_unit(b.unit)
                ):
                    lines.append(
                        f"field {domain}/{name} has {b.components} components in {b.unit or 'no unit'}, "
                        f"not {a.components} in {a.unit or 'no unit'}"
                    )
        return lines

    # -- files -----------------------------------------------------------------------------------------------------

    def to_toml(self, path: str | os.PathLike[str]) -> None:
        """Write the contract for a person to edit; ranges are written in each parameter's own unit.

        Raises:
            FileError: The file cannot be written; what was there stays.
        """
        import tomli_w

        data = self.model_dump(mode="json", exclude_none=False)
        for name, spec in self.parameters.items():
            data["parameters"][name] |= {"low": from_si(spec.low, spec.unit), "high": from_si(spec.high, spec.unit)}
            if not spec.integer:
                del data["parameters"][name]["integer"]
        write_text(path, HEAD + tomli_w.dumps(without_none(data)))

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Contract:
        """Read a contract that `to_toml` wrote or a person edited.

        Raises:
            ContractError: Not TOML, an unknown key, a value of the wrong type, or an unknown unit; the key is named.
        """
        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except FileNotFoundError as error:
            raise ContractError(
                f"{path}: does not exist; `tramontane inspect RESULTS --write-contract {path}` writes one to edit"
            ) from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ContractError(f"{path}: cannot be read as a contract: {error}") from error
        except RecursionError:
            raise ContractError(f"{path}: its tables or lists are nested too deeply; write a contract as "
                                "`tramontane inspect --write-contract` does") from None  # fmt: skip
        return cls.from_document(path, data)

    @classmethod
    def from_document(cls, path: str | os.PathLike[str], data: dict[str, Any]) -> Contract:
        """The contract that a TOML document holds.

        Args:
            path: The document's file, for messages.
            data: What it says; is changed.

        Raises:
            ContractError: An unknown key, a value of the wrong type, or an unknown unit; the key is named.
        """
        if number := first_not_finite(data):
            raise ContractError(f"{path}: {number}")
        for table in data.get("domains", {}).values():
            for side in ("low", "high"):
                if side in table:
                    table[side] = [None if entry == "free" else entry for entry in table[side]]
        try:
            rename(data)
            for spec in data.get("parameters", {}).values():
                unit = spec.get("unit", "")
                spec |= {key: in_si(spec[key], unit) for key in ("low", "high") if key in spec}
            for spec in data.get("qoi", {}).values():
                # A parameter's table becomes a QoI's by a change of its heading; results have no range to keep to.
                for key in ("low", "high", "role"):
                    spec.pop(key, None)
                unit_of_the_field(spec, data)
            contract = cls.model_validate(data)
            si_factor(contract.length_unit)
            for unit in contract._units():
                dimension(unit)
            for name, spec in contract.qoi.items():
                if not compatible(spec.shown, spec.unit):
                    raise ContractError(f"qoi.{name}.display_unit: {spec.shown} is no unit for "
                                        f"{spec.unit or 'a number'}; correct or remove it")  # fmt: skip
            check_contract(contract)
        except ValidationError as error:
            first = error.errors()[0]
            key_path = ".".join(str(part) for part in first["loc"])
            reason = (
                "is no key of a contract; correct or remove it" if first["type"] == "extra_forbidden" else first["msg"]
            )
            raise ContractError(f"{path}: {key_path}: {reason}") from error
        except (UnitError, ContractError, TypeError, AttributeError) as error:
            raise ContractError(f"{path}: {error}") from error
        return contract

    def _units(self) -> list[str]:
        return [
            *(spec.unit for spec in self.parameters.values()),
            *(spec.unit for fields in self.fields.values() for spec in fields.values()),
            *(unit for spec in self.qoi.values() for unit in (spec.unit, spec.shown)),
        ]


def power_law(powers: Mapping[str, float]) -> str:
    """What a quantity is in proportion to, as people write it: ``speed^2 x density``."""
    return " x ".join(name if power == 1 else f"{name}^{power:g}" for name, power in powers.items())
