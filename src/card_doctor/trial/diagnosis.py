"""Why a trial failed: the findings about that environment that explain what was seen, and what is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Optional, Tuple

from card_doctor.checks.registry import all_checks
from card_doctor.checkup import judge, look
from card_doctor.errors import CardDoctorError
from card_doctor.knowledge import Matrices
from card_doctor.logs import diagnose
from card_doctor.logs.explain import explaining
from card_doctor.model import Card, Case, Finding, Machine, Policy, Recognised, Remedy, Stage, Trial

FAMILIES = ("packages", "python", "accelerator", "amp")


def findings(trial: Trial, python: Path, card: Optional[Card]) -> Tuple[Finding, ...]:
    """What the failed stages bear out, in their order; then what else breaks training for sure in that environment,
    since it would be the next to fail. Where no check tells of it, what is known of the first failure.
    """
    knowledge = Matrices()
    checked = _checked(trial, python, card, knowledge)
    symptoms = {f"packages/{hazard.id}": hazard.symptom for hazard in knowledge.hazards()}
    recognised = list(_recognised(trial, knowledge))
    explained = [one for _, failure in recognised for one in explaining(failure, checked, symptoms)]
    found = [*explained, *(one for one in checked if one.breaks == "yes")]
    return tuple(dict.fromkeys(found)) or tuple(_finding(*one) for one in recognised[:1])


def _checked(trial: Trial, python: Path, card: Optional[Card], knowledge: Matrices) -> Tuple[Finding, ...]:
    try:
        snapshot = look(python=str(python))
    except CardDoctorError:  # it ran for the trial; what can't be read explains nothing
        return ()
    machine = Machine(snapshot.driver, snapshot.accelerators, trial.trained.get("precision", "fp32"))  # as it was tried
    checks = [check for check in all_checks() if check.family in FAMILIES]
    return judge(Case(snapshot, machine, Policy(match="any"), knowledge, card), checks).findings


def _recognised(trial: Trial, knowledge: Matrices) -> Iterator[Tuple[Stage, Recognised]]:
    for stage in trial.failed:
        failure = diagnose([*stage.traceback.splitlines(), stage.error or ""], knowledge.signatures).failure
        if failure is not None:
            yield stage, failure


def _finding(stage: Stage, failure: Recognised) -> Finding:
    return Finding(
        id=f"trial/{failure.signature}",
        severity="error",
        subject=stage.stage,
        message=failure.cause,
        found=stage.error,
        breaks="yes",
        remedies=(Remedy("setting", text=failure.remedy, command=failure.command),),
    )
