"""Which findings of an environment explain a failure that a log shows."""

from __future__ import annotations

from typing import Iterable, Mapping, Tuple

from card_doctor.model import Finding, Recognised


def explaining(failure: Recognised, findings: Iterable[Finding], symptoms: Mapping[str, str]) -> Tuple[Finding, ...]:
    """Those that the log bears out, the surest first: the error that a hazard is known to end in (`symptoms`, by the
    finding's id) stands there; the signature names the finding; or its family, and the log the finding's subject.
    """
    said = f"{failure.line.text}\n{failure.became.text if failure.became else ''}"

    def surety(finding: Finding) -> int:
        if symptoms.get(finding.id, "\0") in said:
            return 3
        if finding.id in failure.related:
            return 2
        known_by = {finding.subject, finding.subject.replace("-", "_")}
        return int(finding.family in failure.related and any(name in said for name in known_by))

    possible = [finding for finding in findings if finding.breaks != "no" or finding.severity != "note"]
    return tuple(sorted(filter(surety, possible), key=surety, reverse=True))
