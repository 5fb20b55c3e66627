"""Findings as code hosts want them: each at a line of a file of the repository, with a name that stays the same."""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

from card_doctor.model import SEVERITIES, Document, Finding, Place, Report
from card_doctor.reporting.plain import short

# What names a project's packages, where neither the card nor the environment is a file of the repository.
MANIFESTS = ("pyproject.toml", "requirements.txt", "environment.yml", "setup.py", "README.md")
MOST_LINES = 2**31 - 1  # what consumers read a line number into


class Located(NamedTuple):
    """`fingerprint` is unique in a document, and the same from run to run whatever the versions and the wording."""

    report: Report
    finding: Finding
    place: Place
    fingerprint: str


def located(document: Document) -> List[Located]:
    """Every finding that stands, the worst first."""
    manifest = _inside(document.environment.path) if document.environment.source != "interpreter" else None
    read = lru_cache(maxsize=None)(_text)  # a file once a document
    made = [
        Located(report, finding, _place(finding, report, manifest, read), "")
        for report in document.reports
        for finding in report.findings
    ]
    made.sort(key=lambda one: SEVERITIES.index(one.finding.severity))
    prints = _fingerprints(made)
    return [one._replace(fingerprint=next(prints)) for one in made]


def _place(finding: Finding, report: Report, manifest: Optional[str], read: Callable[[str], str]) -> Place:
    """The line that it stems from; else where the environment's file, the card or the project's manifest is."""
    card = report.card.source if report.card and report.card.source.kind not in {"catalogue", "unreadable"} else None
    stems = _inside(finding.at.file) if finding.at and (card or report.card is None) else None
    if stems and finding.at:
        return Place(stems, min(max(finding.at.line or 1, 1), MOST_LINES))
    if manifest:
        return Place(manifest, _line(read(manifest), finding.subject))
    stated = _inside(card.path) if card else None
    if stated:
        return Place(stated, 1)
    found = next((name for name in MANIFESTS if (_root() / name).is_file()), MANIFESTS[0])
    return Place(found, _line(read(found), finding.subject))


def _root() -> Path:
    """The repository's root, as the CI service tells it; else the working directory."""
    return Path(os.environ.get("GITHUB_WORKSPACE") or os.environ.get("CI_PROJECT_DIR") or os.curdir)


def _inside(file: Optional[str]) -> Optional[str]:
    """A path as the repository has it, or None for what lies outside of it, or is no path."""
    if not file or not file.isprintable():
        return None
    try:
        path = Path(os.path.relpath(file, _root()))
        if path.is_absolute() or ".." in path.parts:
            return None
        if (_root() / path).is_dir():  # a model's folder
            path /= "README.md"
    except (OSError, ValueError):  # another drive, a name that is too long
        return None
    return path.as_posix()


def _line(text: str, name: str) -> int:
    """The first line of a requirements file, a lock or a manifest that names a distribution; 1 where none does."""
    spelled = r"[-_.]+".join(map(re.escape, re.split(r"[-_.]+", name[:200])))
    pattern = rf"^[\s\"'{{-]*(?:name\"?\s*[=:]\s*[\"'])?{spelled}(?![A-Za-z0-9._-]*[A-Za-z0-9])"
    found = re.search(pattern, text, re.IGNORECASE | re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _text(file: str) -> str:
    try:
        return (_root() / file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _fingerprints(findings: List[Located]) -> Iterator[str]:
    seen: Dict[str, int] = {}
    for report, finding, _, _ in findings:
        told = [one.name for one in report.machine.accelerators or ()] if "gpu" in report.machine.assumed else []
        parts = [finding.id, finding.subject, report.card.name if report.card else "", *told]
        digest = hashlib.sha256("\n".join(short(part, 500) for part in parts).encode()).hexdigest()[:32]
        seen[digest] = number = seen.get(digest, 0) + 1
        yield digest if number == 1 else f"{digest}{number:x}"
