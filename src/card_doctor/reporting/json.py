"""The JSON of every document, as `interface.md` lays it out; also what `schemas` are made of."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple, Union

import msgspec

from card_doctor.model import (
    Accelerator,
    Capacity,
    Card,
    CheckResult,
    Comparison,
    Counts,
    Data,
    Deviation,
    Diagnosis,
    Difference,
    Document,
    Effect,
    Ended,
    Environment,
    Finding,
    Fleet,
    Host,
    Ignore,
    Ignored,
    JoinedRemedy,
    Line,
    Machine,
    Observation,
    Plan,
    Policy,
    Proof,
    Recognised,
    Report,
    Sample,
    Severity,
    Silent,
    Tool,
    Trial,
    Verdict,
    VersionRow,
    Wall,
)
from card_doctor.model.case import FailOn, Match


class IgnoredFinding(Finding, frozen=True):
    """A finding that a setting silences, with the reason that was given and its last day."""

    reason: Optional[str] = None
    until: Optional[str] = None


class PolicyUsed(msgspec.Struct, frozen=True):
    """How strictly it was judged; what was ignored stands in each report."""

    match: Match
    fail_on: FailOn
    select: Tuple[str, ...]
    precision: Optional[str]


class PlanDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="card-doctor/plan/1"):
    """What `card-doctor plan --format json` prints, and `build`: `environment` is the folder that it made."""

    card: str
    python: Optional[str]
    interpreter: Optional[str]
    platform: Optional[str]
    date: Optional[str]
    requirements: Tuple[str, ...]
    differences: Tuple[Difference, ...]
    changes: Optional[Tuple[Difference, ...]]
    findings: Tuple[Finding, ...]
    notes: Tuple[str, ...]
    proof: Proof
    commands: Tuple[str, ...]
    blocked_by: Tuple[Wall, ...]
    resolver: str
    calls: int
    environment: Optional[str] = None
    trial: Optional[Trial] = None


class CardReport(msgspec.Struct, frozen=True):
    """One card (or none) judged for one machine; `error` says why a card could not be read."""

    card: Optional[Card]
    machine: Machine
    verdict: Verdict
    versions: Tuple[VersionRow, ...]
    findings: Tuple[Finding, ...]
    ignored: Tuple[IgnoredFinding, ...]
    checks: Tuple[CheckResult, ...]
    remedy: Optional[JoinedRemedy]
    plan: Optional[PlanDocument]
    run: Optional[Comparison]
    data: Optional[Data]
    error: Optional[str]


class ReportDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="card-doctor/report/1"):
    """What `card-doctor check --format json` prints."""

    tool: Tool
    policy: PolicyUsed
    environment: Environment
    exit_code: int
    counts: Counts
    unused_ignores: Tuple[Ignore, ...]
    reports: Tuple[CardReport, ...]


class ErrorDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="card-doctor/error/1"):
    """What any command prints under `--format json` where it has no answer (exit code 2)."""

    kind: str
    message: str
    hint: Optional[str] = None


class ListedCard(msgspec.Struct, frozen=True):
    name: str
    date: Optional[str]
    versions: Dict[str, str]


class CardsDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="card-doctor/cards/1"):
    """What `card-doctor cards list --format json` prints."""

    cards: Tuple[ListedCard, ...]


class ListedCheck(msgspec.Struct, frozen=True):
    """`on` says whether `check` would run it under the same settings; `severity` is the worst that it reports."""

    id: str
    family: str
    severity: Severity
    on: bool
    question: str


class ChecksDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="card-doctor/checks/1"):
    """What `card-doctor checks --format json` prints."""

    checks: Tuple[ListedCheck, ...]


class DiagnosisDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="card-doctor/diagnosis/1"):
    """What `card-doctor diagnose --format json` prints. `log` is the path, or ``-``; `findings` are those of the
    environment that explain the failure, where one was named, and `remedy` mends all that was found there.
    """

    tool: Tool
    log: str
    exit_code: int
    lines: int
    failures: Tuple[Recognised, ...]
    symptoms: Tuple[Recognised, ...]
    noticed: Tuple[Recognised, ...]
    unrecognised: Optional[Line]
    environment: Optional[Environment] = None
    findings: Tuple[Finding, ...] = ()
    remedy: Optional[JoinedRemedy] = None


class ComparedGroup(msgspec.Struct, frozen=True):
    """Nodes that are equal; `effect` is the worst of the `deviations` from what most nodes have, null without any."""

    nodes: Tuple[str, ...]
    effect: Optional[Effect]
    deviations: Tuple[Deviation, ...]
    environment: Environment
    driver: Optional[str]
    accelerators: Optional[Tuple[Accelerator, ...]]
    host: Optional[Host]
    report: Optional[CardReport]


class ComparisonDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="card-doctor/comparison/1"):
    """What `card-doctor compare --format json` prints: `nodes` is how many were compared, `silent` are the others."""

    tool: Tool
    exit_code: int
    nodes: int
    groups: Tuple[ComparedGroup, ...]
    silent: Tuple[Silent, ...]


class WatchDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="card-doctor/watch/1"):
    """What `card-doctor watch --output json=PATH` writes. `overhead_percent` is of one processor: what watching took;
    `preflight` is the verdict on the interpreter of the command, `diagnosis` is there where it failed.
    """

    tool: Tool
    command: Tuple[str, ...]
    card: Optional[str]
    preflight: Optional[Verdict]
    ended: Ended
    interval: float
    overhead_percent: float
    capacity: Capacity
    observations: Tuple[Observation, ...]
    samples: Tuple[Sample, ...]
    diagnosis: Optional[Diagnosis]


class Explanation(msgspec.Struct, frozen=True, tag_field="schema", tag="card-doctor/explanation/1"):
    """What `card-doctor explain ID --format json` prints: a check, or a hazard that a check looks for."""

    id: str
    kind: str
    question: str
    text: str
    when: Tuple[str, ...] = ()
    symptom: Optional[str] = None
    remedies: Tuple[str, ...] = ()
    evidence: Tuple[str, ...] = ()


def plan_document(plan: Plan) -> PlanDocument:
    """A plan as it is printed, and as a report holds it."""
    return PlanDocument(**{name: getattr(plan, name) for name in PlanDocument.__struct_fields__})


def comparison_document(fleet: Fleet, tool: Tool) -> ComparisonDocument:
    """A fleet as it is printed."""
    groups = tuple(
        ComparedGroup(
            nodes=group.nodes,
            effect=group.effect,
            deviations=group.deviations,
            environment=group.environment,
            driver=group.driver,
            accelerators=group.accelerators,
            host=group.host,
            report=_report(group.report) if group.report else None,
        )
        for group in fleet.groups
    )
    return ComparisonDocument(tool, fleet.exit_code, fleet.nodes, groups, fleet.silent)


def render(document: Document) -> str:
    """The whole document as JSON text, whatever its verdict."""
    return encode(_document(document))


class Stream:
    """The same of many reports, written one by one as they become known: they stand before what counts them."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._before = '{\n  "reports": ['

    def add(self, report: Report) -> None:
        self._write(f"{self._before}\n    {_indented(_report(report), 4)}")
        self._before = ","

    def end(self, document: Document) -> None:
        """`document` holds all but the reports."""
        rest = msgspec.to_builtins(_document(document))
        del rest["reports"]
        self._write(f"{self._before if self._before != ',' else ''}\n  ],{encode(rest)[1:]}")


