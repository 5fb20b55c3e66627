"""JUnit's XML as Jenkins' schema has it (xunit-plugin, junit-10.xsd): a suite a report, a case a finding or check."""

from __future__ import annotations

from typing import Dict, List, Optional
from xml.etree import ElementTree as ET

from card_doctor.model import CheckResult, Document, Finding, Policy, Report
from card_doctor.reporting import words
from card_doctor.reporting.plain import short

MOST_TEXT = 10_000
FAILING = {"error": ("error",), "warning": ("error", "warning"), "unknown": ("error", "warning"), "never": ()}


def render(document: Document) -> str:
    """A case fails where it makes the exit code 1: what `--fail-on` lets pass is a passed case with its text."""
    suites = ET.Element("testsuites", name="card-doctor")
    names: Dict[str, int] = {}
    for report in document.reports:
        title = "card-doctor " + words.looked_at(words.name(report), None, words.machine(report.machine))
        suites.append(_suite(_unique(short(title, 300), names), report, document))
    totals = {key: sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors")}
    for key, number in totals.items():
        suites.set(key, str(number))
    ET.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _suite(name: str, report: Report, document: Document) -> ET.Element:
    suite = ET.Element("testsuite", name=name)
    properties = ET.SubElement(suite, "properties")
    for key, value in (
        ("trains", report.verdict.trains),
        ("matches", report.verdict.matches),
        ("environment", words.environment(document.environment)),
    ):
        ET.SubElement(properties, "property", name=key, value=short(value, 300))
    # GitLab keeps one of several cases with the same suite and name.
    names: Dict[str, int] = {}

    def case(title: str) -> ET.Element:
        return ET.SubElement(suite, "testcase", name=_unique(short(title, 300), names), classname=name)

    if report.error is not None:
        _add(case("the card can be read"), "error", report.error, kind="card")
    for finding in report.findings:
        found = case(f"{finding.id}: {finding.subject}")
        failing = finding.severity in FAILING[document.policy.fail_on]
        _add(found, "failure" if failing else "system-out", words.headline(finding), _details(finding), finding.id)
    for ignored in report.ignored:
        reason = f"ignored: {ignored.reason or 'no reason given'}"
        _add(case(f"{ignored.finding.id}: {ignored.finding.subject}"), "skipped", reason)
    for result in report.checks:
        if result.outcome != "found":  # then its findings are the cases
            _check(case(result.id), result, document.policy)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(sum(one.find(tag) is not None for one in cases)))
    return suite


def _check(case: ET.Element, result: CheckResult, policy: Policy) -> None:
    """Unknown is never passed; it fails only where that was asked for."""
    if result.outcome == "passed":
        return
    failing = policy.fail_on == "unknown" and result.outcome in {"unknown", "crashed"}
    _add(case, "error" if failing else "skipped", f"{result.outcome}: {result.reason or ''}", kind=result.outcome)


def _details(finding: Finding) -> List[str]:
    lines = [finding.message, finding.because, *finding.details, *finding.evidence]
    lines += [f"remedy: {remedy.command or words.remedy_words(remedy)}" for remedy in finding.remedies]
    return [line for line in lines if line]


def _add(
    case: ET.Element, tag: str, message: str, details: Optional[List[str]] = None, kind: Optional[str] = None
) -> None:
    text = "\n".join(short(line, MOST_TEXT) for line in [message, *(details or [])])
    made = ET.SubElement(case, tag)
    made.text = text
    if tag != "system-out":
        made.set("message", short(message, 1000))
        if kind:
            made.set("type", short(kind, 200))


def _unique(name: str, seen: Dict[str, int]) -> str:
    seen[name] = number = seen.get(name, 0) + 1
    if number == 1:
        return name
    return _unique(f"{name} ({number})", seen)
