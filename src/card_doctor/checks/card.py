"""`card/`: does the card contradict itself?"""

from __future__ import annotations

from typing import Iterator, Optional, Tuple

from packaging.version import InvalidVersion, Version

from card_doctor.checks.registry import check
from card_doctor.checks.requirements import Declared, extras_of, name_of, requirements_of
from card_doctor.knowledge.releases import find_release
from card_doctor.model import Card, Case, Finding, NotApplicable, Package, Place, Release, Remedy


@check("card/pins-exclude", severity="warning")
def pins_exclude(case: Case) -> Iterator[Finding]:
    """Can the releases that the card states be installed together?

    Each release declares what it requires of the others. A card whose releases exclude each other was written down
    wrongly, or trained with dependencies ignored: no resolver installs it as it stands.

    Example: the card says Transformers 4.18.0, which requires tokenizers<0.13, and Tokenizers 0.20.0.
    Remedy: a release in the required range.
    """
    card = case.needs_card()
    stated = {name: version for name, text in card.versions.items() for version in _version(text)}
    for name, release in _releases(case):
        wanted = tuple(text for text in release.requires if name_of(text) in stated)
        # the extra that is called like what it brings in: transformers[torch], trl[peft]
        extras = frozenset(extra for text in wanted for extra in extras_of(text) if extra == name_of(text))
        package = Package(name, release.version, wanted)
        declared = sorted(requirements_of(package, case.snapshot.python, extras), key=lambda one: one.extra is not None)
        # a source build of 2.1.0 (2.1.0a0+...) is 2.1.0 here, which no specifier would say
        excluding = [
            one for one in declared if not one.specifier.contains(stated[one.name].base_version, prereleases=True)
        ]
        for one in {one.name: one for one in reversed(excluding)}.values():  # the first of each: not of an extra
            yield _excluded(card, name, one)


def _excluded(card: Card, name: str, declared: Declared) -> Finding:
    by = f"{name} {card.versions[name]}" + (f" [{declared.extra}]" if declared.extra else "")
    stated = card.versions[declared.name]
    return Finding(
        id="card/pins-exclude",
        severity="note" if declared.extra else "warning",
        subject=declared.name,
        found=stated,
        needs=str(declared.specifier),
        message=f"{by} requires {declared.text}, and the card states {declared.name} {stated}",
        because="It is declared for that extra alone: pip installs both, and says nothing."
        if declared.extra
        else "The card's own releases exclude each other: no resolver installs them together.",
        remedies=(Remedy("pin", declared.text),),
        at=place(card, f"versions.{declared.name}"),
    )


@check("card/released-later", severity="note")
def released_later(case: Case) -> Iterator[Finding]:
    """Is the card older than a release that it states?

    Then its date is not the day it was trained or written, or a version was changed afterwards. Whoever resolves
    dependencies as of the card's date will not find that release.

    Example: the card is dated 2022-03-01 and says Transformers 4.18.0, released on 2022-04-06.
    Remedy: correct the date, or the version.
    """
    card = case.needs_card()
    if card.date is None:
        raise NotApplicable("the card has no date")
    for name, release in _releases(case):
        if release.date > card.date[:10]:  # ISO 8601: in the order of time
            yield Finding(
                id="card/released-later",
                severity="note",
                subject=name,
                found=card.date,
                needs=release.date,
                message=f"the card is dated {card.date}, and states {name} {card.versions[name]}, "
                f"released on {release.date}",
                because="It can't have been trained with what was not yet there.",
                at=place(card, "date"),
            )


def _releases(case: Case) -> Iterator[Tuple[str, Release]]:
    """The releases that the card states, as far as they are known."""
    for name, text in case.needs_card().versions.items():
        for version in _version(text):
            release = find_release(case.knowledge.releases(name), version)
            if release is not None:
                yield name, release


def _version(text: str) -> Tuple[Version, ...]:
    try:
        return (Version(text),)
    except InvalidVersion:  # a range, or what only a person can read
        return ()


def place(card: Card, key: str) -> Optional[Place]:
    """The line of the card that states `key`."""
    line = card.line_of(key)
    return Place(card.source.path, line) if card.source.path and line else None
