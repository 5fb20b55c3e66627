"""A card's bytes as text: the size bounded, the encoding known, nothing in it that a terminal would obey."""

from __future__ import annotations

import codecs
import os
import re
import stat
from pathlib import Path
from typing import Union

from card_doctor.errors import CardError

MAX_BYTES = 10 * 1024 * 1024  # the longest real card that was seen has 0.1 MB
LFS_POINTER = "version https://git-lfs.github.com/spec/v1"

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# CSI and OSC sequences whole, then every other control, zero-width and bidirectional character.
_ESCAPES = re.compile(r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b\n]{0,1024}(?:\x07|\x1b\\)")
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
_NEWLINE = re.compile("\r\n?")


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The content of a regular file that is no longer than `limit`; CardError for anything else."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CardError(f"{path}: not a regular file")
            data: bytes = file.read(limit + 1)
    except OSError as error:
        raise CardError(f"{path}: can't be read: {error.strerror or error}") from None
    except ValueError as error:  # a null byte in the name
        raise CardError(f"{str(path)!r}: can't be read: {error}") from None
    if len(data) > limit:
        raise CardError(f"{path}: longer than {limit // 1024:,} kB, more than any card", "Is it the card?")
    return data


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a named pipe would wait for its writer


def decode(data: bytes, where: Union[str, Path]) -> str:
    """The text of `data`; CardError where it is binary, empty, or a git-lfs pointer. `where` is what errors name."""
    encoding = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), None)
    if encoding is None and b"\0" in data:
        if not _looks_utf16(data):
            raise CardError(f"{where}: binary data, not a card", "Name the README, or the model's folder.")
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    text = data.decode(encoding or "utf-8", errors="replace")
    if text.startswith(LFS_POINTER):
        raise CardError(f"{where}: a git-lfs pointer, not the file itself", "Fetch it: git lfs pull")
    text = printable(text)
    if not text.strip():
        raise CardError(f"{where}: the card is empty")
    return text


def _looks_utf16(data: bytes) -> bool:
    """Half of the bytes of Latin text in UTF-16 are null, all on one side."""
    even, odd = data[0:4096:2].count(0), data[1:4096:2].count(0)
    half = len(data[:4096]) // 2
    return half > 4 and max(even, odd) > half * 0.7 and min(even, odd) == 0


def printable(text: str) -> str:
    r"""Line ends as ``\\n``; without terminal escapes and characters that are not seen."""
    return _INVISIBLE.sub("", _ESCAPES.sub("", _NEWLINE.sub("\n", text)))
