"""A card's report for a snapshot of another machine."""

from __future__ import annotations

from typing import Callable, Optional

from card_doctor.knowledge import Matrices
from card_doctor.model import Case, Policy, Report, Snapshot, Verdict


def judge_with(
    card: Optional[str], knowledge: Matrices, policy: Policy, *, offline: bool = False
) -> Callable[[Snapshot], Report]:
    """What `check --environment` would say of a snapshot, without a card of the environment alone; a card is read
    once.
    """
    from card_doctor.cards import find_card  # noqa: PLC0415
    from card_doctor.checks.registry import all_checks  # noqa: PLC0415
    from card_doctor.checkup import judge, machines, with_precision  # noqa: PLC0415

    found = find_card(card, knowledge.directories, offline=offline) if card else None
    checks = all_checks()

    def report(snapshot: Snapshot) -> Report:
        (machine,) = machines(snapshot, (), None, knowledge)
        told = with_precision(machine, found, policy)
        try:
            return judge(Case(snapshot, told, policy, knowledge, found), checks)
        except Exception as error:  # noqa: BLE001  a damaged snapshot must not cost the answer for all others
            message = f"could not be judged: {type(error).__name__}: {error}"
            return Report(found, told, Verdict("unknown", "unknown"), error=message)

    return report
