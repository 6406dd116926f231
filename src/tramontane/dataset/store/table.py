"""Parameters and QoIs of cases as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tramontane.contract import Contract
from tramontane.frames import frame
from tramontane.units import si_unit

if TYPE_CHECKING:
    import pandas as pd


def table_of_cases(
    names: Sequence[str],
    parameters: Sequence[Mapping[str, float]],
    qoi: Sequence[Mapping[str, float]],
    contract: Contract,
) -> pd.DataFrame:
    """A row a case, in SI; see `Dataset.to_pandas`."""
    columns: dict[str, list[float | None]] = {}
    units: dict[str, str] = {}
    for key in dict.fromkeys(key for of in parameters for key in of):
        columns[key] = [of.get(key) for of in parameters]
        spec = contract.parameters.get(key)
        units[key] = si_unit(spec.unit) if spec else ""
    for key in dict.fromkeys(key for of in qoi for key in of):
        column = f"qoi.{key}" if key in units else key
        columns[column] = [of.get(key) for of in qoi]
        units[column] = si_unit(contract.qoi[key].unit) if key in contract.qoi else ""
    return frame(columns, names, "case", units)
