"""The store at scale: draws, ingest, size, many cases; each figure beside what it is compared with, in one run.

    python benchmarks/store.py --out benchmarks/results/store.json     # up to 12 GB of disk, 8 GB of memory
    python benchmarks/store.py --small

Draws: 16,384 random points with pressure and velocity, against loading all arrays (``np.load``) and indexing them; cold
is with the files' pages dropped. Ingest: a compressed VTU of hexahedra with float32 fields against VTK reading it, each
in a process of its own (seconds of all cores beside those of the clock: a busy machine changes only the latter);
memory is the peak above that of a process that has only imported, over the size of the mesh.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from record import heading, keep

from tramontane.case import Case
from tramontane.contract import Contract, FieldSpec
from tramontane.dataset import Dataset
from tramontane.dataset.ingest.run import ingest
from tramontane.dataset.store.chunks import ArrayWriter, CaseArrays
from tramontane.dataset.store.files import LocalFiles
from tramontane.dataset.store.order import SiteOrder
from tramontane.design import Design

COUNT = 16_384
FIELDS = {"pressure": FieldSpec(unit="Pa"), "velocity": FieldSpec(unit="m/s", components=3)}


def median(work: Callable[[], Any], repeats: int, before: Callable[[], Any] = lambda: None) -> float:
    """Median seconds of some work, something else being done before each time."""
    times = []
    for _ in range(repeats):
        before()
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def warm(folder: Path) -> None:
    """Have the system keep a folder's files in memory."""
    for file in filter(Path.is_file, folder.rglob("*")):
        with file.open("rb", buffering=0) as stream:
            while stream.read(1 << 24):
                pass


def drop(root: Path) -> None:
    """Have the system forget the pages of all files below a folder."""
    for file in root.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def size_of(root: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in root.rglob("*") if file.is_file())


def draws(root: Path, count: int) -> dict[str, float]:
    """Draws from a cloud of points, cold and cached, against loading and indexing."""
    rng = np.random.default_rng(0)
    plain = root / "plain"
    plain.mkdir()
    mesh = pv.PolyData()
    mesh.points = rng.random((count, 3), dtype=np.float32)
    mesh.point_data["pressure"] = rng.random(count, dtype=np.float32)
    mesh.point_data["velocity"] = rng.random((count, 3), dtype=np.float32)
    arrays = {"points": mesh.points, "pressure": mesh["pressure"], "velocity": mesh["velocity"]}
    for name, values in arrays.items():
        np.save(plain / f"{name}.npy", values)
    dataset = Dataset.create(root / "data", Contract(fields={"particles": dict(FIELDS)}))
    dataset.add(Case("cloud", Design(None), {"particles": mesh}))
    del mesh, arrays, dataset

    def load_and_index() -> None:
        chosen = rng.integers(0, count, COUNT)
        for file in plain.iterdir():
            np.load(file)[chosen]

    dataset = Dataset.open(root / "data")

    def draw() -> None:
        dataset.sample("cloud", "particles", COUNT, rng)

    draw()
    found = {
        "draw_cold_seconds": median(draw, 9, lambda: drop(root / "data")),
        "load_cold_seconds": median(load_and_index, 3, lambda: drop(plain)),
    }
    # Both sides from memory: some draws alone would leave most of a large case on the disk.
    warm(root / "data")
    warm(plain)
    found |= {"draw_seconds": median(draw, 200), "load_seconds": median(load_and_index, 5)}
    shutil.rmtree(root)
    return found | {
        "times_faster": found["load_seconds"] / found["draw_seconds"],
        "times_faster_cold": found["load_cold_seconds"] / found["draw_cold_seconds"],
    }


def write_vtu(folder: Path, side: int) -> int:
    """A cube of ``side ** 3`` hexahedra, points moved a little, fields with a little noise; the mesh's bytes."""
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    rng = np.random.default_rng(0)
    ticks = np.arange(side + 1, dtype=np.float32) / side
    points = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).reshape(-1, 3)
    points += (0.2 / side) * rng.standard_normal(points.shape, dtype=np.float32)
    i, j, k = np.meshgrid(*[np.arange(side)] * 3, indexing="ij")
    first, row, layer = ((i * (side + 1) + j) * (side + 1) + k).ravel(), side + 1, (side + 1) ** 2
    steps = [0, layer, layer + row, row, 1, layer + 1, layer + row + 1, row + 1]
    grid = pv.UnstructuredGrid({pv.CellType.HEXAHEDRON: np.stack([first + step for step in steps], 1)}, points)
    x, y, z = points[first].T
    noise = 1e-3 * rng.standard_normal((4, len(first)), dtype=np.float32)
    grid.cell_data["pressure"] = np.sin(9 * x) * np.cos(5 * y) + noise[0]
    grid.cell_data["velocity"] = np.stack([np.sin(7 * y), np.cos(5 * z), x * y], 1) + noise[1:].T
    folder.mkdir(parents=True)
    writer = vtkXMLUnstructuredGridWriter()
    writer.SetInputData(grid)
    writer.SetFileName(str(folder / "volume.vtu"))
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetHeaderTypeToUInt64()
    writer.Write()
    return int(grid.GetActualMemorySize()) * 1024


