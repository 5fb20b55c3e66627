"""Many machines side by side: which are equal, what differs on the others, and what that does to a run over all."""

from __future__ import annotations

from typing import Literal, Optional, Tuple

import msgspec

from card_doctor.model.report import Environment, Report
from card_doctor.model.snapshot import Accelerator, Host, Snapshot

Effect = Literal["breaks", "may-break", "unknown", "slows", "harmless"]
EFFECTS: Tuple[Effect, ...] = ("breaks", "may-break", "unknown", "slows", "harmless")  # the worst first


class Node(msgspec.Struct, frozen=True):
    """A machine, or a process of a run, and what was read there."""

    name: str
    snapshot: Snapshot


class Silent(msgspec.Struct, frozen=True):
    """A node without an answer: its snapshot can't be read, its probe failed or took too long, it died, or nothing came
    of it.
    """

    node: str
    reason: Literal["unreadable", "failed", "timeout", "dead", "missing"]
    message: str


class Deviation(msgspec.Struct, frozen=True):
    """A fact that is not as on most nodes. `usual` is what most have, or, without a `majority`, what the first of them
    has; None is absent. `effect` is on a run over all nodes.
    """

    fact: str
    kind: Literal["fact", "package", "variable"]
    found: Optional[str]
    usual: Optional[str]
    majority: bool
    effect: Effect
    why: str


class Group(msgspec.Struct, frozen=True):
    """Nodes that are equal in all that is compared; `deviations` are from what most nodes have, the worst first."""

    nodes: Tuple[str, ...]
    environment: Environment
    driver: Optional[str]
    accelerators: Optional[Tuple[Accelerator, ...]]
    host: Optional[Host]
    deviations: Tuple[Deviation, ...] = ()
    report: Optional[Report] = None  # where a card was named

    @property
    def effect(self) -> Optional[Effect]:
        """The worst of them; None: it is as most are."""
        return self.deviations[0].effect if self.deviations else None


class Fleet(msgspec.Struct, frozen=True):
    """All groups, the largest first, and the nodes without an answer."""

    groups: Tuple[Group, ...] = ()
    silent: Tuple[Silent, ...] = ()

    @property
    def nodes(self) -> int:
        """How many were compared."""
        return sum(len(group.nodes) for group in self.groups)

    @property
    def exit_code(self) -> int:
        """1: a difference breaks a run, or the card does not train in a group; 2: for a node there is no answer."""
        for group in self.groups:
            errors = group.report and any(finding.severity == "error" for finding in group.report.findings)
            if errors or group.effect == "breaks":
                return 1
        return 2 if self.silent or any(group.report and group.report.error for group in self.groups) else 0
