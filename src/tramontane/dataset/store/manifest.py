"""The one file that says what a dataset holds; replaced whole at each change, and sealed by its own checksum."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tramontane.contract import Contract
from tramontane.dataset.store.files import Files
from tramontane.errors import DatasetError

FORMAT = "tramontane dataset"
FORMAT_VERSION = 2
MANIFEST = "manifest.json"


class CaseEntry(BaseModel):
    """What a listing says of a case.

    Attributes:
        folder: Its directory's name.
        case_file: SHA-256 of the ``case.json`` in it.
        content: SHA-256 of what the case says: names, numbers, values of all arrays; not of how they are packed.
        parameters: Value and unit as they were given.
        qoi: SI.
        sites: Number of sites of each domain.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    case_file: str
    content: str
    parameters: dict[str, tuple[float, str | None]]
    qoi: dict[str, float]
    sites: dict[str, int]


class Manifest(BaseModel):
    """What a dataset holds: a contract, cases in the order in which they came, and splits.

    Where ``tolerance`` is given, no value of a field is off by more than that times the field's root mean square in its
    case; None means that all are as they came. ``assumed_units`` are of names for which nothing stated a unit, and that
    nobody has confirmed.
    """

    model_config = ConfigDict(extra="forbid")

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    contract: Contract
    tolerance: float | None = None
    assumed_units: dict[str, str] = Field(default_factory=dict)
    splits: dict[str, list[str]] = Field(default_factory=dict)
    cases: dict[str, CaseEntry] = Field(default_factory=dict)

    @classmethod
    def read(cls, root: Files) -> Manifest:
        """The manifest of a dataset.

        Raises:
            DatasetError: It is missing, damaged, edited, or of a newer format version.
        """
        file = f"{root}/{MANIFEST}"
        try:
            data = json.loads(root.read(MANIFEST))
        except FileNotFoundError:
            raise DatasetError(
                f"{root}: is no dataset ({MANIFEST} is missing); make one with `tramontane ingest`"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise DatasetError(f"{file}: cannot be read ({error}); restore it or ingest the cases again") from error
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise DatasetError(f"{file}: is not a dataset's manifest; name the directory of a dataset")
        version = data.get("format_version")
        if not isinstance(version, int) or version > FORMAT_VERSION:
            raise DatasetError(f"{root}: has format version {version}, this program reads {FORMAT_VERSION}; "
                               "upgrade tramontane")  # fmt: skip
        if version < FORMAT_VERSION:
            raise DatasetError(f"{root}: has format version {version}, this program reads {FORMAT_VERSION}; "
                               "ingest the cases again")  # fmt: skip
        if data.pop("sha256", None) != _checksum(data):
            raise DatasetError(f"{file}: is not as it was written; restore it or ingest the cases again")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            place = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise DatasetError(f"{file}: {place} cannot be read; restore it or ingest the cases again") from error

    def write(self, root: Path) -> None:
        """Replace a dataset's manifest: a reader, or a crash, meets the old one or the new one."""
        data = self.model_dump(mode="json")
        if not self.assumed_units:
            del data["assumed_units"]  # as programs wrote it that did not know of it
        temporary = root / f".{MANIFEST}.partial"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(data | {"sha256": _checksum(data)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(root / MANIFEST)

    def fingerprint(self) -> str:
        """SHA-256 over the contract, the splits and the content of every case, wherever and however it is stored."""
        cases = {name: entry.content for name, entry in self.cases.items()}
        return _checksum({"contract": self.contract.model_dump(mode="json"), "splits": self.splits, "cases": cases})


def _checksum(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
