from __future__ import annotations

import random

import pytest

from card_doctor.checks import engine
from card_doctor.checks.registry import CheckInfo
from card_doctor.model import (
    CheckResult,
    Finding,
    Ignore,
    NotApplicable,
    Policy,
    Unknown,
    VersionRow,
)
from made import card, case, package


def info(check_id, *findings, raises=None):
    def function(_case):
        yield from findings
        if raises:
            raise raises

    return CheckInfo(check_id, "error", "asks?", "", function)


def finding(check_id, breaks="no", subject="torch", severity=None):
    severity = severity or {"yes": "error", "maybe": "warning", "no": "note"}[breaks]
    return Finding(check_id, severity, subject, f"{subject} is odd", breaks=breaks)


def outcome(check):
    _, (result,) = engine.run([check], case())
    return result.outcome, result.reason


def test_every_outcome_is_told_apart():
    assert outcome(info("packages/a")) == ("passed", None)
    assert outcome(info("packages/a", finding("packages/a"))) == ("found", None)
    assert outcome(info("packages/a", raises=NotApplicable("no card"))) == ("skipped", "no card")
    assert outcome(info("packages/a", raises=Unknown("gpu"))) == ("unknown", "not known: gpu")
    assert outcome(info("packages/a", raises=ZeroDivisionError("oh"))) == ("crashed", "ZeroDivisionError: oh")


def test_a_crash_costs_its_own_line_only_and_what_was_found_before_it_stays():
    checks = [info("packages/a", finding("packages/a"), raises=RuntimeError()), info("python/b", finding("python/b"))]
    findings, results = engine.run(checks, case())
    assert [one.id for one in findings] == ["packages/a", "python/b"]
    assert [one.outcome for one in results] == ["crashed", "found"]


def test_the_order_is_total_and_what_breaks_comes_first():
    made = [
        finding("versions/a", subject="a", severity="error"),
        finding("packages/z", "yes"),
        finding("packages/b", "maybe"),
        finding("packages/a", "maybe", subject="b"),
        finding("packages/a", "maybe", subject="a"),
        finding("amp/n"),
    ]
    expected = ["packages/z", "packages/a", "packages/a", "packages/b", "versions/a", "amp/n"]
    for seed in range(10):
        random.Random(seed).shuffle(made)
        findings, _ = engine.run([info("packages/x", *made)], case())
        assert [one.id for one in findings] == expected
        assert [one.subject for one in findings][1:3] == ["a", "b"]


@pytest.mark.parametrize(
    ("selectors", "ids"),
    [
        (["packages"], ["packages/numpy-2", "packages/declared"]),
        (["packages/hazard"], ["packages/numpy-2"]),
        (["packages/numpy-2"], ["packages/numpy-2"]),
        (["packages:numpy"], ["packages/numpy-2"]),
        (["packages/declared:numpy"], []),
        (["python"], ["python/no-wheel"]),
        (["all"], ["packages/numpy-2", "packages/declared", "python/no-wheel"]),
    ],
)
def test_select_takes_a_family_a_check_a_finding_and_a_subject(selectors, ids):
    checks = [
        info("packages/hazard", finding("packages/numpy-2", "yes", "numpy")),
        info("packages/declared", finding("packages/declared", "maybe", "torch")),
        info("python/no-wheel", finding("python/no-wheel")),
    ]
    findings, _ = engine.run(checks, case(policy=Policy(select=tuple(selectors))))
    assert [one.id for one in findings] == ids


def test_ignored_findings_are_kept_with_their_reason_and_unused_ignores_are_named():
    ignores = (
        Ignore("packages/a", subject="numpy", reason="we know", until="2027-01-31"),
        Ignore("packages:nobody"),
    )
    made = [finding("packages/a", "yes", "numpy"), finding("packages/a", "yes", "torch")]
    standing, ignored = engine.split_ignored(made, ignores)
    assert [one.subject for one in standing] == ["torch"]
    assert [(one.finding.subject, one.reason, one.until) for one in ignored] == [("numpy", "we know", "2027-01-31")]

    class OneReport:
        pass

    report = OneReport()
    report.ignored = ignored
    assert engine.used(ignores, report) == (ignores[0],)


PASSED = [CheckResult("packages/a", "passed"), CheckResult("amp/b", "skipped")]
TORCH = case(package("torch", "1.9.1"))


def trains(findings=(), results=PASSED, of=TORCH):
    return engine.verdict(of, findings, results, ()).trains


def test_trains_says_the_worst_that_is_known():
    assert trains() == "yes"
    assert trains([finding("packages/a", "maybe"), finding("packages/a", "yes")]) == "no"
    assert trains([finding("packages/a", "maybe")]) == "at-risk"
    assert trains([finding("versions/a", severity="error")]) == "yes", "it differs; that says nothing of running"


@pytest.mark.parametrize("family", ["packages", "python", "accelerator", "amp"])
@pytest.mark.parametrize("outcome", ["unknown", "crashed"])
def test_trains_is_unknown_where_a_deciding_family_lacks_an_answer(family, outcome):
    assert trains(results=[*PASSED, CheckResult(f"{family}/x", outcome)]) == "unknown"
    assert trains([finding("packages/a", "yes")], [CheckResult(f"{family}/x", outcome)]) == "no"


def test_trains_is_unknown_where_nothing_was_looked_at():
    assert trains(results=[CheckResult("versions/a", "passed")]) == "unknown"
    assert trains(results=[*PASSED, CheckResult("card/a", "crashed")]) == "yes"
    assert trains(of=case(package("numpy", "1.0"))) == "unknown", "no torch: nothing can train here"
    assert trains(of=case(package("numpy", "1.0"), of=card({"numpy": "1.0"}))) == "unknown", "whatever the card states"


@pytest.mark.parametrize(
    ("levels", "matches"),
    [
        ([], "unknown"),
        (["exact", "same-release", "range-met"], "exact"),
        (["exact", "same-series"], "same-series"),
        (["same-series", "newer-minor"], "newer"),
        (["newer-major", "unreadable"], "unknown"),
        (["newer-major", "unreadable", "older-minor"], "differs"),
        (["exact", "missing"], "differs"),
        (["range-missed"], "differs"),
    ],
)
def test_matches_is_the_worst_of_the_distributions(levels, matches):
    rows = [VersionRow(f"d{i}", "1", "1", level) for i, level in enumerate(levels)]
    assert engine.verdict(TORCH, (), PASSED, rows).matches == matches
