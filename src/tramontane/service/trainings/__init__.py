"""Models trained on the server's datasets."""
