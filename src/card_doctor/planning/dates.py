"""As of which day a set is resolved: what the card did not pin is to be of its time, what was moved of its own."""

from __future__ import annotations

import datetime as dt
from typing import Dict, FrozenSet, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from packaging.specifiers import SpecifierSet

from card_doctor.planning.draft import Draft, after
from card_doctor.planning.ground import Ground
from card_doctor.planning.resolver import Question, Resolution, Resolver

NONE = "none"  # what --date takes for "as new as possible"


class Dates(NamedTuple):
    """Nothing uploaded after `date` is taken (None: no limit), and of the distributions in `own` after theirs. `shared`
    are those that what was moved requires and the others do too, `latest` the day of what was moved; `preferred` is
    the pylock.toml of the others, to be kept where nothing speaks against it.
    """

    date: Optional[str]
    own: Mapping[str, str] = {}
    shared: FrozenSet[str] = frozenset()
    latest: Optional[str] = None
    preferred: str = ""

    def wider(self) -> Iterator[Dates]:
        """If that is too narrow: what is shared may be newer too, then everything."""
        if self.latest is not None:
            if self.shared:
                yield self._replace(own={**dict.fromkeys(self.shared, self.latest), **self.own}, shared=frozenset())
            yield Dates(self.latest, preferred=self.preferred)


def base_date(ground: Ground, draft: Draft, told: Optional[str]) -> Optional[str]:
    """A week after the newest of the card's own releases was uploaded; the card's date where no upload is known of."""
    if told is not None:
        return None if told == NONE else told
    kept = [choice for choice in draft.choices.values() if not choice.moved]
    uploads = _uploads(ground, draft, [choice.name for choice in kept])
    if uploads:
        return after(max(uploads))
    if ground.site.card.date and _is_day(ground.site.card.date):
        return ground.site.card.date
    moved = _uploads(ground, draft, list(draft.choices))
    return after(max(moved)) if moved else None


def dates_for(ground: Ground, draft: Draft, told: Optional[str], resolver: Resolver) -> Dates:
    """With a day of its own for each release that was moved beyond the card's day, and for what only these require
    (two questions more, at once); and for what a constraint asks for and is not there by that day. A day that was told
    is the last for all.
    """
    date = base_date(ground, draft, told)
    if date is None or told is not None:
        return Dates(date)
    own: Dict[str, str] = {}
    latest, shared, preferred = None, frozenset[str](), ""
    for name, version in draft.versions.items():
        release = ground.release(name, version)
        if release is not None and release.date > date and draft.choices[name].moved:
            own[name] = after(release.date)
    if own:
        latest = max(own.values())
        theirs, others, preferred = _required(draft, own, date, latest, resolver)
        own = {**dict.fromkeys(theirs - others, latest), **own}
        shared = theirs & others
    for name, specifier in draft.ranges.items():
        first = None if name in draft.choices else _first_after(ground, name, specifier, date)
        if first:
            own.setdefault(name, after(first))
    return Dates(date, own, shared, latest, preferred)


def _required(
    draft: Draft, own: Mapping[str, str], date: str, latest: str, resolver: Resolver
) -> Tuple[FrozenSet[str], FrozenSet[str], str]:
    """What the moved releases require, and what the others do, by name; and a pylock.toml of the others."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  for few, and slow to import

    versions = draft.versions
    moved = Question(tuple(f"{name}=={versions[name]}" for name in own), date=latest)
    rest = Question(tuple(f"{name}=={version}" for name, version in versions.items() if name not in own), date=date)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(resolver.ask, (moved, rest) if rest.requirements else (moved,)))
    theirs, others = [*answers, None][:2]
    return (
        theirs.names if isinstance(theirs, Resolution) else frozenset(),
        others.names if isinstance(others, Resolution) else frozenset(),
        others.pylock if isinstance(others, Resolution) else "",
    )


def _first_after(ground: Ground, name: str, specifier: SpecifierSet, date: str) -> Optional[str]:
    """The day of the first release in that range, where there is none up to `date`."""
    fitting = [release.date for release in ground.newest(name, specifier, None)]
    return min(fitting) if fitting and min(fitting) > date else None


def _uploads(ground: Ground, draft: Draft, names: List[str]) -> List[str]:
    releases = (ground.release(name, draft.versions[name]) for name in names if name in draft.versions)
    return [release.date for release in releases if release is not None]


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True
