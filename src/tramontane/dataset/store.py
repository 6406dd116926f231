"""Cases on disk, laid out for training: Zarr v3, one group a case, and a manifest.

The sites of each domain are stored once, in a random order: any contiguous window is a uniform sample, so that drawing
16,384 of them is one short read whatever the case's size. Topology is stored in its own order beside the permutation,
so that every mesh is rebuilt exactly. Each chunk ends in a CRC-32C that is checked whenever it is read; `verify`
compares whole arrays with their SHA-256.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
import zarr
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import ValidationError
from zarr.codecs import BloscCodec, Crc32cCodec

from tramontane.case import Case, Location, Provenance
from tramontane.contract import Contract
from tramontane.dataset.mesh_arrays import Sites, build_mesh, mesh_arrays, mesh_sites
from tramontane.dataset.statistics import FieldStatistics, Moments
from tramontane.design import Design
from tramontane.errors import ContractError, DatasetError
from tramontane.units import Quantity, to_si

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_CHUNK_ROWS = 32768
_GEOMETRY = "geometry"


class Dataset:
    """A directory of cases under one contract. Open one with `open`, begin one with `create`."""

    def __init__(self, path: Path, manifest: dict[str, Any], contract: Contract) -> None:
        self.path, self._manifest, self.contract = path, manifest, contract
        self._documents: dict[str, dict[str, Any]] = {}
        self._arrays: dict[tuple[str, str], zarr.Array[Any]] = {}
        self._geometries: dict[str, pv.PolyData] = {}

    # -- open and create -------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | os.PathLike[str], contract: Contract) -> Dataset:
        """Begin an empty dataset.

        Raises:
            DatasetError: Something stands at ``path``.
        """
        target = Path(path)
        if target.exists():
            raise DatasetError(f"{target}: exists; remove it or choose another directory")
        (target / "cases").mkdir(parents=True)
        manifest = {"format": "tramontane dataset", "format_version": FORMAT_VERSION,
                    "contract": contract.model_dump(mode="json"), "splits": {}, "cases": {}}  # fmt: skip
        dataset = cls(target, manifest, contract)
        dataset._write_manifest()
        return dataset

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Dataset:
        """Open a dataset; only its manifest is read.

        Raises:
            DatasetError: Not a dataset, damaged, or of a newer format version.
        """
        target = Path(path)
        manifest = _read_manifest(target)
        try:
            contract = Contract.model_validate(manifest["contract"])
        except (KeyError, ValidationError) as error:
            raise DatasetError(f"{target / MANIFEST}: its contract cannot be read; ingest the cases again") from error
        return cls(target, manifest, contract)

    @staticmethod
    def is_dataset(path: str | os.PathLike[str]) -> bool:
        """Whether a dataset's manifest stands in a directory."""
        return (Path(path) / MANIFEST).is_file()

    # -- what is in it ---------------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """All cases, in the order in which they were added."""
        return list(self._manifest["cases"])

    @property
    def splits(self) -> dict[str, list[str]]:
        """Named, fixed splits."""
        return {name: list(cases) for name, cases in self._manifest["splits"].items()}

    def parameters(self, name: str) -> dict[str, float]:
        """A case's parameters in SI, in the contract's order."""
        given = self._entry(name)["parameters"]
        return {
            key: to_si(Quantity(*given[key]), unit=spec.unit, name=key)
            for key, spec in self.contract.parameters.items()
            if key in given
        }

    def qoi(self, name: str) -> dict[str, float]:
        """A case's quantities of interest in SI."""
        return dict(self._entry(name)["qoi"])

    def size(self, name: str, domain: str) -> int:
        """Number of sites of a domain."""
        return int(self._domain(name, domain)["count"])

    def fingerprint(self) -> str:
        """SHA-256 over contract, splits and every case's checksums: which data this is, wherever it lies."""
        stated = {key: self._manifest[key] for key in ("contract", "splits", "cases")}
        return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()

    def geometry(self, name: str) -> pv.PolyData:
        """A case's closed triangle surface, metres; the caller must not change it."""
        if name not in self._geometries:
            arrays = self._document(name)["geometry"]
            if arrays is None:
                raise DatasetError(f"{self.path}: case {name} has no geometry")
            built = build_mesh({key: self._read(name, f"{_GEOMETRY}/{key}") for key in arrays})
            self._geometries[name] = built  # type: ignore[assignment]
        return self._geometries[name]

    def sites(self, name: str, domain: str, start: int = 0, stop: int | None = None) -> Sites:
        """A window of a domain's sites in their random order; only the chunks it needs are read.

        Raises:
            DatasetError: A chunk is missing or damaged.
        """
        entry = self._domain(name, domain)
        window = slice(start, entry["count"] if stop is None else min(stop, entry["count"]))
        stored = {field: entry["fields"][field] for field in self.contract.fields[domain]}
        fields = {
            field: np.asarray(self._read(name, where.get("sites", where["array"]), window), dtype=np.float32)
            for field, where in stored.items()
        }
        normals = self._read(name, f"{domain}/normals", window) if entry["normals"] else None
        return Sites(
            positions=np.asarray(self._read(name, f"{domain}/positions", window), dtype=np.float32),
            fields={field: values.reshape(len(values), -1) for field, values in fields.items()},
            weights=self._read(name, f"{domain}/weights", window),
            normals=normals,
        )

    def sample(self, name: str, domain: str, count: int, rng: np.random.Generator) -> Sites:
        """``count`` sites at random, or all there are: one window of the random order, round the end where need be."""
        size = self.size(name, domain)
        if count >= size:
            return self.sites(name, domain)
        start = int(rng.integers(size))
        if start + count <= size:
            return self.sites(name, domain, start, start + count)
        first, second = self.sites(name, domain, start), self.sites(name, domain, 0, start + count - size)
        return Sites(
            positions=np.concatenate([first.positions, second.positions]),
            fields={key: np.concatenate([first.fields[key], second.fields[key]]) for key in first.fields},
            weights=np.concatenate([first.weights, second.weights]),
            normals=None if first.normals is None or second.normals is None
            else np.concatenate([first.normals, second.normals]),
        )  # fmt: skip

    def original_order(self, name: str, domain: str) -> NDArray[np.int64]:
        """``(n,)``: the site at place i of `sites` is the mesh's own point or cell ``original_order[i]``."""
        return self._read(name, f"{domain}/order").astype(np.int64)

    def case(self, name: str) -> Case:
        """A case with its meshes as they were: same points, cells, order and precision.

        Raises:
            DatasetError: An array is missing or damaged.
        """
        document = self._document(name)
        meshes: dict[str, pv.DataSet] = {}
        for domain, entry in document["domains"].items():
            restore = np.argsort(self.original_order(name, domain))
            arrays = {key: self._read(name, f"{domain}/mesh/{key}") for key in entry["mesh"]}
            if entry["location"] == "point":
                arrays["points"] = self._read(name, f"{domain}/positions")[restore]
            mesh = build_mesh(arrays)
            for field, stored in entry["fields"].items():
                data = mesh.point_data if stored["location"] == "point" else mesh.cell_data
                values = self._read(name, stored["array"])
                data[field] = values[restore] if stored["shuffled"] else values
            meshes[domain] = mesh
        return Case(
            name=name,
            design=Design(
                self.geometry(name) if document["geometry"] is not None else None,
                **{key: Quantity(*given) for key, given in self._entry(name)["parameters"].items()},
            ),
            meshes=meshes,
            qoi=self.qoi(name),
            field_units=document["field_units"],
            qoi_units=document["qoi_units"],
            provenance=Provenance(**document["provenance"]),
        )

    def statistics(self, split: str = "train") -> dict[str, dict[str, FieldStatistics]]:
        """Statistics of each field over the cases of one split, streamed window by window."""
        if split not in self.splits:
            raise DatasetError(f"{self.path}: has no split {split!r}; it has {', '.join(self.splits) or 'none'}")
        moments: dict[str, dict[str, Moments]] = {
            d: {f: Moments() for f in fs} for d, fs in self.contract.fields.items()
        }
        for name in self.splits[split]:
            for domain, fields in moments.items():
                for start in range(0, self.size(name, domain), _CHUNK_ROWS):
                    window = self.sites(name, domain, start, start + _CHUNK_ROWS)
                    for field, moment in fields.items():
                        moment.add(window.fields[field])
        return {d: {f: moment.statistics() for f, moment in fields.items()} for d, fields in moments.items()}

    # -- changing it -----------------------------------------------------------------------------------------------

    def set_splits(self, splits: Mapping[str, Iterable[str]], *, force: bool = False) -> None:
        """Fix the splits, once.

        Raises:
            DatasetError: A name is unknown or stands twice, or splits were set before and ``force`` is not.
        """
        wanted = {split: list(cases) for split, cases in splits.items()}
        everything = [name for cases in wanted.values() for name in cases]
        if unknown := sorted(set(everything) - set(self.names)):
            raise DatasetError(f"{self.path}: split names cases that it does not have: {', '.join(unknown)}")
        if twice := sorted({name for name in everything if everything.count(name) > 1}):
            raise DatasetError(f"{self.path}: cases stand in more than one split: {', '.join(twice)}")
        with self._locked():
            if self.splits and self.splits != wanted and not force:
                raise DatasetError(f"{self.path}: its splits are fixed; ingest into another directory to split anew")
            self._manifest["splits"] = wanted
            self._write_manifest()

    def add(self, case: Case, geometry: pv.PolyData | None = None) -> None:
        """Write a case: whole, or not at all.

        Args:
            case: In SI.
            geometry: Its closed triangle surface, metres.

        Raises:
            DatasetError: The name is taken or cannot be a directory's.
            ContractError: A field of the contract is missing, or has other components.
        """
        if not case.name or case.name.startswith(".") or set(case.name) & set('/\\:*?"<>|\0'):
            raise DatasetError(f"case name {case.name!r} cannot be a directory's name; rename the case")
        target, partial = self._folder(case.name), self.path / "cases" / f".{case.name}.partial"
        with self._locked():
            if case.name in self._manifest["cases"]:
                raise DatasetError(f"{self.path}: case {case.name} is there already; give the new one another name")
            shutil.rmtree(partial, ignore_errors=True)
            # A case that a crash left without an entry is not a case.
            shutil.rmtree(target, ignore_errors=True)
            writer = _Writer(partial)
            document = {
                "domains": {domain: self._write_domain(writer, case, domain) for domain in case.meshes},
                "geometry": None if geometry is None else _write_mesh(writer, _GEOMETRY, mesh_arrays(geometry)),
                "field_units": case.field_units,
                "qoi_units": case.qoi_units,
                "provenance": vars(case.provenance),
                "arrays": writer.checksums,
            }
            text = json.dumps(document, indent=1)
            (partial / "case.json").write_text(text, encoding="utf-8")
            partial.replace(target)
            self._manifest["cases"][case.name] = {
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "parameters": {key: [q.value, q.unit] for key, q in case.design.parameters.items()},
                "qoi": case.qoi,
            }
            self._write_manifest()

    def _write_domain(self, writer: _Writer, case: Case, domain: str) -> dict[str, Any]:
        mesh, specs = case.meshes[domain], self.contract.fields.get(domain, {})
        present = case.field_names(domain)
        for name, spec in specs.items():
            if name not in present:
                raise ContractError(f"case {case.name}: field {domain}/{name} is missing; it has {', '.join(present)}")
            values = case.field_values(domain, name)
            if spec.components != (components := 1 if values.ndim == 1 else values.shape[1]):
                raise ContractError(f"case {case.name}: field {domain}/{name} has {components} components, "
                                    f"the contract says {spec.components}")  # fmt: skip
        location: Location = "cell" if any(present[name] == "cell" for name in specs) else "point"
        sites, arrays = mesh_sites(mesh, location), mesh_arrays(mesh)
        digest = hashlib.sha256(f"{case.name}/{domain}".encode()).digest()
        order = np.random.default_rng(list(digest)).permutation(len(sites.positions))
        writer.write(f"{domain}/order", order.astype(np.int32 if len(order) < 2**31 else np.int64))
        positions = arrays.pop("points") if location == "point" else sites.positions
        writer.write(f"{domain}/positions", positions[order])
        writer.write(f"{domain}/weights", sites.weights[order])
        if sites.normals is not None:
            writer.write(f"{domain}/normals", sites.normals[order])
        stored: dict[str, Any] = {}
        for index, (name, where) in enumerate(present.items()):
            values, path = case.field_values(domain, name), f"{domain}/field_{index}"
            if not np.issubdtype(values.dtype, np.number) and values.dtype != bool:
                continue
            shuffled = where == location
            writer.write(path, values[order] if shuffled else values)
            stored[name] = {"array": path, "location": where, "shuffled": shuffled}
        for name in specs:
            if not stored[name]["shuffled"]:
                # The rare domain that mixes points and cells: what is sampled is an average beside the original.
                writer.write(f"{stored[name]['array']}_sites", sites.fields[name][order])
                stored[name]["sites"] = f"{stored[name]['array']}_sites"
        return {"location": location, "count": len(order), "normals": sites.normals is not None, "fields": stored,
                "mesh": _write_mesh(writer, f"{domain}/mesh", arrays)}  # fmt: skip

    # -- checking --------------------------------------------------------------------------------------------------

    def verify(self) -> list[str]:
        """Read every array and compare it with its checksum.

        Returns:
            One line for each array that is missing or not as it was written, and for each stray directory.
        """
        problems = []
        for name in self.names:
            try:
                paths = self._document(name)["arrays"]
            except DatasetError as error:
                problems.append(str(error))
                continue
            for path, checksum in paths.items():
                self._arrays.pop((name, path), None)
                try:
                    if _checksum(self._read(name, path)) != checksum:
                        problems.append(f"{self.path}: case {name}, array {path}: is not as it was written")
                except DatasetError as error:
                    problems.append(str(error))
        known = set(self.names)
        problems += [f"{folder}: is no case of this dataset" for folder in sorted((self.path / "cases").iterdir())
                     if folder.name not in known]  # fmt: skip
        return problems

    # -- files -----------------------------------------------------------------------------------------------------

    def _locked(self) -> FileLock:
        return FileLock(self.path / ".lock")

    def _folder(self, name: str) -> Path:
        return self.path / "cases" / name

    def _entry(self, name: str) -> dict[str, Any]:
        try:
            entry: dict[str, Any] = self._manifest["cases"][name]
        except KeyError:
            raise DatasetError(f"{self.path}: has no case {name!r}") from None
        return entry

    def _domain(self, name: str, domain: str) -> dict[str, Any]:
        try:
            entry: dict[str, Any] = self._document(name)["domains"][domain]
        except KeyError:
            raise DatasetError(f"{self.path}: case {name} has no domain {domain!r}") from None
        return entry

    def _document(self, name: str) -> dict[str, Any]:
        if name not in self._documents:
            entry, file = self._entry(name), self._folder(name) / "case.json"
            try:
                text = file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise DatasetError(f"{file}: cannot be read; restore the case or ingest it again") from error
            if hashlib.sha256(text.encode()).hexdigest() != entry["sha256"]:
                raise DatasetError(f"{file}: is not as it was written; restore the case or ingest it again")
            self._documents[name] = json.loads(text)
        return self._documents[name]

    def _read(self, name: str, path: str, window: slice = slice(None)) -> NDArray[Any]:
        try:
            if (name, path) not in self._arrays:
                array = zarr.open_array(self._folder(name) / path, mode="r")
                # Zarr reads a missing chunk as zeros; a hole in the data must not pass for data.
                if array.nchunks_initialized != array.nchunks:
                    raise ValueError("a chunk is missing")
                self._arrays[name, path] = array
            return np.asarray(self._arrays[name, path][window])
        except Exception as error:  # zarr and its codecs raise errors of many kinds for one damaged file
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DatasetError(
                f"{self.path}: case {name}, array {path}: is damaged ({reason}); restore the case or ingest it again"
            ) from error

    def _write_manifest(self) -> None:
        temporary = self.path / f".{MANIFEST}.partial"
        temporary.write_text(json.dumps(self._manifest, indent=1), encoding="utf-8")
        temporary.replace(self.path / MANIFEST)