def peak(code: str, *arguments: str) -> tuple[float, float, float]:
    """Seconds, seconds of all its cores, and peak memory in bytes of a program of its own, which prints them."""
    # The kernel's own peak of this program: `getrusage` would count that of the process which started it.
    code += "\nhigh = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))"
    code += "\nprint(seconds, cores, 1024 * int(high.split()[1]))"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    seconds, cores, memory = done.stdout.split()[-3:]
    return float(seconds), float(cores), float(memory)


_IMPORTED = """
import sys, time
from pathlib import Path
import trimesh
from tramontane import processes
from tramontane.dataset.ingest.run import ingest
from tramontane.formats import read_mesh
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader
begun, cores = time.perf_counter(), time.process_time()
"""
# As one of the processes of `ingest` does it: such a process may crash, and need not try a file in another one first.
_INGEST = _IMPORTED + "processes.contain()\ningest(sys.argv[1], sys.argv[2], workers=0, test=0, validation=0)"
_READ = (
    _IMPORTED
    + """
reader = vtkXMLUnstructuredGridReader()
reader.SetFileName(sys.argv[1])
reader.Update()
"""
)
_END = "\nseconds, cores = time.perf_counter() - begun, time.process_time() - cores"


def large_vtu(root: Path, side: int) -> dict[str, float]:
    """Ingest of one large VTU: memory, speed, and the store's size."""
    mesh_bytes = write_vtu(root / "cases/one", side)
    file = root / "cases/one/volume.vtu"
    *_, base = peak(_IMPORTED + _END)
    times: dict[str, list[float]] = {"ingest": [], "read": [], "ingest cores": [], "read cores": []}
    memory = 0.0
    for _ in range(3):
        seconds, cores, _ = peak(_READ + _END, str(file))
        times["read"].append(seconds)
        times["read cores"].append(cores)
        shutil.rmtree(root / "data", ignore_errors=True)
        seconds, cores, used = peak(_INGEST + _END, str(root / "cases"), str(root / "data"))
        times["ingest"].append(seconds)
        times["ingest cores"].append(cores)
        memory = max(memory, used - base)
    read, whole, read_cores, whole_cores = (statistics.median(times[key]) for key in ("read", "ingest", "read cores",
                                                                                     "ingest cores"))  # fmt: skip
    found = {
        "cells": side**3, "mesh_bytes": mesh_bytes, "file_bytes": file.stat().st_size,
        "store_bytes": size_of(root / "data"), "vtk_read_seconds": read, "ingest_seconds": whole,
        "vtk_read_core_seconds": read_cores, "ingest_core_seconds": whole_cores,
        "speed_of_vtk_read": read / whole, "peak_over_mesh": memory / mesh_bytes,
    }  # fmt: skip
    shutil.rmtree(root)
    return found | {"store_over_compressed_xml": found["store_bytes"] / found["file_bytes"]}


