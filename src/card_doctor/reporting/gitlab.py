"""GitLab's code quality report: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format"""

from __future__ import annotations

from card_doctor.model import Document, Finding
from card_doctor.reporting import words
from card_doctor.reporting.json import encode
from card_doctor.reporting.located import located
from card_doctor.reporting.plain import plain, short

MOST_TEXT = 2000


def render(document: Document) -> str:
    """An array with an object a finding; empty when nothing was found."""
    return encode(
        [
            {
                "description": short(_description(finding, words.name(report)), MOST_TEXT),
                "check_name": short(finding.id, 200).strip() or "finding",
                "fingerprint": fingerprint,
                "severity": _severity(finding),
                "location": {"path": plain(place.file), "lines": {"begin": place.line or 1}},
            }
            for report, finding, place, fingerprint in located(document)
        ]
    )


def _description(finding: Finding, card: object) -> str:
    more = f" ({finding.message})" if finding.needs is not None else ""
    return f"{words.headline(finding)}{more}" + (f" - {card}" if card else "")


def _severity(finding: Finding) -> str:
    if finding.severity == "error":
        return {"yes": "blocker", "maybe": "critical", "no": "major"}[finding.breaks]
    return {"warning": "minor", "note": "info"}[finding.severity]
