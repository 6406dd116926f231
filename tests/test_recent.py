"""What is kept of what was computed, and what goes first."""

from __future__ import annotations

from tramontane.models.recent import Recent


def test_the_last_few_are_kept_within_their_room() -> None:
    made: list[str] = []
    recent = Recent(3, room=100)

    def ask(key: str, size: int = 30) -> str:
        def make() -> str:
            made.append(key)
            return key.upper()

        return recent.get(key, make, size=lambda _: size)

    assert [ask(key) for key in "abca"] == ["A", "B", "C", "A"]
    assert made == ["a", "b", "c"]
    ask("d")  # four are too many: b was asked for longest ago
    ask("a")
    assert made == ["a", "b", "c", "d"]
    ask("b")
    assert made[-1] == "b"
    ask("e", 90)  # no room beside it
    ask("a")
    assert made[-2:] == ["e", "a"]
    ask("f", 101)  # never kept, and drives out none
    ask("a")
    ask("f", 101)
    assert made[-2:] == ["f", "f"]
