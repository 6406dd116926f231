"""Cases on disk, laid out for training."""
