"""The commands in the order of the help, and what becomes of a user's mistake."""

from __future__ import annotations

import sys
from typing import NoReturn

# Each adds its commands to the application; the order is that of `tramontane --help`.
# isort: off
from tramontane.cli import data, studies, solver, morph, training, versions, evaluation, prediction, serving, documents  # noqa: F401

# isort: on
from tramontane.cli.common import app, errors
from tramontane.errors import TramontaneError
from tramontane.io.atomic import cannot
from tramontane.io.interrupts import end_interrupted, heed, interrupted


def main() -> None:
    """Run the command line; a user's mistake, or what the system refuses, is one line and exit code 2."""
    heed()
    try:
        app()
    except TramontaneError as error:
        _end(str(error))
    except OSError as error:
        _end(str(cannot("read or written", error)))
    except RecursionError:
        _end("a file is nested too deeply to be read; write it again with fewer levels")
    except KeyboardInterrupt:
        end_interrupted()
    except SystemExit as end:
        if end.code == 130:  # what typer makes of Ctrl-C
            end_interrupted()
        raise


def _end(text: str) -> NoReturn:
    if interrupted():
        end_interrupted()
    errors.print(f"Error: {' '.join(text.split())}", style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(2)
