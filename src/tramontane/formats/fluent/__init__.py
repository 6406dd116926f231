"""Fluent: cases with their data."""
