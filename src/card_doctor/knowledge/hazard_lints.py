"""What no hazard may say, beyond its own shape: one entry held against the releases that there are, and against the
other hazards. Each problem names the key that is wrong.
"""

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import VERSION_PATTERN, Version

from card_doctor.knowledge.hazards import all_within
from card_doctor.model import Hazard, Release, Reproduction

# A key of an entry, and what is wrong with it.
Problem = Tuple[Tuple[Union[str, int], ...], str]
# The known releases of a distribution.
Versions = Callable[[str], Mapping[Version, Release]]

_VERSION = re.compile(rf"\s*{VERSION_PATTERN}\s*", re.VERBOSE | re.IGNORECASE)


def lint(
    hazards: Iterable[Hazard], others: Sequence[Hazard], releases: Callable[[str], Mapping[str, Release]]
) -> Iterator[Tuple[Hazard, Problem]]:
    """Where a hazard, whose own shape is right, contradicts itself, one of the `others` of another id, or a known
    release.
    """

    @cache
    def versions(name: str) -> Mapping[Version, Release]:
        return {Version(one): release for one, release in releases(name).items() if _VERSION.fullmatch(one)}

    for hazard in hazards:
        for problem in _problems(hazard, [one for one in others if one.id != hazard.id], versions):
            yield hazard, problem


def _problems(hazard: Hazard, others: Sequence[Hazard], versions: Versions) -> Iterator[Problem]:
    for other in others:
        if _meaning(other) == _meaning(hazard):
            yield ("when",), f"says the same as {other.id}"
    for name, specifier in hazard.when.items():
        if _is_empty(specifier, versions(name)):
            yield ("when", name), f"there is no release of {name} in `{specifier}`"
    for index, text in enumerate(hazard.remedies):
        for problem in _remedy_problems(hazard, text, others, versions):
            yield ("remedies", index), problem
    if hazard.reproduction is not None:
        yield from _reproduction_problems(hazard, hazard.reproduction)


def _meaning(hazard: Hazard) -> Tuple[object, ...]:
    return (dict(hazard.when), sorted(hazard.missing), hazard.python, hazard.marker, hazard.scope)


class Remedied(NamedTuple):
    """What a remedy makes of one distribution: releases in a range, or (None) its removal."""

    name: str
    specifier: Optional[SpecifierSet]


def remedied(remedy: str) -> Remedied:
    """What a requirement, or ``-name``, changes. Its name is "" where it is neither."""
    if remedy.startswith("-"):
        return Remedied(remedy[1:], None)
    try:
        requirement = Requirement(remedy)
    except InvalidRequirement:
        return Remedied("", None)
    return Remedied(normalise(requirement.name), requirement.specifier)


def _remedy_problems(hazard: Hazard, text: str, others: Sequence[Hazard], versions: Versions) -> Iterator[str]:
    name, specifier = remedied(text)
    if specifier is None:
        if name not in hazard.when:
            yield f"{name} is not there: it can't be removed"
            return
        after = None
    else:
        if name in hazard.when:
            tried = (*versions(name), *around((hazard.when[name], str(specifier))))
            still = _still(hazard, name, specifier, tried)
            if still:
                yield f"`{text}` still allows {name} {still}, which the hazard is about"
                return
        if _is_empty(str(specifier), versions(name)):
            yield f"there is no release of {name} in `{specifier}`"
            return
        after = _newest(specifier, versions(name))
        for other, version, declared in _excluding(hazard, name, specifier, versions):
            yield f"no release of {other} in `{hazard.when[other]}` allows it: {other} {version} requires {declared}"
    for met in _met_after(hazard, name, after, others, versions):
        there = f"with {name} {after}" if after else f"without {name}"
        yield f"it is a hazard itself: {there} the environment meets {met.id}"


def _still(hazard: Hazard, name: str, specifier: SpecifierSet, tried: Iterable[Version]) -> Optional[Version]:
    """A version that a remedy allows, and that the hazard is about."""
    its_range = {name: hazard.when[name]}
    return next((one for one in tried if one in specifier and all_within(its_range, {name: one})), None)


def _excluding(
    hazard: Hazard, name: str, specifier: SpecifierSet, versions: Versions
) -> Iterator[Tuple[str, Version, str]]:
    """The distributions of `when` of which every release in the range declares that it does not go with the remedy;
    with the newest such release, and what it declares.
    """
    for other, its_range in hazard.when.items():
        if other == name:
            continue
        found: List[Tuple[Version, str]] = []
        for version, release in versions(other).items():
            if not all_within({other: its_range}, {other: version}):
                continue
            declared = next((one for one in map(Requirement, release.requires) if _is_hard(one, name)), None)
            if declared is None or not _exclude(declared.specifier, specifier, versions(name)):
                break
            found.append((version, f"{name}{declared.specifier}"))
        else:
            if found:
                yield (other, *max(found))


