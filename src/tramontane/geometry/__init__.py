"""Surfaces and meshes as such: measured, sampled, described."""
