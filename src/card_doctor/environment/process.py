"""Programs of the user's, run under a time limit: when it is over they are gone, with all that they started."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, List, Optional, Tuple

if TYPE_CHECKING:
    from subprocess import Popen

SUPERVISOR = Path(__file__).with_name("supervisor.py")
TAIL = 8192  # bytes of what a program said last that are kept
LONGEST_LINE = 300  # characters of it that a message repeats
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# A traceback's last line says what failed; what the interpreter prints below a fatal error does not.
FRAMES = (" ", "\t", "Current thread ", "Thread 0x", "<no Python frame>", "Extension modules: ")


def run(
    command: List[str], timeout: float, *, with_output: bool = False, supervised: bool = True
) -> Tuple[Optional[int], bytes]:
    """Exit code (None: it was killed at the time limit, in seconds; negative: by that signal) and the end of stderr,
    and of stdout where asked for. OSError where it can't be started.
    """
    from subprocess import DEVNULL, PIPE, STDOUT, TimeoutExpired  # noqa: PLC0415
    from threading import Thread  # noqa: PLC0415

    deadline = time.monotonic() + timeout
    out, err = (PIPE, STDOUT) if with_output else (DEVNULL, PIPE)
    process = start(command, supervised=supervised, stdout=out, stderr=err)
    said = bytearray()
    listener = Thread(target=keep_tail, args=(process.stdout if with_output else process.stderr, said), daemon=True)
    try:
        listener.start()
        # The end of the pipe is the quickest news of the program's end; but a child left behind may hold it open.
        while listener.is_alive() and process.poll() is None and time.monotonic() < deadline:
            listener.join(0.05)
        code = process.wait(max(0.0, deadline - time.monotonic()))
        listener.join(0.2)
    except TimeoutExpired:
        return None, bytes(said)
    finally:
        kill(process)
    return code, bytes(said)


def start(command: List[str], *, supervised: bool = True, **streams: Any) -> Popen[bytes]:
    """`command` in a session of its own; on Linux under a supervisor, whose standard input is its life line: it ends
    the program when that closes, be it that we were killed. It costs the start of a Python: what soon ends by itself,
    and starts nothing that stays, needs none.
    """
    from subprocess import DEVNULL, PIPE, Popen  # noqa: PLC0415

    if not supervised or sys.platform != "linux":
        return Popen(command, stdin=DEVNULL, start_new_session=True, **streams)
    told, errors = os.pipe()
    supervisor = [sys.executable, "-I", "-S", str(SUPERVISOR), str(errors), *command]
    try:
        process = Popen(supervisor, stdin=PIPE, pass_fds=(errors,), start_new_session=True, **streams)
    except OSError:
        os.close(told)
        raise
    finally:
        os.close(errors)
    with os.fdopen(told, "rb") as file:
        number = file.read()  # ends when the program has started
    if number:
        kill(process)
        for stream in filter(None, (process.stdout, process.stderr)):
            stream.close()
        raise OSError(int(number), os.strerror(int(number)))
    return process


def keep_tail(stream: IO[bytes], said: bytearray) -> None:
    with stream:
        while True:
            part = os.read(stream.fileno(), 1 << 16)
            if not part:
                return
            said += part
            del said[:-TAIL]


def kill(process: Popen[bytes]) -> None:
    """The program and what it started; nothing where it has ended."""
    import signal  # noqa: PLC0415
    from contextlib import suppress  # noqa: PLC0415
    from subprocess import TimeoutExpired  # noqa: PLC0415

    if process.stdin:
        process.stdin.close()
        with suppress(TimeoutExpired):
            process.wait(3)
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with suppress(TimeoutExpired):  # one that waits for a dead file server is left to it
        process.wait(1)


def lines(said: bytes) -> List[str]:
    """The lines that say something, as a terminal can take them."""
    told = [line for line in said.decode("utf-8", "replace").splitlines() if not line.startswith(FRAMES)]
    plain = ["".join(filter(str.isprintable, ESCAPES.sub("", line))).strip() for line in told]
    return [line[:LONGEST_LINE] for line in plain if line]


def signal_name(number: int) -> str:
    import signal  # noqa: PLC0415

    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
