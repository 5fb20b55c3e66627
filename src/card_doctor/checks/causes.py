"""One cause, one finding: what several checks find between the same distributions is told once.

A hazard puts it into a person's words, what was derived from the files names the line, and what is declared names
the range; so the first that is there speaks, and the others stand under it.
"""

from __future__ import annotations

from typing import Iterable, List

import msgspec

from card_doctor.model import BREAKS, SEVERITIES, Finding

_DECLARED = ("packages/declared-requirement", "packages/soft-requirement")
_COMPILED = ("packages/numpy-abi", "packages/torch-abi")
# A stop that a package makes itself says most, in its own words; hazards, whose ids are their own, come before all.
_ORDER = (
    "packages/enforced-version",
    "packages/missing-module",
    "packages/missing-name",
    "packages/refused-keyword",
    "packages/numpy-abi",
    "packages/torch-abi",
    *_DECLARED,
)


def one_a_cause(findings: Iterable[Finding]) -> List[Finding]:
    """The findings, those of one cause joined."""
    told: List[Finding] = []
    for finding in sorted(findings, key=_rank):
        for index, other in enumerate(told):
            if _explains(other, finding):
                told[index] = _with(other, finding)
                break
        else:
            told.append(finding)
    return told


def _rank(finding: Finding) -> int:
    return _ORDER.index(finding.id) + 1 if finding.id in _ORDER else 0


def _explains(one: Finding, other: Finding) -> bool:
    """Is `other` about the same distributions, and told by `one`?"""
    ours, theirs = frozenset(one.between), frozenset(other.between)
    # A hazard of three may be about the third.
    if _rank(one) == _rank(other) or min(len(ours), len(theirs)) < 2 or one.subject not in theirs:
        return False
    if other.id in _DECLARED:
        return ours <= theirs or theirs <= ours  # one requirement of several distributions is one finding
    return theirs <= ours and (one.breaks != "no" or other.breaks == "no")  # a feature's hazard explains no break


def _with(one: Finding, other: Finding) -> Finding:
    known = {remedy.requirement for remedy in one.remedies}
    # What compiled files say is told in the lines under it: the hazard has put it into words.
    said = () if other.id in _COMPILED and other.details else (other.message,)
    return msgspec.structs.replace(
        one,
        severity=min(one.severity, other.severity, key=SEVERITIES.index),
        breaks=min(one.breaks, other.breaks, key=BREAKS.index),
        evidence=tuple(dict.fromkeys((*one.evidence, *other.evidence))),
        remedies=(*one.remedies, *(remedy for remedy in other.remedies if remedy.requirement not in known)),
        details=(*one.details, *said, *other.details),
        between=tuple(dict.fromkeys((*one.between, *other.between))),
    )
