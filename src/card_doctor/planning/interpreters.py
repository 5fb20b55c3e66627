"""The interpreters that a plan can be for: those that are installed, and the order in which they are tried."""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from card_doctor.environment.choose import installed, interpreter_in, named, on_path_as
from card_doctor.environment.interpreter import version_of
from card_doctor.errors import EnvironmentReadError

# The first release of each minor of Python 3 (PEP 494, 537, 569, 596, 619, 664, 693, 719, 745).
OUT = {
    6: "2016-12-23",
    7: "2018-06-27",
    8: "2019-10-14",
    9: "2020-10-05",
    10: "2021-10-04",
    11: "2022-10-24",
    12: "2023-10-02",
    13: "2024-10-07",
    14: "2025-10-07",
}
TRIED = dt.timedelta(days=365)  # after a year what was built for the others has been built for it too
_CONDA = re.compile(r"python-(3\.\d+\.\d+)-[^-]+\.json")


class Interpreter(NamedTuple):
    """CPython `version` ("3.9.18"; "3.9" where only that is known); `path` None where none is installed here."""

    version: str
    path: Optional[str] = None

    @property
    def minor(self) -> int:
        return int(self.version.split(".")[1])

    @property
    def series(self) -> str:
        return f"3.{self.minor}"


def in_order(minors: Sequence[int], date: Optional[str]) -> List[int]:
    """The newest that had been out for a year at that day first; then those that were younger, or are."""
    day = dt.date.fromisoformat(date) if date else dt.date.today()  # noqa: DTZ011  days, not moments
    tried = [one for one in minors if one in OUT and dt.date.fromisoformat(OUT[one]) + TRIED <= day]
    return sorted(tried, reverse=True) + sorted(set(minors) - set(tried))


def asked_for(python: str) -> Interpreter:
    """What `--python` names; EnvironmentReadError where there is none."""
    path = named(python)
    version = version_of(str(path))
    if version is None or version[0] != 3:
        raise EnvironmentReadError(f"{path} is no Python 3", "--python takes PATH|VERSION|ENV_DIR")
    return Interpreter(".".join(map(str, version)), str(path))


@cache
def find(minor: int) -> Optional[Interpreter]:
    """The first of that minor: the running one, pyenv's and uv's, PATH's, conda's."""
    if sys.version_info[:2] == (3, minor) and sys.implementation.name == "cpython":
        return Interpreter(".".join(map(str, sys.version_info[:3])), sys.executable)
    for path, is_script in _candidates(minor):
        version = version_of(str(path), supervised=is_script)
        if version is not None and version[:2] == (3, minor):
            return Interpreter(".".join(map(str, version)), str(path))
    return None


def _candidates(minor: int) -> Iterator[Tuple[Path, bool]]:
    """And whether it may be a script that stands before one: PATH holds such, as pyenv's."""
    yield from ((path, False) for path in installed((3, minor)))
    yield from ((path, True) for path in on_path_as((3, minor)))
    yield from ((path, False) for path in _of_conda(minor))
    if os.name == "nt":
        yield from ((path, False) for path in _of_launcher(minor))


def _of_conda(minor: int) -> Iterator[Path]:
    """Conda keeps a list of its environments, and in each a file named after its Python."""
    listed = Path.home() / ".conda" / "environments.txt"
    try:
        folders = [Path(line.strip()) for line in listed.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        folders = []
    folders += [Path(folder) for folder in (os.environ.get("CONDA_PREFIX"),) if folder]
    for folder in folders:
        versions = [
            match[1] for path in folder.glob("conda-meta/python-3.*.json") if (match := _CONDA.match(path.name))
        ]
        path = interpreter_in(folder) if any(version.split(".")[1] == str(minor) for version in versions) else None
        if path is not None:
            yield path


def _of_launcher(minor: int) -> Iterator[Path]:
    r"""`py -0p` lists them: ` -V:3.9 *  C:\...\python.exe`."""
    import subprocess  # noqa: PLC0415

    try:
        said = subprocess.run(["py", "-0p"], capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return
    for line in said.splitlines():
        match = re.match(rf"\s*-(?:V:)?3\.{minor}(?:-64)?\s+\*?\s*(\S.*python\.exe)\s*$", line)
        if match:
            yield Path(match[1])
