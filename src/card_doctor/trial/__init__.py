"""A few real steps, trained in an environment: whether it works there, stage by stage, and why not."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from card_doctor.environment.interpreter import must_be_a_program
from card_doctor.model import Card, Stage, Trial
from card_doctor.trial.process import Ended, events
from card_doctor.trial.recipe import recipe_for

__all__ = ["TIMEOUT", "run_trial"]

TIMEOUT = 600.0  # seconds for all stages; a minute is usual where the disk is cold


def run_trial(
    python: Path, card: Optional[Card], *, timeout: float = TIMEOUT, progress: Optional[Callable[[str], None]] = None
) -> Trial:
    """Train a small model as `card` says (None: a BERT) with the interpreter `python`, on its first GPU or else the
    CPU. `progress` is told the name of each stage as it begins. `timeout` is in seconds, for everything.
    EnvironmentReadError where the interpreter can't be run at all. Nothing is downloaded, nothing is left behind.
    """
    must_be_a_program(python)
    small, notes = recipe_for(card)
    stages: List[Stage] = []
    trained: Dict[str, Any] = {}
    device: Optional[str] = None
    begun: Optional[str] = "start Python"
    since = time.monotonic()
    ended: Dict[str, Ended] = {}
    with closing(events(python, small, timeout, ended)) as told:
        for event in told:
            if "begins" in event:
                begun, since = event["begins"], time.monotonic()
                if progress:
                    progress(event["begins"])
            elif "stage" in event:
                stages.append(Stage(**event))
                begun = None
            elif "note" in event:
                notes.append(event["note"])
            trained.update(event.get("trained", {}))
            device = event.get("device", device)
    if "early" in ended:
        how = ended["early"]
        seconds = round(time.monotonic() - since, 3)
        stages.append(Stage(begun or "between stages", False, seconds, how.how, how.said))
    works = all(stage.ok is not False for stage in stages)
    made = Trial(works, device, tuple(stages), trained=trained, notes=tuple(notes))
    return made if works else _diagnosed(made, python, card)


def _diagnosed(trial: Trial, python: Path, card: Optional[Card]) -> Trial:
    from msgspec.structs import replace  # noqa: PLC0415

    from card_doctor.trial.diagnosis import findings  # noqa: PLC0415  only a failure needs the checks

    return replace(trial, diagnosis=findings(trial, python, card))
