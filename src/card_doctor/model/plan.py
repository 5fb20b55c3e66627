"""The way out: the nearest environment that works, what was given up for it, and how far that is proven."""

from __future__ import annotations

from typing import Literal, Optional, Tuple

import msgspec

from card_doctor.model.finding import Finding
from card_doctor.model.trial import Trial

ProofLevel = Literal["unproven", "resolved", "built", "trained"]


class Pin(msgspec.Struct, frozen=True):
    """One release to install. `hashes` ("sha256:...") are of the files that fit this Python and platform; `source`
    tells that no wheel fits and it is built; `dated` that the index told when it was uploaded.
    """

    name: str
    version: str
    hashes: Tuple[str, ...] = ()
    source: bool = False
    dated: bool = True
    size: int = 0

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


class Difference(msgspec.Struct, frozen=True):
    """A distribution that is not as the card states it, or that the card does not name (`card` None) and the plan
    adds or holds back although nothing declares it.
    """

    subject: str
    card: Optional[str]
    planned: Optional[str]
    because: str


class Wall(msgspec.Struct, frozen=True):
    """What stands in the way: in our words, in the resolver's own (`words`), and the smallest change that moves it."""

    subject: str
    message: str
    words: str = ""
    way: str = ""


class Proof(msgspec.Struct, frozen=True):
    """Never more than was done. `device` is where it trained: what trained on a CPU proves nothing of an H100."""

    level: ProofLevel = "unproven"
    device: Optional[str] = None


class Plan(msgspec.Struct, frozen=True):
    """`python` is the version that it is for ("3.9"), `interpreter` the one that was found (None: there is none here),
    `date` the day after which nothing is taken but what was moved ("2022-04-28"; None: no limit). `changes` are what
    changes in an environment that is kept (None: a new one is planned), `findings` what our checks still say of the
    set, `calls` how often the resolver was asked. Nothing resolves where `blocked_by` is not empty.
    """

    card: str
    python: Optional[str] = None
    interpreter: Optional[str] = None
    platform: Optional[str] = None
    date: Optional[str] = None
    pins: Tuple[Pin, ...] = ()
    differences: Tuple[Difference, ...] = ()
    changes: Optional[Tuple[Difference, ...]] = None
    findings: Tuple[Finding, ...] = ()
    notes: Tuple[str, ...] = ()
    proof: Proof = Proof()
    commands: Tuple[str, ...] = ()
    blocked_by: Tuple[Wall, ...] = ()
    pylock: str = ""
    resolver: str = ""
    calls: int = 0
    environment: Optional[str] = None  # the folder that it was built in
    trial: Optional[Trial] = None  # what came of training there

    @property
    def requirements(self) -> Tuple[str, ...]:
        return tuple(pin.requirement for pin in self.pins)
