"""Many cards in one table: what stands in the way of all, then each card's verdict and what stands in its own way."""

from __future__ import annotations

from collections import Counter
from typing import Collection, List, Sequence, Tuple

from card_doctor.model import Finding, Report, Trains
from card_doctor.reporting import words
from card_doctor.reporting.terminal import STYLES, Page, Span

FEW = 5  # cards that are still read one by one
OFTEN = 5  # causes that are named
_ORDER: Tuple[Trains, ...] = ("yes", "at-risk", "unknown", "no")

Cause = Tuple[str, str]  # a finding's id, and what it says


def is_many(reports: Sequence[Report]) -> bool:
    return len({words.name(report) for report in reports}) > FEW


def overview(page: Page, reports: Sequence[Report]) -> None:
    read = [report for report in reports if report.error is None]
    causes = Counter(cause for report in read for cause in {_cause(finding) for finding in _serious(report)})
    of_all = [cause for cause, number in causes.items() if number == len(read)]
    if of_all:
        page.gap()
        page.line(("In the way of every card", "bold"))
        page.table([(f"{said} [{known}]",) for known, said in sorted(of_all)], indent=2)
    page.gap()
    page.line((f"card: what {'else ' if of_all else ''}stands in its way", "bold"), prefix=[(_columns(), "bold")])
    several = len({report.machine.accelerators for report in read}) > 1
    for report in reports:
        mark, verdict = words.MARKS[report.verdict.trains], report.verdict
        if report.error is not None:
            page.line(report.error, prefix=[_row(mark, "not read", "")])
            continue
        name = words.name(report) or "the environment"
        on = f" on {words.accelerators(report.machine.accelerators)}" if several else ""
        way = _in_the_way(report, of_all)
        prefix = _row(mark, verdict.trains, verdict.matches if report.card else "")
        page.line((name + on, "bold"), f": {way}" if way else "", prefix=[prefix])
    page.gap()
    verdicts = Counter(report.verdict.trains for report in read)
    page.line(("trains: ", "bold"), ", ".join(f"{one} {verdicts[one]}" for one in _ORDER if verdicts[one]))
    often = [(cause, number) for cause, number in causes.most_common() if 1 < number < len(read)][:OFTEN]
    if often:
        page.line(("Most often in the way", "bold"))
        page.table([(words.many(number, "card"), f"{said} [{known}]") for (known, said), number in often], indent=2)
    page.gap()


def _in_the_way(report: Report, of_all: Collection[Cause]) -> str:
    own = [finding for finding in _serious(report) if _cause(finding) not in of_all]
    if own:
        return words.headline(own[0]) + (f", and {len(own) - 1} more" if len(own) > 1 else "")
    return words.lacking(report) if report.verdict.trains == "unknown" else ""


def _serious(report: Report) -> List[Finding]:
    return [finding for finding in report.findings if finding.severity != "note"]


def _cause(finding: Finding) -> Cause:
    return finding.id, words.headline(finding)


def _row(mark: str, trains: str, matches: str) -> Span:
    return _columns(mark, trains, matches), STYLES[mark]


def _columns(mark: str = "", trains: str = "trains", matches: str = "matches") -> str:
    return f"{mark:<5}{trains:<9}{matches:<13}"
