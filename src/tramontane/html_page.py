"""A page in one HTML file: nothing outside it is needed to read it, and nothing in it can load anything."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from tramontane.errors import DatasetError

Cell = tuple[str, float | str | None]
"""What a cell of a table shows, and what its column is sorted by."""


def write_page(
    file: str | os.PathLike[str], title: str, header: str, sections: Sequence[str], *, script: str = ""
) -> None:
    """Write a page; an older one is replaced once the new one is whole.

    Args:
        file: To write; its folder is made.
        title: Of the page.
        header: Markup below the title.
        sections: Markup, each of `section`; empty ones are left out.
        script: JavaScript that the page runs, beside that which sorts tables.

    Raises:
        DatasetError: The file cannot be written.
    """
    text = "\n".join([
        _HEAD.format(title=escape(title)),
        f"<header><h1>{escape(title)}</h1>{header}</header><main>",
        *filter(None, sections),
        f"</main><footer>Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by tramontane.</footer>",
        f"<script>{_SORT}{script}</script></body></html>\n",
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


def section(heading: str, body: str) -> str:
    """A part of the page; nothing where it has no body."""
    return f"<section><h2>{escape(heading)}</h2>{body}</section>" if body else ""


def paragraphs(lines: Sequence[str], kind: str = "") -> str:
    """Sentences, a paragraph each."""
    return "".join(f'<p class="{kind}">{escape(line)}</p>' for line in lines)


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell | str]]) -> str:
    """A table of figures that sorts by its columns; of a bare text, by itself."""
    head = "".join(f'<th scope="col"><button type="button">{escape(name)}</button></th>' for name in heads)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table class="figures"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(cell: Cell | str) -> str:
    text, key = (cell, cell) if isinstance(cell, str) else cell
    return f'<td data-sort="{escape("" if key is None else str(key), quote=True)}">{escape(text)}</td>'


def picture(png: bytes, name: str, caption: str = "") -> str:
    """A figure with a caption."""
    data = base64.b64encode(png).decode("ascii")
    name = escape(name)
    return (f'<figure class="picture"><img alt="{escape(name, quote=True)}" src="data:image/png;base64,{data}">'
            f"<figcaption><b>{name}</b> {escape(caption)}</figcaption></figure>")  # fmt: skip


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
.figures :is(th, td) {{ white-space: normal; overflow-wrap: normal; }} .figures th {{ vertical-align: bottom; }}
.figures td:first-child {{ min-width: 11rem; }}
@media print {{ body {{ max-width: none; }} .wide {{ overflow: visible; }} table {{ min-width: 0; font-size: .75rem; }}
  figure, tr {{ break-inside: avoid; }} h2 {{ break-after: avoid; }} }}
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
