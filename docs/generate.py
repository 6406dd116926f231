"""The parts of the reference that are made of the package's tables: model kinds, formats, solvers, the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from tramontane.cli import app
from tramontane.farm import known_executors
from tramontane.formats.readers import known_formats
from tramontane.solvers import known_solvers
from tramontane.studies import known_studies
from tramontane.surrogate.kinds import AUTO, KINDS
from tramontane.trust.physics_check import known_checks


def write(docs: Path) -> None:
    """Write all of them."""
    for place, text in (
        ("_generated/models.md", model_kinds()),
        ("_generated/formats.md", formats()),
        ("_generated/solvers.md", solvers()),
        ("_generated/executors.md", executors()),
        ("_generated/studies.md", studies()),
        ("_generated/checks.md", checks()),
        ("reference/cli.md", command_line()),
    ):
        file = docs / place
        file.parent.mkdir(exist_ok=True)
        if not file.is_file() or file.read_text(encoding="utf-8") != text:  # an unchanged page is not built again
            file.write_text(text, encoding="utf-8")


def model_kinds() -> str:
    """The table of `tramontane.surrogate.kinds`."""
    rows = [(f"`{AUTO}`", "the kind with the lowest cross-validation error", "", "")]
    rows += [
        (f"`{kind.name}`", kind.title, "yes" if kind.needs_fields else "no", "yes" if kind.by_steps else "no")
        for kind in KINDS.values()
    ]
    return _table(("`--model`", "what it is", "needs fields", "trained step by step"), rows)


def formats() -> str:
    """The table of `tramontane.formats.readers`: a row a format."""
    suffixes: dict[str, list[str]] = {}
    for suffix, each in known_formats().items():
        suffixes.setdefault(each.name, []).append(f"`{suffix}`")
    return _table(("format", "files"), [(name, ", ".join(found)) for name, found in sorted(suffixes.items())])


def solvers() -> str:
    """The table of `tramontane.solvers`."""
    rows = [
        (f"`{entry.name}`", entry.title, f"`pip install 'tramontane[{entry.extra}]'`" if entry.extra else "")
        for entry in known_solvers().values()
    ]
    return _table(("solver", "what it computes", "needs"), rows)


def executors() -> str:
    """The table of `tramontane.farm`."""
    return _table(("`--on`", "where designs run"), [(f"`{e.name}`", e.title) for e in known_executors().values()])


def studies() -> str:
    """The table of `tramontane.studies`."""
    return _table(("study", "what comes out"), [(f"`{study.name}`", study.title) for study in known_studies().values()])


def checks() -> str:
    """The table of `tramontane.trust.checks`."""
    rows = [(f"`{check.name}`", check.title, check.unit) for check in known_checks().values()]
    return _table(("check", "law", "unit of the residual"), rows) if rows else "None so far.\n"


def command_line() -> str:
    """A section for each command."""
    pages = ["# The command line\n", "`tramontane --help` and `tramontane COMMAND --help` say the same.\n"]
    for name, command in _commands(typer.main.get_command(app), "tramontane"):
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        usage = " ".join([name, "[OPTIONS]", *(a if p.required else f"[{a}]" for p in arguments for a in [_called(p)])])
        pages.append(f"## {name}\n\n{command.help}\n\n```\n{usage}\n```\n")
        options = [each for each in command.params if each.param_type_name == "option"]
        if arguments:
            pages.append(_table(("argument", "meaning"), [(f"`{_called(each)}`", _help(each)) for each in arguments]))
        if options:
            rows = [(_names(each), _help(each), _default(each)) for each in options]
            pages.append(_table(("option", "meaning", "default"), rows))
    return "\n".join(pages)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    # Commands are click's, or those of typer's own copy of click: what they have in common is used.
    below = getattr(command, "commands", None)
    if below is None:
        if hasattr(command, "name_entries"):
            command.name_entries()
        yield name, command
    else:
        for key, each in below.items():
            yield from _commands(each, f"{name} {key}")


def _called(argument: Any) -> str:
    return argument.metavar or argument.name.upper()


def _names(option: Any) -> str:
    return ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])


def _help(parameter: Any) -> str:
    text = parameter.help or ""
    return f"{text} Variable: `{parameter.envvar}`." if parameter.envvar else text


def _default(option: Any) -> str:
    return f"`{option.default}`" if option.default or (option.default == 0 and option.default is not False) else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
