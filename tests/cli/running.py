"""card-doctor as a user runs it: a process of its own, with the environment as it is given here."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Mapping, Optional


def card_doctor(*args: str, env: Optional[Mapping[str, str]] = None, **kwargs: Any) -> subprocess.CompletedProcess[Any]:
    clean = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    return subprocess.run(
        [sys.executable, "-m", "card_doctor", *args],
        check=False,
        env={**clean, **(env or {})},
        **{"capture_output": True, "text": True, "timeout": 60, **kwargs},
    )
