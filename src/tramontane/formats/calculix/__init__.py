"""CalculiX: results, with the deck that they are of."""
