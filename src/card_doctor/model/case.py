"""The one thing a check receives: a card, a snapshot, the machine it is judged for, the policy, what is known."""

from __future__ import annotations

from typing import Literal, Optional, Tuple

import msgspec

from card_doctor.model.binary import Binaries
from card_doctor.model.card import Card
from card_doctor.model.data import Data
from card_doctor.model.derived import Derived
from card_doctor.model.facts import Knowledge
from card_doctor.model.run import Run
from card_doctor.model.snapshot import Accelerator, Package, Platform, Python, Snapshot

Match = Literal["compatible", "series", "exact", "any"]
FailOn = Literal["error", "warning", "unknown", "never"]


class Unknown(Exception):  # noqa: N818  an outcome, not an error
    """A fact that a check needs is not there; the engine turns it into the outcome `unknown`."""

    def __init__(self, fact: str) -> None:
        super().__init__(fact)
        self.fact = fact


class NotApplicable(Exception):  # noqa: N818  an outcome, not an error
    """A check has nothing to ask of this case; the engine turns it into the outcome `skipped`."""


class Ignore(msgspec.Struct, frozen=True):
    """``ignore ID``: an id, a family or ``all``, optionally for one subject, with a reason and a last day."""

    id: str
    subject: Optional[str] = None
    reason: Optional[str] = None
    until: Optional[str] = None


class Policy(msgspec.Struct, frozen=True):
    """How strictly to judge."""

    match: Match = "compatible"
    fail_on: FailOn = "error"
    select: Tuple[str, ...] = ()
    ignore: Tuple[Ignore, ...] = ()
    precision: Optional[str] = None


class Machine(msgspec.Struct, frozen=True):
    """What the training is judged for. `accelerators` None is unknown, empty is none. `precision` is the
    mode it will be run in; `assumed` names what was told rather than read ("gpu", "driver", "precision").
    """

    driver: Optional[str] = None
    accelerators: Optional[Tuple[Accelerator, ...]] = None
    precision: Optional[str] = None
    assumed: Tuple[str, ...] = ()


class Case(msgspec.Struct, frozen=True):
    """Facts are asked for through the methods: they raise what the engine understands where one is missing."""

    snapshot: Snapshot
    machine: Machine
    policy: Policy
    knowledge: Knowledge
    card: Optional[Card] = None
    binaries: Optional[Binaries] = None
    derived: Optional[Derived] = None
    run: Optional[Run] = None
    data: Optional[Data] = None

    def needs_card(self) -> Card:
        """The card; NotApplicable without one."""
        if self.card is None:
            raise NotApplicable("no card")
        return self.card

    def needs_derived(self) -> Derived:
        """What the installed files mean together; NotApplicable where they are not at hand."""
        if self.derived is None:
            raise self._without_files()
        return self.derived

    def needs_binaries(self) -> Binaries:
        """What the compiled files say; NotApplicable where they are not at hand."""
        if self.binaries is None:
            raise self._without_files()
        return self.binaries

    def _without_files(self) -> Exception:
        if self.snapshot.source == "interpreter":
            return Unknown("what the installed files say")
        return NotApplicable("the files of this environment are not at hand")

    def needs_run(self) -> Run:
        """The training run; NotApplicable without one."""
        if self.run is None:
            raise NotApplicable("no run: add --run DIR")
        return self.run

    def needs_data(self) -> Data:
        """The data files; NotApplicable without any."""
        if self.data is None:
            raise NotApplicable("no data: add --data FILE --label COLUMN")
        return self.data

    def needs_python(self) -> Python:
        if self.snapshot.python is None:
            raise Unknown("python")
        return self.snapshot.python

    def needs_platform(self) -> Platform:
        if self.snapshot.platform is None:
            raise Unknown("platform")
        return self.snapshot.platform

    def needs_accelerators(self) -> Tuple[Accelerator, ...]:
        if self.machine.accelerators is None:
            raise Unknown("gpu")
        return self.machine.accelerators

    def package(self, name: str) -> Optional[Package]:
        """The installed distribution of that normalised name, or None where it is surely not there."""
        package = self.snapshot.packages.get(name)
        if package is None and not self.snapshot.complete:
            raise Unknown(f"package {name}")
        return package
