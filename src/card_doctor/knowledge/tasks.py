"""Well-known data sets: what a card that names one was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Mapping, Sequence

from card_doctor.knowledge.files import toml_files
from card_doctor.model import Task


def load_tasks(directories: Sequence[Path]) -> Mapping[str, Task]:
    """By every name that a card may call it, in lower case; a later directory overrides an earlier one."""
    from card_doctor.toml import read_toml  # noqa: PLC0415  only where there is data to judge

    tasks: Dict[str, Task] = {}
    for directory in directories:
        for path in toml_files(directory, "tasks"):
            for name, task in read_toml(path, Dict[str, Task]).items():
                tasks.update(dict.fromkeys((name, *task.names), task))
    return tasks
