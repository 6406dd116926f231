"""Metrics, baselines and the report."""

from tramontane.evaluation.judge import cross_validate, evaluate
from tramontane.evaluation.report import Report

__all__ = ["Report", "cross_validate", "evaluate"]