def _document(document: Document) -> ReportDocument:
    return ReportDocument(
        tool=document.tool,
        policy=_policy(document.policy),
        environment=document.environment,
        exit_code=document.exit_code,
        counts=document.counts,
        unused_ignores=document.unused_ignores,
        reports=tuple(map(_report, document.reports)),
    )


def _indented(value: Any, by: int) -> str:
    return encode(value).replace("\n", "\n" + " " * by)  # a string in JSON holds no line break


def encode(value: Any) -> str:
    """Any value of ours as indented JSON; what is no number becomes null, what is no text an escape."""
    try:
        encoded = msgspec.json.encode(value, enc_hook=str)
    except UnicodeEncodeError:  # a file name that is not UTF-8
        encoded = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(value, enc_hook=str)))
    return msgspec.json.format(encoded, indent=2).decode()


def _policy(policy: Policy) -> PolicyUsed:
    return PolicyUsed(policy.match, policy.fail_on, policy.select, policy.precision)


def _report(report: Report) -> CardReport:
    return CardReport(
        card=report.card,
        machine=report.machine,
        verdict=report.verdict,
        versions=report.versions,
        findings=report.findings,
        ignored=tuple(map(_ignored, report.ignored)),
        checks=report.checks,
        remedy=report.remedy,
        plan=plan_document(report.plan) if report.plan else None,
        run=report.run,
        data=report.data,
        error=report.error,
    )


def _ignored(ignored: Ignored) -> IgnoredFinding:
    return IgnoredFinding(**msgspec.structs.asdict(ignored.finding), reason=ignored.reason, until=ignored.until)


def _without_surrogates(value: Union[str, Any]) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(item) for item in value]
    return value
