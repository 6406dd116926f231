"""The parts of a page with which people choose and enter."""
