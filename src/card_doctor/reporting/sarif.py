"""SARIF 2.1.0, as code scanning takes it: every result at a line of a file, under a rule that explains itself.
https://docs.github.com/en/code-security/reference/code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

import re
from typing import Any, Dict, List
from urllib.parse import quote

from card_doctor.model import Document, Finding, Report
from card_doctor.reporting import words
from card_doctor.reporting.json import encode
from card_doctor.reporting.located import Located, located
from card_doctor.reporting.plain import plain, short

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_TEXT = 2000
URL = re.compile(r"https?://[A-Za-z0-9!#$%&'()*+,./:;=?@_~-]{4,500}")


def render(document: Document) -> str:
    """One run. What is ignored is counted only: code scanning would open an alert for it."""
    found = located(document)
    rules: Dict[str, Dict[str, Any]] = {}
    for one in found:
        rules.setdefault(_id(one.finding), _rule(one.finding))
    numbers = {name: number for number, name in enumerate(rules)}
    return encode(
        {
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {
                        "driver": {
                            "name": short(document.tool.name, 100),
                            "version": short(document.tool.version, 100),
                            "rules": list(rules.values()),
                        }
                    },
                    "invocations": [_invocation(document)],
                    "results": [_result(one, numbers[_id(one.finding)]) for one in found],
                    "columnKind": "unicodeCodePoints",
                    "properties": {
                        "matrices": short(document.tool.matrices, 100),
                        "ignored": document.counts.ignored,
                        "verdicts": [_verdict(report) for report in document.reports],
                    },
                }
            ],
        }
    )


def _id(finding: Finding) -> str:
    return short(finding.id, 200).strip() or "finding"


def _rule(finding: Finding) -> Dict[str, Any]:
    """By what the finding says of itself: of two under one id, the first speaks for the rule."""
    known_as = _id(finding)
    reason = short(finding.because or finding.message or known_as, MOST_TEXT) or known_as
    help_text = f"{reason}\n\n`card-doctor explain {known_as}` says more."
    links = [link for link in finding.evidence if URL.fullmatch(link)]
    rule: Dict[str, Any] = {
        "id": known_as,
        "name": "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", known_as)) or "Finding",
        "shortDescription": {"text": known_as.rpartition("/")[2].replace("-", " ").strip() or known_as},
        "fullDescription": {"text": reason},
        "help": {"text": "\n".join([help_text, *links])},
        "defaultConfiguration": {"level": finding.severity},
        "properties": {"tags": [short(finding.family, 100) or "card-doctor"], "problem.severity": _problem(finding)},
    }
    if links:
        rule["helpUri"] = links[0]
    return rule


def _problem(finding: Finding) -> str:
    return "recommendation" if finding.severity == "note" else finding.severity


def _result(one: Located, rule: int) -> Dict[str, Any]:
    finding, place = one.finding, one.place
    # Percent-encoded whole: a name that looks like a scheme would make an absolute address of it.
    uri = quote(plain(place.file), safe="/")
    return {
        "ruleId": _id(finding),
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": short(_message(finding, one.report), MOST_TEXT)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri},
                    "region": {"startLine": place.line or 1},
                }
            }
        ],
        # The only one that code scanning reads; its number tells equal lines apart.
        "partialFingerprints": {"primaryLocationLineHash": f"{one.fingerprint}:1"},
        "properties": {"breaks": finding.breaks, "subject": short(finding.subject, 200)},
    }


def _message(finding: Finding, report: Report) -> str:
    parts: List[str] = [words.headline(finding)]
    parts += [finding.message] if finding.needs is not None else []
    parts += [finding.because] if finding.because else []
    name = words.name(report)
    parts += [f"Card: {name}, on {words.machine(report.machine)}"] if name else []
    return ". ".join(part.rstrip(". ") for part in parts) + "."


def _verdict(report: Report) -> Dict[str, Any]:
    return {
        "card": short(words.name(report) or "", 200),
        "machine": short(words.machine(report.machine), 200),
        "trains": report.verdict.trains,
        "matches": report.verdict.matches,
    }


def _invocation(document: Document) -> Dict[str, Any]:
    """Checks that crashed, and cards that could not be read, are no results: nothing is known of a file."""
    told = [f"{report.error}" for report in document.reports if report.error is not None]
    told += [
        f"{result.id} {result.outcome}: {result.reason}"
        for report in document.reports
        for result in report.checks
        if result.outcome in {"unknown", "crashed"}
    ]
    return {
        "executionSuccessful": document.exit_code != 2,
        "exitCode": document.exit_code,
        "toolExecutionNotifications": [
            {"level": "warning", "message": {"text": short(text, MOST_TEXT)}} for text in told[:100]
        ],
    }
