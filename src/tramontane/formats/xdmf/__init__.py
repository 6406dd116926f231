"""XDMF: light XML over heavy data."""
