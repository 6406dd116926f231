"""OpenFOAM: case directories, whole, decomposed or collated."""
