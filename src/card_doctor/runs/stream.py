"""Reads one large JSON object piece by piece: memory stays that of a piece, time grows with the length alone.

The Trainer writes `NaN` and `Infinity`, which JSON has not: they are read as what they say.
"""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import IO, Any, Iterator, Optional, Tuple

from card_doctor.errors import RunError

CHUNK = 1 << 20  # bytes that are read at once
AHEAD = 1 << 18  # characters that a single value may have: a line of the log has a few hundred
_DIGITS = 18  # of a whole number: longer ones cost quadratic time, and are none
_SPACE = re.compile(r"[ \t\n\r]*")


def _whole(text: str) -> Optional[int]:
    return int(text) if len(text) <= _DIGITS else None


class BrokenError(RunError):
    """The file ends, or stops being JSON, somewhere in it."""


class _Text:
    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._scan = json.JSONDecoder(parse_int=_whole, strict=False).raw_decode
        self._buffer, self._at, self._before, self._ended = "", 0, 0, False

    def fail(self) -> BrokenError:
        where = self._before + self._at
        if self._ended and self._at >= len(self._buffer.rstrip()):
            return BrokenError(f"{self._path}: ends in the middle, after character {where}", _HINT)
        return BrokenError(f"{self._path}: not JSON at character {where}", _HINT)

    def peek(self) -> str:
        """The next character that is no space, with all of a value behind it in the buffer; "" at the end."""
        while True:
            space = _SPACE.match(self._buffer, self._at)
            self._at = space.end() if space else self._at
            if self._ended or len(self._buffer) - self._at >= AHEAD:
                return self._buffer[self._at : self._at + 1]
            self._more()

    def _more(self) -> None:
        try:
            data = self._file.read(CHUNK)
            text = self._decode(data, not data)
        except UnicodeDecodeError as error:
            raise BrokenError(f"{self._path}: not UTF-8: {error.reason}", _HINT) from None
        except OSError as error:
            raise RunError(f"{self._path}: can't be read: {error.strerror or error}") from None
        self._ended = not data
        self._before += self._at
        self._buffer, self._at = self._buffer[self._at :] + text, 0

    def expect(self, character: str) -> None:
        if self.peek() != character:
            raise self.fail()
        self._at += 1

    def take(self, character: str) -> bool:
        if self.peek() != character:
            return False
        self._at += 1
        return True

    def value(self) -> Any:
        self.peek()
        try:
            value, end = self._scan(self._buffer, self._at)
        except (ValueError, RecursionError):
            cut = self._cut_off()
            if cut:
                self._at = len(self._buffer)
            raise self.fail() from None
        self._at = end
        return value

    def _cut_off(self) -> bool:
        """Does the value that could not be read go on to the very end of the file?"""
        if not self._ended:
            return False
        rest = self._buffer[self._at :]
        return bool(rest) and rest.count("{") + rest.count("[") > rest.count("}") + rest.count("]")


_HINT = "the checkpoints of the run have a state of their own: --run DIR/checkpoint-N"


def members(path: Path, log: str) -> Iterator[Tuple[str, Any]]:
    """The members of the JSON object at `path`, in its order; of the array `log`, each element by itself under that
    name. BrokenError where it ends too soon or is no JSON, after all that stands before; RunError where it can't be
    read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise RunError(f"{path}: can't be read: {error.strerror or error}") from None
    with file:
        text = _Text(path, file)
        text.expect("{")
        while not text.take("}"):
            key = text.value()
            if not isinstance(key, str):
                raise text.fail()
            text.expect(":")
            if key == log and text.take("["):
                yield from ((key, value) for value in _elements(text))
            else:
                yield key, text.value()
            if not text.take(","):
                text.expect("}")
                break
        if text.peek():
            raise text.fail()


def _elements(text: _Text) -> Iterator[Any]:
    while not text.take("]"):
        yield text.value()
        if not text.take(","):
            text.expect("]")
            return
