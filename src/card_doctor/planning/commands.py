"""The command that a reader can copy to change the environment that was judged."""

from __future__ import annotations

import shlex
from typing import List, Sequence

from card_doctor.model import Snapshot


def install_command(snapshot: Snapshot, requirements: Sequence[str], removals: Sequence[str] = ()) -> str:
    """One line for a shell: pip where the environment has it, else uv (environments that uv made have no pip)."""
    python = snapshot.python.executable if snapshot.source == "interpreter" and snapshot.python else None
    if python is None:
        install, remove = ["pip", "install"], ["pip", "uninstall", "-y"]
    elif "pip" in snapshot.packages:
        install, remove = [python, "-m", "pip", "install"], [python, "-m", "pip", "uninstall", "-y"]
    else:
        install = ["uv", "pip", "install", "--python", python]
        remove = ["uv", "pip", "uninstall", "--python", python]
    commands: List[str] = []
    if removals:
        commands.append(_line([*remove, *removals]))
    if requirements:
        commands.append(_line([*install, *requirements]))
    return " && ".join(commands)


def _line(words: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))
