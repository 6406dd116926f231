"""The body's closed surface and half of its frontal area, of the numbers in design.json.

An Ahmed-type body on four legs, nose at x = 0, flow along +x, ground at z = 0; CAD by Netgen's Open CASCADE.
"""

import json
import math

import netgen.meshing as meshing
import netgen.occ as occ
import numpy as np
import pyvista as pv

LEG_RADIUS, LEG_DEPTH = 0.015, 0.05  # m; legs reach below the ground
EDGE = 0.03  # m, of the surface's triangles


def body(length, width, height, front_radius, clearance, slant_angle, slant_length):
    """The solid; metres, degrees."""
    top, back, half = clearance + height, length + 0.1, width / 2
    solid = occ.Box(occ.Pnt(0, -half, clearance), occ.Pnt(length, half, top))
    solid = solid.MakeFillet(solid.faces.Min(occ.X).edges, front_radius)
    angle = math.radians(slant_angle)
    start = length - slant_length * math.cos(angle)
    solid = solid - wedge(start, top, math.tan(angle), back)
    for x in (0.19 * length, 0.65 * length):
        for y in (-0.84 * half, 0.84 * half):
            leg = occ.Cylinder(occ.Pnt(x, y, -LEG_DEPTH), occ.Z, LEG_RADIUS, clearance + LEG_DEPTH + 0.01)
            solid = solid + leg
    return solid


def wedge(start, top, slope, back):
    """What lies above a plane that falls from (start, top) by a slope, as far as back."""
    corners = [(start, top), (back, top - slope * (back - start)), (back, top + 0.1), (start, top + 0.1)]
    lines = [occ.Segment(occ.Pnt(a[0], -1, a[1]), occ.Pnt(b[0], -1, b[1]))
             for a, b in zip(corners, corners[1:] + corners[:1], strict=True)]  # fmt: skip
    return occ.Face(occ.Wire(lines)).Extrude(2 * occ.Y)


def surface(solid):
    """Its triangles."""
    mesh = occ.OCCGeometry(solid).GenerateMesh(maxh=EDGE, perfstepsend=meshing.MeshingStep.MESHSURFACE)
    corners = np.array([[vertex.nr - 1 for vertex in element.vertices] for element in mesh.Elements2D()])
    return pv.PolyData.from_regular_faces(np.array([point.p for point in mesh.Points()]), corners).clean()


def main():
    with open("design.json") as file:
        design = json.load(file)
    names = ("length", "width", "height", "front_radius", "clearance", "slant_length")
    sizes = {name: design[name] / 1000 for name in names}
    surface(body(**sizes, slant_angle=design["slant_angle"])).save("constant/triSurface/body.stl")
    with open("constant/area", "w") as file:
        file.write(f"area {sizes['width'] * sizes['height'] / 2!r};\n")


main()