class _Writer:
    """Writes the arrays of one case and keeps their checksums."""

    def __init__(self, folder: Path) -> None:
        self.checksums: dict[str, str] = {}
        self._group = zarr.create_group(folder, zarr_format=3)

    def write(self, path: str, values: NDArray[Any]) -> None:
        values = np.ascontiguousarray(values)
        with warnings.catch_warnings():
            # Zarr warns that the order of codecs makes partial decoding impossible, which is not wanted here.
            warnings.simplefilter("ignore")
            self._group.create_array(
                path,
                data=values,
                chunks=(min(_CHUNK_ROWS, max(len(values), 1)), *values.shape[1:]),
                compressors=(_compressor(), Crc32cCodec()),
                config={"write_empty_chunks": True},
            )
        self.checksums[path] = _checksum(values)


@functools.cache
def _compressor() -> BloscCodec:
    return BloscCodec(cname="zstd", clevel=4, shuffle="shuffle")


def _write_mesh(writer: _Writer, prefix: str, arrays: dict[str, NDArray[Any]]) -> list[str]:
    for key, values in arrays.items():
        writer.write(f"{prefix}/{key}", values)
    return list(arrays)


def _checksum(values: NDArray[Any]) -> str:
    stated = f"{values.dtype.str} {values.shape} ".encode()
    return hashlib.sha256(stated + np.ascontiguousarray(values).tobytes()).hexdigest()


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(
            f"{path}: is no dataset ({MANIFEST} is missing); make one with `tramontane ingest`"
        ) from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file}: cannot be read ({error}); restore it or ingest the cases again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != "tramontane dataset":
        raise DatasetError(f"{file}: is not a dataset's manifest; name the directory of a dataset")
    found = manifest.get("format_version")
    if not isinstance(found, int) or found > FORMAT_VERSION:
        raise DatasetError(f"{path}: has format version {found}, this program reads up to {FORMAT_VERSION}; "
                           "upgrade tramontane")  # fmt: skip
    return manifest
