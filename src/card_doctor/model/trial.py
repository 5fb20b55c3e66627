"""What happened when a few real steps were trained in an environment."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

import msgspec

from card_doctor.model.finding import Finding


class Stage(msgspec.Struct, frozen=True):
    """One step of the loop. `ok` None: it was not run, since a stage that it needs failed, or since this release has
    nothing to try; `error` says which, or is the exception on one line, or how the process ended. `traceback` is the
    end of what it said.
    """

    stage: str
    ok: Optional[bool]
    seconds: float
    error: Optional[str] = None
    traceback: str = ""


class Trial(msgspec.Struct, frozen=True):
    """`works`: no stage failed. `device` is what it ran on (``cpu``, ``cuda: Tesla T4``), None where training was
    not reached. `trained` is what was trained: model, task, precision and the Trainer's arguments; `notes` say where
    that is less than, or not, what the card states. `diagnosis` are findings that explain a failure.
    """

    works: bool
    device: Optional[str]
    stages: Tuple[Stage, ...]
    diagnosis: Tuple[Finding, ...] = ()
    trained: Dict[str, Any] = {}
    notes: Tuple[str, ...] = ()
    schema: str = "card-doctor/trial/1"

    @property
    def failed(self) -> Tuple[Stage, ...]:
        """The stages that were run and did not pass, in order."""
        return tuple(stage for stage in self.stages if stage.ok is False)
