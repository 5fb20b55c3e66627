"""Runs the checks on a case: one that lacks a fact is unknown, one that raises costs its own line only."""

from __future__ import annotations

from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from card_doctor.checks.causes import one_a_cause
from card_doctor.checks.registry import CheckInfo
from card_doctor.model import (
    BREAKS,
    SEVERITIES,
    Case,
    CheckResult,
    Finding,
    Ignore,
    Ignored,
    Machine,
    NotApplicable,
    Report,
    Unknown,
    Verdict,
    VersionRow,
)
from card_doctor.model.report import DECISIVE, Matches, Trains

# The families that ask for no card: of one environment and machine, what they find is the same beside every card.
CARDLESS = ("packages",)
MATCHES: Sequence[Matches] = ("exact", "same-series", "newer", "unknown", "differs")  # from best to worst


def names(selector: str, finding_or_check_id: str, subject: str = "") -> bool:
    """Does ``FAMILY``, ``FAMILY/SLUG`` or either with ``:SUBJECT`` name this id (and this subject)?"""
    wanted, _, wanted_subject = selector.partition(":")
    family = finding_or_check_id.partition("/")[0]
    return wanted in {"all", family, finding_or_check_id} and wanted_subject in {"", subject}


def _family(selector: str) -> str:
    return selector.partition(":")[0].partition("/")[0]


Known = Dict[Tuple[str, Machine], Tuple[List[Finding], CheckResult]]


def run(
    checks: Iterable[CheckInfo], case: Case, known: Optional[Known] = None
) -> Tuple[List[Finding], List[CheckResult]]:
    """The findings in their final order, and what became of every check. `policy.select` picks among both:
    a selector may name a check, a finding that one of several checks of a family makes, or a whole family. `known`
    keeps what is the same for the next card that is judged in this environment.
    """
    select = case.policy.select
    findings: List[Finding] = []
    results: List[CheckResult] = []
    for check in checks:
        if select and not any(_family(selector) in {"all", check.family} for selector in select):
            continue
        found, result = _run_one(check, case) if known is None else _run_once(check, case, known)
        if select:
            found = [
                finding
                for finding in found
                if any(names(s, finding.id, finding.subject) or names(s, check.id, finding.subject) for s in select)
            ]
            if not found and not any(names(selector.partition(":")[0], check.id) for selector in select):
                continue
        findings += found
        results.append(result)
    return sorted(one_a_cause(findings), key=order), results


def _run_once(check: CheckInfo, case: Case, known: Known) -> Tuple[List[Finding], CheckResult]:
    if check.family not in CARDLESS:
        return _run_one(check, case)
    key = (check.id, case.machine)
    if key not in known:
        known[key] = _run_one(check, case)
    return known[key]


def _run_one(check: CheckInfo, case: Case) -> Tuple[List[Finding], CheckResult]:
    """What was found before a fact was missing stays found: half an answer is better than none."""
    found: List[Finding] = []
    try:
        found.extend(check.function(case))
    except NotApplicable as why:
        return found, CheckResult(check.id, "skipped", str(why))
    except Unknown as missing:
        return found, CheckResult(check.id, "unknown", f"not known: {missing.fact}")
    except Exception as error:  # noqa: BLE001  one broken check must not cost the others
        return found, CheckResult(check.id, "crashed", f"{type(error).__name__}: {error}")
    return found, CheckResult(check.id, "found" if found else "passed")


def order(finding: Finding) -> Tuple[int, int, str, str, str]:
    """A total order: what breaks first, then by severity, then by name."""
    return (
        BREAKS.index(finding.breaks),
        SEVERITIES.index(finding.severity),
        finding.id,
        finding.subject,
        finding.message,
    )


def split_ignored(
    findings: Iterable[Finding], ignores: Sequence[Ignore]
) -> Tuple[Tuple[Finding, ...], Tuple[Ignored, ...]]:
    """What stands, and what is ignored."""
    standing: List[Finding] = []
    ignored: List[Ignored] = []
    for finding in findings:
        ignore = next((one for one in ignores if _ignores(one, finding)), None)
        if ignore is None:
            standing.append(finding)
        else:
            ignored.append(Ignored(finding, ignore.reason, ignore.until))
    return tuple(standing), tuple(ignored)


def _ignores(ignore: Ignore, finding: Finding) -> bool:
    return names(ignore.id, finding.id, finding.subject) and ignore.subject in {None, finding.subject}


def used(ignores: Sequence[Ignore], report: Report) -> Tuple[Ignore, ...]:
    """The ignores that silence something in the report."""
    return tuple(ignore for ignore in ignores if any(_ignores(ignore, one.finding) for one in report.ignored))


def verdict(
    case: Case, findings: Sequence[Finding], results: Sequence[CheckResult], versions: Sequence[VersionRow]
) -> Verdict:
    """The two answers, as `interface.md` defines them; `findings` include the ignored ones."""
    return Verdict(_trains(case, findings, results), _matches(versions))


def _trains(case: Case, findings: Sequence[Finding], results: Sequence[CheckResult]) -> Trains:
    if any(finding.breaks == "yes" for finding in findings):
        return "no"
    if any(finding.breaks == "maybe" for finding in findings):
        return "at-risk"
    decisive = [result for result in results if result.id.partition("/")[0] in DECISIVE]
    without_torch = "torch" not in case.snapshot.packages  # nothing was found, and nothing was there to be looked at
    if not decisive or without_torch or any(result.outcome in {"unknown", "crashed"} for result in decisive):
        return "unknown"
    return "yes"


def _matches(versions: Sequence[VersionRow]) -> Matches:
    if not versions:
        return "unknown"
    return max((matches_of(row) for row in versions), key=MATCHES.index)


def matches_of(row: VersionRow) -> Matches:
    """What one distribution's level says of `matches`."""
    if row.level in {"exact", "same-release", "range-met"}:
        return "exact"
    if row.level == "same-series":
        return "same-series"
    if row.level in {"newer-minor", "newer-major"}:
        return "newer"
    return "unknown" if row.level == "unreadable" else "differs"
