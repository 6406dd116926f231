"""A folder of cases becomes a dataset: read and checked first, written only when all is well."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyvista as pv
from rich.console import Console
from rich.progress import track

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.audit import audit
from tramontane.dataset.inference import ContractInference
from tramontane.dataset.splits import make_splits
from tramontane.dataset.store import Dataset
from tramontane.errors import DatasetError
from tramontane.formats.folder import find_cases, read_case, read_table
from tramontane.formats.geometry import read_geometry

CONTRACT_FILE = "contract.toml"


def ingest(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    contract: Contract | None = None,
    test: int | None = None,
    validation: int | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> Dataset:
    """Write the dataset of a folder of cases.

    Args:
        source: The folder; a ``contract.toml`` in it is obeyed.
        out: Directory of the dataset, which must not exist.
        contract: Obeyed instead; None and no file infers one from the cases.
        test: Number of cases held out for `evaluate`; None takes about 18 %.
        validation: Number held out to watch training; None takes about 10 %.
        seed: Of the split.
        console: Where progress is shown.

    Returns:
        The dataset, with splits ``train``, ``validation`` and ``test``.

    Raises:
        TramontaneError: A case is bad or the cases do not agree: file, field and cure are named, nothing is written.
    """
    root, target = Path(source), Path(out)
    if target.exists():
        raise DatasetError(f"{target}: exists; remove it or choose another directory with -o")
    folders = find_cases(root)
    if contract is None and (root / CONTRACT_FILE).is_file():
        contract = Contract.from_toml(root / CONTRACT_FILE)
    table = read_table(root)
    length_unit = contract.length_unit if contract else "m"

    def cases(doing: str) -> Iterator[Case]:
        for folder in track(folders, description=doing, console=console, transient=True, disable=console is None):
            yield read_case(folder, contract=contract, table=table)

    inference = ContractInference(root.resolve().name)

    def learn(stream: Iterator[Case]) -> Iterator[Case]:
        for case in stream:
            yield case
            if contract is None:
                inference.add(case, case_geometry(case, length_unit))

    audit(learn(cases("checking")), length_unit=length_unit).raise_if_bad()
    contract = contract or inference.contract()
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        dataset = Dataset.create(partial, contract.in_si())
        for case in cases("writing"):
            dataset.add(case, case_geometry(case, length_unit))
        count = len(dataset.names)
        test = round(0.18 * count) if test is None else test
        validation = round(0.1 * count) if validation is None else validation
        dataset.set_splits(make_splits(dataset.names, test=test, validation=validation, seed=seed))
        partial.replace(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Dataset.open(target)


def case_geometry(case: Case, length_unit: str = "m") -> pv.PolyData:
    """The closed triangle surface of a case: its geometry, or its own surface mesh where it came without one.

    Raises:
        GeometryError: Neither can serve.
    """
    geometry = case.design.geometry
    if geometry is None and "surface" in case.meshes:
        return read_geometry(case.meshes["surface"].extract_surface(algorithm="dataset_surface").triangulate()).mesh
    if geometry is None:
        raise DatasetError(f"case {case.name}: has neither a geometry file nor a surface; add its STL")
    return read_geometry(geometry, length_unit=length_unit if isinstance(geometry, Path) else "m").mesh


def infer_contract(source: str | os.PathLike[str], *, console: Console | None = None) -> Contract:
    """The contract that a folder's cases have in common, for a person to edit."""
    root = Path(source)
    table, inference = read_table(root), ContractInference(root.resolve().name)
    folders = find_cases(root)
    for folder in track(folders, description="reading", console=console, transient=True, disable=console is None):
        case = read_case(folder, table=table)
        inference.add(case, case_geometry(case))
    return inference.contract()
