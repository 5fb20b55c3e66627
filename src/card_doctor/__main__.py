"""`python -m card_doctor`: the same program, which then looks at the interpreter that runs it."""

from __future__ import annotations

from card_doctor.cli import main

if __name__ == "__main__":
    main(started_with_m=True)
