"""What a failing log shows: signatures that are known, and which of them one log bears."""

from __future__ import annotations

from typing import Literal, Optional, Tuple

import msgspec

Role = Literal["cause", "general", "symptom", "warning"]


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A failure by what it prints. A line shows it where it has one of `texts`, and `pattern` (a regular expression)
    is found in it too; what its named groups catch may stand in `cause`, `remedy` and `command` as ``{name}``.

    `role`: a ``cause`` is a reason by itself; a ``general`` one yields to any cause that is more specific; a
    ``symptom`` follows from a failure elsewhere; a ``warning`` ends nothing. `related` are ids or families of checks,
    and ids of hazards (``packages/numpy-2-abi-torch``), that can tell of it beforehand. `example` is the line as a
    program printed it, `source` where: a link, or ``reproduced: <how>``.
    """

    id: str
    texts: Tuple[str, ...]
    cause: str
    remedy: str
    example: str
    source: str
    pattern: Optional[str] = None
    role: Role = "cause"
    command: Optional[str] = None
    related: Tuple[str, ...] = ()


class Line(msgspec.Struct, frozen=True):
    """A line of a log (from 1), as a terminal would show it: without colours, and what a carriage return erased."""

    number: int
    text: str
    rank: Optional[str] = None  # the process that printed it, where the log says


class Recognised(msgspec.Struct, frozen=True):
    """A signature that a log bears: where first and how often, and the exception that it ended as, where another."""

    signature: str
    role: Role
    cause: str
    remedy: str
    command: Optional[str]
    related: Tuple[str, ...]
    line: Line
    count: int
    became: Optional[Line] = None


class Diagnosis(msgspec.Struct, frozen=True):
    """`failures` has the causes, the first of them first; `symptoms` what followed from one; `noticed` what did not
    end the run: warnings, and errors after which it went on. `unrecognised` is the exception that the log ends with,
    where no signature is known for it.
    """

    lines: int
    failures: Tuple[Recognised, ...] = ()
    symptoms: Tuple[Recognised, ...] = ()
    noticed: Tuple[Recognised, ...] = ()
    unrecognised: Optional[Line] = None

    @property
    def failure(self) -> Optional[Recognised]:
        """What the run failed of: the first cause, or a symptom where no cause is in the log; None without either."""
        return next(iter((*self.failures, *self.symptoms)), None)
