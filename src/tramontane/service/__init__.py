"""Predictions, jobs, trainings, uploads, models and access: what API and page stand on, without HTTP."""
