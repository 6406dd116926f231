"""What a server counts of itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from tramontane.models.recent import BUDGET

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Counter(
            "tramontane_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "tramontane_request_seconds", "Time to answer a request.", ("route",), buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._predictions = Histogram(
            "tramontane_prediction_seconds", "Time of the model itself.", ("model",), buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._cache = Counter("tramontane_cache", "Looks into the caches.", ("what", "found"), registry=self.registry)
        self._designs = Counter("tramontane_job_designs", "Designs of jobs.", ("outcome",), registry=self.registry)
        self.waiting = Gauge("tramontane_predictions_waiting", "Predictions asked and not answered yet.",
                             registry=self.registry)  # fmt: skip
        kept = Gauge("tramontane_caches_bytes", "Memory of all that is kept to answer sooner.", registry=self.registry)
        kept.set_function(lambda: BUDGET.bytes)
        bound = Gauge("tramontane_caches_limit_bytes", "The most that this may be.", registry=self.registry)
        bound.set_function(lambda: BUDGET.limit or 0)
        self.models = Gauge("tramontane_models", "Models that are served.", registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; ``route`` is the pattern, not the path."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def predicted(self, model: str, seconds: float) -> None:
        """A model answered."""
        self._predictions.labels(model).observe(seconds)

    def cached(self, what: str, *, hit: bool) -> None:
        """A cache was asked."""
        self._cache.labels(what, "yes" if hit else "no").inc()

    def settled(self, outcome: str) -> None:
        """A job's design was done or failed."""
        self._designs.labels(outcome).inc()

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
