"""What a plan stands on: one interpreter, platform and machine, and what can be had and run there."""

from __future__ import annotations

from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from card_doctor.checks.requirements import requirements_of
from card_doctor.environment.files.target import python_on
from card_doctor.knowledge.releases import allows, find_release, has_wheel, pythons
from card_doctor.model import (
    Card,
    Case,
    Finding,
    Knowledge,
    Machine,
    Package,
    Platform,
    Policy,
    Python,
    Release,
    Snapshot,
)
from card_doctor.model.report import DECISIVE
from card_doctor.planning.draft import Choice, Draft, by_nearness, parsed
from card_doctor.planning.interpreters import Interpreter

Judge = Callable[[Case], Sequence[Finding]]
MOST = 400  # steps of looking ahead; real sets take a few dozen


class Site(msgspec.Struct, frozen=True):
    """Everything but the Python: where, for which card, by whose judgement. Known of it so far: `against`, what was
    found of each torch on this machine, and `judged`, what was found of each set of releases for a Python.
    """

    card: Card
    machine: Machine
    platform: Platform
    knowledge: Knowledge
    judge: Judge
    policy: Policy
    against: Dict[str, Optional[Finding]] = msgspec.field(default_factory=dict)
    judged: Dict[Tuple[object, ...], Sequence[Finding]] = msgspec.field(default_factory=dict)


