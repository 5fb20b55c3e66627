"""Matrices made ready when the wheel was built: JSON beside the TOML that it says the same as.

TOML is slow to parse, and a check reads a card, the hazards and the hardware on every run: with JSON it costs half.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Type, TypeVar

import msgspec

T = TypeVar("T")


def compiled(path: Path, kind: Type[T]) -> Optional[T]:
    """The TOML file at `path` from the JSON that hatch_build.py put beside it; None where there is none (a checkout, a
    user's own matrices): then the TOML itself is read.
    """
    try:
        return msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=kind)
    except OSError:
        return None
