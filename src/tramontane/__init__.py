"""Tramontane: turn a folder of simulation results into your own physics model, on your own hardware.

A first session::

    import tramontane as tm

    dataset = tm.ingest("results", "results.tmds")      # a folder of cases, or a table
    surrogate = tm.fit(dataset)                         # trained on its training split
    print(tm.evaluate(surrogate, dataset))              # on cases that it never saw
    case = surrogate.simulate(tm.Design("part.stl", speed="30 m/s"))
    case.save("answer")                                 # for ParaView, and for `Case.read`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tramontane.case import Case as Case
    from tramontane.contract import Contract as Contract
    from tramontane.dataset import Dataset as Dataset
    from tramontane.dataset.ingest.run import ingest as ingest
    from tramontane.design import Design as Design
    from tramontane.errors import TramontaneError as TramontaneError
    from tramontane.evaluation import Report as Report
    from tramontane.evaluation import cross_validate as cross_validate
    from tramontane.evaluation import evaluate as evaluate
    from tramontane.http.client import connect as connect
    from tramontane.simulator import Simulator as Simulator
    from tramontane.surrogate import Surrogate as Surrogate
    from tramontane.surrogate.checks import check_with as check_with
    from tramontane.surrogate.fit import fit as fit
    from tramontane.surrogate.hybrid import Hybrid as Hybrid
    from tramontane.surrogate.tables import predict_table as predict_table

# Heavy libraries load when a name is first used, so that importing the package stays cheap.
_HOMES = {
    "Case": "case",
    "Contract": "contract",
    "Dataset": "dataset",
    "Design": "design",
    "Hybrid": "surrogate.hybrid",
    "Report": "evaluation",
    "Simulator": "simulator",
    "Surrogate": "surrogate",
    "TramontaneError": "errors",
    "check_with": "surrogate.checks",
    "connect": "http.client",
    "cross_validate": "evaluation",
    "evaluate": "evaluation",
    "fit": "surrogate.fit",
    "ingest": "dataset.ingest.run",
    "predict_table": "surrogate.tables",
}
__all__ = [
    "Case", "Contract", "Dataset", "Design", "Hybrid", "Report", "Simulator", "Surrogate", "TramontaneError",
    "check_with", "connect", "cross_validate", "evaluate", "fit", "ingest", "predict_table",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tramontane.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tramontane' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
