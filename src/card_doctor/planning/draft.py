"""A plan in the making: a release for each distribution that the card states, and what else has been decided."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Tuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from card_doctor.checks.versions import distributions_of
from card_doctor.knowledge.releases import find_release, is_between, nearest_release
from card_doctor.model import Card, Knowledge, Release

# What loads the data of the standard loop; neither transformers nor torch requires it.
LOADER = "datasets"
# What a card is about is given up last.
WEIGHTS = {"transformers": 4, "torch": 3, "datasets": 2}
LEFT_OUT = 1000  # what it costs to do without a distribution that the card states: more than any other release
WEEK = dt.timedelta(days=7)  # what was released with a pin is there a few days later at the latest


class Choice(NamedTuple):
    """The release chosen for what the card states as `stated`; `version` None is any. `own` is the release that stands
    for the card's, from which nearness is measured; `because` says why it is not what is stated.
    """

    name: str
    stated: str
    version: Optional[str]
    own: Optional[Version] = None
    because: str = ""

    @property
    def moved(self) -> bool:
        """Away from the card's release (a build or a spelling of the same release is not)."""
        return self.version is None or (self.own is not None and Version(self.version) != self.own)


class Draft(NamedTuple):
    """`ranges` hold distributions back, pinned ones too; `added` are required although nothing declares it; `left_out`
    are the card's and break the rest; `reasons` tell why, by distribution.
    """

    choices: Mapping[str, Choice]
    ranges: Mapping[str, SpecifierSet] = {}
    added: FrozenSet[str] = frozenset()
    reasons: Mapping[str, str] = {}
    left_out: Tuple[Choice, ...] = ()

    def choose(self, choice: Choice) -> Draft:
        return self._replace(choices={**self.choices, choice.name: choice})

    def hold(self, name: str, specifier: SpecifierSet, because: str, *, add: bool = False) -> Draft:
        together = self.ranges.get(name, SpecifierSet()) & specifier
        return self._replace(
            ranges={**self.ranges, name: together},
            added=self.added | {name} if add else self.added,
            reasons={name: because, **self.reasons},
        )

    def leave_out(self, name: str, because: str) -> Draft:
        choice = self.choices[name]._replace(version=None, because=because)
        rest = {other: choice for other, choice in self.choices.items() if other != name}
        return self._replace(choices=rest, left_out=(*self.left_out, choice))

    @property
    def versions(self) -> Dict[str, str]:
        return {choice.name: choice.version for choice in self.choices.values() if choice.version}

    @property
    def moved(self) -> Tuple[Choice, ...]:
        return tuple(choice for choice in self.choices.values() if choice.moved)


def stated(card: Card, knowledge: Knowledge) -> Draft:
    """The card's own releases. What was built from source becomes the nearest release, and a build of an index of its
    own the release that the package index has. A card that trains with transformers gets what loads its data.
    """
    draft = Draft({name: _choice(name, text, knowledge) for name, text in distributions_of(card).items()})
    for name, choice in draft.choices.items():
        asked = as_range(choice.stated)
        if asked is not None:
            draft = draft.hold(name, asked, f"the card asks for {choice.stated}")
    if {"transformers", "torch"} <= set(draft.choices) and LOADER not in draft.choices:
        return draft.hold(LOADER, SpecifierSet(), "training loads its data with it, and the card names none", add=True)
    return draft


def _choice(name: str, text: str, knowledge: Knowledge) -> Choice:
    try:
        version = Version(text)
    except InvalidVersion:
        told = "" if as_range(text) is not None else f"the card's {text!r} is no version"
        return Choice(name, text, None, None, told)
    releases = knowledge.releases(name)
    release = find_release(releases, version)
    if release is None and releases and is_between(releases, version):
        release = nearest_release(releases, version)
        if release is not None:
            because = f"{text} is no release: it was built from source, or before the release"
            return Choice(name, text, release.version, Version(release.version), because)
    exact = release.version if release else version.public
    because = f"the package index has no +{version.local} build" if version.local else ""
    return Choice(name, text, exact, Version(exact), because)


def as_range(text: str) -> Optional[SpecifierSet]:
    """What a card states as ``>=2.0``; None where it is no range."""
    try:
        return SpecifierSet(text) if text.lstrip().startswith(("<", ">", "=", "!", "~")) else None
    except InvalidSpecifier:
        return None


@lru_cache(maxsize=8192)
def parsed(version: str) -> Version:
    """Of a release that we know: there are thousands, and they are compared again and again."""
    return Version(version)


def by_nearness(releases: Mapping[str, Release], own: Version) -> List[Release]:
    """Final releases, the nearest first: `own` itself, its series, then by the number of series away, the newer side
    before the older, and the newest of each series.
    """
    finals = sorted(
        (version, release)
        for version, release in ((parsed(text), release) for text, release in releases.items())
        if version == own or not (version.is_prerelease or release.yanked)
    )
    every = sorted({_series(version) for version, _ in finals} | {_series(own)})
    here = every.index(_series(own))
    order = {version: number for number, (version, _) in enumerate(finals)}
    place = order.get(own, sum(version < own for version in order))

    def distance(item: Tuple[Version, Release]) -> Tuple[int, bool, int]:
        version = item[0]
        away = abs(every.index(_series(version)) - here)
        return away, version < own and bool(away), -order[version] if away else abs(order[version] - place)

    return [release for _, release in sorted(finals, key=distance)]


def away(releases: Mapping[str, Release], own: Version, version: Version) -> int:
    """How many series lie between them."""
    every = sorted({_series(parsed(text)) for text in releases} | {_series(own), _series(version)})
    return abs(every.index(_series(own)) - every.index(_series(version)))


def _series(version: Version) -> Tuple[int, int, int]:
    return version.epoch, version.major, version.minor


def cost(draft: Draft, knowledge: Knowledge) -> int:
    """How far it is from the card: what moved, by weight and number of series."""
    total = LEFT_OUT * len(draft.left_out)
    for choice in draft.moved:
        weight = WEIGHTS.get(choice.name, 1)
        if choice.own is None or choice.version is None:
            total += weight
        else:
            total += weight * (1 + away(knowledge.releases(choice.name), choice.own, Version(choice.version)))
    return total


def after(day: str) -> str:
    """A week later."""
    return (dt.date.fromisoformat(day) + WEEK).isoformat()
