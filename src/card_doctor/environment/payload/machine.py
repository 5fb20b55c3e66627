# Asks the machine that runs it, for another one that will understand the answers (environment/remote.py): the
# interpreter through reader.py, the NVIDIA driver through nvml.py, and the kernel's files as they are.
# Standard library alone, Python 3.6 and newer; it is sent as text, and runs where nothing of ours is installed.

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

MYPY = False
if MYPY:
    from typing import Any, Dict, List, Optional, Tuple

    Json = Dict[str, Any]

MOST = 1 << 16  # bytes of one file: what is looked for stands in front
SAID = 1 << 20  # bytes of what a program says


def ask(programs: "Dict[str, str]", files: "List[str]", timeout: float, environment: "Dict[str, str]") -> str:
    """JSON. `programs` are files by their name, reader.py and nvml.py among them; `files` are patterns without the
    slash in front; `timeout` in seconds is for each program, and both run at once, in `environment`.
    """
    folder = tempfile.mkdtemp(prefix="card-doctor-")
    try:
        for name, source in programs.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(source)
        output = os.path.join(folder, "snapshot.json")
        reader = start(["-B", os.path.join(folder, "reader.py"), output], environment, subprocess.DEVNULL)
        nvml = start(["-I", "-S", os.path.join(folder, "nvml.py"), folder], environment, subprocess.PIPE)
        deadline = time.time() + timeout
        driver, driver_code = end(nvml, deadline)
        _, code = end(reader, deadline)
        return json.dumps(
            {
                "python": sys.executable,
                "snapshot": content(output, 1 << 28),
                "code": code,
                "driver": driver,
                "driver_code": driver_code,
                "files": {path: content("/" + path, MOST) for path in found(files)},
                "disk_free": disk(os.curdir, "f_bavail"),
                "shared_memory": disk("/dev/shm", "f_blocks"),  # noqa: S108  a file system, not a file
                "environment": {name: value for name, value in environment.items() if name in NAMES},
            }
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


NAMES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def start(arguments: "List[str]", environment: "Dict[str, str]", output: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable] + arguments,  # noqa: RUF005
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def end(process: "subprocess.Popen[bytes]", deadline: float) -> "Tuple[str, Optional[int]]":
    """What it said and its exit code; None: it was stopped at the time limit."""
    try:
        said, _ = process.communicate(timeout=max(0.1, deadline - time.time()))
        code = process.returncode  # type: Optional[int]
    except subprocess.TimeoutExpired as expired:
        os.killpg(process.pid, signal.SIGKILL)
        process.poll()
        said, code = expired.output, None
    return (said or b"")[:SAID].decode("utf-8", "replace"), code


def found(patterns: "List[str]") -> "List[str]":
    return [path[1:] for pattern in patterns for path in sorted(glob.glob("/" + pattern))]


def content(path: str, most: int) -> "Optional[str]":
    """Each byte as the character of its number; None where it can't be read, as a device."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            return file.read(most).decode("latin-1")
    except OSError:
        return None


def disk(path: str, blocks: str) -> "Optional[int]":
    try:
        told = os.statvfs(path)
    except OSError:
        return None
    return int(told.f_frsize * getattr(told, blocks))
