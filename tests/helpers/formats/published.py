"""Small data in exactly the layouts in which data sets are published; each writer says what its values are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyvista as pv


def body(scale: float = 1.0) -> pv.PolyData:
    """A closed body of triangles, 1 x 0.6 x 0.4 times a scale."""
    mesh = pv.Sphere(radius=0.5, theta_resolution=12, phi_resolution=8).scale((scale, 0.6, 0.4), inplace=False)
    mesh.clear_data()
    return mesh


def air(around: pv.PolyData) -> pv.UnstructuredGrid:
    """Hexahedra outside a body."""
    box = pv.ImageData(dimensions=(8, 8, 8), spacing=(2 / 7,) * 3, origin=(-1, -1, -1)).cast_to_unstructured_grid()
    return box.extract_cells(np.linalg.norm(box.cell_centers().points, axis=1) > 0.7)


def clean(mesh: pv.DataSet) -> pv.DataSet:
    mesh.clear_data()
    return mesh


# -- AhmedML, DrivAerML, WindsorML ---------------------------------------------------------------------------------


def write_openfoam_run(run: Path, n: int, *, stem: str, trim: str, volume: bool = True) -> None:
    """A run of AhmedML or DrivAerML: ``p = n x`` on and around the body, shear ``(-n, 0, 0)``, ``U = (n, 0, 0)``."""
    run.mkdir(parents=True)
    shape = body(1 + 0.1 * n)
    shape.save(run / f"{stem}_{n}.stl")
    for mesh, file in ((shape.copy(), f"boundary_{n}.vtp"), (clean(air(shape)), f"volume_{n}.vtu")):
        x = mesh.cell_centers().points[:, 0]
        mesh.cell_data[f"pMean{trim}"] = (n * x).astype(np.float32)
        if file.startswith("boundary"):
            mesh.cell_data[f"wallShearStressMean{trim}"] = np.tile(np.float32([-n, 0, 0]), (mesh.n_cells, 1))
        else:
            mesh.cell_data[f"UMean{trim}"] = np.tile(np.float32([n, 0, 0]), (mesh.n_cells, 1))
        if trim == "":  # AhmedML has its fields at points, too
            mesh.point_data["pMean"] = np.full(mesh.n_points, 99.0, np.float32)
        if file.startswith("boundary") or volume:
            mesh.save(run / file)


def write_ahmedml(root: Path, runs: Iterable[int] = (1, 2, 3), *, volume: bool = True) -> Path:
    for n in runs:
        run = root / f"run_{n}"
        write_openfoam_run(run, n, stem="ahmed", trim="", volume=volume)
        (run / f"force_mom_{n}.csv").write_text(f"cd, cl\n {0.1 * n:.10e}, -9.45e-02\n")
        (run / f"force_mom_varref_{n}.csv").write_text("cd, cl\n 9.0, 9.0\n")
        (run / f"geo_parameters_{n}.csv").write_text(
            "body-length,body-height,body-width,front-arc-diameter,slant-angle-length,slant-angle-height,"
            f"slant-surface-length,slant-angle-degrees\n{1000 + n},253.3,369.3,194.3,95.9,174.5,199.1,{20 + n}\n"
        )
        (run / "slices").mkdir()
    (root / "splits").mkdir()
    names = [f"run_{n}" for n in runs]
    manifest = {
        "full_train": names[:1], "full_val": names[1:2], "full_test": names[2:],
        "scarce_train": names[:1], "scarce_val": [], "scarce_test": [*names[1:], "run_400"],
    }  # fmt: skip
    (root / "splits" / "manifest.json").write_text(json.dumps(manifest))
    return root


def write_drivaerml(root: Path, runs: Iterable[int] = (1, 2, 4, 11)) -> Path:
    """With volumes in three parts; of these runs, 4 is in the validation and 11 in the test set."""
    for n in runs:
        run = root / f"run_{n}"
        write_openfoam_run(run, n, stem="drivaer", trim="Trim")
        whole = run / f"volume_{n}.vtu"
        data = whole.read_bytes()
        whole.unlink()
        cuts = [0, len(data) // 3, 2 * len(data) // 3, len(data)]
        for index in range(3):
            (run / f"volume_{n}.vtu.{index:02d}.part").write_bytes(data[cuts[index] : cuts[index + 1]])
        (run / f"force_mom_{n}.csv").write_text("Cd, Cl, Clf, Clr, Cs\n9, 9, 9, 9, 9\n")
        (run / f"force_mom_constref_{n}.csv").write_text(f"Cd, Cl, Clf, Clr, Cs\n{0.3 + 0.01 * n}, 0.1, 0, 0.1, 0\n")
        (run / f"geo_ref_{n}.csv").write_text("aRef, lRef\n2.2, 2.8\n")
        (run / f"geo_parameters_{n}.csv").write_text(f"Run, Vehicle_Length,Vehicle_Pitch\n{n}, {10 * n}, -0.5\n")
    return root


def write_windsorml(root: Path, runs: Iterable[int] = (0, 1, 2)) -> Path:
    """``cp = n`` and ``cf = (1, 2, 3) n`` at points; ``U = (40, 0, n)`` at cells; tables for all runs in the root."""
    for n in runs:
        run = root / f"run_{n}"
        run.mkdir(parents=True)
        shape = body(1 + 0.1 * n)
        shape.save(run / f"windsor_{n}.stl")
        surface = shape.cast_to_unstructured_grid()
        surface.point_data["cpavg"] = np.full(surface.n_points, n, np.float32)
        for axis, size in (("x", 1), ("z", 3), ("y", 2)):
            surface.point_data[f"cf{axis}avg"] = np.full(surface.n_points, size * n, np.float32)
        surface.save(run / f"boundary_{n}.vtu")
        volume = clean(air(shape))
        for axis, speed in (("x", 40), ("y", 0), ("z", n)):
            volume.cell_data[f"velocity{axis}avg"] = np.full(volume.n_cells, speed, np.float32)
        volume.cell_data["pressureavg"] = np.full(volume.n_cells, 37330.4, np.float32)
        volume.save(run / f"volume_{n}.vtu")
    rows = "".join(f"{n}, {0.2 + 0.1 * n}, 0.0, 0.4, 0.01\n" for n in runs)
    (root / "force_mom_all.csv").write_text("run, cd, cs, cl, cmy\n" + rows)
    rows = "".join(f"{n}, 0.3, 70, {10 + n}, 0.112\n" for n in runs)
    (root / "geo_parameters_all.csv").write_text("run, ratio_length_back_fast, side_taper, bottom_taper_angle, "
                                                 "frontal_area\n" + rows)  # fmt: skip
    return root


# -- others ---------------------------------------------------------------------------------------------------------


def write_shapenet_car(root: Path) -> Path:
    """Folds 0, 1 and 3 with two cars each: ``p = 10 fold + car`` on the surface, ``U = (0, 0, p)`` around it."""
    for fold in (0, 1, 3):
        for car in range(2):
            folder = root / "training_data" / f"param{fold}" / f"{'abc'[fold % 3]}{car}f00"
            folder.mkdir(parents=True)
            level = 10.0 * fold + car
            surface = pv.Cube(x_length=2, y_length=1, z_length=4 + car).cast_to_unstructured_grid()
            points = np.vstack([surface.points, [[99.0, 99.0, 99.0]]])  # a point that no cell has, as in the original
            surface = pv.UnstructuredGrid(surface.cells, surface.celltypes, points)
            surface.point_data["point_scalars"] = np.full(surface.n_points, level)
            surface.save(folder / "quadpress_smpl.vtk", binary=False)
            np.save(folder / "press.npy", np.full(surface.n_points, level))
            volume = clean(air(body()))
            velocity = np.tile([0.0, 0.0, level], (volume.n_points, 1))
            if car == 0:
                volume.point_data["point_vectors"] = velocity
            else:
                np.save(folder / "velo.npy", velocity.ravel())
            volume.save(folder / "hexvelo_smpl.vtk", binary=False)
            (folder / "cd.txt").write_text(f"{0.3 + 0.01 * level}\n")
            (folder / "param1.txt").write_text("1 2 3\n")
    (root / "training_data" / "param1" / "empty00").mkdir()
    return root


AEROFOILS = (
    "airFoil2D_SST_31.283_-4.156_0.919_6.98_14.32", "airFoil2D_SST_33.137_-2.653_2.78_5.876_1.0_14.328",
    "airFoil2D_SST_40.5_3.25_2.0_4.0_12.0", "airFoil2D_SST_60.0_10.0_1.0_4.0_10.0",
)  # fmt: skip


def write_airfrans(root: Path) -> Path:
    """``p = x`` and ``U = (speed, 0, 0)`` on and around an ellipse of chord 1 at z = 0.5."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wall = np.stack([0.5 + 0.5 * np.cos(angle), 0.06 * np.sin(angle), np.full(24, 0.5)], axis=1)
    far = np.stack([0.5 + 2 * np.cos(angle), 2 * np.sin(angle), np.full(24, 0.5)], axis=1)
    quads = [(4, i, 24 + i, 24 + (i + 1) % 24, (i + 1) % 24) for i in range(24)]
    for name in AEROFOILS:
        folder = root / name
        folder.mkdir(parents=True)
        speed = float(name.split("_")[2])
        flow = pv.UnstructuredGrid(np.ravel(quads), [pv.CellType.QUAD] * 24, np.vstack([wall, far]).astype(np.float32))
        aerofoil = pv.PolyData(wall.astype(np.float32), lines=np.ravel([(2, i, (i + 1) % 24) for i in range(24)]))
        for mesh, end in ((flow, "internal.vtu"), (aerofoil, "aerofoil.vtp"), (aerofoil.copy(), "freestream.vtp")):
            mesh.point_data["U"] = np.tile(np.float32([speed, 0, 0]), (mesh.n_points, 1))
            mesh.point_data["p"] = mesh.points[:, 0].copy()
            mesh.point_data["nut"] = np.full(mesh.n_points, 1e-5, np.float32)
            if end == "internal.vtu":
                mesh.point_data["implicit_distance"] = np.zeros(mesh.n_points, np.float32)
            mesh.save(folder / f"{name}_{end}")
    a, b, c, d = AEROFOILS
    manifest = {
        "full_train": [a, b, c], "full_test": [d], "scarce_train": [a], "reynolds_train": [a, b],
        "reynolds_test": [c, d], "aoa_train": [c], "aoa_test": [a, "airFoil2D_SST_1.0_2.0_1.0_4.0_10.0"],
    }  # fmt: skip
    (root / "manifest.json").write_text(json.dumps(manifest))
    return root


