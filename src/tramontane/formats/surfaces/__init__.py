"""Geometry files: STL, OBJ, PLY, STEP."""
