"""Cases that OpenFOAM itself runs for the tests, made from its own tutorials."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

TUTORIALS = Path("/usr/share/doc/openfoam-examples/examples")
PROGRAMS = (
    "blockMesh", "icoFoam", "simpleFoam", "decomposePar", "reconstructPar", "snappyHexMesh", "mpirun", "postProcess",
    "foamDictionary", "topoSet", "splitMeshRegions", "changeDictionary", "chtMultiRegionFoam",
)  # fmt: skip
_ETC = Path("/usr/share/openfoam")

WALL_SHEAR = "wallShear { type wallShearStress; libs (fieldFunctionObjects); writeControl writeTime; }"
SOLVER_INFO = "solverInfo1 { type solverInfo; libs (utilityFunctionObjects); fields (U p); }"
AVERAGE = """
average
{
    type fieldAverage; libs (fieldFunctionObjects); writeControl writeTime;
    fields
    (
        U { mean on; prime2Mean on; base time; }
        p { mean on; prime2Mean off; base time; }
    );
}
"""
FORCES = "forces1 { type forces; libs (forces); patches (%s); rho rhoInf; rhoInf %s; CofR (0 0 0); }"
COEFFICIENTS = """
coefficients
{
    type forceCoeffs; libs (forces); patches (%s); rho rhoInf; rhoInf %s; CofR (0 0 0);
    liftDir (0 0 1); dragDir (1 0 0); pitchAxis (0 1 0); magUInf 20; lRef 1.42; Aref 0.75;
}
"""


def missing() -> str | None:
    """Why OpenFOAM cannot be run here, or None."""
    lacks = [name for name in PROGRAMS if shutil.which(name) is None]
    lacks += [] if TUTORIALS.is_dir() else ["the tutorials"]
    how = "apt-get install openfoam openfoam-examples"
    return f"OpenFOAM is not installed ({', '.join(lacks)}): {how}" if lacks else None


def run(case: Path, *command: str) -> None:
    """Run one of OpenFOAM's programs on a case; what it says goes into ``log.PROGRAM``."""
    name = next(word for word in command if word in PROGRAMS and word != "mpirun")
    with (case / f"log.{name}").open("w") as log:
        environment = os.environ | {"WM_PROJECT_DIR": str(_ETC), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=case, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False)
    assert done.returncode == 0, (case / f"log.{name}").read_text()[-2000:]


def control(case: Path, functions: str = "", **entries: object) -> None:
    """Change entries of a case's controlDict, and replace its function objects."""
    file = case / "system" / "controlDict"
    text = re.sub(r"functions\s*\{.*\n\}", "", file.read_text(), flags=re.DOTALL)
    for key, value in entries.items():
        text = re.sub(rf"(?m)^{key}\s[^;]*;", f"{key} {value};", text)
    file.write_text(f"{text}\nfunctions\n{{\n{functions}\n}}\n")


def copy(source: Path, target: Path) -> Path:
    """A copy that tests may change."""
    shutil.copytree(source, target)
    return target


def decompose(case: Path, parts: int, *options: str, region: str = "") -> None:
    """Cut a case into parts along x."""
    (case / "system" / region / "decomposeParDict").write_text(
        "FoamFile { version 2.0; format ascii; class dictionary; object decomposeParDict; }\n"
        f"numberOfSubdomains {parts}; method hierarchical;\n"
        f"hierarchicalCoeffs {{ n ({parts} 1 1); delta 0.001; order xyz; }}\n"
    )
    run(case, "decomposePar", *options)


def in_parallel(case: Path, program: str, parts: int = 2, *options: str) -> None:
    """Run a program on a decomposed case."""
    run(case, "mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(parts), program, "-parallel", *options)


def cavity(target: Path, *, parts: int = 1, **entries: object) -> Path:
    """The lid-driven cavity: 20 x 20 hexahedra, icoFoam to 0.5 s; its lid moves at 1 m/s along x."""
    copy(TUTORIALS / "incompressible/icoFoam/cavity/cavity", target)
    control(target, **entries)
    run(target, "blockMesh")
    if parts == 1:
        run(target, "icoFoam")
    else:
        decompose(target, parts)
        in_parallel(target, "icoFoam", parts)
    return target


def pitz_daily(target: Path, functions: str = "", steps: int = 40, **entries: object) -> Path:
    """The backward-facing step of Pitz and Daily, a few steps of simpleFoam."""
    copy(TUTORIALS / "incompressible/simpleFoam/pitzDaily", target)
    control(target, functions, **{"endTime": steps, "writeInterval": steps, "writePrecision": 12} | entries)
    run(target, "blockMesh")
    run(target, "simpleFoam")
    return target


def aerofoil(target: Path, functions: str = "", steps: int = 20) -> Path:
    """A two-dimensional aerofoil; its mesh is compressed."""
    copy(TUTORIALS / "incompressible/simpleFoam/airFoil2D", target)
    control(target, functions, endTime=steps, writeInterval=steps, writePrecision=12)
    run(target, "simpleFoam")
    return target


def motor_bike(target: Path, functions: str = "", steps: int = 10) -> Path:
    """The motorbike on a coarse mesh of snappyHexMesh with polyhedra, written in binary."""
    copy(TUTORIALS / "incompressible/simpleFoam/motorBike", target)
    control(target, functions, endTime=steps, writeInterval=steps)
    (target / "0.orig").rename(target / "0")
    surface = TUTORIALS / "resources/geometry/motorBike.obj.gz"
    (target / "constant/triSurface/motorBike.obj").write_bytes(gzip.decompress(surface.read_bytes()))
    (target / "system/snappyHexMeshDict.gz").unlink(missing_ok=True)
    packed = TUTORIALS / "incompressible/simpleFoam/motorBike/system/snappyHexMeshDict.gz"
    text = gzip.decompress(packed.read_bytes()).decode()
    text = re.sub(r"addLayers\s+true", "addLayers false", text)
    text = re.sub(r"level \(5 6\)", "level (3 3)", text)
    text = re.sub(r"levels \(\(1E15 4\)\)", "levels ((1E15 1))", text)
    text = re.sub(r"\{\s*file \"motorBike.eMesh\";\s*level 6;\s*\}", "", text)
    text = re.sub(r"explicitFeatureSnap true", "explicitFeatureSnap false", text)
    (target / "system/snappyHexMeshDict").write_text(text)
    run(target, "blockMesh")
    run(target, "snappyHexMesh", "-overwrite")
    run(target, "simpleFoam")
    return target


def heater(target: Path) -> Path:
    """Two fluids and three solids in five regions, ten steps of chtMultiRegionFoam on a coarse mesh."""
    copy(TUTORIALS / "heatTransfer/chtMultiRegionFoam/multiRegionHeater", target)
    control(target, startTime=0, endTime=0.01, deltaT=0.001, writeControl="timeStep", writeInterval=10,
            adjustTimeStep="no")  # fmt: skip
    (target / "0.orig").rename(target / "0")
    for packed in target.rglob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    run(target, "blockMesh")
    run(target, "topoSet")
    run(target, "splitMeshRegions", "-cellZones", "-overwrite")
    for region in ("bottomWater", "heater", "leftSolid", "rightSolid", "topAir"):
        if region not in ("bottomWater", "topAir"):
            for name in ("nut", "alphat", "epsilon", "k", "U", "p_rgh"):
                (target / "0" / region / name).unlink(missing_ok=True)
        run(target, "changeDictionary", "-region", region)
    run(target, "chtMultiRegionFoam")
    return target
