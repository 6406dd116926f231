"""CGNS: zones, boundary conditions, units."""
