"""Runs a program as a child, and ends it with all that it started when standard input closes: what ignores SIGTERM,
what made a session of its own, what its parent left behind. Runs in a process of its own (`process.py` starts it),
because a subreaper adopts every orphan below it. Linux; standard library alone.
https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
"""

from __future__ import annotations

import _signal as signal  # signal itself spends half of the start on its enumerations
import ctypes
import os
import select
import sys
import time

MYPY = False
if MYPY:  # as contextlib and pathlib, which are not used here: every check would wait for their import
    from typing import List, Optional

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36  # linux/prctl.h
PATIENCE = 2.0  # seconds for the kernel to take away what was killed; one that waits for a dead file server stays


def main(errors: int, command: List[str]) -> None:
    """`errors` is a file descriptor that is told the errno of a program that can't be started, or is closed."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ended, ends = os.pipe()
    os.set_blocking(ends, False)
    signal.set_wakeup_fd(ends)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    program = start(errors, command)
    os.close(errors)
    while True:
        ready, _, _ = select.select([0, ended], [], [])
        status = reap(program)
        if status is not None:
            end_as(status)
        if 0 in ready:
            end_all()
            return
        os.read(ended, 512)


def start(errors: int, command: List[str]) -> int:
    program = os.fork()
    if program:
        return program
    try:
        os.set_inheritable(errors, False)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a program would inherit that
            signal.signal(number, signal.SIG_DFL)
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(errors, b"%d" % (error.errno or 0))
    finally:
        os._exit(127)


def reap(program: int) -> Optional[int]:
    """What wait(2) tells of the program, None while it runs; its orphans are buried on the way."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid in (0, program):
            return status if pid else None


def end_as(status: int) -> None:
    """End as the program did, so that whoever waits for us learns what became of it."""
    if not os.WIFSIGNALED(status):
        os._exit(os.WEXITSTATUS(status))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # its core, not ours
    number = os.WTERMSIG(status)
    if number != signal.SIGKILL:  # which has no handler
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def end_all() -> None:
    """What a killed program leaves behind becomes our child: until there are none."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for child in children():
            try:  # noqa: SIM105
                os.kill(child, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):  # noqa: PERF203
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def children() -> List[int]:
    """By the parent that /proc/PID/stat names, after a program's name that may hold anything."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208  here and below: pathlib is slow to import
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                stat = file.read()
        except OSError:  # it has ended
            continue
        if int(stat.rpartition(b")")[2].split()[1]) == os.getpid():
            found.append(int(name))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