class Ground:
    """`day` is the card's: of several releases that are as near, one that was there by then is nearer. Nothing is newer
    than `limit`, where there is one.
    """

    def __init__(
        self, site: Site, interpreter: Interpreter, day: Optional[str] = None, limit: Optional[str] = None
    ) -> None:
        self.site = site
        self._day = day
        self._limit = limit
        self.interpreter = interpreter
        self.python: Python = python_on(interpreter.version, site.platform)

    # What can be had

    def release(self, name: str, version: str) -> Optional[Release]:
        return find_release(self.site.knowledge.releases(name), Version(version))

    def installable(self, release: Release) -> bool:
        """Within the limit, by a wheel, or from source where the release never had one."""
        if self._limit is not None and release.date > self._limit:
            return False
        if has_wheel(release, self.python, self.site.platform):
            return True
        return not release.wheels and release.sdist and allows(release.requires_python, self.python.version)

    def hardware(self, version: str) -> Optional[Finding]:
        """Why this machine can't use the index's build of that torch; None where it can, or where nothing is known.
        That there is no GPU is no fault of torch's.
        """
        known = self.site.against
        if version not in known:
            case = self._case(self._packages({"torch": version}), complete=False)
            policy = msgspec.structs.replace(case.policy, select=("accelerator",))
            found = self.site.judge(msgspec.structs.replace(case, policy=policy))
            known[version] = next((one for one in found if one.severity != "note"), None)
        return known[version]

    def nearest(self, choice: Choice, specifier: SpecifierSet) -> Optional[str]:
        """The release nearest to the card's within that range that can be had and run here; None where there is none.
        Of distributions that we know nothing of, it is the card's own.
        """
        releases = self.site.knowledge.releases(choice.name)
        if choice.own is None or not releases:
            return choice.version if choice.own is None or specifier.contains(choice.own, prereleases=True) else None
        own = find_release(releases, choice.own)
        if own is None and specifier.contains(choice.own, prereleases=True):
            return choice.version  # newer than what we know, or not ours to know
        if own is not None and self._is_kept(choice, own, specifier):  # mostly so, and it spares us to sort them all
            return own.version
        found: Optional[Version] = None
        for release in by_nearness(releases, choice.own):
            version = parsed(release.version)
            if found is not None and (version.major, version.minor) != (found.major, found.minor):
                break
            within = specifier.contains(version, prereleases=version == choice.own)
            if within and self.installable(release) and (choice.name != "torch" or self._runs(choice.own, version)):
                if version == choice.own or self._day is None or release.date <= self._day:
                    return release.version
                found = found or version
        return str(found) if found is not None else None

    def _is_kept(self, choice: Choice, own: Release, specifier: SpecifierSet) -> bool:
        return (
            parsed(own.version) == choice.own
            and specifier.contains(choice.own, prereleases=True)
            and self.installable(own)
            and (choice.name != "torch" or self.hardware(own.version) is None)
        )

    def _runs(self, own: Version, version: Version) -> bool:
        """Can this machine use that torch in place of `own`? A GPU that is newer than torch wants a newer torch, not an
        old one that happens to hold PTX; an old GPU or driver an older one.
        """
        against = self.hardware(str(own))
        if against is not None:
            newer = against.id == "accelerator/no-kernels"
            if version == own or (version > own) is not newer:
                return False
        return self.hardware(str(version)) is None

    def nearest_anyhow(self, choice: Choice) -> Optional[str]:
        """The same, whatever the GPU."""
        releases = self.site.knowledge.releases(choice.name)
        near = by_nearness(releases, choice.own) if choice.own is not None else []
        return next((release.version for release in near if self.installable(release)), None)

    def why_not(self, choice: Choice) -> str:
        """Why the card's own release is out of the question here; empty where it is not."""
        release = self.release(choice.name, str(choice.own)) if choice.own is not None else None
        if release is None:
            return ""
        if self._limit is not None and release.date > self._limit:
            return f"{choice.name} {release.version} is of {release.date}, after {self._limit}"
        if not self.installable(release):
            fitting = pythons(release, self.site.platform)
            where = f"for Python {_spelled(fitting)}" if fitting else f"for no Python on {self.site.platform.machine}"
            return f"{choice.name} {release.version} has wheels {where}, and this is {self.interpreter.series}"
        against = self.hardware(release.version) if choice.name == "torch" else None
        return against.message if against else ""

    # What our checks say

    def problems(self, versions: Mapping[str, str], *, complete: bool) -> List[Finding]:
        """What breaks, or may break, an environment of these releases (`complete`: and of no others)."""
        return _breaking(self._judged(versions, complete=complete))

    def problems_of(self, packages: Dict[str, Package]) -> List[Finding]:
        """The same of all packages of an environment, as they are described."""
        return _breaking(self.site.judge(self._case(packages, complete=True)))

    def remaining(self, versions: Mapping[str, str]) -> List[Finding]:
        """What is left to say of the planned set on this machine."""
        found = self._judged(versions, complete=True)
        return [one for one in found if one.family in DECISIVE and one.severity != "note"]

    def _judged(self, versions: Mapping[str, str], *, complete: bool) -> Sequence[Finding]:
        judged = self.site.judged
        key = (self.interpreter.version, complete, frozenset(versions.items()))
        if key not in judged:
            judged[key] = self.site.judge(self._case(self._packages(versions), complete=complete))
        return judged[key]

    def _packages(self, versions: Mapping[str, str]) -> Dict[str, Package]:
        return {name: self.package(name, version) for name, version in versions.items()}

    def _case(self, packages: Dict[str, Package], *, complete: bool) -> Case:
        torch = None
        if "torch" in packages and "+" in packages["torch"].version:
            from card_doctor.environment.files import build_of  # noqa: PLC0415

            torch = build_of(packages["torch"].version)
        snapshot = Snapshot(
            source="pylock",
            complete=complete,
            python=self.python,
            platform=self.site.platform,
            packages=packages,
            torch=torch,
            driver=self.site.machine.driver,
            accelerators=self.site.machine.accelerators,
        )
        return Case(snapshot, self.site.machine, self.site.policy, self.site.knowledge, self.site.card)

    def package(self, name: str, version: str) -> Package:
        release = self.release(name, version)
        if release is None:
            return Package(name, version)
        return Package(name, version, release.requires, release.extras, release.requires_python)

    # What a resolver will bring along

    def foresee(self, draft: Draft, date: Optional[str], dates: Mapping[str, str]) -> Dict[str, str]:
        """The releases that we know of in the set that a resolver would find: it tells most constraints before the
        first question. What it gets wrong costs a question more, nothing else.
        """
        versions = dict(draft.versions)
        wanted = dict(draft.ranges)
        queue = [*versions, *(name for name in draft.added if name not in versions)]
        for name in draft.added:
            self._take(name, versions, wanted, date, dates)
        for _ in range(MOST):
            if not queue:
                break
            name = queue.pop(0)
            if name not in versions:
                continue
            for declared in requirements_of(self.package(name, versions[name]), self.python):
                if declared.name in draft.choices:
                    continue
                wanted[declared.name] = wanted.get(declared.name, SpecifierSet()) & declared.specifier
                if self._take(declared.name, versions, wanted, date, dates):
                    queue.append(declared.name)
        return versions

    def declared(self, versions: Mapping[str, str]) -> Set[str]:
        """The distributions that these releases require."""
        packages = self._packages(versions).values()
        return {declared.name for package in packages for declared in requirements_of(package, self.python)}

    def _take(
        self,
        name: str,
        versions: Dict[str, str],
        wanted: Mapping[str, SpecifierSet],
        date: Optional[str],
        dates: Mapping[str, str],
    ) -> bool:
        specifier = wanted.get(name, SpecifierSet())
        if name in versions and specifier.contains(parsed(versions[name]), prereleases=True):
            return False
        limit = dates.get(name, date)
        found = next(self.newest(name, specifier, limit), None)
        if found is None or versions.get(name) == found.version:
            return False
        versions[name] = found.version
        return True

    def newest(self, name: str, specifier: SpecifierSet, date: Optional[str]) -> Iterator[Release]:
        """Final releases within a range up to a day that can be installed here, the newest first."""
        for release in reversed(tuple(self.site.knowledge.releases(name).values())):
            if release.yanked or (date is not None and release.date > date):
                continue
            version = parsed(release.version)
            if not version.is_prerelease and specifier.contains(version) and self.installable(release):
                yield release


def _breaking(found: Sequence[Finding]) -> List[Finding]:
    return [one for one in found if one.family in DECISIVE and one.breaks != "no"]


def _spelled(minors: Sequence[int]) -> str:
    if len(minors) == 1:
        return f"3.{minors[0]}"
    return f"3.{minors[0]} to 3.{minors[-1]}"
