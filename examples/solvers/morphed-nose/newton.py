"""Pressure on a body in hypersonic flow by Newton's impact theory: reads an STL in mm, writes a VTP and a CSV.

The pressure coefficient is 2 (n . u)^2 where the surface faces the flow along u, and 0 behind.
"""

import csv
import json
import math

import numpy as np
import pyvista as pv

with open("design.json") as file:
    angle = math.radians(json.load(file)["angle_of_attack"])

body = pv.read("body.stl").scale(1e-3)
sides = body.points[body.regular_faces]
areas = np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0]) / 2  # m2, outward
flow = np.array([math.cos(angle), 0, math.sin(angle)])
against = -areas @ flow / np.linalg.norm(areas, axis=1)
pressure = 2 * np.maximum(against, 0) ** 2
force = -pressure @ areas  # m2, over the dynamic pressure

body.cell_data["pressure_coefficient"] = pressure
body.save("surface.vtp")
with open("results.csv", "w", newline="") as file:
    drag, lift = force @ flow, force @ [-math.sin(angle), 0, math.cos(angle)]
    csv.writer(file).writerows([["drag_area", "lift_area"], [drag, lift]])
