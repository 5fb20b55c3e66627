"""What a check found: one cause, one finding."""

from __future__ import annotations

from typing import Literal, Optional, Tuple

import msgspec

Severity = Literal["error", "warning", "note"]
Breaks = Literal["yes", "maybe", "no"]
SEVERITIES: Tuple[Severity, ...] = ("error", "warning", "note")
BREAKS: Tuple[Breaks, ...] = ("yes", "maybe", "no")


class Remedy(msgspec.Struct, frozen=True):
    """One way out. kind ``pin`` and ``install`` carry a PEP 508 requirement, ``remove`` a distribution name;
    ``python``, ``setting`` and ``driver`` are for a person: their `text` says what to do.
    """

    kind: Literal["pin", "install", "remove", "python", "setting", "driver", "hardware"]
    requirement: Optional[str] = None
    text: str = ""
    command: Optional[str] = None  # filled in by the engine, for the environment at hand


class Place(msgspec.Struct, frozen=True):
    """A line of a file (from 1) that a finding stems from."""

    file: str
    line: Optional[int] = None


class Finding(msgspec.Struct, frozen=True):
    """`message` is one line, `because` the reason; `remedies` are alternatives, the best first;
    `details` are what follows from the same cause, one line each. `between` are the distributions that do not fit
    each other, where it is about such.
    """

    id: str
    severity: Severity
    subject: str
    message: str
    found: Optional[str] = None
    needs: Optional[str] = None
    because: str = ""
    breaks: Breaks = "no"
    evidence: Tuple[str, ...] = ()
    remedies: Tuple[Remedy, ...] = ()
    details: Tuple[str, ...] = ()
    at: Optional[Place] = None
    between: Tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.breaks == "yes" and self.severity != "error":
            raise ValueError(f"{self.id}: what breaks for sure is an error, not a {self.severity}")
        if self.breaks == "maybe" and self.severity == "note":
            raise ValueError(f"{self.id}: what may break is at least a warning")

    @property
    def family(self) -> str:
        return self.id.partition("/")[0]


class Ignored(msgspec.Struct, frozen=True):
    """A finding that a setting silences: it stays in every report, and still counts for `trains`."""

    finding: Finding
    reason: Optional[str] = None
    until: Optional[str] = None
