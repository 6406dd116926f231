"""``python -m tramontane``, which is also how torchrun starts it."""

from tramontane.cli import main

main()
