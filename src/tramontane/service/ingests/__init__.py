"""Folders of results that become datasets."""
