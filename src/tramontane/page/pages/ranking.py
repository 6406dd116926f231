"""Many designs of a model: what is asked of each, and what was answered, as rows that can be sorted and saved."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tramontane.contract import Contract
from tramontane.errors import FormatError
from tramontane.formats.tables.designs import read_designs
from tramontane.page.controls.design_panel import place_of
from tramontane.page.language.readable_units import shown
from tramontane.page.language.words import Words
from tramontane.page.view.asking import parameters_of
from tramontane.page.view.state import View
from tramontane.service.jobs.schemas import DesignAnswer
from tramontane.service.predictions.schemas import DesignRequest
from tramontane.service.registry import Served
from tramontane.units import from_si, parse_quantity, to_si

MOST = 1000  # designs in one ranking


@dataclass
class Candidate:
    """A design that is asked for.

    Attributes:
        name: Of the part, or of the table's line.
        geometry: Hash of the stored part; None where there is none.
        unit: Length unit of the part, where it is not the model's own.
        parameters: Those that its table states, as texts with units.
        refused: Why it cannot be asked for.
        index: Its place in the job.
        answer: What the job says of it.
    """

    name: str
    geometry: str | None = None
    unit: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    refused: str | None = None
    index: int | None = None
    answer: DesignAnswer | None = None

    def request(self, values: Mapping[str, float], contract: Contract) -> DesignRequest:
        """What is asked: the table's parameters, else those that are the same for all."""
        same = {name: f"{value!r} {contract.parameters[name].unit}".rstrip() for name, value in values.items()}
        return DesignRequest(geometry=self.geometry, length_unit=self.unit, parameters={**same, **self.parameters})

    @property
    def state(self) -> str:
        """``sent``, ``waiting``, ``inside``, ``edge``, ``outside`` or ``failed``."""
        if self.refused is not None or (self.answer is not None and self.answer.state == "failed"):
            return "failed"
        if self.answer is None or self.answer.summary is None:
            return "sent" if self.index is None else "waiting"
        return place_of(Words("en"), self.answer.summary.verdict, self.answer.summary.warnings)[0]

    def remarks(self, words: Words) -> list[str]:
        """Why it failed, or what to mind of its answer."""
        if self.refused is not None:
            return [self.refused]
        if self.answer is None:
            return []
        if self.answer.summary is None:
            return [self.answer.reason or ""] if self.answer.state == "failed" else []
        return place_of(words, self.answer.summary.verdict, self.answer.summary.warnings)[1]


def read_table(content: str, name: str, served: Served, parts: Mapping[str, str]) -> list[Candidate]:
    """The designs of a table, a line each.

    Args:
        content: A CSV file.
        name: Of the file.
        served: The model that is to be asked.
        parts: Hashes of stored parts by the names under which they were sent.

    Raises:
        FormatError: The table cannot be read; line and column are named.
    """
    needs_geometry, candidates = served.surrogate.needs_geometry, []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / (Path(name).name or "designs.csv")
        file.write_text(content, encoding="utf-8")
        try:
            collection = read_designs(file, length_unit=served.contract.length_unit)
        except FormatError as error:
            raise FormatError(str(error).replace(f"{folder}/", "")) from error
        for source in collection.sources[: MOST + 1]:
            stated = (collection.table or {}).get(source.name, {})
            values = {key: stated[key] for key in parameters_of(served) if key in stated}
            units = {key: value.unit or served.contract.parameters[key].unit for key, value in values.items()}
            each = Candidate(source.name, parameters={
                key: f"{value.value!r} {units[key]}".rstrip() for key, value in values.items()
            })  # fmt: skip
            if needs_geometry:
                part = source.files[0].name if source.files else ""
                each.geometry = parts.get(part)
                if each.geometry is None:
                    each.refused = f"its geometry, {part or 'which the table does not name'}, was not sent"
            candidates.append(each)
    return candidates


