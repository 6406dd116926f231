"""Files that real programs write, made once a session where the programs are installed."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

BOX = (4, 3, 2)  # cells of the box that code_saturne computes on, of size 2 x 1 x 1
FOAM = Path("/usr/share/openfoam")
ELBOW = Path("/usr/share/doc/openfoam-examples/examples/incompressible/icoFoam/elbow")


def run(command: list[str], folder: Path, **environment: str) -> None:
    """Run a program; what it says is part of the failure."""
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def need(program: str, package: str) -> None:
    """Skip where a program is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed; apt-get install {package}")


def run_elbow(folder: Path) -> Path:
    """OpenFOAM's tutorial `elbow`, ten steps, five times written."""
    need("icoFoam", "openfoam openfoam-examples")
    if not ELBOW.is_dir():
        pytest.skip(f"{ELBOW} is not installed; apt-get install openfoam-examples")
    case = folder / "elbow"
    shutil.copytree(ELBOW, case)
    if (case / "elbow.msh.gz").is_file():
        run(["gunzip", "elbow.msh.gz"], case)
    control = (case / "system" / "controlDict").read_text()
    for key, value in (("endTime", "0.5"), ("writeControl", "timeStep"), ("writeInterval", "2")):
        lines = [f"{key} {value};" if line.startswith(key) else line for line in control.splitlines()]
        control = "\n".join(lines)
    (case / "system" / "controlDict").write_text(control)
    for program in (["fluentMeshToFoam", "elbow.msh"], ["icoFoam"]):
        run(program, case, WM_PROJECT_DIR=str(FOAM))
    return case


def run_saturne(folder: Path, format_: str) -> Path:
    """code_saturne: laminar flow of density 1.2 through a box, five steps; gives its folder of results."""
    need("code_saturne", "code-saturne code-saturne-bin gcc")
    for name in ("MESH", "CASE/DATA", "CASE/SRC", "CASE/SCRIPTS", "CASE/RESU"):
        (folder / "STUDY" / name).mkdir(parents=True)
    data = folder / "STUDY" / "CASE" / "DATA"
    (folder / "STUDY" / "MESH" / "box.msh").write_text(_box_of_gmsh())
    (data / "setup.xml").write_text(_SETUP.replace("FORMAT", format_))
    run(["code_saturne", "run", "--param", "setup.xml", "--id", "run"], data, USER="root", LOGNAME="root",
        OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMP_NUM_THREADS="1")  # fmt: skip
    return folder / "STUDY" / "CASE" / "RESU" / "run" / "postprocessing"


def _box_of_gmsh() -> str:
    """A box of hexahedra as Gmsh 2.2 writes it; groups 1 (inside), 2 (x = 0), 3 (x = 2), 4 (walls)."""
    nx, ny, nz = BOX
    index = np.arange((nx + 1) * (ny + 1) * (nz + 1)).reshape(nz + 1, ny + 1, nx + 1) + 1
    grid = np.stack(np.meshgrid(np.linspace(0, 1, nz + 1), np.linspace(0, 1, ny + 1), np.linspace(0, 2, nx + 1),
                                indexing="ij"), axis=-1).reshape(-1, 3)[:, ::-1]  # fmt: skip
    low = [index[:-1, :-1, :-1], index[:-1, :-1, 1:], index[:-1, 1:, 1:], index[:-1, 1:, :-1]]
    high = [index[1:, :-1, :-1], index[1:, :-1, 1:], index[1:, 1:, 1:], index[1:, 1:, :-1]]
    cells = [(5, 1, row) for row in np.stack([part.ravel() for part in low + high], axis=1)]
    for group, side in ((2, index[:, :, 0]), (3, index[:, :, -1]), (4, index[0]), (4, index[-1]),
                        (4, index[:, 0]), (4, index[:, -1])):  # fmt: skip
        quads = np.stack([side[:-1, :-1], side[:-1, 1:], side[1:, 1:], side[1:, :-1]], axis=-1).reshape(-1, 4)
        cells += [(3, group, row) for row in quads]
    nodes = "\n".join(f"{n} {x:.9g} {y:.9g} {z:.9g}" for n, (x, y, z) in enumerate(grid, 1))
    lines = "\n".join(f"{n} {kind} 2 {group} {group} {' '.join(map(str, row))}"
                      for n, (kind, group, row) in enumerate(cells, 1))  # fmt: skip
    return (f"$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n{len(grid)}\n{nodes}\n$EndNodes\n"
            f"$Elements\n{len(cells)}\n{lines}\n$EndElements\n")  # fmt: skip


