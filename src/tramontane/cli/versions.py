"""The versions of a model: their story, and which one stands under the plain name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from tramontane.cli.common import app, console
from tramontane.io.atomic import write_json


@app.command()
def history(
    model: Annotated[Path, typer.Argument(help="A model with versions, such as models/bracket.")],
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write all of it as JSON, too.")] = None,  # noqa: UP045
) -> None:
    """Print a model's versions: data, parent, figures on the frozen test cases, and why each was promoted or not."""
    from tramontane.bundle import history_of, promoted_version
    from tramontane.errors import SurrogateError

    found = history_of(model)
    if not found.versions:
        raise SurrogateError(f"{model}: has no versions; `tramontane train DATA --version-of {model}` makes one")
    promoted = promoted_version(model, found)
    found.print(console, model.name, promoted)
    if json_file is not None:
        write_json(json_file, {"promoted": promoted} | found.model_dump(mode="json"))
        console.print(f"Wrote {json_file}", highlight=False, markup=False)


@app.command()
def promote(
    version: Annotated[Path, typer.Argument(help="A version, such as models/bracket@3.")],
    reason: Annotated[str, typer.Option(help="Why, for its record.")],
) -> None:
    """Let a version stand under the plain name, whatever its figures say; also an earlier one again."""
    from tramontane.bundle import promote as run
    from tramontane.bundle import split_name

    name, number = split_name(version.name)
    if number is None:
        raise typer.BadParameter(f"{version} names no version; write {version}@3 or the like", param_hint="VERSION")
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    run(version.with_name(name), number, reason.strip())
    console.print(f"Promoted {version}", highlight=False, markup=False)