def _is_hard(requirement: Requirement, name: str) -> bool:
    return normalise(requirement.name) == name and requirement.marker is None


def _exclude(one: SpecifierSet, other: SpecifierSet, known: Mapping[Version, Release]) -> bool:
    return not any(version in one and version in other for version in (*known, *around((str(one), str(other)))))


def _met_after(
    hazard: Hazard, name: str, after: Optional[Version], others: Iterable[Hazard], versions: Versions
) -> Iterator[Hazard]:
    """Those of the others that break the loop, and are met for sure once the remedy was applied: whatever the other
    distributions of the hazard are, in its ranges.
    """
    rest = [(other, _edges(specifier, versions(other))) for other, specifier in hazard.when.items() if other != name]
    environments = [
        {**dict(zip([other for other, _ in rest], versions)), **({name: after} if after else {})}
        for versions in itertools.product(*(versions for _, versions in rest))
    ]
    missing = {*hazard.missing, *([] if after else [name])} - ({name} if after else set())
    for other in others:
        if (
            not other.scope.startswith("feature:")
            and set(other.missing) <= missing
            and other.python in {None, hazard.python}
            and other.marker in {None, hazard.marker}
            and all(all_within(other.when, installed) for installed in environments)
        ):
            yield other


def _reproduction_problems(hazard: Hazard, reproduction: Reproduction) -> Iterator[Problem]:
    installed: Dict[str, Optional[Version]] = {}
    for key, requirements in (("pins", reproduction.pins), ("then", reproduction.then)):
        for index, text in enumerate(requirements):
            name, specifier = remedied(text)
            if not name:
                yield ("reproduction", key, index), "expected a requirement like `numpy==2.0.0`"
                return
            if specifier is None:
                installed.pop(name, None)
            else:
                exact = [one.version for one in specifier if one.operator == "=="]
                installed[name] = Version(exact[0]) if exact else None
    for name, its_range in hazard.when.items():
        version = installed.get(name)
        if name not in installed:
            yield ("reproduction", "pins"), f"{name} is not among them"
        elif its_range and (version is None or not all_within({name: its_range}, {name: version})):
            yield ("reproduction", "pins"), f"they pin no {name} in `{its_range}`"
    for name in hazard.missing:
        if name in installed:
            yield ("reproduction", "pins"), f"{name} is among them, but has to be missing"
    for index, text in enumerate(reproduction.remedy):
        name, specifier = remedied(text)
        if name not in {*hazard.when, *hazard.missing}:
            yield ("reproduction", "remedy", index), "it changes no distribution of the hazard"
        elif specifier is None or name not in hazard.when:
            continue
        elif _still(hazard, name, specifier, around((hazard.when[name], str(specifier)))):
            yield ("reproduction", "remedy", index), f"`{text}` still allows what the hazard is about"


def _is_empty(specifier: str, known: Mapping[Version, Release]) -> bool:
    """Is no release in that range? Beyond the newest that we know of there may be some."""
    if not known or not specifier:
        return False
    newest = max(known)
    beyond = [one for one in around((specifier, f">={newest.base_version}")) if one > newest]
    return not any(all_within({"": specifier}, {"": one}) for one in (*known, *beyond))


def _newest(specifier: SpecifierSet, known: Mapping[Version, Release]) -> Version:
    """What an installer would take; beyond what we know of, some release in the range."""
    released = [version for version, release in known.items() if version in specifier and not release.yanked]
    return max(released or [one for one in around((str(specifier),)) if one in specifier])


def _edges(specifier: str, known: Mapping[Version, Release]) -> Sequence[Version]:
    """The first and the last release of a range."""
    inside = sorted(one for one in known or around((specifier,)) if all_within({"": specifier}, {"": one}))
    return (inside[0], inside[-1]) if inside else ()


def around(specifiers: Iterable[str]) -> List[Version]:
    """Releases at, just below and just above every bound; the first one, and one far away: between two neighbours of
    them no range of these specifiers begins or ends.
    """
    found = {Version("0"), Version("9999")}
    for text in specifiers:
        for one in filter(None, text.split(",")):
            release = Version(Specifier(one).version.replace(".*", "")).release
            found.add(Version(".".join(map(str, release))))
            found.add(Version(".".join(map(str, (*release, 1)))))
            found.add(Version(".".join(map(str, (*release[:-1], release[-1] + 1)))))
            last = max((place for place, number in enumerate(release) if number), default=0)
            if release[last]:
                found.add(Version(".".join(map(str, (*release[:last], release[last] - 1, 999)))))
    return sorted(found)


def normalise(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
