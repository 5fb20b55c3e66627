"""The command line: one module a command, loaded when it is called. The only place that prints or exits."""

from __future__ import annotations

import sys
from typing import NoReturn

from card_doctor.cli.program import run

__all__ = ["main", "run"]


def main() -> NoReturn:
    """The console script."""
    sys.exit(run(sys.argv[1:]))
