"""A folder of results becomes a dataset."""
