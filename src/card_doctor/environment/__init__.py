"""An interpreter, a file, a GPU → Snapshot."""

from card_doctor.environment.choose import choose
from card_doctor.environment.interpreter import read_interpreter

__all__ = ["choose", "read_interpreter"]
