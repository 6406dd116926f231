"""What was skipped, told once for each reason: a program that is missing concerns many tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any


def folded(reports: Iterable[Any]) -> list[str]:
    """A line for each reason, with the number of tests (or files) that were skipped for it."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for report in reports
    )
    by_reason = sorted(reasons.items(), key=lambda each: each[0].lower())
    return [f"SKIPPED [{count}] {reason}" for reason, count in by_reason]
