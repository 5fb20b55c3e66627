"""A fleet as the document that `check` makes, for the formats that know nothing of fleets: a report for each group."""

from __future__ import annotations

from typing import Dict, List, Tuple

import msgspec

from card_doctor.checkup import Tally
from card_doctor.model import (
    Card,
    Deviation,
    Document,
    Effect,
    Environment,
    Finding,
    Fleet,
    Group,
    Machine,
    Policy,
    Report,
    Severity,
    Snapshot,
    Source,
    Tool,
    Verdict,
)
from card_doctor.model.finding import Breaks

NAMES = 6
# What a difference does, in the words of findings: it stops a run over all nodes, or may.
WEIGHTS: Dict[Effect, Tuple[Severity, Breaks]] = {
    "breaks": ("error", "yes"),
    "may-break": ("warning", "maybe"),
    "unknown": ("warning", "maybe"),
    "slows": ("warning", "no"),
    "harmless": ("note", "no"),
}


def document_of(fleet: Fleet, tool: Tool, policy: Policy) -> Document:
    """Each group by the names of its nodes, with its own findings behind what makes it odd; and the silent nodes."""
    reports = tuple(_of_group(group) for group in fleet.groups)
    if fleet.silent:
        reports += (_of_silent(fleet),)
    first = fleet.groups[0].environment if fleet.groups else Environment.of(Snapshot(source="snapshot"))
    environment = msgspec.structs.replace(first, path=None, gaps=())
    tally = Tally(policy)
    for report in reports:
        tally.add(report)
    return Document(
        tool=tool,
        policy=policy,
        environment=environment,
        exit_code=fleet.exit_code,
        counts=tally.counts(),
        reports=reports,
        unused_ignores=tally.unused_ignores(),
    )


def _of_group(group: Group) -> Report:
    found = tuple(map(_of_deviation, group.deviations))
    report = group.report or Report(None, Machine(group.driver, group.accelerators), Verdict("unknown", "unknown"))
    trains = report.verdict.trains
    breaks = {one.breaks for one in found}
    if "yes" in breaks:
        trains = "no"
    elif "maybe" in breaks and trains != "no":
        trains = "at-risk"
    return msgspec.structs.replace(
        report,
        card=_named(group.nodes, report),
        verdict=Verdict(trains, report.verdict.matches),
        findings=(*found, *report.findings),
    )


def _named(nodes: Tuple[str, ...], report: Report) -> Card:
    """Formats tell reports apart by their card."""
    more = f" and {len(nodes) - NAMES:,} more" if len(nodes) > NAMES else ""
    names = ", ".join(nodes[:NAMES]) + more
    if report.card is None:
        return Card(name=names, source=Source(kind="snapshot"))
    return msgspec.structs.replace(report.card, name=f"{report.card.name} on {names}")


def _of_deviation(one: Deviation) -> Finding:
    severity, breaks = WEIGHTS[one.effect]
    usual = "most have" if one.majority else "another has"
    return Finding(
        id="fleet/odd-one-out",
        severity=severity,
        subject=one.fact,
        message=f"{one.found or 'none'}, {usual} {one.usual or 'none'}",
        because=one.why,
        breaks=breaks,
    )


def _of_silent(fleet: Fleet) -> Report:
    findings: List[Finding] = [
        Finding("fleet/no-answer", "error", one.node, f"{one.reason}: {one.message}") for one in fleet.silent
    ]
    card = Card(name="nodes without an answer", source=Source(kind="snapshot"))
    return Report(card, Machine(), Verdict("unknown", "unknown"), findings=tuple(findings))
