"""Charts of a report, as SVG within a page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from tramontane.evaluation.coverage import Reliability
from tramontane.evaluation.learning import LearningCurve

INK, QUIET, BLUE, RED = "#1b2430", "#5b6673", "#2d6cb0", "#b4123c"
_STYLE: Any = {
    "font.size": 9, "axes.edgecolor": QUIET, "text.color": INK, "axes.labelcolor": INK, "xtick.color": QUIET,
    "ytick.color": QUIET, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none",
}  # fmt: skip


def reliability_chart(points: Sequence[Reliability], *, label: str) -> str:
    """What intervals held over the level that they state, with its sampling band; exact ones lie on the diagonal."""
    figure, axes = new_axes()
    levels = [100 * point.level for point in points]
    axes.plot([50, 100], [50, 100], color=QUIET, linewidth=1, linestyle="--")
    axes.fill_between(levels, [100 * point.low for point in points], [100 * point.high for point in points],
                      color=BLUE, alpha=0.2, linewidth=0)  # fmt: skip
    axes.plot(levels, [100 * point.coverage for point in points], color=BLUE, marker="o", markersize=3)
    axes.set(xlabel="stated [%]", ylabel="held [%]", xlim=(48, 101), ylim=(min(40.0, *_percent(points)), 101))
    return as_svg(figure, f"{label}: held against stated")


def _percent(points: Sequence[Reliability]) -> list[float]:
    return [100 * point.low for point in points]


def scatter_chart(true: Sequence[float], predicted: Sequence[float], *, label: str, unit: str) -> str:
    """Predicted over true values; exact ones lie on the diagonal."""
    figure, axes = new_axes()
    low, high = min([*true, *predicted]), max([*true, *predicted])
    axes.plot([low, high], [low, high], color=QUIET, linewidth=1, linestyle="--")
    axes.plot(true, predicted, color=BLUE, marker="o", markersize=4, linestyle="", alpha=0.7)
    of = f" [{literal(unit)}]" if unit else ""
    axes.set(xlabel=f"true{of}", ylabel=f"predicted{of}")
    return as_svg(figure, f"{label}: predicted against true")


def verdict_chart(scores: Sequence[float], errors: Sequence[float], *, label: str) -> str:
    """Error of each case over the score of its verdict; from half on a case is called outside."""
    figure, axes = new_axes()
    axes.axvline(0.5, color=RED, linewidth=1, linestyle="--")
    axes.plot(scores, [100 * error for error in errors], color=BLUE, marker="o", markersize=4, linestyle="", alpha=0.7)
    axes.set(xlabel="verdict's score", ylabel="relative L2 error [%]", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    return as_svg(figure, f"{label}: error over the verdict's score")


def learning_chart(curve: LearningCurve, names: Sequence[str]) -> str:
    """Errors over the number of training cases, and on to more of them."""
    figure, axes = new_axes(wide=True)
    for name in names:
        (line,) = axes.plot(curve.cases, [100 * error for error in curve.errors[name]], marker="o", markersize=4,
                            label=literal(name))  # fmt: skip
        axes.plot([curve.cases[-1], curve.more], [100 * curve.errors[name][-1], 100 * curve.expected[name]],
                  color=line.get_color(), linestyle=":", marker="o", markersize=4, fillstyle="none")  # fmt: skip
    axes.set(xlabel="training cases", ylabel="error [%]", yscale="log")
    axes.legend(frameon=False, fontsize=8)
    return as_svg(figure, "errors over the number of training cases")


def bars_chart(shares: Mapping[str, float], *, label: str) -> str:
    """A share in percent for each name, the largest first."""
    names = sorted(shares, key=lambda name: shares[name])
    figure, axes = new_axes()
    axes.barh([literal(name) for name in names], [100 * shares[name] for name in names], color=BLUE)
    axes.set(xlabel="explained by itself [%]", xlim=(0, 100))
    return as_svg(figure, f"{label}: what inputs explain")


def literal(text: str) -> str:
    """As matplotlib takes it: what stands between two dollars is no formula."""
    return text.replace("$", r"\$")


def new_axes(*, wide: bool = False) -> tuple[Any, Any]:
    """A figure of a report, and its axes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4 if wide else 3.4, 2.9), layout="constrained")
        return figure, figure.add_subplot()


def as_svg(figure: Any, label: str) -> str:
    """A figure as markup of a page; the label is what is read out."""
    import html

    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    aria_label = html.escape(label, quote=True)
    return text[text.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{aria_label}"', 1)
