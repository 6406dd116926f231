"""Physics checks, one a file."""
