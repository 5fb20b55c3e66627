"""The user's terminal, lent to a command: a pseudo-terminal of its modes and nearly its size, and a line of ours."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
import tty
from contextlib import suppress
from typing import Any, List, Optional

# The end of what was printed, where it is in the middle of an escape sequence or of a character
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*|P[^\x1b]*)?\Z|[\xc0-\xff][\x80-\xbf]{0,2}\Z")
FEWEST_ROWS = 5  # a lower terminal has no line to give away


def size_of(fd: int) -> tuple[int, int]:
    """Rows and columns; (24, 80) where the terminal does not tell."""
    with suppress(OSError):
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
        if rows and columns:
            return rows, columns
    return 24, 80


class Terminal:
    """The pseudo-terminal of a command whose output goes to a terminal (`out`). The command sees one row less: the
    last one is ours, kept by a scroll region.
    """

    def __init__(self, out: int, keyboard: Optional[int]) -> None:
        self.master, self.slave = os.openpty()
        self._out = out
        self._keyboard = keyboard
        self._modes: Optional[List[Any]] = None
        self._tail = b""
        self._shown = False
        self._rows, self._columns = size_of(out)
        modes = termios.tcgetattr(out)
        termios.tcsetattr(self.slave, termios.TCSANOW, modes)
        self._resize()

    def take(self) -> None:
        """Keys go to the command from now on as they are typed, Ctrl-C too."""
        if self._keyboard is not None:
            self._modes = termios.tcgetattr(self._keyboard)
            tty.setraw(self._keyboard)

    def give_back(self) -> None:
        """As it was before."""
        self._clear()
        if self._keyboard is not None and self._modes is not None:
            termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._modes)

    def resized(self) -> None:
        """The user's terminal has another size; the command is told by SIGWINCH, through its terminal."""
        self._clear()
        self._rows, self._columns = size_of(self._out)
        self._resize()

    def printed(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-64:]

    def show(self, line: str) -> None:
        """Our line, below what the command prints; skipped while that is in the middle of something."""
        if self._rows < FEWEST_ROWS or _UNFINISHED.search(self._tail):
            return
        if not self._shown:
            # Room for it, then all but the last row scrolls: https://vt100.net/docs/vt510-rm/DECSTBM.html
            self._write(f"\n\x1b[A\x1b7\x1b[1;{self._rows - 1}r\x1b8")
            self._shown = True
        self._write(f"\x1b7\x1b[{self._rows};1H\x1b[2K\x1b[7m{line[: self._columns - 1]}\x1b[0m\x1b8")

    def _clear(self) -> None:
        if self._shown:
            self._write(f"\x1b7\x1b[r\x1b[{self._rows};1H\x1b[2K\x1b8")
            self._shown = False

    def _resize(self) -> None:
        rows = self._rows - 1 if self._rows >= FEWEST_ROWS else self._rows
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, self._columns, 0, 0))

    def _write(self, text: str) -> None:
        with suppress(OSError):
            os.write(self._out, text.encode())
