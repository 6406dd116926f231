"""Cases on disk, laid out for training: Zarr v3, one group a case, and a manifest.

The sites of each domain are stored once, in a random order: any contiguous window is a uniform sample, so that drawing
16,384 of them is one short read whatever the case's size. The order follows a formula (`SiteOrder`) and topology is
stored in its own order, so that every mesh is rebuilt exactly.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvista as pv
from filelock import FileLock
from numpy.typing import NDArray

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.store.case_files import (
    CaseRecord,
    DomainRecord,
    read_case,
    read_mesh,
    read_record,
)
from tramontane.dataset.store.chunks import CaseArrays
from tramontane.dataset.store.files import Files, LocalFiles, RemoteFiles, is_remote, open_files
from tramontane.dataset.store.manifest import MANIFEST, CaseEntry, Manifest
from tramontane.dataset.store.order import Piece
from tramontane.dataset.store.sites import Sites
from tramontane.dataset.store.splits import check_splits
from tramontane.dataset.store.staged import StagedCase, move_staged, remove_leftovers, write_staged
from tramontane.dataset.store.statistics import FieldStatistics, Moments
from tramontane.dataset.store.table import table_of_cases
from tramontane.dataset.store.tolerance import check_tolerance, rounded_case
from tramontane.dataset.store.verification import problems_on_disk
from tramontane.errors import DatasetError
from tramontane.units import Quantity, in_si, to_si

if TYPE_CHECKING:
    import pandas as pd

_GEOMETRIES = 32  # kept in memory


class Dataset:
    """A directory of cases under one contract. Open one with `open`, begin one with `create`.

    A Dataset is a view of the moment when it was opened or last changed: cases that another process adds appear when it
    is opened anew.
    """

    def __init__(self, files: LocalFiles | RemoteFiles, manifest: Manifest) -> None:
        self._files, self._manifest = files, manifest
        self._cases: dict[str, tuple[CaseRecord, CaseArrays]] = {}
        self._geometries: dict[str, pv.PolyData] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(Dataset.open, storage_options=self._options), (self.path,)

    def __repr__(self) -> str:
        splits = ", ".join(f"{len(cases)} {name}" for name, cases in self._manifest.splits.items())
        head = f"<Dataset {self.path}: {len(self)} cases{f' ({splits})' if splits else ''}>"
        return "\n".join([head, *repr(self.contract).splitlines()[1:]])

    def __len__(self) -> int:
        """Number of cases."""
        return len(self._manifest.cases)

    def __bool__(self) -> bool:
        return True  # an empty dataset is one, too

    def __iter__(self) -> Iterator[str]:
        """Names of the cases, as a mapping has it: ``for name in dataset: dataset[name]``."""
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._manifest.cases

    def __getitem__(self, name: str) -> Case:
        """A case by its name; see `case`."""
        return self.case(name)

    def to_pandas(self, split: str | None = None) -> pd.DataFrame:
        """Parameters and QoIs, a row a case, in SI; fields and geometries are not in it.

        Args:
            split: Of which cases; None takes all.

        Returns:
            A frame whose index is the case's name; ``frame.attrs["units"]`` has each column's SI unit. A QoI that has
            a parameter's name is called ``qoi.NAME``.

        Raises:
            TramontaneError: pandas is not installed, or there is no such split.
        """
        if split is not None and split not in self.splits:
            raise DatasetError(f"{self.path}: has no split {split!r}; it has {', '.join(self.splits) or 'none'}")
        names = self.names if split is None else self.splits[split]
        parameters, qoi = [self.parameters(name) for name in names], [self.qoi(name) for name in names]
        return table_of_cases(names, parameters, qoi, self.contract)

    # -- open and create -------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        contract: Contract,
        *,
        tolerance: float | None = None,
        assumed_units: Mapping[str, str] | None = None,
    ) -> Dataset:
        """Begin an empty dataset.

        Args:
            path: Its directory, which must not exist.
            contract: What all cases have.
            tolerance: Fields of cases that are added are stored to this share of their root mean square in the case;
                None stores them as they are.
            assumed_units: Of names for which nothing stated a unit; training asks for them to be confirmed.

        Raises:
            DatasetError: Something stands at ``path``, or the tolerance is none.
        """
        check_tolerance(tolerance)
        target = Path(path)
        if target.exists():
            raise DatasetError(f"{target}: exists; remove it or choose another directory")
        (target / "cases").mkdir(parents=True)
        manifest = Manifest(contract=contract, tolerance=tolerance, assumed_units=dict(assumed_units or {}))
        manifest.write(target)
        return cls(LocalFiles(target), manifest)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> Dataset:
        """Open a dataset; only its manifest is read.

        Args:
            path: A directory, or an address such as ``s3://bucket/dataset``: what is there can be read, not changed.
            storage_options: For an address: what fsspec's file system takes (``key``, ``secret``, ``endpoint_url``).

        Raises:
            DatasetError: Not a dataset, damaged, of another format version, or the server does not answer.
        """
        files = open_files(path, storage_options)
        return cls(files, Manifest.read(files))

    @staticmethod
    def is_dataset(path: str | os.PathLike[str]) -> bool:
        """Whether a dataset's manifest stands in a directory; an address is taken for one."""
        return is_remote(path) or (Path(path) / MANIFEST).is_file()

    # -- what is in it ---------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path | str:
        """The dataset's directory, or its address on a server."""
        return self._files.url if isinstance(self._files, RemoteFiles) else self._files.root

    @property
    def contract(self) -> Contract:
        """What goes into each case and what comes out."""
        return self._manifest.contract

    @property
    def tolerance(self) -> float | None:
        """To which share of its root mean square each field is stored; None for as it came."""
        return self._manifest.tolerance

    @property
    def assumed_units(self) -> dict[str, str]:
        """The unit by each name for which nothing stated one, where nobody has confirmed it."""
        return dict(self._manifest.assumed_units)

    @property
    def names(self) -> list[str]:
        """All cases, in the order in which they were added."""
        return list(self._manifest.cases)

    @property
    def splits(self) -> dict[str, list[str]]:
        """Named, fixed splits."""
        return {name: list(cases) for name, cases in self._manifest.splits.items()}

    def with_splits(self, splits: Mapping[str, Sequence[str]]) -> Dataset:
        """The same cases under other splits, in memory alone: what is on disk stays as it is."""
        view = Dataset(self._files, self._manifest.model_copy(update={"splits": {k: [*v] for k, v in splits.items()}}))
        view._cases, view._geometries = self._cases, self._geometries
        return view

    def parameters(self, name: str) -> dict[str, float]:
        """A case's parameters in SI, in the contract's order, then those that the contract does not know."""
        given = {key: Quantity(*value) for key, value in self._entry(name).parameters.items()}
        values = {
            key: to_si(given[key], unit=spec.unit, name=f"case {name}: parameter {key!r}")
            for key, spec in self.contract.parameters.items()
            if key in given
        }
        return values | {key: in_si(q.value, q.unit or "") for key, q in given.items() if key not in values}

    def case_hash(self, name: str) -> str:
        """SHA-256 of a case's numbers, whatever it is called and whichever dataset it stands in."""
        record, _ = self._opened(name)
        numbers = {of: {key: f"{value:.10e}" for key, value in table.items()}
                   for of, table in (("parameters", self.parameters(name)), ("qoi", self.qoi(name)))}  # fmt: skip
        content = {"arrays": sorted(array.sha256 for array in record.arrays.values()), **numbers}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def qoi(self, name: str) -> dict[str, float]:
        """A case's quantities of interest in SI."""
        return dict(self._entry(name).qoi)

    def size(self, name: str, domain: str) -> int:
        """Number of sites of a domain."""
        sites = self._entry(name).sites
        if domain not in sites:
            raise DatasetError(f"{self.path}: case {name} has no domain {domain!r}; it has {', '.join(sites)}")
        return sites[domain]

    def fingerprint(self) -> str:
        """SHA-256 over the contract, the splits and all values: which data this is, wherever it lies."""
        return self._manifest.fingerprint()

    # -- reading ---------------------------------------------------------------------------------------------------

    def case(self, name: str) -> Case:
        """A case with its meshes as they were: same points, cells, order and precision; its geometry is a mesh.

        Raises:
            DatasetError: An array is missing or damaged.
        """
        return read_case(*self._opened(name))

    def has_geometry(self, name: str) -> bool:
        """Whether a case has a geometry; one of numbers alone has none."""
        return self._opened(name)[0].geometry is not None

    def geometry(self, name: str) -> pv.PolyData:
        """A case's closed triangle surface, metres; a copy, the last few are kept in memory.

        Raises:
            DatasetError: The case has none, or it is damaged.
        """
        mesh = self._geometries.get(name)
        if mesh is None:
            record, arrays = self._opened(name)
            if record.geometry is None:
                raise DatasetError(f"{self.path}: case {name} has no geometry; ingest it again with one")
            if len(self._geometries) >= _GEOMETRIES:
                self._geometries.pop(next(iter(list(self._geometries))), None)  # others may draw at the same time
            read = read_mesh(record.geometry, arrays)
            assert isinstance(read, pv.PolyData)
            mesh = self._geometries[name] = read
        return mesh.copy()

    def sites(self, name: str, domain: str, start: int = 0, stop: int | None = None) -> Sites:
        """A window of a domain's sites in their random order, with the contract's fields; reads the chunks it needs.

        Raises:
            DatasetError: A chunk is missing or damaged.
        """
        record, _ = self._domain(name, domain)
        stop = record.size if stop is None else min(stop, record.size)
        return self._sites(name, domain, list(record.order.pieces(start, stop)))

    def _sites(self, name: str, domain: str, pieces: list[Piece]) -> Sites:
        record, arrays = self._domain(name, domain)
        wanted = list(self.contract.fields.get(domain) or record.fields)
        paths = [record.positions, record.weights, *(record.fields[field] for field in wanted)]
        paths += [record.normals] if record.normals is not None else []
        window = arrays.window(paths, pieces)
        positions, weights, *values = (array.astype(np.float32, copy=False) for array in window)
        return Sites(
            positions=positions,
            fields={field: array.reshape(len(positions), -1) for field, array in zip(wanted, values, strict=False)},
            weights=weights,
            normals=None if record.normals is None else values[-1],
        )

    def sample(self, name: str, domain: str, count: int, rng: np.random.Generator) -> Sites:
        """``count`` sites at random, or all there are; of one chunk where that has so many."""
        if count >= self.size(name, domain):
            return self.sites(name, domain)
        return self._sites(name, domain, self._domain(name, domain)[0].order.draw(count, rng))

    def original_order(self, name: str, domain: str) -> NDArray[np.int64]:
        """``(n,)``: the site at place i of `sites` is the mesh's own point or cell ``original_order[i]``."""
        return np.asarray(self._domain(name, domain)[0].order)

    def statistics(self, split: str = "train") -> dict[str, dict[str, FieldStatistics]]:
        """Statistics of each field over all sites of the cases of one split, window by window; no other is read.

        Returns:
            By domain, then by field.
        """
        if split not in self.splits:
            raise DatasetError(f"{self.path}: has no split {split!r}; it has {', '.join(self.splits) or 'none'}")
        moments: dict[str, dict[str, Moments]] = {}
        for name in self.splits[split]:
            for domain, record in self._opened(name)[0].domains.items():
                for start in range(0, record.size, record.order.rows):
                    window = self.sites(name, domain, start, start + record.order.rows)
                    for field, values in window.fields.items():
                        moments.setdefault(domain, {}).setdefault(field, Moments()).add(values)
        return {
            domain: {field: moment.statistics() for field, moment in fields.items()}
            for domain, fields in moments.items()
        }

    # -- changing it -----------------------------------------------------------------------------------------------

    def set_splits(self, splits: Mapping[str, Iterable[str]], *, force: bool = False) -> None:
        """Fix the splits, once.

        Args:
            splits: Names of cases by split.
            force: Replace splits that were fixed before.

        Raises:
            DatasetError: A case is unknown or stands twice, or splits were set before and ``force`` is not.
        """
        wanted = {split: list(cases) for split, cases in splits.items()}
        with self._changing() as manifest:
            check_splits(wanted, manifest.cases)
            if manifest.splits and manifest.splits != wanted and not force:
                raise DatasetError(f"{self.path}: its splits are fixed; ingest into another directory to split anew")
            manifest.splits = wanted

    def add(self, case: Case, geometry: pv.PolyData | None = None) -> None:
        """Write a case: whole, or not at all, whatever happens meanwhile.

        Args:
            case: In SI.
            geometry: Its closed triangle surface, metres; None takes the design's, where that is a mesh.

        Raises:
            DatasetError: The name is taken, a mesh cannot be stored, or the disk is full.
            ContractError: The case does not fit the contract, or has NaN or infinite values in its fields.
        """
        if case.name in Manifest.read(self._files).cases:
            raise self._taken(case.name)
        self.register(self.stage(case, geometry))

    def stage(self, case: Case, geometry: pv.PolyData | None = None) -> StagedCase:
        """The long half of `add`, for any number of processes at once; nothing shows until `register`."""
        if not case.name:
            raise DatasetError(f"{self.path}: a case has no name; give it one")
        if self.tolerance is not None:
            case = rounded_case(case, self.tolerance)
        return write_staged(self._directory, case, geometry, self.contract)

    def register(self, *staged: StagedCase) -> None:
        """The short half of `add`: a renaming for each case, one new manifest."""
        with self._changing() as manifest:
            for case in staged:
                if case.name in manifest.cases:
                    shutil.rmtree(case.folder, ignore_errors=True)
                    raise self._taken(case.name)
                move_staged(self._directory, case)
                manifest.cases[case.name] = case.entry
        remove_leftovers(self._directory, staged)

    def verify(self) -> list[str]:
        """Read everything and compare it with its checksums.

        Returns:
            One line for each chunk, array or file that is missing, altered or a stranger; none means all is well.
        """
        return problems_on_disk(self._files, self._manifest)

    # -- files -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _changing(self) -> Iterator[Manifest]:
        """The manifest as it stands on disk, for this process alone to change; it is written unless an error comes."""
        with FileLock(self._directory / ".lock"):
            manifest = Manifest.read(self._files)
            yield manifest
            manifest.write(self._directory)
            self._manifest = manifest

    @property
    def _directory(self) -> Path:
        if isinstance(self._files, RemoteFiles):
            raise DatasetError(f"{self.path}: cannot be changed on a server; change a copy on disk and upload it")
        return self._files.root

    @property
    def _options(self) -> dict[str, Any] | None:
        return self._files.options if isinstance(self._files, RemoteFiles) else None

    def _taken(self, name: str) -> DatasetError:
        return DatasetError(f"{self.path}: case {name} is there already; give the new one another name")

    def _files_of(self, name: str) -> Files:
        return self._files.below(f"cases/{self._entry(name).folder}")

    def _entry(self, name: str) -> CaseEntry:
        try:
            return self._manifest.cases[name]
        except KeyError:
            raise DatasetError(f"{self.path}: has no case {name!r}; it has {len(self.names)} others") from None

    def _opened(self, name: str) -> tuple[CaseRecord, CaseArrays]:
        if name not in self._cases:
            record = read_record(self._files_of(name), self._entry(name))
            self._cases[name] = (record, CaseArrays(self._files_of(name), record.arrays, f"{self.path}: case {name}"))
        return self._cases[name]

    def _domain(self, name: str, domain: str) -> tuple[DomainRecord, CaseArrays]:
        self.size(name, domain)
        record, arrays = self._opened(name)
        return record.domains[domain], arrays
