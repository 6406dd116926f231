"""Tables for pandas, which is no dependency: it is imported where one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tramontane.errors import TramontaneError

if TYPE_CHECKING:
    import pandas as pd


def frame(
    columns: Mapping[str, Sequence[Any]], index: Sequence[str], index_name: str, units: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """A data frame.

    Args:
        columns: Values by column, each as long as the index; None for what is not known.
        index: Names of the rows.
        index_name: What they are names of.
        units: Of columns; they stand in the frame's ``attrs["units"]``.

    Raises:
        TramontaneError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise TramontaneError(f"to_pandas needs pandas ({error}); pip install pandas") from error
    table = pd.DataFrame(dict(columns), index=pd.Index(list(index), name=index_name))
    if units is not None:
        table.attrs["units"] = dict(units)
    return table
