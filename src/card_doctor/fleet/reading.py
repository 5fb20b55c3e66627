"""Snapshots from files, folders and JSON lines, one at a time; what is none is named and left out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Any, Dict, Iterator, Sequence, Tuple, Union

import msgspec

from card_doctor.environment.files.documents import read_snapshot
from card_doctor.environment.files.reading import MOST, read_text
from card_doctor.errors import CardDoctorError, EnvironmentReadError, UsageError
from card_doctor.model import Node, Silent

LINES = (".jsonl", ".ndjson")
FAILED = "card-doctor/error/"

Answer = Union[Node, Silent]


def read_snapshots(sources: Sequence[str]) -> Iterator[Answer]:
    """Every node of `sources`: a snapshot's file (its node is the file's name), a folder of them, a file of JSON lines,
    or ``-``, JSON lines on standard input. A line is a snapshot with a key ``node`` beside the others, else its node is
    ``line N``. Two nodes of one name are told apart by a number. UsageError where a source is not there.
    """
    taken: Dict[str, int] = {}
    for source in sources:
        for name, answer in _answers(source):
            taken[name] = taken.get(name, 0) + 1
            unique = name if taken[name] == 1 else f"{name} ({taken[name]})"
            yield answer_of(unique, *answer)


def answer_of(node: str, place: str, text: Union[str, bytes, CardDoctorError]) -> Answer:
    """What came of `node`: `text` is a snapshot's JSON, or an error document's; `place` is where it stood."""
    if isinstance(text, CardDoctorError):
        return Silent(node, "unreadable", text.message)
    if not text.strip():
        return Silent(node, "failed", f"{place}: empty, its probe wrote nothing")
    try:
        document = msgspec.json.decode(text)
        if isinstance(document, dict) and str(document.get("schema", "")).startswith(FAILED):
            return Silent(node, "failed", str(document.get("message", "its probe gave no reason")))
        if not isinstance(document, dict) or "schema" not in document:
            return Silent(node, "unreadable", f"{place}: JSON, but no snapshot")
        return Node(node, read_snapshot(place, document))
    except EnvironmentReadError as error:
        return Silent(node, "unreadable", error.message)
    except msgspec.DecodeError as error:
        return Silent(node, "unreadable", f"{place}: truncated, or no JSON: {error}")
    except RecursionError:
        return Silent(node, "unreadable", f"{place}: nested too deeply")


Found = Tuple[str, Tuple[str, Any]]


def _answers(source: str) -> Iterator[Found]:
    """Names, each with what `answer_of` takes."""
    if source == "-":
        yield from _lines("standard input", sys.stdin.buffer)
        return
    path = Path(source)
    try:
        if path.is_dir():
            for file in sorted(path.iterdir()):
                if file.suffix in {".json", *LINES} and not file.name.startswith("."):
                    yield from _file(file)
            return
        there = path.exists()
    except (OSError, ValueError) as error:
        raise UsageError(f"{source!r}: can't be read: {error}") from None
    if not there:
        raise UsageError(f"there is no {source}", "Name files of `card-doctor snapshot`, a folder of them, or -")
    yield from _file(path)


def _file(path: Path) -> Iterator[Found]:
    if path.suffix in LINES:
        try:
            with path.open("rb") as stream:
                yield from _lines(str(path), stream)
        except OSError as error:
            yield path.stem, (str(path), EnvironmentReadError(f"{path}: can't be read: {error.strerror or error}"))
        return
    try:
        yield path.stem, (str(path), read_text(path))
    except EnvironmentReadError as error:
        yield path.stem, (str(path), error)


class _Named(msgspec.Struct):
    node: str


def _lines(place: str, stream: IO[bytes]) -> Iterator[Found]:
    number = 0
    while True:
        line = stream.readline(MOST + 1)
        if not line:
            return
        number += 1
        if not line.strip():
            continue
        here = f"{place}, line {number}"
        if len(line) > MOST:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MOST)
            yield f"line {number}", (here, EnvironmentReadError(f"{here}: larger than {MOST // 2**20} MiB"))
            continue
        try:
            name = msgspec.json.decode(line, type=_Named).node
        except (msgspec.DecodeError, RecursionError):
            name = f"line {number}"
        yield name, (here, line)
