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


def main(*, started_with_m: bool = False) -> NoReturn:
    """The console script, and what runs as `python -m card_doctor`."""
    code = run(sys.argv[1:], started_with_m=started_with_m)
    gc.freeze()  # the interpreter looks at all that is left before it ends: a seventh of a short command's time
    sys.exit(code)
