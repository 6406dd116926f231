"""The VTK family of files."""
