"""An audit as one HTML file: nothing outside it is needed to read it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from html import escape

from rich.console import Console

from tramontane.case import Case
from tramontane.dataset.audit.charts import histogram
from tramontane.dataset.audit.consistency import Audit, Problem
from tramontane.dataset.audit.report import Report, Row, rows_of
from tramontane.html_page import picture, section, write_page
from tramontane.progress import follow
from tramontane.units import from_si

_TRIED = 3  # cases read for pictures, as a multiple of the pictures wanted


def write_report(
    result: Report | Audit,
    file: str | os.PathLike[str],
    *,
    read_again: Callable[[str], Case] | None = None,
    pictures: int = 6,
    title: str = "",
    console: Console | None = None,
) -> None:
    """Write what an audit found as a page: summary, pictures of the worst, the table of the set, findings, histograms.

    Args:
        result: Of `inspect_path` or an ingest.
        file: To write; an older one is replaced.
        read_again: Reads a case by its name, for pictures; the report's own where it has one. Without, there are none.
        pictures: How many at most.
        title: Of the page; the path that was looked at where empty.
        console: Where progress is shown.

    Raises:
        DatasetError: The file cannot be written.
    """
    report = result if isinstance(result, Report) else None
    audit = result.audit if isinstance(result, Report) else result
    heading = title or (str(report.path) if report else "Cases")
    rows = rows_of(audit)
    reader = read_again or (report.read_again if report else None)
    shown = list(_pictures(audit, reader, pictures, console)) if reader is not None and pictures > 0 else []
    write_page(file, heading, _summary(report, audit, rows), [
        section("The worst, in pictures", f'<div class="grid pictures">{"".join(shown)}</div>' if shown else ""),
        section("The set", _table(rows)),
        section("Findings", _findings(audit, rows)),
        section("Ranges over the cases", _charts(audit)),
    ])  # fmt: skip


def _summary(report: Report | None, audit: Audit, rows: list[Row]) -> str:
    counts = {state: sum(row.state == state for row in rows) for state in ("ok", "warning", "error")}
    tiles = [(len(audit.cases), "cases read", ""), (counts["ok"], "without findings", "ok"),
             (counts["warning"], "with warnings", "warning"), (counts["error"], "not to be used", "error"),
             (len(audit.duplicate_groups()), "groups of copies", "")]  # fmt: skip
    body = "".join(f'<li class="{kind}"><b>{number}</b> {words}</li>' for number, words, kind in tiles)
    lines = [*([f"{report.kind}."] if report else []), *(report.notes if report else ())]
    lines += [f"Computed by {', '.join(sorted(audit.solvers))}."] if audit.solvers else []
    lines += [f"Units taken from names: {', '.join(f'{k} in {v}' for k, v in sorted(audit.assumed.items()))}."] if (
        audit.assumed) else []  # fmt: skip
    lines += [f"Arrays of whole numbers, no fields: {', '.join(sorted(audit.left_out))}."] if audit.left_out else []
    return f'<ul class="tiles">{body}</ul>' + "".join(f'<p class="quiet">{escape(line)}</p>' for line in lines)


def _table(rows: list[Row]) -> str:
    heads = ("case", "state", "points", "geometry", "length [m]", "residual", "copies", "findings")
    body = []
    for row in rows:
        places = ", ".join(sorted({problem.place for problem in row.problems}))
        cells: list[tuple[str, float | str | None]] = [
            (row.case, row.case),
            (row.state, {"error": 0.0, "warning": 1.0}.get(row.state, 2.0)),
            ("" if row.points is None else str(row.points), row.points),
            (row.geometry, row.geometry),
            ("" if row.length is None else f"{row.length:.4g}", row.length),
            ("" if row.residual is None else f"{row.residual:.2g}", row.residual),
            (", ".join(row.copies), float(len(row.copies))),
            (places, float(len(row.problems))),
        ]
        # A column of numbers sorts by its data, whatever is shown.
        body.append(f'<tr class="{row.state}">' + "".join(
            f'<td data-sort="{escape("" if key is None else str(key), quote=True)}">'
            + (f'<a href="#{_anchor(row.case)}">{escape(text)}</a>' if place == 0 and row.problems else escape(text))
            + "</td>" for place, (text, key) in enumerate(cells)) + "</tr>")  # fmt: skip
    head = "".join(f'<th scope="col"><button type="button">{escape(name)}</button></th>' for name in heads)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _findings(audit: Audit, rows: list[Row]) -> str:
    parts = []
    for_all = [problem for problem in audit.problems if not problem.case]
    if for_all:
        parts.append(f"<details open><summary>the set</summary>{_list(for_all)}</details>")
    for row in sorted(rows, key=lambda row: row.state):
        if row.problems:
            opened = " open" if row.state == "error" else ""
            name = f'{escape(row.case)} <span class="{row.state}">{row.state}</span>'
            parts.append(
                f'<details id="{_anchor(row.case)}"{opened}><summary>{name}</summary>{_list(row.problems)}</details>'
            )
    return "".join(parts) or "<p>Nothing looks wrong.</p>"


def _list(problems: Iterable[Problem]) -> str:
    lines = (f'<li class="{problem.severity}"><b>{escape(problem.place)}</b> {escape(problem.message)}</li>'
             for problem in problems)  # fmt: skip
    return f"<ul>{''.join(lines)}</ul>"


def _charts(audit: Audit) -> str:
    odd: dict[str, set[str]] = {}
    for problem in audit.problems:
        odd.setdefault(problem.place, set()).add(problem.case)
    figures = []
    for key, facts in audit.fields.items():
        first = next(iter(facts.values()))
        series = {"lowest": {case: fact.low for case, fact in facts.items()},
                  "highest": {case: fact.high for case, fact in facts.items()}}  # fmt: skip
        caption = f"{first.components} at {first.location}s, lowest and highest value of each case"
        chart = histogram(series, label=f"field {key}", unit=first.unit, odd=odd.get(f"field {key}", ()))
        figures.append((f"field {key}", caption, chart))
    for kind, table in (("parameter", audit.parameters), ("QoI", audit.qoi)):
        for name, numbers in table.items():
            unit = audit.units[name]
            values = {case: from_si(value, unit) for case, value in numbers.items()}
            chart = histogram({"": values}, label=f"{kind} {name}", unit=unit, odd=odd.get(f"{kind} {name}", ()))
            figures.append((f"{kind} {name}", "", chart))
    if not figures:
        return "<p>There are no fields, parameters or QoIs.</p>"
    body = "".join(f"<figure><figcaption><b>{escape(name)}</b> {escape(caption)}</figcaption>{chart}</figure>"
                   for name, caption, chart in figures)  # fmt: skip
    return f'<div class="grid">{body}</div>'


def _pictures(audit: Audit, read_again: Callable[[str], Case], count: int, console: Console | None) -> Iterator[str]:
    """Pictures of the worst problems, one of each kind before a second; and why one could not be drawn."""
    from tramontane.dataset.audit.pictures import draw

    drawn = 0
    chosen = _worst(audit)[: _TRIED * count]
    for problem in follow(chosen, "drawing", len(chosen), console, thing="picture"):
        if drawn == count:
            return
        try:
            drawing = draw(read_again(problem.case), problem, length_unit=audit.length_unit)
        except Exception as error:  # the report is worth having without a picture, whatever VTK or a file says
            reason = " ".join(str(error).split()) or type(error).__name__
            yield f'<p class="quiet">{escape(f"No picture of case {problem.case}, {problem.place}: {reason}")}</p>'
            continue
        if drawing is not None:
            drawn += 1
            yield picture(drawing.png, f"case {problem.case}: {drawing.caption}", problem.message)


def _worst(audit: Audit) -> list[Problem]:
    """Problems that can be seen, errors first; of each place one before a second, each case once for a place."""
    from tramontane.dataset.audit.pictures import SEEN

    turns: dict[str, int] = {}
    ranked: list[tuple[int, str, int, Problem]] = []
    shown_places: set[tuple[str, str]] = set()
    for problem in sorted(audit.problems, key=lambda problem: problem.severity):
        place = (problem.case, problem.place)
        visible = problem.place.startswith("field ") or problem.place in SEEN
        if problem.case and visible and place not in shown_places:
            shown_places.add(place)
            turns[problem.place] = turns.get(problem.place, 0) + 1
            ranked.append((turns[problem.place], problem.severity, len(ranked), problem))
    return [problem for *_, problem in sorted(ranked, key=lambda entry: entry[:3])]


def _anchor(case: str) -> str:
    """A name that an address can carry, and no other case has."""
    return "case-" + case.encode("utf-8", errors="surrogatepass").hex()
