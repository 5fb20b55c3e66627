"""How a check is declared: a function Case → Findings under an id; its docstring is what `explain` shows."""

from __future__ import annotations

import inspect
from typing import Callable, Dict, Iterable, NamedTuple, Tuple

from card_doctor.model import Case, Finding, Severity

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
        accelerator,
        amp,
        answers,
        binaries,
        card,
        card_numbers,
        data,
        deep,
        packages,
        python,
        resources,
        results,
        surfaces,
        training,
        versions,
    )

    return tuple(sorted(_checks.values(), key=lambda info: FAMILIES.index(info.family)))
