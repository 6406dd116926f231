"""What is said of most cases of a set, word for word, is said once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tramontane.dataset.audit.facts import CaseFacts, Problem

_BUT = 3  # cases that a sentence names as its exceptions


def merge_warnings(problems: Sequence[Problem], facts: Mapping[str, CaseFacts]) -> list[Problem]:
    """The problems, a warning that half of the cases have, or more, as one of the set in the place of the first.

    Args:
        problems: Of the cases and of the set.
        facts: Of all cases, by name.
    """
    alike: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        # A geometry with holes stays a case's own: there is a picture of it.
        if problem.severity == "warning" and problem.case in facts and problem.place != "geometry":
            alike.setdefault((problem.place, _without_case(problem, facts[problem.case])), []).append(problem)
    sentences: dict[int, str | None] = {}
    for (_, sentence), group in alike.items():
        names = {problem.case for problem in group}
        if len(names) > 1 and 2 * len(names) >= len(facts):
            others = [name for name in facts if name not in names]
            if len(others) > _BUT:
                which = f"{len(names)} of {len(facts)} cases"
            else:
                which = "all cases" + (f" but {', '.join(others)}" if others else "")
            sentences |= dict.fromkeys(map(id, group)) | {id(group[0]): f"in {which}: {sentence}"}
    kept = []
    for problem in problems:
        if id(problem) not in sentences:
            kept.append(problem)
        elif (shared := sentences[id(problem)]) is not None:
            kept.append(Problem("warning", "", problem.place, shared))
    return kept


def _without_case(problem: Problem, facts: CaseFacts) -> str:
    """What a problem says beside which case and which of its files it is about; of a file, the kind remains."""
    sentence = re.sub(rf"^case {re.escape(problem.case)}(?: \([^()]*\))?: ", "", problem.message)
    head, message, rest = sentence.partition(": ")
    file = Path(head).name
    if not message or (file not in {Path(each).name for each in facts.files.values()} and "/" not in head):
        return sentence
    return f"{'*' + Path(file).suffix if Path(file).stem == problem.case else file}: {rest}"