DESIGNS = ("F_D_WM_WW_0001", "F_D_WM_WW_0002", "E_S_WW_WM_075", "N_S_WWC_WM_003")


def write_drivaernet(root: Path) -> Path:
    """``p = i x`` at points; ``wallShearStress = (-x, 0, i)`` at the same points in another order."""
    rng = np.random.default_rng(0)
    for i, name in enumerate(DESIGNS):
        group = name.rpartition("_")[0]
        places = [
            root / "PressureVTK" / group,
            root / "WallShearStressVTK_Updated" / group,
            root / "3DMeshesSTL" / group,
        ]
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        shape = body(1 + 0.1 * i)
        shape.save(places[2] / f"{name}.stl")
        pressure = shape.copy()
        pressure.point_data["p"] = (i * pressure.points[:, 0]).astype(np.float32)
        pressure.save(places[0] / f"{name}.vtk")
        order = rng.permutation(shape.n_points)
        place_of = np.argsort(order)
        shear = pv.PolyData.from_regular_faces(shape.points[order], place_of[shape.regular_faces])
        zeros = np.zeros(shape.n_points)
        shear.point_data["wallShearStress"] = np.stack([-shear.points[:, 0], zeros, zeros + i], axis=1).astype(
            np.float32
        )
        shear.save(places[1] / f"{name}.vtk")
    (root / "DrivAerNetPlusPlus_Cd_8k_Updated.csv").write_text(
        "Design,Average Cd\n" + "".join(f"{name},{0.25 + 0.01 * i}\n" for i, name in enumerate(DESIGNS))
    )
    (root / "DrivAerNetPlusPlus_CarDesign_Areas.csv").write_text("Design,Area\nF_D_WM_WW_0001,2.2\n")
    (root / "DrivAerNet_ParametricData.csv").write_text(
        "Experiment,B_Ramp_Angle,A_Car_Length,Average Cd,Std Cd,Average Cl,Std Cl\n"
        "F_D_WM_WW_0001,12.97,81.2,0.25,0.006,-0.1,0.04\n"
    )
    (root / "train_val_test_splits").mkdir()
    for split, names in (("train", DESIGNS[:2]), ("val", DESIGNS[2:3]), ("test", (DESIGNS[3], "F_D_WM_WW_9999"))):
        (root / "train_val_test_splits" / f"{split}_design_ids.txt").write_text("\n".join(names) + "\n")
    return root


