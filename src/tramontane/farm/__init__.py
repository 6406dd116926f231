"""Many designs at once: on this machine, or where another executor runs them."""

from tramontane.farm.designs import FAILED, Result, run
from tramontane.farm.executors import connect, known_executors, run_tasks
from tramontane.io.tasks import Resources

__all__ = ["FAILED", "Resources", "Result", "connect", "known_executors", "run", "run_tasks"]
