"""Cases with a run, for the tests of training/, results/ and data/."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Optional

import msgspec

from card_doctor.cards import find_card
from card_doctor.checks import engine
from card_doctor.checks.registry import all_checks
from card_doctor.knowledge import Matrices
from card_doctor.model import Card, Case, Data, Evaluation, Finding, Point, Run
from card_doctor.runs.folder import read_run
from made import Known, case

TRAINED = Path(__file__).parents[1] / "runs" / "trained"
MATRICES = Matrices()


def seed_card(name: str) -> Card:
    return find_card(name, MATRICES.directories)


def with_run(run: Optional[Run] = None, of: Optional[Card] = None, data: Optional[Data] = None) -> Case:
    return msgspec.structs.replace(case(of=of, known=Known(told_tasks=dict(MATRICES.tasks()))), run=run, data=data)


def trained(card: str, variant: str) -> Case:
    return with_run(read_run(TRAINED / f"{card}-{variant}"), seed_card(card))


def found(judged: Case, *families: str) -> List[Finding]:
    """The findings of these families; a check that crashes fails the test."""
    checks = [check for check in all_checks() if check.family in (families or ("training", "results", "data"))]
    findings, results = engine.run(checks, judged)
    assert not [result for result in results if result.outcome == "crashed"]
    return findings


def curve(*losses: float, training: Any = (), **facts: Any) -> Run:
    """A run of one evaluation an epoch with these losses."""
    rows = tuple(Evaluation(100 * at, float(at), loss) for at, loss in enumerate(losses, 1))
    points = tuple(Point(step, loss=loss) for step, loss in enumerate(training, 1))
    return Run("trainer", evaluations=rows, training=points, **facts)
