"""`python -m card_doctor`: the same program, which then looks at the interpreter that runs it."""

from __future__ import annotations

import sys

from card_doctor.cli import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], started_with_m=True))
