"""What a ``morph.toml`` says."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tramontane.contract import ParameterSpec
from tramontane.contract.toml import fault_of, first_not_finite
from tramontane.errors import ContractError, UnitError
from tramontane.units import dimension, from_si, in_si, si_factor

CONFIG = "morph.toml"
Axis = Literal["x", "y", "z"]
Place = tuple[float, float, float]


def _length(unit: str) -> str:
    try:
        if dimension(unit) == dimension("m"):
            return unit
    except UnitError as error:
        raise ValueError(str(error)) from error
    raise ValueError(f"unit {unit!r} is no unit of length; write one such as 'mm'")


def _direction(vector: Place) -> Place:
    if not any(vector):
        raise ValueError("direction is zero; write one such as [1, 0, 0]")
    return vector


Length = Annotated[str, AfterValidator(_length)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Block(_Table):
    low: Place
    high: Place

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        for axis, low, high in zip("xyz", self.low, self.high, strict=True):
            if low >= high:
                raise ValueError(f"in {axis}, low ({low:g}) is not below high ({high:g}); exchange or correct them")
        return self


class BoxTable(_Block):
    """A box for free-form deformation.

    Attributes:
        low: Its lowest corner, in the file's ``length_unit``.
        high: Its highest corner.
        control_points: How many there are along x, y and z, evenly spaced from corner to corner.
    """

    control_points: tuple[
        Annotated[int, Field(ge=2, le=20)], Annotated[int, Field(ge=2, le=20)], Annotated[int, Field(ge=2, le=20)]
    ]


class FixedTable(_Block):
    """A region that stays where it is.

    Attributes:
        low: Lowest corner of the region, in the file's ``length_unit``.
        high: Its highest corner.
        blend: The distance from it over which displacements grow to their full size.
    """

    blend: float = Field(gt=0)


class MoveTable(_Table):
    """What a parameter moves: control points of a box, or handles.

    Attributes:
        direction: In which they move; its length does not matter.
        factor: By how much for each unit of the parameter.
        box: A box by name.
        control_points: Those of it that move, by numbers along x, y and z from 0 (or from the end: -1); ``"*"`` means
            all along that axis.
        handles: Places that move, in the file's ``length_unit``.
        radius: The distance from a handle at which nothing moves any more.
    """

    direction: Annotated[Place, AfterValidator(_direction)]
    factor: float = 1.0
    box: str | None = None
    control_points: tuple[tuple[int | Literal["*"], int | Literal["*"], int | Literal["*"]], ...] = ()
    handles: tuple[Place, ...] = ()
    radius: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.box is None) == (not self.handles):
            raise ValueError("moves either a box or handles; give one of the two")
        if self.handles and (self.radius is None or self.control_points):
            raise ValueError("handles have a radius, and no control_points; correct it")
        if self.box is not None and (self.radius is not None or not self.control_points):
            raise ValueError("a box has control_points that move, and no radius; correct it")
        return self


class ParameterTable(_Table):
    """A parameter: how far something moves.

    Attributes:
        unit: Of length; None takes the file's ``length_unit``.
        low: The smallest value, in that unit.
        high: The largest value.
        default: The value where none is given.
        moves: What it moves, together.
    """

    unit: Length | None = None
    low: float
    high: float
    default: float = 0.0
    moves: tuple[MoveTable, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low ({self.low:g}) is above high ({self.high:g}); exchange or correct them")
        if not self.low <= self.default <= self.high:
            raise ValueError(f"default ({self.default:g}) is not between low and high; correct it")
        return self


class ChecksTable(_Table):
    """What a morphed surface must keep to, beside having a volume and no fold.

    Attributes:
        min_thickness: Of walls, in the file's ``length_unit``; None sets no bound.
        min_quality: Of triangles that a morph makes worse: 1 is equilateral, 0 has no area.
        self_intersections: Whether new ones are refused.
    """

    min_thickness: Annotated[float, Field(gt=0)] | None = None
    min_quality: float = Field(default=0.01, ge=0, lt=1)
    self_intersections: bool = True


class MorphConfig(_Table):
    """A ``morph.toml``.

    Attributes:
        surface: The surface's file beside this one, for commands that are given this one alone.
        length_unit: Of the surface's file, and of lengths in this one.
        symmetry: The axis across the plane of symmetry: what is on its other side moves likewise.
        symmetry_at: Where on that axis the plane is.
        max_edge: Longer edges are bisected before anything moves; None leaves triangles as they are.
        boxes: By name.
        fixed: Regions that stay where they are.
        parameters: By name.
        checks: What a morphed surface must keep to.
    """

    surface: str | None = None
    length_unit: Length = "m"
    symmetry: Axis | None = None
    symmetry_at: float = 0.0
    max_edge: Annotated[float, Field(gt=0)] | None = None
    boxes: dict[str, BoxTable] = Field(default_factory=dict)
    fixed: tuple[FixedTable, ...] = ()
    parameters: dict[str, ParameterTable] = Field(min_length=1)
    checks: ChecksTable = ChecksTable()

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, parameter in self.parameters.items():
            for number, move in enumerate(parameter.moves):
                where = f"parameters.{name}.moves.{number}"
                if move.box is None:
                    continue
                if move.box not in self.boxes:
                    raise ValueError(f"{where}: box {move.box!r} is not known (known are "
                                     f"{', '.join(self.boxes) or 'none'}); add [boxes.{move.box}]")  # fmt: skip
                counts = self.boxes[move.box].control_points
                for index in move.control_points:
                    if any(place != "*" and not -count <= place < count
                           for place, count in zip(index, counts, strict=True)):  # fmt: skip
                        raise ValueError(f"{where}: control point {list(index)} is none of "
                                         f"{' x '.join(map(str, counts))} (from 0); correct it")  # fmt: skip
        return self

    @property
    def metres(self) -> float:
        """One ``length_unit`` in metres."""
        return si_factor(self.length_unit)

    @property
    def specs(self) -> dict[str, ParameterSpec]:
        """The parameters as those of a contract."""
        units = {
            name: self.length_unit if table.unit is None else table.unit for name, table in self.parameters.items()
        }
        return {
            name: ParameterSpec(unit=units[name], low=in_si(table.low, units[name]),
                                high=in_si(table.high, units[name]), role="geometry")
            for name, table in self.parameters.items()
        }  # fmt: skip

    @property
    def defaults(self) -> dict[str, float]:
        """Default of each parameter, metres."""
        return {name: in_si(self.parameters[name].default, spec.unit) for name, spec in self.specs.items()}

    def shown(self, name: str, value: float) -> str:
        """A parameter's value in metres as people read it: ``nose = 10 mm``."""
        unit = self.specs[name].unit
        return f"{name} = {from_si(value, unit):.6g} {unit}"


def read_morph(file: str | os.PathLike[str]) -> MorphConfig:
    """What a ``morph.toml`` says.

    Raises:
        ContractError: Not TOML, or a key that is unknown or wrong; file and key are named.
    """
    try:
        data = tomllib.loads(Path(file).read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ContractError(f"{file}: does not exist; `docs/howto/morph.md` has one to copy") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ContractError(f"{file}: cannot be read as TOML ({error}); correct it") from error
    if number := first_not_finite(data):
        raise ContractError(f"{file}: {number}")
    try:
        return MorphConfig.model_validate(data)
    except ValidationError as error:
        raise ContractError(f"{file}: {fault_of(error, CONFIG)}") from error
