"""What a user gets: one report a card and machine, and the document that holds them."""

from __future__ import annotations

from typing import Literal, Optional, Tuple

import msgspec

from card_doctor.model.card import Card
from card_doctor.model.case import Ignore, Machine, Policy
from card_doctor.model.data import Data
from card_doctor.model.finding import Finding, Ignored
from card_doctor.model.plan import Plan
from card_doctor.model.run import Comparison
from card_doctor.model.snapshot import Gap, Snapshot, TorchAccount, TorchBuild

Trains = Literal["yes", "at-risk", "no", "unknown"]
Matches = Literal["exact", "same-series", "newer", "differs", "unknown"]
Level = Literal[
    "exact",
    "same-release",
    "same-series",
    "newer-minor",
    "older-minor",
    "newer-major",
    "older-major",
    "range-met",
    "range-missed",
    "missing",
    "unreadable",
]
Outcome = Literal["passed", "found", "skipped", "unknown", "crashed"]
# The families whose facts decide whether training runs.
DECISIVE = ("packages", "python", "accelerator", "amp")


class Verdict(msgspec.Struct, frozen=True):
    """Two questions: will training run here, and is this what the card was trained with?"""

    trains: Trains
    matches: Matches


class VersionRow(msgspec.Struct, frozen=True):
    """One distribution that the card states, beside what is installed (None: it is not)."""

    distribution: str
    card: str
    installed: Optional[str]
    level: Level


class CheckResult(msgspec.Struct, frozen=True):
    """What became of one check; `reason` says why where it neither passed nor found something."""

    id: str
    outcome: Outcome
    reason: Optional[str] = None


class JoinedRemedy(msgspec.Struct, frozen=True):
    """Requirements that satisfy all findings together, and the one command that installs them.
    `proven` says that the set was judged again by the same checks, and found free of what it is to mend.
    """

    requirements: Tuple[str, ...]
    command: str
    proven: bool = False
    left: Tuple[str, ...] = ()  # ids of findings that it does not mend


class Report(msgspec.Struct, frozen=True):
    """One card (or none) judged for one machine."""

    card: Optional[Card]
    machine: Machine
    verdict: Verdict
    versions: Tuple[VersionRow, ...] = ()
    findings: Tuple[Finding, ...] = ()
    ignored: Tuple[Ignored, ...] = ()
    checks: Tuple[CheckResult, ...] = ()
    remedy: Optional[JoinedRemedy] = None
    plan: Optional[Plan] = None
    run: Optional[Comparison] = None
    data: Optional[Data] = None
    error: Optional[str] = None  # why this card could not be read: then nothing else is said of it


class Tool(msgspec.Struct, frozen=True):
    name: str
    version: str
    matrices: str  # digest of the knowledge that was used


class Environment(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a document says of the snapshot that was judged; `packages` is their number. `account` is there with
    --deep alone.
    """

    source: str
    path: Optional[str]
    complete: bool
    python: Optional[str]
    platform: Optional[str]
    packages: int
    torch: Optional[TorchBuild]
    gaps: Tuple[Gap, ...]
    account: Optional[TorchAccount] = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> Environment:
        platform = snapshot.platform
        libc = "-".join(platform.libc) if platform and platform.libc else ""
        return cls(
            source=snapshot.source,
            path=snapshot.path,
            complete=snapshot.complete,
            python=snapshot.python.version if snapshot.python else None,
            platform=" ".join(filter(None, [platform.system, platform.machine, libc])) if platform else None,
            packages=len(snapshot.packages),
            torch=snapshot.torch,
            gaps=snapshot.gaps,
            account=snapshot.account,
        )


class Counts(msgspec.Struct, frozen=True):
    error: int = 0
    warning: int = 0
    note: int = 0
    ignored: int = 0
    unknown: int = 0
    crashed: int = 0


class Document(msgspec.Struct, frozen=True):
    """Everything that one run of `check` has to say."""

    tool: Tool
    policy: Policy
    environment: Environment
    exit_code: int
    counts: Counts
    reports: Tuple[Report, ...]
    unused_ignores: Tuple[Ignore, ...] = ()  # they match no finding any more
    schema: str = "card-doctor/report/1"
