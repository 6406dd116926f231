"""Geometries that clients sent, by the hash of their bytes.

An upload is streamed to the disk within a bound, parsed in a process of its own within bounds of memory and time, and
kept as plain arrays. Names that clients give are shown to people; what is named after anything on the disk is the hash.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import shutil
import threading
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pyvista as pv

from tramontane.errors import FormatError
from tramontane.formats.isolation.isolated import prepare, read_isolated
from tramontane.service.cache import ByteCache
from tramontane.service.geometries.geometry_file import load
from tramontane.service.geometries.schemas import StoredGeometry
from tramontane.service.problems import Fault, Problem, at_fault, without_paths
from tramontane.service.settings import MIB, Settings
from tramontane.service.turns import Turns
from tramontane.units import si_factor

SUFFIXES = (".stl", ".obj", ".ply", ".step", ".stp")
HASH = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20
_LONG = 16 << 20  # bytes of a file that takes seconds to parse
_ABOUT = 2048  # bytes that what is known of a geometry takes, about


class Geometries:
    """The store.

    Args:
        settings: Where it is, and its limits.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.state / "geometries"
        self.incoming = settings.state / "incoming"
        shutil.rmtree(self.incoming, ignore_errors=True)  # what a killed server left
        for folder in (self.folder, self.incoming):
            folder.mkdir(parents=True, exist_ok=True)
        self._meshes: ByteCache[pv.PolyData] = ByteCache(128 * MIB)
        self._cache: ByteCache[StoredGeometry] = ByteCache(4 * MIB)
        # Threads of its own: a file that takes minutes to parse must not hold up what else is done in threads.
        self._turns = Turns(max(2, settings.workers), "parse")
        self._bytes = sum(file.stat().st_size for file in self.folder.glob("*/*/mesh.npz"))
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Have a process wait for the first upload."""
        prepare(load)

    def close(self, seconds: float) -> bool:
        """Take nothing more, and wait so long for what is parsed; whether it has ended then."""
        return self._turns.close(seconds)

    def find(self, identity: str) -> StoredGeometry:
        """What is known of a stored geometry.

        Raises:
            Problem: It is not here.
        """
        stored = self._cache.get(identity)
        if stored is None:
            try:
                text = (self._home(identity) / "about.json").read_text(encoding="utf-8")
            except FileNotFoundError:
                raise _unknown(identity) from None
            stored = StoredGeometry.model_validate_json(text)
            self._cache.put(identity, stored, _ABOUT)
            if not self._home(identity).exists():  # removed just now
                self._cache.drop(identity)
        return stored

    def every(self, *, start: int, count: int) -> tuple[list[StoredGeometry], int]:
        """Some of the stored geometries, the newest first, and how many there are in all."""
        dated = []
        for about in self.folder.glob("*/*/about.json"):
            with contextlib.suppress(FileNotFoundError):  # removed just now
                dated.append((-about.stat().st_mtime_ns, about.parent.name))
        geometries = []
        for _, identity in sorted(dated)[start : start + count]:
            with contextlib.suppress(Problem):
                geometries.append(self.find(identity))
        return geometries, len(dated)

    def remove(self, identity: str) -> None:
        """Forget a geometry.

        Raises:
            Problem: It is not here.
        """
        gone = self.incoming / uuid.uuid4().hex
        try:
            self._home(identity).rename(gone)  # at once for everybody else
        except FileNotFoundError:
            raise _unknown(identity) from None
        self._cache.drop(identity)
        with contextlib.suppress(FileNotFoundError):
            self._add(-(gone / "mesh.npz").stat().st_size)
        shutil.rmtree(gone, ignore_errors=True)

    def mesh(self, identity: str, length_unit: str) -> pv.PolyData:
        """A stored surface in metres.

        Args:
            identity: Its hash.
            length_unit: Of the file; STEP files state their own.
        """
        factor = 1.0 if self.find(identity).metric else si_factor(length_unit)
        key = f"{identity} {factor!r}"
        mesh = self._meshes.get(key)
        if mesh is None:
            try:
                with np.load(self._home(identity) / "mesh.npz", allow_pickle=False) as arrays:
                    mesh = pv.PolyData.from_regular_faces(arrays["points"] * factor, arrays["triangles"])
            except FileNotFoundError:  # removed just now
                raise _unknown(identity) from None
            self._meshes.put(key, mesh, 1024 * mesh.actual_memory_size)
        return mesh.copy(deep=False)

    async def receive(
        self, stream: AsyncIterator[bytes], *, name: str, announced: int | None, limit: int | None = None
    ) -> tuple[StoredGeometry, bool]:
        """Take an upload in.

        Args:
            stream: Its bytes.
            name: What the client calls it; the suffix says the format.
            announced: Bytes that the client says will come.
            limit: Largest upload of this client, where it is lower than the server's.

        Returns:
            The geometry, and whether it is new.

        Raises:
            Problem: Too large, of no format that is read, damaged, or there is no room.
        """
        suffix = Path(name).suffix.lower()
        if suffix not in SUFFIXES:
            endings = ", ".join(SUFFIXES)
            raise at_fault(Fault(input="query.name", detail=f"{name!r} does not end in one of {endings}"), status=415)
        most = min(self.settings.upload_bytes, limit or self.settings.upload_bytes)
        if announced is not None and announced > most:
            raise _too_large(most)
        if announced is not None and self._bytes + announced > self.settings.store_bytes:
            raise Problem(507, "the server's store of geometries is full; ask its operator to clear it")
        partial = self.incoming / f"{uuid.uuid4().hex}{suffix}"
        try:
            identity, size = await self._write(stream, partial, most)
            if size == 0:
                raise at_fault(Fault(input="body", detail="the body is empty; send the file's bytes"))
            if (self._home(identity) / "about.json").is_file():
                return await asyncio.to_thread(self._rename, identity, shown_name(name)), False
            return await self._parse(partial, identity, size, name), True
        finally:
            partial.unlink(missing_ok=True)

    async def _parse(self, partial: Path, identity: str, size: int, name: str) -> StoredGeometry:
        long = size > _LONG or partial.suffix in (".step", ".stp")
        return await self._turns.run(lambda: self._keep(partial, identity, size, name), long=long)

    async def _write(self, stream: AsyncIterator[bytes], partial: Path, most: int) -> tuple[str, int]:
        digest, size, pending = hashlib.sha256(), 0, bytearray()
        with partial.open("wb") as file:

            def flush() -> None:
                digest.update(pending)
                file.write(pending)
                file.flush()  # a full disk speaks up here, not when the file is closed
                pending.clear()

            async for part in stream:
                size += len(part)
                if size > most:
                    raise _too_large(most)
                pending += part
                if len(pending) >= _BLOCK:
                    await asyncio.to_thread(flush)
            await asyncio.to_thread(flush)
        return digest.hexdigest(), size

    def _keep(self, partial: Path, identity: str, size: int, name: str) -> StoredGeometry:
        suffix = partial.suffix
        if suffix == ".stl" and (count := _stl_triangles(partial, size)) > self.settings.triangles:
            raise _too_many(count, self.settings.triangles)
        try:
            blocks, facts = read_isolated(
                load, partial, seconds=self.settings.upload_seconds, memory=self.settings.upload_memory, fresh=True
            )
        except FormatError as error:
            reason = self._shown(str(error), partial, name)
            raise at_fault(Fault(input="body", detail=reason)) from error
        mesh = blocks[0].mesh
        if mesh.n_cells > self.settings.triangles:
            raise _too_many(mesh.n_cells, self.settings.triangles)
        points, triangles = np.asarray(mesh.points), np.asarray(mesh.regular_faces)
        low, high = (tuple(corner.tolist()) for corner in (points.min(axis=0), points.max(axis=0)))
        stored = StoredGeometry(
            hash=identity, name=shown_name(name), bytes=size, format=suffix[1:], metric=suffix in (".step", ".stp"),
            triangles=len(triangles), points=len(points), low=low, high=high, closed=bool(facts["closed"]),
            warnings=[self._shown(text, partial, name) for text in facts["warnings"]],
            created=time.time(),
        )  # fmt: skip
        home = self._home(identity)
        staged = self.incoming / uuid.uuid4().hex
        try:
            staged.mkdir()
            np.savez(staged / "mesh.npz", points=points, triangles=triangles.astype(np.int32))
            (staged / "about.json").write_text(stored.model_dump_json(), encoding="utf-8")
            home.parent.mkdir(exist_ok=True)
            try:
                staged.rename(home)
                self._add((home / "mesh.npz").stat().st_size)
            except OSError:
                if not (home / "about.json").is_file():  # else another client sent the same just now
                    raise
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return stored

    def _rename(self, identity: str, name: str) -> StoredGeometry:
        """Call a geometry as whoever sent it last does; its place among the newest stays."""
        stored, about = self.find(identity), self._home(identity) / "about.json"
        if stored.name == name:
            return stored
        stored = stored.model_copy(update={"name": name})
        staged = self.incoming / uuid.uuid4().hex
        try:
            staged.write_text(stored.model_dump_json(), encoding="utf-8")
            shutil.copystat(about, staged)
            staged.replace(about)
            self._cache.drop(identity)
        except FileNotFoundError:  # removed just now
            raise _unknown(identity) from None
        finally:
            staged.unlink(missing_ok=True)
        return stored

    def _shown(self, text: str, partial: Path, name: str) -> str:
        """A remark on an upload, which names its place here, as its client is told it: with the name that it gave."""
        called = shown_name(name)
        for place in (str(partial.resolve()), str(partial.absolute()), str(partial), partial.name):
            text = text.replace(place, called)
        return without_paths(text.removeprefix(f"{called}: "))

    def _add(self, size: int) -> None:
        with self._lock:
            self._bytes += size

    def _home(self, identity: str) -> Path:
        return self.folder / identity[:2] / identity if HASH.fullmatch(identity) else self.folder / "none"


def shown_name(given: str) -> str:
    """What a file is called for people: without folders and what cannot be seen, of at most 100 characters."""
    return "".join(letter for letter in re.split(r"[/\\]", given)[-1] if letter.isprintable())[:100]


def _stl_triangles(file: Path, size: int) -> int:
    """How many triangles an STL has, from below; counted before anything is parsed."""
    with file.open("rb") as stream:
        head = stream.read(84)
    count = int.from_bytes(head[80:84], "little")
    return count if size == 84 + 50 * count else size // 400 if head.lstrip()[:5].lower() == b"solid" else 0


def _unknown(identity: str) -> Problem:
    detail = f"geometry {identity[:64]} is not stored here; upload it first"
    return at_fault(Fault(input="geometry", detail=detail), status=404)


def _too_large(most: int) -> Problem:
    return at_fault(
        Fault(input="body", unit="byte", detail=f"the upload is over {most} bytes, the most that is taken; "
              "send a coarser surface"), status=413,
    )  # fmt: skip


def _too_many(count: int, most: int) -> Problem:
    return at_fault(
        Fault(input="body", detail=f"the surface has {count} triangles, {most} are the most that is taken; coarsen it"),
        status=413,
    )
