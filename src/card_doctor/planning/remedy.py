"""One command for all findings together, judged again before it is offered.

Half-remedies send people in circles: `numpy<2 pyarrow<21` mends an import and leaves pandas 2 to break the CSV
reader behind it. So remedies are applied to a copy of the snapshot, release by release as a resolver would pick
them, and the same checks judge the result, until they find nothing more to mend.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import msgspec
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from card_doctor.checks.requirements import holds, normalise, parse, requirements_of
from card_doctor.checks.versions import level
from card_doctor.knowledge.releases import allows, has_wheel
from card_doctor.model import Case, Finding, JoinedRemedy, Knowledge, Package, Release, Remedy, Snapshot
from card_doctor.planning.commands import install_command

Judge = Callable[[Case], Sequence[Finding]]
ROUNDS = 8  # each settles all that was found so far; real environments need two or three
NEAR_ENOUGH = frozenset({"exact", "same-release", "same-series", "range-met"})


class _Change(NamedTuple):
    """What has been decided so far: a range a distribution, and distributions to remove."""

    ranges: Mapping[str, SpecifierSet] = {}
    removed: Tuple[str, ...] = ()

    def plus(self, remedy: Remedy) -> Optional[_Change]:
        """With `remedy` too; None where it can't be installed or undoes an earlier decision."""
        if remedy.requirement is None or remedy.kind not in {"pin", "install", "remove"}:
            return None
        if remedy.kind == "remove":
            name = normalise(remedy.requirement)
            return None if name in self.ranges else self._replace(removed=(*self.removed, name))
        requirement = parse(remedy.requirement)
        if requirement is None or normalise(requirement.name) in self.removed:
            return None
        name = normalise(requirement.name)
        specifier = self.ranges.get(name, SpecifierSet()) & requirement.specifier
        return self._replace(ranges={**self.ranges, name: specifier})


def join(case: Case, judge: Judge) -> Optional[JoinedRemedy]:
    """What mends together all that `judge` finds in `case`; None where nothing that can be installed would.

    It is `proven` when the changed environment, made of releases that we know for a Python that we know, shows nothing
    more to mend; otherwise `left` names what stays.
    """
    change, changed = _Change(), case
    stuck: Set[Tuple[str, str]] = set()
    left: List[Finding] = []
    for _ in range(ROUNDS):
        left = [finding for finding in judge(changed) if finding.breaks != "no" or finding.severity == "error"]
        open_ones = [finding for finding in left if (finding.id, finding.subject) not in stuck]
        if not open_ones:
            break
        for finding in open_ones:
            better = _best(case, change, finding)
            if better is None:
                stuck.add((finding.id, finding.subject))
            else:
                change = better
        changed = msgspec.structs.replace(case, snapshot=_apply(case, change))
    if not change.ranges and not change.removed:
        return None
    if any(finding.id == "versions/missing" and finding.breaks == "yes" for finding in left):
        return None  # a part of the card's own releases is no way out: this Python has none of the others
    requirements = tuple(f"{name}{_tidy(specifier)}" for name, specifier in sorted(change.ranges.items()))
    return JoinedRemedy(
        requirements=requirements,
        command=install_command(case.snapshot, requirements, change.removed),
        proven=not left
        and _tells_requirements(case.snapshot)
        and all(case.knowledge.releases(name) for name in change.ranges),
        left=tuple(sorted({finding.id for finding in left})),
    )


def _best(case: Case, change: _Change, finding: Finding) -> Optional[_Change]:
    """The remedy that keeps the card's own releases, then one already decided, then the first that is listed."""

    def cost(candidate: _Change) -> Tuple[int, int]:
        away = sum(_leaves_card(case, name, candidate) for name in candidate.ranges)
        return away, len(candidate.ranges) + len(candidate.removed)

    candidates = [better for better in map(change.plus, finding.remedies) if better and _possible(case, better)]
    return min(candidates, key=cost, default=None)


def _possible(case: Case, change: _Change) -> bool:
    return all(
        _pick(case, name, specifier) is not None or not case.knowledge.releases(name)
        for name, specifier in change.ranges.items()
    )


def _leaves_card(case: Case, name: str, change: _Change) -> bool:
    stated = case.card.versions.get(name) if case.card else None
    picked = _pick(case, name, change.ranges[name])
    return stated is not None and picked is not None and level(stated, picked.version) not in NEAR_ENOUGH


def _apply(case: Case, change: _Change) -> Snapshot:
    """The snapshot as it would be after the command, with what an installer brings along: what the new releases
    require and is missing or does not fit.
    """
    packages: Dict[str, Package] = {
        name: package for name, package in case.snapshot.packages.items() if name not in change.removed
    }
    for name, specifier in change.ranges.items():
        picked = _pick(case, name, specifier)
        if picked is not None:
            packages[name] = picked
        else:
            packages[name] = Package(name, "")  # of an unknown release: satisfies, and says nothing of its own
    new = [name for name, package in packages.items() if package is not case.snapshot.packages.get(name)]
    while new and _tells_requirements(case.snapshot):
        for declared in requirements_of(packages[new.pop()], case.snapshot.python):
            there = packages.get(declared.name)
            if there is None or not holds(declared, there.version):
                specifier = declared.specifier & change.ranges.get(declared.name, SpecifierSet())
                brought = _pick(case, declared.name, specifier)
                if brought is not None or there is None:
                    packages[declared.name] = brought or Package(declared.name, "")
                    new.append(declared.name)
    return msgspec.structs.replace(case.snapshot, packages=packages)


def _tells_requirements(snapshot: Snapshot) -> bool:
    """Is it known for which markers they hold? A list of requirements alone does not say."""
    return snapshot.python is not None and bool(snapshot.python.markers)


def _pick(case: Case, name: str, specifier: SpecifierSet) -> Optional[Package]:
    """What a resolver would leave or install: what is there if it fits, else the newest release that does."""
    installed = case.snapshot.packages.get(name)
    if installed is not None and _contains(specifier, installed.version):
        return installed
    for release in _newest_first(case.knowledge, name, specifier):
        if _installable(release, case.snapshot):
            return Package(name, release.version, release.requires, release.extras, release.requires_python)
    return None


@lru_cache(maxsize=4096)
def _newest_first(knowledge: Knowledge, name: str, specifier: SpecifierSet) -> Tuple[Release, ...]:
    """Its releases in that range."""
    releases = (one for one in knowledge.releases(name).values() if _contains(specifier, one.version))
    return tuple(sorted(releases, key=lambda release: Version(release.version), reverse=True))


def _contains(specifier: SpecifierSet, version: str) -> bool:
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _installable(release: Release, snapshot: Snapshot) -> bool:
    """By wheel, for this Python and platform, where they are known."""
    if release.yanked or Version(release.version).is_prerelease:
        return False
    python, platform = snapshot.python, snapshot.platform
    if python is None or platform is None:
        return python is None or allows(release.requires_python, python.version)
    return has_wheel(release, python, platform)


def _tidy(specifier: SpecifierSet) -> str:
    """As short as it goes: the tightest bounds, lower before upper, then the rest."""

    def bound(operators: Tuple[str, ...], tightest: Callable[..., Specifier]) -> List[Specifier]:
        bounds = [one for one in specifier if one.operator in operators]
        return [tightest(bounds, key=lambda one: Version(one.version))] if bounds else []

    rest = sorted((one for one in specifier if one.operator not in {"<", "<=", ">", ">="}), key=str)
    return ",".join(str(one) for one in [*rest, *bound((">", ">="), max), *bound(("<", "<="), min)])
