"""What a model card states. Absent means unknown: no precision line is not a card that says fp32."""

from __future__ import annotations

from typing import Any, Dict, Literal, Optional, Tuple

import msgspec

Confidence = Literal["list", "table", "sentence", "metadata", "file"]
Mode = Literal["fp32", "fp16", "bf16", "tf32", "fp8", "int8", "int4"]


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a card was read: a catalogue entry, a file, a folder, standard input, the hub."""

    kind: str
    path: Optional[str] = None
    url: Optional[str] = None


class Fact(msgspec.Struct, frozen=True):
    """One statement as it was read: `key` is a dotted path into the card (``versions.torch``)."""

    key: str
    raw: str
    line: Optional[int] = None
    confidence: Confidence = "list"


class Conflict(msgspec.Struct, frozen=True):
    """Two statements of one card about the same key that do not agree; neither is chosen."""

    key: str
    values: Tuple[str, ...]
    lines: Tuple[int, ...] = ()


class Precision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the card was trained: ``Native AMP`` is mode fp16, backend native-amp."""

    mode: Optional[Mode] = None
    backend: Optional[str] = None
    raw: str = ""


class TroubleshootingCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A problem that the card foresees and its advice; `answers` are families of checks (``versions``)."""

    case: str
    advice: str
    answers: Tuple[str, ...] = ()


class Card(msgspec.Struct, frozen=True):
    """One model card. Versions are as printed (``1.9.1+cu111``) under distribution names; hyperparameters
    under the Trainer's names; metrics without ``eval_``; `results` is the table, one mapping a row. `model_type` is
    the family as transformers calls it (``distilbert``), `dataset` has the hub's name of the `task`.
    """

    name: str
    source: Source
    schema: str = "card-doctor/card/1"
    date: Optional[str] = None
    base_model: Optional[str] = None
    model_type: Optional[str] = None
    versions: Dict[str, str] = {}
    precision: Optional[Precision] = None
    hyperparameters: Dict[str, Any] = {}
    metrics: Dict[str, Optional[float]] = {}
    results: Tuple[Dict[str, Any], ...] = ()
    hardware: Dict[str, Any] = {}
    dataset: Dict[str, Any] = {}
    architecture: Dict[str, Any] = {}  # sizes, under the names of config.json
    troubleshooting: Tuple[TroubleshootingCase, ...] = ()
    facts: Tuple[Fact, ...] = ()
    conflicts: Tuple[Conflict, ...] = ()

    def line_of(self, key: str) -> Optional[int]:
        """The line (from 1) where `key` was read, if a line is known."""
        return next((fact.line for fact in self.facts if fact.key == key), None)
