"""The command line: parse, call, print. What the commands do stands in the modules that they call."""

from tramontane.cli.common import app
from tramontane.cli.run import main

__all__ = ["app", "main"]
