"""Exodus II."""
