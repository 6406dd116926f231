"""The command that morphs a surface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.table import Table

from tramontane.cli.common import Out, app, console, pairs_of


@app.command()
def morph(
    surface: Annotated[Path, typer.Argument(help="A closed triangle surface: STL, OBJ, PLY, VTP.")],
    config: Annotated[Path, typer.Option("--with", help="The morph.toml that says what varies.")],
    setting: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", help="NAME=VALUE of a parameter; the others have their default."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Measure the shape; without --set, each parameter's ends one by one.")
    ] = False,
    out: Out = None,
) -> None:
    """Move parts of a triangle surface by parameters, without CAD, and check what comes out."""
    from tramontane.design import Design
    from tramontane.errors import GeometryError
    from tramontane.formats.surfaces.morphed import MorphedGeometry

    if out is None and not check:
        raise typer.BadParameter("give a file to write, or --check", param_hint="--out")
    given: dict[str, Any] = pairs_of(setting or [], "--set")
    morphed, design = MorphedGeometry(surface, config), Design(**given)
    for notice in morphed.contract.excesses(morphed.values(design)):
        console.print(f"note: {notice}", highlight=False, markup=False)
    if check:
        shown = {"as given": design} if given else _ends(morphed)
        table = Table("design", "volume", "change", "thinnest wall", "worst triangle", "largest move", box=None)
        failed = list[GeometryError]()
        for name, each in shown.items():
            try:
                table.add_row(name, *_measures(morphed, each))
            except GeometryError as error:
                if len(shown) == 1:
                    raise
                failed.append(error)
        console.print(table)
        for refused in failed:
            console.print(str(refused), highlight=False, markup=False, soft_wrap=True)
        if failed:
            raise GeometryError(f"{config}: {len(failed)} of {len(shown)} designs cannot be used (above); narrow the "
                                "ranges, or change what moves")  # fmt: skip
    if out is not None:
        morphed.write(design, out)
        console.print(f"Wrote {out}", highlight=False, markup=False)


def _ends(morphed: Any) -> dict[str, Any]:
    """The design of all defaults, and both ends of each parameter."""
    from tramontane.design import Design
    from tramontane.units import Quantity, from_si

    designs = {"defaults": Design()}
    for name, spec in morphed.parameters.items():
        for end in (spec.low, spec.high):
            value = Quantity(from_si(end, spec.unit), spec.unit)
            designs[f"{name} = {value}"] = Design(**{name: value})
    return designs


def _measures(morphed: Any, design: Any) -> list[str]:
    unit, metres, report = morphed.config.length_unit, morphed.config.metres, morphed.report(design)
    return [
        f"{report.volume / metres**3:.6g} {unit}^3", f"{100 * report.volume_change:+.2f} %",
        f"{report.thickness / metres:.4g} {unit}", f"{report.quality:.3f}",
        f"{report.displacement / metres:.4g} {unit}",
    ]  # fmt: skip
