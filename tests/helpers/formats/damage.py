"""Ways in which a file can be spoilt, and what readers must answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tramontane.errors import FormatError
from tramontane.formats.results import Results

Read = Callable[[Path], Results]


def assert_cut_off_is_said(read: Read, file: Path, target: Path | None = None, *, shares: tuple[float, ...]) -> None:
    """Cut ``target`` (by default the file itself) at several places: each time one line that names one of the two."""
    target = target or file
    whole = target.read_bytes()
    try:
        for share in (0.0, *shares):
            target.write_bytes(whole[: int(share * len(whole))])
            with pytest.raises(FormatError) as error:
                read(file)
            assert str(error.value).startswith((f"{file}: ", f"{target}: ")), (share, str(error.value))
            assert "\n" not in str(error.value)
    finally:
        target.write_bytes(whole)


def assert_flips_do_no_harm(read: Read, file: Path, target: Path | None = None, *, tries: int = 6) -> None:
    """Change some bytes: the reader answers, or says in one line that the file is damaged."""
    target = target or file
    whole = target.read_bytes()
    chance = random.Random(0)
    try:
        for number in range(tries):
            spoilt = bytearray(whole)
            for _ in range((1, 8, 64)[number % 3]):
                spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
            target.write_bytes(spoilt)
            message = ""
            try:
                assert read(file).meshes
            except FormatError as error:
                message = str(error)
            assert not message or message.startswith((f"{file}: ", f"{target}: "))
            assert "\n" not in message
    finally:
        target.write_bytes(whole)


def assert_others_are_refused(read: Read, file: Path) -> None:
    """Text, a picture and nothing at all under this suffix, and no file at all."""
    for content in (b"this is a letter\n" * 40, b"\x89PNG\r\n\x1a\n" + bytes(200), bytes(300), b""):
        file.write_bytes(content)
        with pytest.raises(FormatError) as error:
            read(file)
        assert str(error.value).startswith(f"{file}: ")
    file.unlink()
    with pytest.raises(FormatError, match="no such file"):
        read(file)
