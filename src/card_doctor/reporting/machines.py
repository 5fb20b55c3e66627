"""One card on several machines: a row for each, and what all of them have in common once."""

from __future__ import annotations

from itertools import groupby
from typing import Dict, List, Optional, Sequence, Tuple

import msgspec

from card_doctor.model import Finding, Machine, Report
from card_doctor.reporting import words
from card_doctor.reporting.terminal import Page


def by_card(reports: Sequence[Report]) -> List[List[Report]]:
    """The reports of each card, in their order."""
    return [list(group) for _, group in groupby(reports, key=lambda report: report.card)]


def in_common(reports: Sequence[Report]) -> Report:
    """The first, with what was found on every machine alone."""
    first, *others = reports
    findings = tuple(one for one in first.findings if all(one in other.findings for other in others))
    remedy = first.remedy if all(other.remedy == first.remedy for other in others) else None
    return msgspec.structs.replace(first, findings=findings, remedy=remedy)


def machines(page: Page, reports: Sequence[Report]) -> None:
    """Which machine can run this card, what stands in the way on each, and how to get it out of the way."""
    shared = in_common(reports).findings
    alone = [(report, _own(report, shared)) for report in reports]
    page.gap()
    rows = []
    for report, own in alone:
        trains, machine = report.verdict.trains, words.accelerators(report.machine.accelerators)
        rows.append((words.MARKS[trains], trains, machine, _why(report, own)))
    page.table(rows, header=("", "trains", "on", _besides(reports[0].machine)))
    remedies: Dict[Tuple[str, Optional[str]], List[str]] = {}
    for report, own in alone:
        advice = words.advice(msgspec.structs.replace(report, findings=own, remedy=None)) if own else None
        if advice:
            remedies.setdefault(advice, []).append(words.accelerators(report.machine.accelerators))
    for (sentence, command), names in remedies.items():
        page.gap()
        page.line(f"{', '.join(names)}. {sentence}")
        if command:
            page.whole(command)


def _besides(machine: Machine) -> str:
    """What all of them have: the driver that was told, the precision."""
    driver = f"driver {machine.driver}" if machine.driver else ""
    return ", ".join(filter(None, [driver, machine.precision]))


def _own(report: Report, shared: Sequence[Finding]) -> Tuple[Finding, ...]:
    return tuple(one for one in report.findings if one not in shared and one.severity != "note")


def _why(report: Report, own: Sequence[Finding]) -> str:
    """The first of its own findings; memory is what one asks of a machine, be it a note."""
    told = own or [one for one in report.findings if one.id == "resources/gpu-memory"]
    if told:
        more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
        return f"{words.headline(told[0])} [{told[0].id}]{more}"
    if report.verdict.trains == "unknown":
        return words.lacking(report)
    return "" if report.verdict.trains == "yes" else "what is said of all of them"
