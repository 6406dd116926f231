"""Tramontane: turn a folder of simulation results into your own physics model, on your own hardware."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tramontane.case import Case as Case
    from tramontane.contract import Contract as Contract
    from tramontane.dataset import Dataset as Dataset
    from tramontane.design import Design as Design
    from tramontane.errors import TramontaneError as TramontaneError
    from tramontane.serve.client import connect as connect
    from tramontane.simulator import Simulator as Simulator
    from tramontane.surrogate import Surrogate as Surrogate

# Heavy libraries load when a name is first used, so that importing the package stays cheap.
_HOMES = {
    "Case": "case",
    "Contract": "contract",
    "Dataset": "dataset",
    "Design": "design",
    "Simulator": "simulator",
    "Surrogate": "surrogate",
    "TramontaneError": "errors",
    "connect": "serve.client",
}
__all__ = ["Case", "Contract", "Dataset", "Design", "Simulator", "Surrogate", "TramontaneError", "connect"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tramontane.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tramontane' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
