"""What is on record of a model's versions: cases, parent, figures, and why each was promoted or not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console

from tramontane.errors import SurrogateError
from tramontane.io.atomic import write_json

FORMAT = "tramontane versions"
_NAMED = 6  # new cases that a line names


def now() -> str:
    """The time as it is recorded: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Figure(_Record):
    """What a version reaches of one field or QoI on the frozen test cases, and what the version before it does.

    Attributes:
        name: Such as ``surface/pressure``, or a QoI's.
        kind: ``error`` (relative, a share), ``interval score`` (over the magnitude, a share: the narrower and the more
            often true, the lower), or ``coverage`` (the share that intervals of ``level`` hold).
        before: Of the promoted version; None where there was none, or it states no such figure.
        value: Of this one; None where it states no such figure.
        level: Of a coverage.
        is_worse: Whether it is, by more than the tolerance.
    """

    name: str
    kind: str
    before: float | None
    value: float | None
    level: float | None = None
    is_worse: bool = False

    def __str__(self) -> str:
        before = "" if self.before is None else f", was {_percent(self.before)}"
        return f"{self.name}: {self.kind} {_percent(self.value)}{before}"


class Promotion(_Record):
    """That a version became the one that is served under the plain name, and why."""

    time: str
    reason: str


class Version(_Record):
    """A version of a model.

    Attributes:
        number: From 1.
        hash: SHA-256 of its manifest.
        time: When it was recorded.
        parent: The version that was promoted when it was trained; None of the first.
        model: What predicts.
        data: The dataset that it was trained on, and
        fingerprint: its.
        cases: Hash of each training case, by name.
        new: Training cases that the parent did not have.
        test: Hash of each frozen test case, by name.
        tolerance: By how much a figure may be worse, as a share of it.
        figures: On these test cases.
        note: Why the two could not be compared, where they could not.
        reason: Why it was trained, in the words of whoever did.
        promotions: When and why it was promoted; none of one that was not.
    """

    number: int
    hash: str
    time: str = Field(default_factory=now)
    parent: int | None = None
    model: str = ""
    data: str = ""
    fingerprint: str = ""
    cases: dict[str, str] = {}
    new: list[str] = []
    test: dict[str, str] = {}
    tolerance: float | None = None
    figures: list[Figure] = []
    note: str = ""
    reason: str = ""
    promotions: list[Promotion] = []

    @property
    def worse(self) -> list[Figure]:
        """The figures that are worse than the parent's."""
        return [figure for figure in self.figures if figure.is_worse]


class History(_Record):
    """All versions of a model, the oldest first."""

    format: str = FORMAT
    versions: list[Version] = []

    def find(self, number: int, where: Path) -> Version:
        """A version by its number.

        Args:
            number: Of the version.
            where: The model, for a message.

        Raises:
            SurrogateError: There is none.
        """
        for version in self.versions:
            if version.number == number:
                return version
        known = ", ".join(f"@{version.number}" for version in self.versions) or "none"
        raise SurrogateError(f"{where}: has no version {number} on record; it has {known}")

    def save(self, file: Path) -> None:
        """Write it, whole or not at all."""
        write_json(file, self.model_dump(mode="json"))

    @classmethod
    def read(cls, file: Path) -> History:
        """What stands in a file; an empty one where there is none.

        Raises:
            SurrogateError: It is damaged.
        """
        try:
            found = cls.model_validate(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, ValidationError, RecursionError) as error:
            reason = str(error).splitlines()[0][:200]
            raise SurrogateError(f"{file}: cannot be read ({reason}); restore it from a copy, or move it away to "
                                 "begin a new history") from error  # fmt: skip
        if found.format != FORMAT:
            raise SurrogateError(f"{file}: is no history of versions; move it away to begin one")
        return found

    def print(self, console: Console, name: str, promoted: int | None) -> None:
        """The story, a few lines a version.

        Args:
            console: Where.
            name: Of the model.
            promoted: The version that is served under that name.
        """
        lines = []
        for version in self.versions:
            mark = " (promoted)" if version.number == promoted else ""
            parent = "" if version.parent is None else f", from @{version.parent}"
            lines.append(f"{name}@{version.number}{mark}  {version.time}  {version.model}{parent}")
            lines.append(f"  data: {len(version.cases)} cases of {version.data or 'unknown data'}{_new(version)}")
            if version.reason:
                lines.append(f"  reason: {version.reason}")
            if version.figures:
                errors = "; ".join(str(figure) for figure in version.figures if figure.kind == "error")
                lines.append(f"  on {len(version.test)} test cases: {errors}")
            if version.note:
                lines.append(f"  not compared: {version.note}")
            lines += [f"  worse: {figure}" for figure in version.worse]
            lines += [f"  promoted {each.time}: {each.reason}" for each in version.promotions]
        if promoted is None and lines:
            lines.append(f"{name} is none of these; the next training with --version-of records it")
        for line in lines:
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def _percent(share: float | None) -> str:
    if share is None:
        return "none"
    percent = 100 * share
    if 0 < percent < 0.01:
        return "below 0.01 %"
    return f"{percent:.3g} %" if percent < 1000 else f"{percent:.0f} %"


def _new(version: Version) -> str:
    if version.parent is None or not version.new:
        return ""
    named = ", ".join(version.new[:_NAMED]) + (", ..." if len(version.new) > _NAMED else "")
    return f", {len(version.new)} new ({named})"
