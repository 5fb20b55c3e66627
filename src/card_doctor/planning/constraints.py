"""Findings fed back: each becomes a range, a further requirement, or another release of what the card states."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from card_doctor.checks.requirements import normalise, parse
from card_doctor.checks.versions import STANDARD_LOOP
from card_doctor.model import Finding, Remedy
from card_doctor.planning.draft import Draft, cost
from card_doctor.planning.ground import Ground


class Mended(NamedTuple):
    """The draft with every finding answered that can be, and those that can't."""

    draft: Draft
    stuck: List[Finding]


def mend(ground: Ground, draft: Draft, findings: Sequence[Finding], *, only_add: bool = False) -> Mended:
    """Of the remedies of each finding the one that leaves the card least. `only_add`: what the card states stays, as
    where the findings are of a set that was only foreseen.
    """
    stuck: List[Finding] = []
    for finding in findings:
        ways = [way for remedy in finding.remedies if (way := _apply(ground, draft, finding, remedy))]
        if only_add:
            ways = [way for way in ways if way.choices == draft.choices]
        if any(way == draft for way in ways):
            continue  # an earlier answer is one to this too
        if not ways:
            stuck.append(finding)
            continue
        draft = min(ways, key=lambda way: cost(way, ground.site.knowledge))
    return Mended(draft, stuck)


def _apply(ground: Ground, draft: Draft, finding: Finding, remedy: Remedy) -> Optional[Draft]:
    """The draft with a remedy's requirement; None where it is none, or nothing meets it."""
    parsed = parse(remedy.requirement) if remedy.requirement else None
    if parsed is None or _of_another_index(parsed):
        return None
    name = normalise(parsed.name)
    because = finding.message
    choice = draft.choices.get(name)
    if remedy.kind == "remove":  # what another one brings along can't be left out
        return draft.leave_out(name, because) if choice is not None and name not in STANDARD_LOOP else None
    if choice is None:
        new = name not in draft.added and remedy.kind == "install"
        if not new and draft.ranges.get(name, SpecifierSet()) & parsed.specifier == draft.ranges.get(name):
            return draft
        held = draft.hold(name, parsed.specifier, because, add=new)
        return held if _can_be_met(ground, name, held.ranges[name]) else None
    held = draft.hold(name, parsed.specifier, because)
    if choice.version is None:
        return held
    version = ground.nearest(choice, held.ranges[name])
    if version is None:
        return None
    if version == choice.version:
        return held if held.ranges != draft.ranges else draft
    is_own = choice.own is not None and Version(version) == choice.own
    return held.choose(choice._replace(version=version, because=choice.because if is_own else because))


def _of_another_index(requirement: Requirement) -> bool:
    return any("+" in one.version for one in requirement.specifier)


def _can_be_met(ground: Ground, name: str, specifier: SpecifierSet) -> bool:
    known = ground.site.knowledge.releases(name)
    return not known or next(ground.newest(name, specifier, None), None) is not None
