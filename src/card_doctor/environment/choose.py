"""Which interpreter a user means: `--python`, else what surrounds the command."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from card_doctor.environment.interpreter import version_of
from card_doctor.errors import EnvironmentReadError

# On POSIX; in a Windows virtual environment; in a Windows installation or conda environment.
INTERPRETERS = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")
VERSION = re.compile(r"\d+(?:\.\d+){0,2}")
# pyenv's 3.9.18, 3.13-dev, 3.14.0rc1; uv's cpython-3.9.18-linux-x86_64-gnu. Not their free-threaded builds.
INSTALLED = re.compile(r"(?:cpython-)?(\d+\.\d+(?:\.\d+)?)(?:-.*|(?:a|b|rc)\d+)?")


def choose(python: Optional[str], *, started_with_m: bool) -> Optional[str]:
    """The path of the interpreter to look at; None is the running one. Links are left as they are:
    a virtual environment's interpreter is one, and what it points to has another environment.
    """
    if python is not None:
        return str(named(python))
    if started_with_m or not is_tool(Path(sys.prefix)):
        return None
    return str(surrounding())


def named(python: str) -> Path:
    """What `--python` names: a path that exists wins over a version, and a version over a command."""
    path = Path(python).expanduser()
    if path.is_dir():
        return interpreter_of(path, python)
    if path.is_symlink() or path.exists() or len(path.parts) > 1:
        return path.absolute()
    if VERSION.fullmatch(python):
        return of_version(python)
    found = on_path(python)
    if found is None:
        raise EnvironmentReadError(
            f"there is no Python interpreter {python}, neither here nor on PATH", "--python takes PATH|VERSION|ENV_DIR"
        )
    return found


def surrounding() -> Path:
    """What a tool in an environment of its own is to look at: the environment that the shell is in."""
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        folder = os.environ.get(variable)
        if folder:
            return interpreter_of(Path(folder), f"${variable} ({folder})")
    for place in here_and_above():
        venv = place / ".venv"
        if (venv / "pyvenv.cfg").is_file():
            return interpreter_of(venv, str(venv))
    found = on_path("python3") or on_path("python")
    if found is None:
        raise EnvironmentReadError(
            "there is no Python to look at: no $VIRTUAL_ENV, $CONDA_PREFIX, .venv here or above, or python3 on PATH",
            "activate an environment, or name one with --python PATH|VERSION|ENV_DIR",
        )
    return found


def interpreter_of(folder: Path, called: str) -> Path:
    """The interpreter of an environment's folder, which a message calls `called`."""
    found = interpreter_in(folder)
    if found is None:
        raise EnvironmentReadError(
            f"{called} has no Python interpreter in it",
            f"looked for {', '.join(INTERPRETERS)}; name another one with --python PATH|VERSION|ENV_DIR",
        )
    return found


def interpreter_in(folder: Path) -> Optional[Path]:
    paths = (folder.absolute() / interpreter for interpreter in INTERPRETERS)
    return next((path for path in paths if path.is_symlink() or path.is_file()), None)


def of_version(version: str) -> Path:
    """The first interpreter that says it is that version: on PATH, then among those of pyenv and uv."""
    wanted = tuple(map(int, version.split(".")))
    others: List[str] = []
    for candidate in (*on_path_as(wanted), *installed(wanted)):
        found = version_of(str(candidate))
        if found is None:
            continue
        if found[: len(wanted)] == wanted:
            return candidate
        others.append(f"{candidate} is {'.'.join(map(str, found))}")
    raise EnvironmentReadError(
        f"there is no Python {version} on PATH, in {' or in '.join(map(str, installations()))}",
        "; ".join([*others, f"uv python install {version}, or name the path of one with --python PATH"]),
    )


def on_path_as(wanted: Tuple[int, ...]) -> Iterator[Path]:
    """python3.9, python3 and python, in every folder of PATH."""
    for length in (2, 1, 0):
        name = "python" + ".".join(map(str, wanted[:length]))
        for folder in path_folders():
            found = on_path(name, folder)
            if found:
                yield found


def installed(wanted: Tuple[int, ...]) -> Iterator[Path]:
    """What pyenv and uv keep in folders named after that version, the newest first."""
    for root in installations():
        named_so = []
        for folder in root.iterdir() if root.is_dir() else ():
            match = INSTALLED.fullmatch(folder.name)
            version = tuple(map(int, match[1].split("."))) if match else ()
            if version and version[: len(wanted)] == wanted[: len(version)]:
                named_so.append((version, -len(folder.name), folder))  # 3.14.0 before 3.14.0rc1
        for _, _, folder in sorted(named_so, reverse=True):
            found = interpreter_in(folder)
            if found:
                yield found


def installations() -> Tuple[Path, Path]:
    """Where pyenv and uv keep interpreters (https://docs.astral.sh/uv/reference/storage/)."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    if os.name == "nt":
        data = Path(os.environ.get("APPDATA") or home, "uv", "data")
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share", "uv")
    return pyenv / "versions", Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "python")


def on_path(command: str, path: Optional[str] = None) -> Optional[Path]:
    import shutil  # noqa: PLC0415  not needed where the running interpreter is meant

    found = shutil.which(command, path=os.pathsep.join(path_folders()) if path is None else path)
    return Path(found).absolute() if found else None


def path_folders() -> List[str]:
    """The folders of PATH, without the one that `uvx` puts there for the tool itself."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    own = Path(sys.prefix)
    if not is_tool(own):
        return folders
    return [folder for folder in folders if Path(folder).resolve().parent != own.resolve()]


def is_tool(prefix: Path) -> bool:
    """Whether an environment exists for one program: of `uv tool install`, of `pipx`, of `uvx` (in uv's cache)."""
    return (
        (prefix / "uv-receipt.toml").exists()
        or (prefix / "pipx_metadata.json").exists()
        or prefix.parent.name.startswith("archive-v")
    )


def here_and_above() -> Tuple[Path, ...]:
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed
        return ()
    return (here, *here.parents)
