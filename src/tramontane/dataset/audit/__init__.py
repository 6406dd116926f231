"""What is in results, and what looks wrong."""
