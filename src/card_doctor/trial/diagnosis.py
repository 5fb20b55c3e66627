"""Why a trial failed: those findings about that environment that explain what was seen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional, Tuple

from card_doctor.errors import CardDoctorError
from card_doctor.model import Card, Finding, Machine, Policy, Trial

FAMILIES = ("packages", "python", "accelerator", "amp")


def diagnose(trial: Trial, python: Path, card: Optional[Card]) -> Tuple[Finding, ...]:
    """What breaks for sure by our own checks; and what only may, where the failure names its subject."""
    from card_doctor.checks.registry import all_checks  # noqa: PLC0415
    from card_doctor.checkup import judge, look  # noqa: PLC0415
    from card_doctor.knowledge import Matrices  # noqa: PLC0415
    from card_doctor.model import Case  # noqa: PLC0415

    try:
        snapshot = look(python=str(python))
    except CardDoctorError:  # it ran for the trial; what its checks can't read explains nothing
        return ()
    machine = Machine(snapshot.driver, snapshot.accelerators, trial.trained.get("precision", "fp32"))  # as it was tried
    checks = [check for check in all_checks() if check.family in FAMILIES]
    report = judge(Case(snapshot, machine, Policy(match="any"), Matrices(), card), checks)
    said = "\n".join(f"{stage.error}\n{stage.traceback}" for stage in trial.failed).lower()
    return tuple(one for one in report.findings if one.breaks == "yes" or (one.breaks == "maybe" and _named(one, said)))


def _named(finding: Finding, said: str) -> bool:
    name = re.escape(finding.subject.lower()).replace("\\-", "[-_]")
    return re.search(rf"\b{name}\b", said) is not None