def write_emmi_wing(root: Path) -> Path:
    """Two wings of a scan: ``p = 1e5 + x`` on the surface, speed ``(200, 0, 0)`` around it, names as a guess."""
    for index in range(2):
        folder = root / "data" / f"scan_{index}"
        folder.mkdir(parents=True)
        shape = body(1 + 0.1 * index)
        shape.save(folder / "wing.stl")
        np.save(folder / "surface_points.npy", shape.points)
        np.save(folder / "surface_pressure.npy", 1e5 + shape.points[:, :1])
        around = air(shape).cell_centers().points
        np.savez(folder / "volume.npz", points=around, velocity=np.tile([200.0, 0, 0], (len(around), 1)))
        np.save(folder / "other.npy", np.zeros(3))
        (folder / "design.json").write_text(json.dumps({"sweep": 20.0 + index, "span": 1.2, "U_inf": 200.0, "AoA": 4}))
    (root / "README.md").write_text("# Emmi-Wing\n\nThe dataset proposed in ...\n")
    return root


WRITERS: dict[str, Callable[[Path], Path]] = {
    "AhmedML": write_ahmedml, "WindsorML": write_windsorml, "DrivAerML": write_drivaerml,
    "ShapeNet-Car": write_shapenet_car, "AirfRANS": write_airfrans, "DrivAerNet++": write_drivaernet,
    "Emmi-Wing": write_emmi_wing,
}  # fmt: skip
