"""A report to hand on: what it says, that it needs nothing outside itself, and how it is asked for."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tramontane.cli import app
from tramontane.dataset import Dataset
from tramontane.errors import TramontaneError
from tramontane.evaluation import evaluate, pdf
from tramontane.evaluation.document import write_report
from tramontane.evaluation.inputs import explained_by_inputs
from tramontane.evaluation.learning import _extrapolated, learning_curve
from tramontane.evaluation.report import Report
from tramontane.surrogate import Surrogate


class Page(HTMLParser):
    """Text of a page, and what its elements refer to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.text, self.sources, self.pictures = "", list[str](), 0
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [str(value) for key, value in attrs if key in ("src", "href", "xlink:href")]
        self.pictures += tag == "svg"

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def report(kriging: Surrogate, dataset: Dataset) -> Report:
    return evaluate(kriging, dataset, split="all")


def test_it_has_every_figure_beside_its_baselines_and_nothing_from_outside(
    report: Report, kriging: Surrogate, dataset: Dataset, tmp_path: Path
) -> None:
    write_report(report, tmp_path / "report.html", surrogate=kriging, dataset=dataset, title="<b>Our</b> model")
    page = Page(tmp_path / "report.html")
    assert "<b>Our</b> model" in page.text  # as text, not as markup
    for name, f in report.fields.items():
        assert name in page.text
        assert f"{100 * f.relative_l2:.3g}" in page.text
        assert all(f"{100 * error:.3g}" in page.text for error in f.baselines.values())
        assert f.coverage is not None
        assert len(f.coverage.reliability) == 7
    for heading in ("What the model must not be used for", "Intervals: what they held", "Verdicts",
                    "The worst cases", "Predicted and true", "Which inputs matter"):  # fmt: skip
        assert heading in page.text
    assert all(source.startswith(("data:", "#")) for source in page.sources)
    assert sum(source.startswith("data:image/png") for source in page.sources) >= 1
    assert page.pictures >= 2 * len(report.fields)
    assert "load 1" in page.text  # the range that was trained on


def test_what_the_figures_speak_against_is_said(
    report: Report, kriging: Surrogate, dataset: Dataset, tmp_path: Path
) -> None:
    bad = report.model_copy(deep=True)
    name, field = next(iter(bad.fields.items()))
    field.baselines["nearest"] = field.relative_l2 * 1.01
    assert field.coverage is not None
    for point in field.coverage.reliability:
        point.coverage, point.low, point.high = 0.5, 0.4, 0.6
    write_report(bad, tmp_path / "bad.html", surrogate=kriging, dataset=dataset, pictures=0)
    text = Page(tmp_path / "bad.html").text
    assert f"{name}: its error of {100 * field.relative_l2:.2g} % is hardly below that of the baseline" in text
    assert f"{name}: decisions by its interval; stated with 90 % it held in 50 % (40 to 60 %)." in text


def test_cases_without_a_verdict_and_odd_names_are_no_hindrance(
    report: Report, kriging: Surrogate, dataset: Dataset, tmp_path: Path
) -> None:
    """Of a cross-validation some models may be of too few cases to judge; a table's heads may have any signs."""
    odd = report.model_copy(deep=True)
    odd.verdicts.pop(report.cases[0])
    odd.inputs = {"mass": {"cost $a^$ <b>": 0.5}}
    write_report(odd, tmp_path / "odd.html", surrogate=kriging, dataset=dataset, pictures=0)
    assert "cost $a^$ <b>" in Page(tmp_path / "odd.html").text


def test_one_command_writes_it_as_html_and_as_pdf(
    kriging: Surrogate, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kriging.save(tmp_path / "model")
    html, file = tmp_path / "out" / "report.html", tmp_path / "out" / "report.pdf"
    command = ["evaluate", str(tmp_path / "model"), str(dataset.path), "--no-learning-curve"]
    try:
        pdf.browser()
    except TramontaneError:
        pytest.skip("no Chromium, Chrome or Edge is installed")
    result = CliRunner().invoke(app, [*command, "--html", str(html), "--pdf", str(file)])
    assert result.exit_code == 0, result.output
    assert f"Wrote {file}" in result.output.replace("\n", "")
    assert file.read_bytes().startswith(b"%PDF")
    assert Page(html).pictures
    assert sorted(path.name for path in html.parent.iterdir()) == ["report.html", "report.pdf"]
    monkeypatch.setenv(pdf.VARIABLE, "no-such-browser")
    result = CliRunner().invoke(app, [*command, "--pdf", str(file)])
    assert "TRAMONTANE_BROWSER is no-such-browser, which is no program" in str(result.exception)


def test_a_learning_curve_falls_and_is_taken_on(kriging: Surrogate, dataset: Dataset) -> None:
    train = kriging.record.data.train * 2  # a half of twice as many names is what there is
    assert learning_curve(kriging, dataset, dataset.splits["test"], train[:8]) is None
    assert _extrapolated([10, 20, 40], [0.4, 0.2, 0.1], 80) == pytest.approx(0.05)
    assert _extrapolated([10, 20, 40], [0.1, 0.2, 0.4], 80) == 0.4  # more cases are not expected to harm


def test_the_input_that_matters_is_found() -> None:
    class Stored:
        """Thirty cases of which ``y = a^2`` and ``b`` has no part in it."""

        class contract:  # noqa: N801
            parameters, qoi = {"a": None, "b": None}, {"y": None}

        rng = np.random.default_rng(0)
        table: Any = rng.uniform(-1, 1, (30, 2))

        def parameters(self, name: str) -> dict[str, float]:
            return dict(zip("ab", self.table[int(name)], strict=True))

        def qoi(self, name: str) -> dict[str, float]:
            return {"y": float(self.table[int(name), 0] ** 2)}

    stored: Any = Stored()
    shares = explained_by_inputs(stored, [str(i) for i in range(30)])["y"]
    assert shares["a"] == pytest.approx(1.0)
    assert shares["b"] < 0.2
    assert explained_by_inputs(stored, ["0", "1"]) == {}
    stored.table[:, 1] = np.arange(30) == 7  # a case alone has another b, and the largest y
    stored.table[7, 0] = 20.0
    assert explained_by_inputs(stored, [str(i) for i in range(30)])["y"]["b"] < 0.05
