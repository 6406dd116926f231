"""Pressure drop of 10 m of smooth pipe with some bends: reads a JSON of parameters, writes a CSV of results.

Friction by Blasius (turbulent) or Hagen and Poiseuille (laminar); a bend costs 0.3 of the dynamic pressure.
"""

import csv
import json
import sys

source, target = sys.argv[1:]
with open(source) as file:
    design = json.load(file)

density, viscosity, length = 998.0, 1.0e-3, 10.0  # water, kg/m3, Pa s; m
speed, diameter = design["speed"], design["diameter"] / 1000  # m/s, m
reynolds = density * speed * diameter / viscosity
friction = 64 / reynolds if reynolds < 2300 else 0.3164 / reynolds**0.25
drop = (friction * length / diameter + 0.3 * design["bends"]) * density * speed**2 / 2

with open(target, "w", newline="") as file:
    csv.writer(file).writerows([["pressure_drop [kPa]", "reynolds"], [drop / 1000, reynolds]])
