"""The bracket's shape and its mesh for CalculiX, of the numbers in design.json.

    python bracket.py shape bracket.stl     the closed surface
    python bracket.py mesh mesh.inp         second-order tetrahedra, springs at the bolts, forces at the upright's hole

The dimensions are those of `tramontane.solvers.bracket`, whose CAD is used here; put yours in its place.
"""

import json
import math
import sys

import netgen.meshing as meshing
import netgen.occ as occ
import numpy as np

from tramontane.solvers.bracket import BOLT_STIFFNESS, Dimensions, build

# CalculiX's order of a tetrahedron's nodes (C3D10) in Netgen's.
ORDER = [0, 2, 1, 3, 5, 7, 4, 6, 9, 8]


def main(what, target):
    with open("design.json") as file:
        design = json.load(file)
    values = {name: math.radians(design[name]) if name == "upright_angle" else design[name] / 1000
              for name in Dimensions._fields}  # fmt: skip
    solid = build(Dimensions(**values))
    size = design["mesh_size"] / 1000
    coarse = size / 0.006
    solid.faces["toe"].maxh = 0.125 * values["fillet_radius"] * coarse
    step = meshing.MeshingStep.MESHSURFACE if what == "shape" else meshing.MeshingStep.MESHVOLUME
    mesh = occ.OCCGeometry(solid).GenerateMesh(
        maxh=size, curvaturesafety=1.5 / coarse, grading=0.5, closeedgefac=None, minedgelen=None,
        parallel_meshing=False, perfstepsend=step,
    )  # fmt: skip
    mesh.SecondOrder()
    points = np.array(mesh.Coordinates())
    if what == "shape":
        write_surface(target, mesh, points)
    else:
        write_mesh(target, mesh, points, design["load"])


def write_surface(target, mesh, points):
    """Each curved triangle as four flat ones."""
    import pyvista as pv

    a, b, c, bc, ac, ab = mesh.Elements2D().NumPy()["nodes"][:, :6].astype(int).T - 1
    triangles = np.concatenate([np.stack(three, 1) for three in ((a, ab, ac), (b, bc, ab), (c, ac, bc), (ab, bc, ac))])
    pv.PolyData.from_regular_faces(points, triangles).clean().save(target)


def write_mesh(target, mesh, points, load):
    tetrahedra = mesh.Elements3D().NumPy()["nodes"][:, :10].astype(int)[:, ORDER]
    straighten(points, tetrahedra - 1)
    lines = ["*NODE, NSET=all"]
    lines += [f"{number}, {x:.9e}, {y:.9e}, {z:.9e}" for number, (x, y, z) in enumerate(points, start=1)]
    lines += ["*ELEMENT, TYPE=C3D10, ELSET=body"]
    lines += [f"{number}, " + ", ".join(map(str, nodes)) for number, nodes in enumerate(tetrahedra, start=1)]

    # Bolts hold the walls of their holes elastically: a spring at each node, in x, y and z.
    number = len(tetrahedra)
    for node, area in areas_of(mesh, points, "bolt").items():
        for axis in (1, 2, 3):
            number += 1
            lines += [f"*ELEMENT, TYPE=SPRING1, ELSET=spring{number}", f"{number}, {node}",
                      f"*SPRING, ELSET=spring{number}", f"{axis}", f"{area * BOLT_STIFFNESS:.9e}"]  # fmt: skip

    # The load pulls at the wall of the upright's hole along -x, spread evenly.
    pulled = areas_of(mesh, points, "pulled")
    total = sum(pulled.values())
    with open("load.inp", "w") as file:
        file.write("*CLOAD\n" + "".join(f"{node}, 1, {-load * area / total:.9e}\n" for node, area in pulled.items()))
    with open(target, "w") as file:
        file.write("\n".join(lines) + "\n")


def straighten(points, tetrahedra):
    """Put the midpoints of tetrahedra that curved edges would turn inside out onto straight edges, in place.

    The Jacobian of the shape functions is looked at in the corners and in CalculiX's integration points.
    """
    near, far = 0.58541020, 0.13819660
    inner = [[near if row == column else far for column in range(4)] for row in range(4)]
    edges = [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)]
    gradient = np.array([[-1.0, -1, -1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])  # of the corners' linear functions
    while True:
        worst = np.full(len(tetrahedra), np.inf)
        for place in (*np.eye(4), *np.array(inner)):
            slopes = [(4 * place[k] - 1) * gradient[k] for k in range(4)]
            slopes += [4 * (place[a] * gradient[b] + place[b] * gradient[a]) for a, b in edges]
            worst = np.minimum(worst, np.linalg.det(np.einsum("enx,ny->exy", points[tetrahedra], np.array(slopes))))
        corners = points[tetrahedra[:, :4]]
        bad = worst < 0.1 * np.linalg.det(corners[:, 1:] - corners[:, :1])
        ends = np.stack([corners[bad][:, pair].mean(axis=1) for pair in edges], axis=1)
        if np.array_equal(points[tetrahedra[bad][:, 4:]], ends):
            return
        points[tetrahedra[bad][:, 4:]] = ends


def areas_of(mesh, points, name):
    """What each node has of a face's area: a third of each triangle at its midpoints, none at its corners."""
    elements = mesh.Elements2D().NumPy()
    named = [mesh.FaceDescriptor(int(index)).bcname == name for index in elements["index"]]
    areas = {}
    for a, b, c, *midpoints in elements["nodes"][named][:, :6].astype(int):
        corner, one, two = points[[a - 1, b - 1, c - 1]]
        area = np.linalg.norm(np.cross(one - corner, two - corner)) / 2
        for node in midpoints:
            areas[int(node)] = areas.get(int(node), 0.0) + area / 3
    if not areas:
        raise SystemExit(f"the mesh has no face {name}; change a dimension")
    return areas


if __name__ == "__main__":
    main(*sys.argv[1:])
