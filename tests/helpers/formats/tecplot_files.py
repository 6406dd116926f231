"""Files of Tecplot."""

from __future__ import annotations

WALL = """# exported by hand
TITLE = "a plate (of steel)"
VARIABLES = "X [mm]" "Y [mm]" "Z [mm]"
"Pressure (kPa)"
"velocity_x" "velocity_y", "velocity_z", "Wall Shear"
ZONE T="wall", STRANDID=1, SOLUTIONTIME=0.5
 NODES=4, ELEMENTS=2, DATAPACKING=POINT, ZONETYPE=FETRIANGLE
0 0 0 1 0 0 0 9
1 0 0 2 0 0 0 9
1 1 0 3 0 0 0 9
0 1 0 4 0 0 0 9
1 2 3
1 3 4
"""
LATER = """ZONE T="wall" STRANDID=1 SOLUTIONTIME=1.25 NODES=4 ELEMENTS=2 DATAPACKING=BLOCK ZONETYPE=FETRIANGLE
 VARLOCATION=([4,8]=CELLCENTERED) VARSHARELIST=([1-3]=1), CONNECTIVITYSHAREZONE=1
10 20
4*1.5
1 2 3 4
0 0 0 0
0.5 -6.25e-1
"""
