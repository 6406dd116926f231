"""An audit as one HTML file: nothing outside it is needed to read it."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from rich.console import Console

from tramontane.case import Case
from tramontane.dataset.audit.charts import histogram
from tramontane.dataset.audit.consistency import Audit, Problem
from tramontane.dataset.audit.report import Report, Row, rows_of
from tramontane.errors import DatasetError
from tramontane.progress import follow
from tramontane.units import from_si

_TRIED = 3  # cases read for pictures, as a multiple of the pictures wanted


def write_report(
    found: Report | Audit,
    file: str | os.PathLike[str],
    *,
    read_again: Callable[[str], Case] | None = None,
    pictures: int = 6,
    title: str = "",
    console: Console | None = None,
) -> None:
    """Write what an audit found as a page: summary, pictures of the worst, the table of the set, findings, histograms.

    Args:
        found: By `inspect_path` or an ingest.
        file: To write; an older one is replaced.
        read_again: Reads a case by its name, for pictures; the report's own where it has one. Without, there are none.
        pictures: How many at most.
        title: Of the page; the path that was looked at where empty.
        console: Where progress is shown.

    Raises:
        DatasetError: The file cannot be written.
    """
    report = found if isinstance(found, Report) else None
    audit = found.audit if isinstance(found, Report) else found
    heading = title or (str(report.path) if report else "Cases")
    rows = rows_of(audit)
    reader = read_again or (report.read_again if report else None)
    shown = list(_pictures(audit, reader, pictures, console)) if reader is not None and pictures > 0 else []
    text = "\n".join([
        _HEAD.format(title=escape(heading)),
        f"<header><h1>{escape(heading)}</h1>{_summary(report, audit, rows)}</header><main>",
        _section("The worst, in pictures", f'<div class="grid pictures">{"".join(shown)}</div>') if shown else "",
        _section("The set", _table(rows)),
        _section("Findings", _findings(audit, rows)),
        _section("Ranges over the cases", _charts(audit)),
        f"</main><footer>Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by tramontane.</footer>",
        f"<script>{_SORT}</script></body></html>\n",
    ])  # fmt: skip
    target = Path(file)
    temporary = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(text, encoding="utf-8", errors="replace")
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(f"{target}: cannot be written ({error}); choose another file") from error


def _section(heading: str, body: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>{body}</section>"


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
        told = f"{first.components} at {first.location}s, lowest and highest value of each case"
        chart = histogram(series, label=f"field {key}", unit=first.unit, odd=odd.get(f"field {key}", ()))
        figures.append((f"field {key}", told, chart))
    for kind, table in (("parameter", audit.parameters), ("QoI", audit.qoi)):
        for name, numbers in table.items():
            unit = audit.units[name]
            values = {case: from_si(value, unit) for case, value in numbers.items()}
            chart = histogram({"": values}, label=f"{kind} {name}", unit=unit, odd=odd.get(f"{kind} {name}", ()))
            figures.append((f"{kind} {name}", "", chart))
    if not figures:
        return "<p>There are no fields, parameters or QoIs.</p>"
    body = "".join(f"<figure><figcaption><b>{escape(name)}</b> {escape(told)}</figcaption>{chart}</figure>"
                   for name, told, chart in figures)  # fmt: skip
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
            picture = draw(read_again(problem.case), problem, length_unit=audit.length_unit)
        except Exception as error:  # the report is worth having without a picture, whatever VTK or a file says
            reason = " ".join(str(error).split()) or type(error).__name__
            yield f'<p class="quiet">{escape(f"No picture of case {problem.case}, {problem.place}: {reason}")}</p>'
            continue
        if picture is not None:
            drawn += 1
            data = base64.b64encode(picture.png).decode("ascii")
            name = escape(f"case {problem.case}: {picture.caption}")
            yield (f'<figure class="picture"><img alt="{escape(name, quote=True)}" src="data:image/png;base64,{data}">'
                   f"<figcaption><b>{name}</b> {escape(problem.message)}</figcaption></figure>")  # fmt: skip


def _worst(audit: Audit) -> list[Problem]:
    """Problems that can be seen, errors first; of each place one before a second, each case once for a place."""
    from tramontane.dataset.audit.pictures import SEEN

    turns: dict[str, int] = {}
    ranked: list[tuple[int, str, int, Problem]] = []
    seen: set[tuple[str, str]] = set()
    for problem in sorted(audit.problems, key=lambda problem: problem.severity):
        place = (problem.case, problem.place)
        visible = problem.place.startswith("field ") or problem.place in SEEN
        if problem.case and visible and place not in seen:
            seen.add(place)
            turns[problem.place] = turns.get(problem.place, 0) + 1
            ranked.append((turns[problem.place], problem.severity, len(ranked), problem))
    return [problem for *_, problem in sorted(ranked, key=lambda entry: entry[:3])]


def _anchor(case: str) -> str:
    """A name that an address can carry, and no other case has."""
    return "case-" + case.encode("utf-8", errors="surrogatepass").hex()


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title><style>
:root {{ color-scheme: light dark; --ground: #fff; --ink: #1b2430; --quiet: #5b6673; --line: #d5dbe2; --card: #f5f7f9;
  --error: #b4123c; --warning: #8a5a00; --ok: #1c6b3c; --low: #9db7d6; --high: #2d6cb0; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ground: #12161b; --ink: #e4e9ee; --quiet: #9aa6b2; --line: #313a44;
  --card: #1a2027; --error: #ff7d9c; --warning: #f0b95a; --ok: #74cf97; --low: #4b6580; --high: #7fb2ea; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1rem; max-width: 72rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.4rem; }} h2 {{ font-size: 1.15rem; margin-top: 2rem; }}
.quiet, footer {{ color: var(--quiet); font-size: .9rem; margin: .3rem 0; }}
.tiles {{ display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; list-style: none; }}
.tiles li {{ background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .8rem; }}
.tiles b {{ font-size: 1.3rem; }}
.error > b, span.error, tr.error td:nth-child(2) {{ color: var(--error); }}
.warning > b, span.warning, tr.warning td:nth-child(2) {{ color: var(--warning); }}
.ok > b, tr.ok td:nth-child(2) {{ color: var(--ok); }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; min-width: 54rem; width: 100%; font-size: .9rem; }}
th, td {{ border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top; }}
th button {{ all: unset; cursor: pointer; font-weight: 600; }}
th button:focus-visible, summary:focus-visible {{ outline: 2px solid var(--high); }}
th[aria-sort=ascending] button::after {{ content: " \\2191"; }}
th[aria-sort=descending] button::after {{ content: " \\2193"; }}
a {{ color: inherit; }}
details {{ border-bottom: 1px solid var(--line); padding: .3rem 0; }} summary {{ cursor: pointer; font-weight: 600; }}
th, td:nth-child(2), td:nth-child(4) {{ white-space: nowrap; }}
.grid {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); gap: 1rem; }}
.pictures {{ grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }}
figure {{ margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .7rem; }}
figcaption {{ font-size: .9rem; }} img {{ width: 100%; height: auto; border-radius: .3rem; background: #fff; }}
svg {{ width: 100%; height: auto; }} svg text {{ font-size: 11px; fill: var(--quiet); }}
svg line {{ stroke: var(--line); }} .bar0 {{ fill: var(--low); }} .bar1 {{ fill: var(--high); fill-opacity: .75; }}
.odd {{ fill: var(--error); }}
</style></head><body>"""

_SORT = """
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.querySelectorAll("th")], body = table.tBodies[0];
  heads.forEach((head, column) => head.firstChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[column].dataset.sort;
    const order = (a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      const numbers = column > 0 && !isNaN(x) && !isNaN(y);
      return (down ? -1 : 1) * (numbers ? x - y : x.localeCompare(y, undefined, {numeric: true}));
    };
    [...body.rows].sort(order).forEach(row => body.append(row));
  }));
}
"""
