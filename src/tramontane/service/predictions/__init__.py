"""Predictions: a request understood, asked of a model, answered."""
