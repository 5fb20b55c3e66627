"""How a check is declared: a function Case → Findings under an id; its docstring is what `explain` shows."""

from __future__ import annotations

import inspect
from typing import Callable, Dict, Iterable, NamedTuple, Tuple

from card_doctor.model import Case, Finding, Severity
from card_doctor.model.report import DECISIVE

FAMILIES = (
    "versions", "packages", "python", "accelerator", "amp", "resources", "training", "data", "results", "card",
)  # fmt: skip
Function = Callable[[Case], Iterable[Finding]]


class CheckInfo(NamedTuple):
    """`severity` is the worst that it reports; `question` and `text` are the docstring's first line and the rest."""

    id: str
    severity: Severity
    question: str
    text: str
    function: Function

    @property
    def family(self) -> str:
        return self.id.partition("/")[0]


_checks: Dict[str, CheckInfo] = {}


def check(check_id: str, *, severity: Severity) -> Callable[[Function], Function]:
    """Register a check. Ids are ``family/slug``, read as "ignore …", and are never reused."""

    def register(function: Function) -> Function:
        question, _, text = inspect.cleandoc(function.__doc__ or "").partition("\n")
        if check_id in _checks or check_id.partition("/")[0] not in FAMILIES or not question:
            raise ValueError(f"{check_id}: an id is unique, of a known family, and its check has a docstring")
        _checks[check_id] = CheckInfo(check_id, severity, question, text.strip(), function)
        return function

    return register


def all_checks() -> Tuple[CheckInfo, ...]:
    """Every check, by family in the order of `FAMILIES`, then as written in its module."""
    from card_doctor.checks import (  # noqa: F401, PLC0415
        answers,
        card,
        card_numbers,
        data,
        resources,
        results,
        training,
        versions,
    )

    decisive_checks()
    return _by_family(_checks.values())


def decisive_checks() -> Tuple[CheckInfo, ...]:
    """Those of the families that decide whether it trains, in the same order."""
    from card_doctor.checks import accelerator, amp, binaries, deep, packages, python, surfaces  # noqa: F401, PLC0415

    return _by_family(check for check in _checks.values() if check.family in DECISIVE)


def _by_family(checks: Iterable[CheckInfo]) -> Tuple[CheckInfo, ...]:
    return tuple(sorted(checks, key=lambda info: FAMILIES.index(info.family)))
