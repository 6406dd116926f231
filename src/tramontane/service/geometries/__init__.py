"""Geometries that clients sent."""
