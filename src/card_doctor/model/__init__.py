"""The values that pass through the house. Immutable; they import nothing of ours."""

from card_doctor.model.card import Card, Conflict, Fact, Precision, Source, TroubleshootingCase
from card_doctor.model.case import Case, Ignore, Machine, NotApplicable, Policy, Unknown
from card_doctor.model.facts import Build, Enforced, Hazard, Knowledge, Release, Reproduction
from card_doctor.model.finding import SEVERITIES, Breaks, Finding, Ignored, Place, Remedy, Severity
from card_doctor.model.report import (
    CheckResult,
    Counts,
    Document,
    Environment,
    JoinedRemedy,
    Level,
    Matches,
    Report,
    Tool,
    Trains,
    Verdict,
    VersionRow,
)
from card_doctor.model.snapshot import Accelerator, Gap, Package, Platform, Python, Snapshot, TorchBuild

__all__ = [
    "SEVERITIES", "Accelerator", "Breaks", "Build", "Card", "Case", "CheckResult", "Conflict", "Counts", "Document",
    "Enforced", "Environment", "Fact", "Finding", "Gap", "Hazard", "Ignore", "Ignored", "JoinedRemedy", "Knowledge", "Level", "Machine", "Matches",
    "NotApplicable", "Package", "Place", "Platform", "Policy", "Precision", "Python", "Release", "Remedy", "Report",
    "Reproduction",
    "Severity", "Snapshot", "Source", "Tool", "TorchBuild", "Trains", "TroubleshootingCase", "Unknown",
    "Verdict", "VersionRow",
]  # fmt: skip