class Ranking:
    """The answers as a table.

    Args:
        words: Of the reader's language.
        served: The model that is asked.
        candidates: The designs.
        values: Parameters that are the same for all, in the model's units.
    """

    def __init__(self, words: Words, served: Served, candidates: list[Candidate], values: Mapping[str, float]) -> None:
        self.words, self.served, self.candidates, self.values = words, served, candidates, values
        contract = served.contract
        stated = {key for each in candidates for key in each.parameters}
        self.varied = [key for key in parameters_of(served) if key in stated]
        sizes: dict[str, list[float]] = {name: [] for name in contract.qoi}
        for each in candidates:
            if each.answer is not None and each.answer.summary is not None:
                for name, quantity in each.answer.summary.qoi.items():
                    if name in sizes and quantity.value is not None:
                        sizes[name].append(abs(quantity.value))
        self.units = {name: shown(spec, max(sizes[name], default=0.0)) for name, spec in contract.qoi.items()}

    def columns(self) -> list[dict[str, Any]]:
        """As the table's library takes them."""
        words, contract = self.words, self.served.contract
        heads = {f"p:{key}": (key, contract.parameters[key].unit) for key in self.varied}
        heads |= {f"q:{name}": (name, unit) for name, (unit, _) in self.units.items()}
        return [
            {"name": "name", "label": words("rank.part"), "field": "name", "sortable": True, "align": "left"},
            *({"name": key, "label": f"{name.replace('_', ' ')} [{unit or '–'}]", "field": key, "sortable": True,
               "align": "right"} for key, (name, unit) in heads.items()),
            {"name": "state", "label": words("rank.verdict"), "field": "state", "sortable": True, "align": "left"},
        ]  # fmt: skip

    def row(self, place: int) -> dict[str, Any]:
        """What the table shows of a design: texts, and under ``#`` what they are sorted by."""
        words, each = self.words, self.candidates[place]
        state = each.state
        row: dict[str, Any] = {"key": place, "name": each.name, "link": self._link(each), "kind": state,
                               "state": words(f"rank.{state}"), "remarks": each.remarks(words)}  # fmt: skip
        for key, value in self._parameters(each).items():
            row |= {f"p:{key}": words.editable(value), f"#p:{key}": value}
        for name, (value, low, high) in self._qoi(each).items():
            text = words.number(value)
            if low is not None and high is not None:
                text += f" ({words.number(low)} – {words.number(high)})"
            row |= {f"q:{name}": text, f"#q:{name}": value}
        return row

    def csv(self) -> str:
        """All rows for a spreadsheet or a program: numbers with a decimal point, units in the heads."""
        contract = self.served.contract
        heads = ["part", *(f"{key} [{contract.parameters[key].unit or '1'}]" for key in parameters_of(self.served))]
        for name, (unit, _) in self.units.items():
            heads += [f"predicted {name}{end} [{unit or '1'}]" for end in ("", " low", " high")]
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([*heads, "verdict", "remarks"])
        english = Words("en")
        for each in self.candidates:
            own, qoi = self._parameters(each, every=True), self._qoi(each)
            values: list[float | None] = [number for name in self.units for number in qoi.get(name, (None,) * 3)]
            cells = [own.get(key) for key in parameters_of(self.served)]
            remarks = "; ".join(each.remarks(english))
            writer.writerow([_plain(each.name), *(_digits(value) for value in [*cells, *values]), each.state,
                             _plain(remarks)])  # fmt: skip
        return text.getvalue()

    def _qoi(self, each: Candidate) -> dict[str, tuple[float, float | None, float | None]]:
        """Value and interval of each QoI in the unit that is shown."""
        summary = None if each.answer is None else each.answer.summary
        values: dict[str, tuple[float, float | None, float | None]] = {}
        for name, quantity in ({} if summary is None else summary.qoi).items():
            if name in self.units and quantity.value is not None:
                factor = self.units[name][1]
                low, high = (None if end is None else factor * end for end in (quantity.low, quantity.high))
                values[name] = factor * quantity.value, low, high
        return values

    def _parameters(self, each: Candidate, *, every: bool = False) -> dict[str, float]:
        """In the model's units: those that the table states, or all."""
        contract, parameters = self.served.contract, dict(self.values) if every else {}
        if each.answer is not None and each.answer.summary is not None:
            stated = {name: quantity.value for name, quantity in each.answer.summary.parameters.items()}
            return {
                name: value for name, value in stated.items() if value is not None and (every or name in self.varied)
            }
        for name, text in each.parameters.items():
            parameters[name] = _in_unit(text, contract.parameters[name].unit)
        return parameters

    def _link(self, each: Candidate) -> str:
        if each.refused is not None:
            return ""
        values = {
            key: value for key, value in self._parameters(each, every=True).items() if key in parameters_of(self.served)
        }
        view = View(model=self.served.name, geometry=each.geometry or "", unit=each.unit or "", parameters=values)
        return "/page/predict?" + urlencode({key: value for key, value in view.query().items() if value is not None})


def from_job(answers: Iterable[DesignAnswer], names: Mapping[str, str]) -> list[Candidate]:
    """The designs of a job that was submitted before, named by their geometries as far as these are known."""
    answers = list(answers)
    stated = {key for each in answers for key in each.parameters}
    texts = {key: {str(each.parameters.get(key)) for each in answers} for key in stated}
    varied = {key for key, own in texts.items() if len(own) > 1}
    candidates = []
    for each in answers:
        own = {key: str(value) for key, value in each.parameters.items() if key in varied}
        name = names.get(each.geometry or "") or str(each.index + 1)
        candidates.append(Candidate(name, each.geometry, each.length_unit, own, index=each.index, answer=each))
    return candidates


def _in_unit(text: str, unit: str) -> float:
    return from_si(to_si(parse_quantity(text), unit=unit, name="parameter"), unit)


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"


def _plain(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
