"""Runs a command as if we were not there: its terminal, its input, every byte of its output, its signals, its end.

Where our own output is a terminal the command gets one too (a pseudo-terminal); elsewhere pipes. What it prints is
passed on at once and unchanged, and shown to `heard`. A signal that we are sent is sent on; the command is in a process
group of its own, in the foreground, so that a key like Ctrl-C reaches it once, and from the terminal itself.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from card_doctor.errors import CardDoctorError
from card_doctor.watching.terminal import Terminal

PIECE = 1 << 16
LINGER = 0.5  # seconds without output, after the command's end, until we no longer wait for what it left behind
# To the group, as a terminal would send them; the others to the command alone, as they were sent to us alone
TO_GROUP = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
TO_COMMAND = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
PR_SET_PDEATHSIG = 1  # prctl(2)


class Exit(NamedTuple):
    """`status` as waitpid gives it."""

    status: int
    seconds: float
    processor_seconds: float
    largest_memory_bytes: Optional[int]


class CommandError(CardDoctorError):
    """A command that can't be started."""

    kind = "command"


class Command:
    """A running command. `tick` is called about every `interval` seconds and gives the line to show."""

    def __init__(
        self, words: Sequence[str], heard: Callable[[bytes], None], tick: Callable[[], str], interval: float
    ) -> None:
        self._words = list(words)
        self._heard, self._tick, self._interval = heard, tick, interval
        self._selector = selectors.DefaultSelector()
        self._ends: Dict[int, int] = {}  # what we read from, and where that goes
        self._terminal: Optional[Terminal] = None
        self._keyboard = 0 if os.isatty(0) else None
        self._foreground: Optional[int] = None  # our own process group, where it had the terminal
        self._process: Optional[subprocess.Popen[bytes]] = None

    def run(self) -> Exit:
        """Start it, and stay until it has ended. CommandError where it can't be started."""
        wake, waker = os.pipe()
        for end in (wake, waker):
            os.set_blocking(end, False)
        previous: Dict[signal.Signals, Any] = {}
        started = time.monotonic()
        try:
            self._start()
            for number in (*TO_GROUP, *TO_COMMAND, signal.SIGWINCH, signal.SIGCHLD):
                previous[number] = signal.signal(number, self._signalled)
            previous_wakeup = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
            self._selector.register(wake, selectors.EVENT_READ)
            try:
                status, used = self._stay(wake)
            finally:
                signal.set_wakeup_fd(previous_wakeup)
        finally:
            for one, handler in previous.items():
                signal.signal(one, handler)
            self._take_terminal_back()
            for end in (wake, waker, *self._ends):
                with suppress(OSError):
                    os.close(end)
            self._selector.close()
        # in KiB on Linux, in bytes on macOS: getrusage(2)
        largest = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Exit(status, time.monotonic() - started, used.ru_utime + used.ru_stime, largest or None)

    def _start(self) -> None:
        out, err = os.isatty(1), os.isatty(2)
        if out or err:
            both = out and self._keyboard is not None
            self._terminal = Terminal(1 if out else 2, self._keyboard if both else None)
        own = self._terminal if out and self._keyboard is not None else None  # it controls the command
        slave = self._terminal.slave if self._terminal else None
        ours = os.getpgrp()
        if own is None and self._keyboard is not None and os.tcgetpgrp(0) == ours:
            self._foreground = ours
        try:
            self._process = subprocess.Popen(
                self._words,
                stdin=slave if own else None,
                stdout=slave if out else subprocess.PIPE,
                stderr=slave if err else subprocess.PIPE,
                preexec_fn=_prepared(own is not None, self._foreground is not None),  # noqa: PLW1509  one thread
            )
        except OSError as error:
            self._take_terminal_back()
            raise CommandError(
                f"{self._words[0]} can't be started: {error.strerror or error}", "card-doctor watch [CARD] -- COMMAND"
            ) from None
        for pipe, target in ((self._process.stdout, 1), (self._process.stderr, 2)):
            if pipe is not None:
                self._ends[os.dup(pipe.fileno())] = target
                pipe.close()
        if self._terminal is not None:
            os.close(self._terminal.slave)
            self._ends[self._terminal.master] = 1 if out else 2
            self._terminal.take()
        for end in self._ends:
            self._selector.register(end, selectors.EVENT_READ)
        if own:
            self._selector.register(0, selectors.EVENT_READ)

    def _stay(self, wake: int) -> tuple[int, Any]:
        ended = None
        due = quiet_since = time.monotonic()
        while True:
            wait = LINGER if ended else max(0.0, due - time.monotonic())
            events = self._selector.select(wait)
            for key, _ in events:
                if key.fd == wake:
                    with suppress(BlockingIOError):
                        os.read(wake, PIECE)
                elif key.fd == 0:
                    self._typed()
                elif self._pass_on(key.fd):
                    quiet_since = time.monotonic()
            ended = ended or self._ended()
            now = time.monotonic()
            if ended and (not self._open() or now - quiet_since >= LINGER):
                return ended
            if not ended and now >= due:
                due = now + self._interval
                line = self._tick()
                if self._terminal is not None:
                    self._terminal.show(line)

    def _open(self) -> bool:
        return any(end in self._selector.get_map() for end in self._ends)

    def _pass_on(self, end: int) -> bool:
        try:
            data = os.read(end, PIECE)
        except OSError:  # a pseudo-terminal that nobody has open any more
            data = b""
        if not data:
            self._selector.unregister(end)
            return False
        target = self._ends[end]
        try:
            _write_all(target, data)
        except OSError:  # who read it has gone: the command shall see that as it would without us
            self._selector.unregister(end)
            os.close(end)
            del self._ends[end]
            return False
        if self._terminal is not None:
            self._terminal.printed(data)
        self._heard(data)
        return True

    def _typed(self) -> None:
        with suppress(OSError):
            data = os.read(0, PIECE)
            if data and self._terminal is not None:
                _write_all(self._terminal.master, data)
                return
        self._selector.unregister(0)

    def _ended(self) -> Optional[tuple[int, Any]]:
        assert self._process is not None  # noqa: S101  for the type checker
        with suppress(ChildProcessError):
            pid, status, used = os.wait4(self._process.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                self._stopped()
            elif pid:
                self._process.returncode = status
                return status, used
        return None

    def _stopped(self) -> None:
        """Ctrl-Z where the terminal is the command's: stop with it, as the shell expects, and go on with it."""
        assert self._process is not None  # noqa: S101  for the type checker
        if self._foreground is None:
            return
        _to_foreground(self._foreground)
        os.kill(os.getpid(), signal.SIGSTOP)
        _to_foreground(self._process.pid)
        os.killpg(self._process.pid, signal.SIGCONT)

    def _signalled(self, number: int, _frame: object) -> None:
        process = self._process
        if number == signal.SIGWINCH and self._terminal is not None:
            self._terminal.resized()
        elif process is not None and process.returncode is None and number != signal.SIGCHLD:
            with suppress(ProcessLookupError, PermissionError):
                if number in TO_GROUP:
                    os.killpg(process.pid, number)
                else:
                    os.kill(process.pid, number)

    def _take_terminal_back(self) -> None:
        if self._terminal is not None:
            self._terminal.give_back()
        if self._foreground is not None:
            _to_foreground(self._foreground)


def _prepared(controls: bool, foreground: bool) -> Callable[[], None]:
    """What happens in the command's process before it is the command."""
    library = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:
        if controls:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        else:
            os.setpgid(0, 0)
            if foreground:
                _to_foreground(os.getpid())
        if library is not None:
            library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # who kills us means the command

    return prepare


def _to_foreground(group: int) -> None:
    """Let a process group have the terminal; one in the background may, if it does not mind SIGTTOU."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with suppress(OSError):
        os.tcsetpgrp(0, group)
    signal.signal(signal.SIGTTOU, before)


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def interpreter_of(words: List[str]) -> Optional[str]:
    """The Python interpreter that a command runs in: itself one, or a script whose first line names it."""
    import re  # noqa: PLC0415
    import shutil  # noqa: PLC0415

    found = shutil.which(words[0])
    if found is None:
        return None
    if re.fullmatch(r"(?:python|pypy)[\d.]*(?:\.exe)?", os.path.basename(found)):  # noqa: PTH119
        return found
    with suppress(OSError), open(found, "rb") as script:  # noqa: PTH123
        first = script.readline(512)
        second = script.readline(512)
        # Installers write `#!/bin/sh` and `'''exec' "/long path/python"` where a path is too long or has blanks
        for line in (first, second):
            named = re.search(rb"(/[^'\"\n]*?/(?:python|pypy)[\d.]*)['\" \n]", line)
            if named and (line is second or line.startswith(b"#!")):
                return named[1].decode("utf-8", "replace")
    return None
