"""The program's start: ``tramontane``, ``python -m tramontane``, and how torchrun starts it."""

from __future__ import annotations

from tramontane.idle_threads import let_them_sleep
from tramontane.io.interrupts import end_interrupted, heed, interrupted


def main() -> None:
    """Run the command line; Ctrl-C is heard while it is imported, too."""
    try:
        heed()
        let_them_sleep()
        from tramontane.cli import main as run

        run()
    except KeyboardInterrupt:
        end_interrupted()
    except Exception:
        if not interrupted():
            raise
        end_interrupted()


if __name__ == "__main__":
    main()
