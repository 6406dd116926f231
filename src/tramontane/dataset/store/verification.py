"""Everything that a dataset holds, compared with its checksums."""

from __future__ import annotations

from tramontane.dataset.store.case_files import read_record
from tramontane.dataset.store.chunks import CaseArrays
from tramontane.dataset.store.files import LocalFiles, RemoteFiles
from tramontane.dataset.store.manifest import Manifest
from tramontane.errors import DatasetError


def problems_on_disk(files: LocalFiles | RemoteFiles, manifest: Manifest) -> list[str]:
    """One line for each chunk, array or file that is missing, altered or a stranger; see `Dataset.verify`."""
    problems: list[str] = []
    for name, entry in manifest.cases.items():
        of_case = files.below(f"cases/{entry.folder}")
        try:
            record = read_record(of_case, entry)
        except DatasetError as error:
            problems.append(str(error))
            continue
        problems += CaseArrays(of_case, record.arrays, f"{files}: case {name}").problems()
    folders = {entry.folder for entry in manifest.cases.values()}
    for folder, remark in (("cases", "is no case of this dataset"), ("staging", "is of an add that was cut off")):
        problems += [
            f"{files}/{folder}/{stranger}: {remark}; remove it"
            for stranger in files.folders(folder)
            if folder != "cases" or stranger not in folders
        ]
    return problems
