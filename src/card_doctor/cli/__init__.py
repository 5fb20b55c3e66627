"""The command line: one module a command, loaded when it is called. The only place that prints or exits."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

# Before anything else is imported: to look for garbage every 700 objects, in what is only just being made, takes a
# short command a fifteenth of its time; a long one still gets rid of its own.
gc.set_threshold(50_000, 20, 20)

from card_doctor.cli.program import run  # noqa: E402

__all__ = ["main", "run"]


def main() -> NoReturn:
    """The console script."""
    sys.exit(run(sys.argv[1:]))
