"""card-doctor as a user runs it: a process of its own; and in this one, where only what it says matters."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Mapping, Optional

from card_doctor.cli import run


def card_doctor(*args: str, env: Optional[Mapping[str, str]] = None, **kwargs: Any) -> subprocess.CompletedProcess[Any]:
    clean = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    return subprocess.run(
        [sys.executable, "-m", "card_doctor", *args],
        check=False,
        env={**clean, **(env or {})},
        **{"capture_output": True, "text": True, "timeout": 60, **kwargs},
    )


def here(capfd: Any, *args: str) -> subprocess.CompletedProcess[str]:
    code = run(args)
    out, err = capfd.readouterr()
    return subprocess.CompletedProcess(args, code, out, err)
