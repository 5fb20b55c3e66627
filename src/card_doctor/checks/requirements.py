"""Declared requirements (PEP 508) of installed distributions, read as little as possible.

Parsing is most of what a check of requirements costs, and three of four requirements belong to an extra that
nobody asked for: those are told apart by their text before anything is parsed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Set, Tuple

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from card_doctor.model import Package, Python, Unknown

_EXTRA = re.compile(r"""\bextra\s*(?:==|in)\s*['"]([^'"]+)['"]|['"]([^'"]+)['"]\s*==\s*extra\b""")
_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class Declared(NamedTuple):
    """One requirement that applies. `extra` is the extra that brings it in, if any."""

    name: str  # normalised
    specifier: SpecifierSet
    text: str  # as written, without its marker
    extras: FrozenSet[str]
    url: Optional[str]
    extra: Optional[str]


def normalise(name: str) -> str:
    """PEP 503."""
    plain = name.lower().replace("_", "-").replace(".", "-")
    return re.sub("-+", "-", plain) if "--" in plain else plain


def name_of(requirement: str) -> Optional[str]:
    """The normalised distribution name of a requirement, without parsing the rest."""
    match = _NAME.match(requirement)
    return normalise(match.group(1)) if match else None


@lru_cache(maxsize=16384)
def extras_of(requirement: str) -> Tuple[str, ...]:
    """The normalised extras that a requirement's marker mentions, without parsing the rest."""
    if "extra" not in requirement:
        return ()
    _, _, marker = requirement.partition(";")
    return tuple(normalise(first or second) for first, second in _EXTRA.findall(marker))


def requirements_of(
    package: Package, python: Optional[Python], extras: FrozenSet[str] = frozenset()
) -> Iterator[Declared]:
    """What `package`, asked for with `extras`, requires on that interpreter. Unreadable ones (legacy versions
    like ``pytz >dev``) are left out: nothing enforces what nothing can read. Unknown without markers.
    """
    for text in package.requires:
        mentioned = extras_of(text)
        if mentioned and not extras.intersection(mentioned):
            continue
        requirement = parse(text)
        if requirement is None:
            continue
        active = _active(requirement, python, mentioned, extras)
        if active is None:
            continue
        yield Declared(
            normalise(requirement.name),
            requirement.specifier,
            _plain(requirement),
            frozenset(map(normalise, requirement.extras)),
            requirement.url,
            active or None,
        )


def required_by(package: Package, python: Optional[Python]) -> Set[str]:
    """The distributions that `package` requires there without any extra, as far as that can be told."""
    try:
        return {declared.name for declared in requirements_of(package, python)}
    except Unknown:
        return set()


def _plain(requirement: Requirement) -> str:
    extras = "[" + ",".join(sorted(requirement.extras)) + "]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _active(
    requirement: Requirement, python: Optional[Python], mentioned: Tuple[str, ...], extras: FrozenSet[str]
) -> Optional[str]:
    """The extra under which the marker holds ("" without one), None if it does not hold."""
    marker = requirement.marker
    if marker is None:
        return ""
    if python is None or not python.markers:
        raise Unknown("the environment markers of this Python")
    spelled = {normalise(name): name for name in _spellings(str(marker))} if mentioned else {}
    for extra in ["", *(name for name in mentioned if name in extras)]:
        if _evaluate(str(marker), spelled.get(extra, extra), tuple(python.markers.items())):
            return extra
    return None


def _spellings(marker: str) -> List[str]:
    # packaging before 22 compares extras as written
    return [first or second for first, second in _EXTRA.findall(marker)]


@lru_cache(maxsize=4096)
def _evaluate(marker: str, extra: str, environment: Tuple[Tuple[str, str], ...]) -> bool:
    return bool(Marker(marker).evaluate({**dict(environment), "extra": extra}))


@lru_cache(maxsize=8192)
def parse(text: str) -> Optional[Requirement]:
    """The requirement, or None where its text is none by PEP 508."""
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def holds(declared: Declared, installed: str) -> bool:
    """Does an installed version satisfy it? Pre-releases count as what they are; what is no version can't tell."""
    if declared.url is not None:
        return True
    try:
        return declared.specifier.contains(Version(installed), prereleases=True)
    except InvalidVersion:
        return True


def declared_by_all(packages: Dict[str, Package], python: Optional[Python]) -> Iterator[Tuple[Package, Declared]]:
    """Every requirement of every installed distribution that applies here, extras that are asked for included
    (``a`` requires ``b[x]``, so what ``b`` requires for ``x`` applies too).
    """
    asked: Dict[str, FrozenSet[str]] = {name: frozenset() for name in packages}
    queue: List[Tuple[str, FrozenSet[str]]] = [(name, frozenset()) for name in packages]
    seen = set()
    while queue:
        name, extras = queue.pop(0)
        package = packages[name]
        for declared in requirements_of(package, python, extras):
            key = (name, declared.name, str(declared.specifier), declared.extras)
            if key in seen:
                continue
            seen.add(key)
            yield package, declared
            wanted = declared.extras - asked.get(declared.name, frozenset())
            if wanted and declared.name in packages:
                asked[declared.name] = asked[declared.name] | wanted
                queue.append((declared.name, frozenset(wanted)))


def readable(version: str) -> Optional[Version]:
    """The version; None for a range, or what only a person can read."""
    try:
        return Version(version)
    except InvalidVersion:
        return None
