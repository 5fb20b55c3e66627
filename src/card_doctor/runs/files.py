"""The small files of a run: read whole, up to a size, and only regular ones."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, Mapping

from card_doctor.errors import RunError

LARGEST = 4 << 20  # bytes; the settings and results of a run have a few thousand


def read_text(path: Path) -> str:
    """The text of a file; RunError where it is no regular file, too long, or not UTF-8."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RunError(f"{path}: not a regular file")
            data: bytes = file.read(LARGEST + 1)
    except OSError as error:
        raise RunError(f"{path}: can't be read: {error.strerror or error}") from None
    if len(data) > LARGEST:
        raise RunError(f"{path}: longer than {LARGEST >> 20} MB: not a file of settings or results")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None


def read_object(path: Path) -> Mapping[str, Any]:
    """The object of a JSON file, `NaN` in it as such; RunError where there is none."""
    try:
        value = json.loads(read_text(path), strict=False)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RunError(f"{path}: holds no JSON object")
    return value


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a named pipe would wait for its writer
