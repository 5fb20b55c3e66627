"""Another machine, asked by programs that are sent to it as text (payload/machine.py), and understood here."""

from __future__ import annotations

import tempfile
from importlib.machinery import PathFinder
from pathlib import Path, PurePosixPath
from typing import Dict, List, NamedTuple, Optional

import msgspec

from card_doctor.environment.hardware import CONTAINER_SIGNS, FILES, SIGNS, Found, without_driver
from card_doctor.environment.hardware.amd import read_amd
from card_doctor.environment.hardware.host import read_host
from card_doctor.environment.hardware.nvidia import PROGRAM, Failed, Said, understand, understood
from card_doctor.environment.interpreter import PAYLOAD
from card_doctor.environment.process import signal_name
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Gap, Snapshot

NO_LIBRARY = 12  # NVML_ERROR_LIBRARY_NOT_FOUND


class Question(NamedTuple):
    """What `ask` of payload/machine.py is told, but for the time limit and the environment."""

    program: str
    programs: Dict[str, str]
    files: List[str]


class Answer(msgspec.Struct):
    """What it answers; a file is None where it is there and holds no text."""

    python: str
    snapshot: Optional[str]
    code: Optional[int]
    driver: str
    driver_code: Optional[int]
    files: Dict[str, Optional[str]]
    disk_free: Optional[int]
    shared_memory: Optional[int]
    environment: Dict[str, str]


def question() -> Question:
    """The programs of ours, and the nvidia-ml-py that is installed here."""
    programs = {"reader.py": PAYLOAD.read_text(encoding="utf-8"), "nvml.py": PROGRAM.read_text(encoding="utf-8")}
    found = PathFinder.find_spec("pynvml")
    if found is not None and found.origin is not None:
        origin = Path(found.origin)
        base = origin.parents[1] if found.submodule_search_locations else origin.parent
        for file in origin.parent.rglob("*.py") if found.submodule_search_locations else [origin]:
            programs[file.relative_to(base).as_posix()] = file.read_text(encoding="utf-8")
    machine = PAYLOAD.with_name("machine.py").read_text(encoding="utf-8")
    return Question(machine, programs, [*SIGNS, *CONTAINER_SIGNS, *FILES])


def snapshot_of(text: str, timeout: float) -> Snapshot:
    """What an answer means; `timeout` is the limit that it was given, in seconds. EnvironmentReadError where it tells
    of no environment.
    """
    try:
        answer = msgspec.json.decode(text, type=Answer)
        if answer.snapshot is None:
            raise _unread(answer, timeout)
        snapshot = msgspec.json.decode(answer.snapshot.encode("latin-1"), type=Snapshot)
        with tempfile.TemporaryDirectory(prefix="card-doctor-") as folder:
            root = Path(folder)
            _lay_out(answer.files, root)
            driver, driver_cuda, accelerators, gaps = _hardware(answer, root, timeout, snapshot)
            host = read_host(root)
    except (msgspec.MsgspecError, UnicodeError, OSError, ValueError) as error:
        raise EnvironmentReadError(f"it answered what can't be understood: {error}") from None
    disks = {"disk_free_bytes": answer.disk_free, "shared_memory_bytes": answer.shared_memory}
    return msgspec.structs.replace(
        snapshot,
        source="snapshot",
        driver=driver,
        driver_cuda=driver_cuda,
        accelerators=accelerators,
        host=msgspec.structs.replace(host, **disks),
        gaps=(*(gap for gap in snapshot.gaps if gap.fact != "accelerators"), *gaps),
    )


def _unread(answer: Answer, timeout: float) -> EnvironmentReadError:
    if answer.code is None:
        return EnvironmentReadError(f"{answer.python} did not answer within {timeout:g} seconds")
    how = f"ended with exit code {answer.code}" if answer.code >= 0 else f"crashed with {signal_name(-answer.code)}"
    return EnvironmentReadError(f"{answer.python} {how} before its environment was read")


def _lay_out(files: Dict[str, Optional[str]], root: Path) -> None:
    """As they stood there, so that they are read as this machine's own are."""
    for name, content in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{name!r} is no file that was asked for")
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((content or "").encode("latin-1"))


def _hardware(answer: Answer, root: Path, timeout: float, snapshot: Snapshot) -> Found:
    if snapshot.platform is None or snapshot.platform.system != "Linux":
        return None, None, None, (Gap("accelerators", "not-asked", "the hardware of a node is read on Linux alone"),)
    said = Said(answer.driver.encode(), answer.driver_code, timeout)
    missing = any(isinstance(one, Failed) and one.code == NO_LIBRARY for one in understood(said.lines))
    if missing and not any((root / sign).exists() for sign in SIGNS):
        accelerators, gaps = read_amd(root, answer.environment)
        return None, None, accelerators, (*without_driver(root), *gaps)
    return understand(said, root, answer.environment)
