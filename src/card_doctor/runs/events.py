"""TensorBoard's event files, as the Trainer writes them → the entries of its log, and its settings.

A file is a row of records: length (8 bytes, little-endian), its checksum (4), that many bytes, their checksum (4); each
holds an Event in the wire format of protocol buffers (tensorflow/core/util/event.proto, framework/summary.proto and
framework/tensor.proto of TensorFlow). Checksums are not compared: lengths that do not fit end the reading.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterable, Iterator, Mapping, Optional, Tuple, Union

from card_doctor.errors import RunError

LARGEST = 16 << 20  # bytes of a record; pictures and histograms are smaller, scalars a hundred
_ARGUMENTS = "args"  # the Trainer's TrainingArguments, as JSON text (transformers' TensorBoardCallback)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Field = Tuple[int, Union[int, bytes]]


def read_events(paths: Iterable[Path]) -> Iterator[Dict[str, Any]]:
    """The entries of a `log_history`, as far as they are numbers, of files that belong together, in their order; an
    entry `arguments` holds the settings. RunError where a file can't be read; one that ends within a record, as that of
    a killed run does, is read up to there.
    """
    entry: Dict[str, Any] = {}
    kind = ""
    for path in paths:
        try:
            with path.open("rb") as file:
                for step, tag, value in _values(file):
                    prefix, slash, name = tag.partition("/")
                    if isinstance(value, bytes):
                        if prefix == _ARGUMENTS:
                            yield {"arguments": _object(value)}
                        continue
                    # Tags without a prefix are the log's own keys, as transformers before 3.4 wrote them.
                    key = name if prefix == "train" and slash else tag.replace("/", "_", 1)
                    # The epoch is logged as of training, with whatever else is.
                    if entry and (entry["step"] != step or key in entry or (prefix != kind and key != "epoch")):
                        yield entry
                        entry = {}
                    if not entry:
                        entry, kind = {"step": step}, prefix
                    entry[key] = value
        except OSError as error:
            raise RunError(f"{path}: can't be read: {error.strerror or error}") from None
    if entry:
        yield entry


def _values(file: BinaryIO) -> Iterator[Tuple[int, str, Union[float, bytes]]]:
    """Of each summary: step, tag, and a scalar or a text."""
    for record in _records(file):
        step, summaries = 0, []
        for number, value in _fields(record):
            if number == 2 and isinstance(value, int):
                step = value
            elif number == 5 and isinstance(value, bytes):
                summaries.append(value)
        for summary in summaries:
            for number, value in _fields(summary):
                if number == 1 and isinstance(value, bytes):
                    tag, content = _value(value)
                    if tag and content is not None:
                        yield step, tag, content


def _value(value: bytes) -> Tuple[str, Optional[Union[float, bytes]]]:
    tag, content = "", None  # type: str, Optional[Union[float, bytes]]
    for number, field in _fields(value):
        if not isinstance(field, bytes):
            continue
        if number == 1:
            tag = field.decode("utf-8", "replace")
        elif number == 2 and len(field) == 4:  # simple_value
            content = struct.unpack("<f", field)[0]
        elif number == 8:  # tensor
            content = _tensor(field)
    return tag, content


def _tensor(tensor: bytes) -> Optional[Union[float, bytes]]:
    """A scalar, as newer writers keep it, or a text."""
    for number, field in _fields(tensor):
        if isinstance(field, bytes):
            if number in {4, 5} and len(field) == 4:  # tensor_content, float_val
                return float(struct.unpack("<f", field)[0])
            if number == 8:  # string_val
                return field
    return None


def _records(file: BinaryIO) -> Iterator[bytes]:
    while True:
        head = file.read(12)
        if len(head) < 12:
            return
        (length,) = struct.unpack_from("<Q", head)
        if length > LARGEST:
            return
        record = file.read(length)
        if len(record) < length or len(file.read(4)) < 4:
            return
        yield record


def _fields(message: bytes) -> Iterator[Field]:
    """The fields of a message: numbers as such, everything else as its bytes; it ends where the bytes are none."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(wire, 0)
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif not length:
            return
        if at + length > end:
            return
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, len(message)  # no number: nothing can follow


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
