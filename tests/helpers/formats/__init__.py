"""Files as programs write them, and ways in which they are spoilt."""
