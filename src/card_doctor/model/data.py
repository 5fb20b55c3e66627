"""What a data file holds, as far as training minds: rows, columns, classes, duplicates, leakage, lengths."""

from __future__ import annotations

from typing import Dict, Literal, Optional, Tuple

import msgspec

Part = Literal["train", "evaluation"]


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A well-known data set: its columns of text, how many classes, the rows to train on and those of its other parts;
    `names` are what cards call it besides.
    """

    text: Tuple[str, ...] = ()
    labels: Optional[int] = None
    classes: Tuple[str, ...] = ()
    train: Optional[int] = None
    evaluation: Tuple[int, ...] = ()
    names: Tuple[str, ...] = ()


class TextColumn(msgspec.Struct, frozen=True):
    """A column of text: how many rows are empty (or blank, or missing), the most words of a row, and in how many rows
    there are more than so many. A word is at least one token: more words than the model takes tokens are cut for sure.
    """

    name: str
    empty: int
    longest_words: int
    longer_than: Dict[int, int] = {}


class DataFile(msgspec.Struct, frozen=True):
    """One file (or folder of a data set). `classes` are the rows of each label, the most frequent first, of
    `class_count` altogether; `unlabelled` are the rows without one. `duplicates` are rows that stand there more than
    once, beyond the first; `contradictions` are texts that stand there under more than one label.
    """

    path: str
    kind: str
    part: Part
    rows: int
    columns: Dict[str, str]
    label: Optional[str] = None
    classes: Dict[str, int] = {}
    class_count: int = 0
    unlabelled: int = 0
    duplicates: int = 0
    contradictions: int = 0
    texts: Tuple[TextColumn, ...] = ()


class Overlap(msgspec.Struct, frozen=True):
    """Rows of the evaluation file `evaluation` whose texts also stand in the training file `train`."""

    train: str
    evaluation: str
    rows: int


class Data(msgspec.Struct, frozen=True):
    """All files that were given; leakage was looked for between those of both parts, in the columns `compared`."""

    files: Tuple[DataFile, ...]
    compared: Tuple[str, ...] = ()
    overlaps: Tuple[Overlap, ...] = ()
