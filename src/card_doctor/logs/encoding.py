"""A log's bytes: in the encoding that shells write, and refused where they are no text."""

from __future__ import annotations

import codecs
from typing import IO, Iterator

from card_doctor.errors import LogError

PIECE = 1 << 18
_PACKED = {b"\x1f\x8b": "zcat", b"BZh": "bzcat", b"\xfd7zXZ": "xzcat", b"\x28\xb5\x2f\xfd": "zstdcat"}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # what PowerShell's `>` writes
_NO_TEXT = bytes(set(range(32)) - set(b"\t\n\r\b\f\x1b\x07"))


def open_log(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """The log in pieces, as UTF-8 or what is near to it; LogError where its beginning is no text."""
    # read1: what a pipe has now, not what it will have
    read = getattr(stream, "read1", stream.read)
    first = read(PIECE)
    for magic, reader in _PACKED.items():
        if first.startswith(magic):
            raise LogError(f"{name}: is compressed", f"{reader} {name} | card-doctor diagnose -")
    decoder = codecs.getincrementaldecoder("utf-16")("replace") if first.startswith(_UTF_16) else None
    # A crashed machine leaves a few zeros in a log; where one byte in twenty controls something, it is none
    if decoder is None and len(first) - len(first.translate(None, _NO_TEXT)) > len(first) // 20:
        raise LogError(f"{name}: is no text", "a log is expected: what a training run printed")
    piece = first
    while piece:
        yield decoder.decode(piece).encode("utf-8", "replace") if decoder else piece
        piece = read(PIECE)
