"""Metrics, baselines and the report."""

from tramontane.evaluation.report import Report, evaluate

__all__ = ["Report", "evaluate"]