_OFF = "".join(f'<{name} model="off"/>' for name in (
    "turbulence", "atmospheric_flows", "compressible_model", "electrical_models", "gas_combustion", "joule_effect",
    "solid_fuels", "thermal_scalar", "groundwater_model", "hgn_model", "conjugate_heat_transfer", "radiative_transfer",
    "ale_method",
))  # fmt: skip
_SETUP = f"""<?xml version="1.0" encoding="utf-8"?>
<Code_Saturne_GUI case="CASE" solver_version="6.0" study="STUDY" version="2.0">
<additional_scalars/>
<analysis_control><output><listing_printing_frequency>1</listing_printing_frequency>
<mesh id="-1" label="Fluid domain" type="cells"><all_variables status="on"/><location>all[]</location>
<writer id="-1"/></mesh>
<mesh id="-2" label="Boundary" type="boundary_faces"><all_variables status="on"/><location>all[]</location>
<writer id="-1"/></mesh>
<writer id="-1" label="results"><directory name="postprocessing"/><format name="FORMAT" options=""/>
<frequency period="time_step">2</frequency><output_at_end status="on"/><output_at_start status="off"/>
<time_dependency choice="fixed_mesh"/></writer></output>
<time_parameters><iterations>5</iterations><time_step_ref>0.1</time_step_ref></time_parameters></analysis_control>
<boundary_conditions><boundary label="inlet" name="1" nature="inlet">2</boundary>
<boundary label="outlet" name="2" nature="outlet">3</boundary>
<boundary label="walls" name="3" nature="wall">4</boundary>
<inlet label="inlet"><velocity_pressure choice="norm" direction="normal"><norm>1</norm></velocity_pressure></inlet>
<outlet label="outlet"/><wall label="walls"><velocity_pressure choice="off"/></wall></boundary_conditions>
<calculation_management><start_restart><frozen_field status="off"/></start_restart></calculation_management>
<numerical_parameters/>
<physical_properties><fluid_properties><material choice="user_material"/><method choice="user_properties"/>
<property choice="constant" label="Density" name="density"><initial_value>1.2</initial_value></property>
<property choice="constant" label="LamVisc" name="molecular_viscosity"><initial_value>0.01</initial_value></property>
</fluid_properties></physical_properties>
<solution_domain><meshes_list><mesh name="box.msh"/></meshes_list>
<volumic_conditions><zone id="1" initialization="on" label="all_cells">all[]</zone></volumic_conditions>
</solution_domain>
<thermophysical_models><reference_values><pressure>101325</pressure></reference_values>{_OFF}
<velocity_pressure/></thermophysical_models></Code_Saturne_GUI>
"""


class Exodus:
    """The Exodus library itself, called as programs call it."""

    BLOCK, SIDES, NODAL = 1, 3, 14

    def __init__(self, file: Path) -> None:
        name = ctypes.util.find_library("exoIIv2c")
        if name is None:
            pytest.skip("the Exodus library is not installed; apt-get install libexodusii5")
        self.library = ctypes.CDLL(name)
        words = ctypes.c_int(8)
        clobber, version = 8, 602
        self.id = self.library.ex_create_int(
            str(file).encode(), clobber, ctypes.byref(words), ctypes.byref(words), version
        )
        assert self.id > 0

    def __call__(self, function: str, *arguments: object) -> None:
        """Call ``ex_FUNCTION``: whole numbers are 64 bit, arrays and texts go by their address."""
        given = [self._given(each) for each in arguments]
        assert getattr(self.library, f"ex_{function}")(self.id, *given) >= 0

    @staticmethod
    def _given(value: object) -> object:
        if isinstance(value, list):
            return (ctypes.c_char_p * len(value))(*(each.encode() for each in value))
        if isinstance(value, np.ndarray):
            return value.ctypes.data_as(ctypes.c_void_p)
        if isinstance(value, str):
            return value.encode()
        return ctypes.c_int64(value) if isinstance(value, int) else value
