"""What ends a command without an answer (exit code 2): said in one line, with the knob to turn."""

from __future__ import annotations

from typing import Optional


class CardDoctorError(Exception):
    """`kind` is a stable word for scripts, `hint` what to do about it."""

    kind = "error"

    def __init__(self, message: str, hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(CardDoctorError):
    kind = "usage"


class CardError(CardDoctorError):
    """A card that can't be found or read."""

    kind = "card"


class MatrixError(CardDoctorError):
    """A matrix file with a wrong key or type: names the file, the key and what was expected."""

    kind = "matrix"


class EnvironmentReadError(CardDoctorError):
    """An interpreter that can't be run, or a file that is none of the known kinds."""

    kind = "environment"


class LogError(CardDoctorError):
    """A log that can't be read, or is none."""

    kind = "log"


class RunError(CardDoctorError):
    """A training run's folder or settings file that can't be read."""

    kind = "run"


class DataError(CardDoctorError):
    """A data file that can't be read, or that lacks the column that was named."""

    kind = "data"