def open_many(root: Path, count: int) -> dict[str, float]:
    """Opening a dataset of many cases, and statistics over them: seconds, and the growth of memory."""
    dataset = Dataset.create(root / "data", Contract(fields={"particles": dict(FIELDS)}))
    rng, staged = np.random.default_rng(0), []
    begun = time.perf_counter()
    for number in range(count):
        mesh = pv.PolyData()
        mesh.points = rng.random((2000, 3), dtype=np.float32)
        mesh.point_data["pressure"] = rng.random(2000, dtype=np.float32)
        mesh.point_data["velocity"] = rng.random((2000, 3), dtype=np.float32)
        staged.append(dataset.stage(Case(f"{number:05d}", Design(None, load=f"{number} N"), {"particles": mesh})))
    staged_seconds = time.perf_counter() - begun
    dataset.register(*staged)
    dataset.set_splits({"train": dataset.names})
    found = {"cases": count, "stage_seconds_per_case": staged_seconds / count}
    found["register_seconds"] = time.perf_counter() - begun - staged_seconds
    found["open_seconds"] = median(lambda: Dataset.open(root / "data"), 9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    Dataset.open(root / "data").statistics()
    found["statistics_seconds"] = time.perf_counter() - begun
    found["statistics_memory_mib"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    shutil.rmtree(root)
    return found


def many_files(root: Path, counts: list[int], side: int) -> list[dict[str, float]]:
    """Ingest of folders of more and more cases, with one process and with two."""
    out = []
    for count in counts:
        folder = root / f"cases-{count}"
        write_vtu(folder / "000", side)
        for number in range(1, count):
            (folder / f"{number:03d}").mkdir()
            shutil.copy(folder / "000/volume.vtu", folder / f"{number:03d}/volume.vtu")
        row: dict[str, float] = {"cases": count}
        for workers in (1, 2):
            begun = time.perf_counter()
            ingest(folder, root / f"data-{count}-{workers}", workers=workers, test=0, validation=0)
            row[f"seconds_per_case_{workers}_workers"] = (time.perf_counter() - begun) / count
        out.append(row)
        shutil.rmtree(root)
        print(row, flush=True)
    return out


def zarr_python(root: Path, count: int) -> dict[str, float]:
    """Draws of 16,384 neighbouring rows of four arrays, by turns: ours, zarr-python, and zarr-python with zarrs."""
    import zarr

    rng, order = np.random.default_rng(0), SiteOrder(count, 3)
    phase = np.linspace(0, 50, count, dtype=np.float32)
    waves = np.stack([phase, 2 * phase, 3 * phase], axis=1)
    arrays = {"positions": rng.random((count, 3), dtype=np.float32), "velocity": np.sin(waves),
              "weights": rng.random(count, dtype=np.float32), "pressure": np.cos(phase)}  # fmt: skip
    with ArrayWriter(root / "case") as writer:
        for name, values in arrays.items():
            writer.write(name, values, order)
    reader, names = CaseArrays(LocalFiles(root / "case"), writer.records, "case"), list(arrays)

    def opened() -> list[Any]:
        group = zarr.open_group(root / "case", mode="r", zarr_format=3)
        return [group[name] for name in names]

    def ours(start: int) -> Any:
        return reader.window(names, list(order.pieces(start, start + COUNT)))

    def theirs(opened_arrays: list[Any]) -> Callable[[int], Any]:
        return lambda start: [array[start : start + COUNT] for array in opened_arrays]

    readers = {"draw_seconds": ours, "zarr_python_seconds": theirs(opened())}
    try:
        import zarrs  # noqa: F401

        with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
            readers["zarrs_seconds"] = theirs(opened())
    except ImportError:
        print("zarrs is not installed: its row is left out")
    times: dict[str, list[float]] = {name: [] for name in readers}
    for start in rng.integers(0, count - COUNT, 60).tolist():
        for name, read in readers.items():
            begun = time.perf_counter()
            read(start)
            times[name].append(time.perf_counter() - begun)
    found = {name: statistics.median(of) for name, of in times.items()}
    shutil.rmtree(root)
    return found | {f"{name.removesuffix('_seconds')}_over_ours": value / found["draw_seconds"]
                    for name, value in found.items() if name != "draw_seconds"}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one of the parts; the others stay as --out has them")
    parser.add_argument("--small", action="store_true", help="a hundredth of the sizes")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    small = options.small
    found = heading()
    if options.only and options.out and options.out.is_file():
        found = json.loads(options.out.read_text(encoding="utf-8")) | {f"{options.only}_commit": found["commit"]}

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        root = Path(folder)
        for name, work in (
            ("large_vtu", lambda: large_vtu(root / "vtu", 46 if small else 215)),
            ("many_cases", lambda: open_many(root / "many", 50 if small else 1000)),
            ("ingest_of_folders", lambda: many_files(root / "files", [5, 10] if small else [25, 50, 100, 200], 20)),
            ("zarr_python", lambda: zarr_python(root / "zarr", 10**5 if small else 10**6)),
        ):
            if options.only in (None, name):
                found[name] = work()
                keep(found, options.out)
        if options.only not in (None, "draws"):
            return
        found["draws"] = {}
        for count in (10**5, 10**6) if small else (10**6, 10**7, 10**8):
            (root / "draws").mkdir()
            found["draws"][f"{count:,}"] = draws(root / "draws", count)
            keep(found, options.out)
        cold, cached = ([row[key] for row in found["draws"].values()] for key in ("draw_cold_seconds", "draw_seconds"))
        found["slowest_over_fastest_draw"] = {"cold": max(cold) / min(cold), "cached": max(cached) / min(cached)}
    keep(found, options.out)


if __name__ == "__main__":
    main()
