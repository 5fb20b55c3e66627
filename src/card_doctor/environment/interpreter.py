"""Reads an interpreter's environment: our own in this process, another one by running the payload in it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import List, Optional, Tuple

import msgspec

from card_doctor.environment.process import lines, run, signal_name
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Snapshot

PAYLOAD = Path(__file__).parent / "payload" / "reader.py"
OLDEST = (3, 6)  # what the payload runs on
VERSION_TIMEOUT = 10.0  # seconds for `PYTHON -V`, which ends before the environment has a say
ANOTHER = "name another one with --python PATH|VERSION|ENV_DIR"


def read_interpreter(executable: Optional[str] = None, *, timeout: float = 20.0) -> Snapshot:
    """The environment of `executable`, or of the running interpreter; `timeout` in seconds."""
    if executable is not None:
        must_be_a_program(Path(executable))
        return run_payload(executable, timeout)
    from card_doctor.environment.payload import reader  # noqa: PLC0415

    return msgspec.convert(reader.read(), Snapshot)


def must_be_a_program(path: Path) -> None:
    """Say what stands in the way where the operating system would say less."""
    if path.is_dir():
        raise EnvironmentReadError(f"{path} is a directory, not a Python interpreter", ANOTHER)
    if path.is_symlink() and not path.exists():
        raise EnvironmentReadError(
            f"{path} is a link to {os.path.realpath(path)}, which is not there",
            f"the Python that this environment was made with is gone: make the environment again, or {ANOTHER}",
        )
    if not path.exists():
        raise EnvironmentReadError(f"there is no Python interpreter at {path}", ANOTHER)
    if not os.access(path, os.X_OK):
        raise EnvironmentReadError(f"{path} is not executable", f"chmod +x {path}, or {ANOTHER}")


def run_payload(executable: str, timeout: float) -> Snapshot:
    """The payload runs from a folder of its own and answers in a file: start-up code may print what it likes."""
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    try:
        folder = Path(tempfile.mkdtemp(prefix="card-doctor-"))
    except OSError as error:
        raise EnvironmentReadError(f"no temporary folder can be made: {error.strerror}", "set TMPDIR") from error
    try:
        script = shutil.copyfile(PAYLOAD, folder / "card_doctor_reader.py")
        output = folder / "snapshot.json"
        code, said = _run([executable, "-B", str(script), str(output)], timeout)
        if code is None:
            raise EnvironmentReadError(
                f"{executable} did not answer within {timeout:g} seconds",
                f"allow more with --timeout SECONDS, or see what its start-up waits for: {executable} -v -c pass",
            )
        if not output.exists():
            raise no_answer(executable, code, lines(said))
        return msgspec.json.decode(output.read_bytes(), type=Snapshot)
    except msgspec.MsgspecError as error:
        raise EnvironmentReadError(
            f"{executable} wrote what is no snapshot: {error}", f"see whether it works: {executable} -c pass"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def no_answer(executable: str, code: int, said: List[str]) -> EnvironmentReadError:
    """Why a program that ran wrote nothing."""
    version = version_of(executable)
    if version is None:  # another program's first words are its complaint, a traceback's last
        because = f": {said[0]}" if said else ""
        return EnvironmentReadError(f"{executable} is no working Python interpreter{because}", ANOTHER)
    if version < OLDEST:
        told = ".".join(map(str, version))
        return EnvironmentReadError(f"{executable} is Python {told}; environments are read from Python 3.6 on", ANOTHER)
    because = f": {said[-1]}" if said else ""
    ended = f"ended with exit code {code}" if code >= 0 else f"crashed with {signal_name(-code)}"
    return EnvironmentReadError(
        f"{executable} {ended} before its environment was read{because}", f"see whether it works: {executable} -c pass"
    )


def version_of(executable: str, *, supervised: bool = True) -> Optional[Tuple[int, ...]]:
    """Like (3, 9, 18), as `PYTHON -V` says it; None where that is no Python. An interpreter itself, not a script that
    stands before it, can do without a supervisor.
    """
    try:
        _, said = _run([executable, "-V"], VERSION_TIMEOUT, with_output=True, supervised=supervised)
    except EnvironmentReadError:
        return None
    version = re.search(rb"^Python (\d+(?:\.\d+)+)", said, re.MULTILINE)
    return tuple(map(int, version[1].split(b"."))) if version else None


def _run(
    command: List[str], timeout: float, *, with_output: bool = False, supervised: bool = True
) -> Tuple[Optional[int], bytes]:
    try:
        return run(command, timeout, with_output=with_output, supervised=supervised)
    except OSError as error:
        raise cannot_start(command[0], error) from error


def cannot_start(executable: str, error: OSError) -> EnvironmentReadError:
    if isinstance(error, FileNotFoundError):
        because = "the program in its first line, or the loader that it was built for, is not there"
    else:
        because = error.strerror or str(error)
    return EnvironmentReadError(f"{executable} can't be started as a Python interpreter: {because}", ANOTHER)
