"""`versions/`: is what the card states what is installed?"""

from __future__ import annotations

from typing import Dict, Iterator, Optional, Tuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from card_doctor.checks.registry import check
from card_doctor.checks.requirements import holds, requirements_of
from card_doctor.model import (
    Breaks,
    Card,
    Case,
    Finding,
    Level,
    NotApplicable,
    Place,
    Remedy,
    Severity,
    Unknown,
    VersionRow,
)

# The standard loop imports these first: without them it can't start.
STANDARD_LOOP = ("transformers", "torch", "datasets", "tokenizers")

# What each `--match` makes of each kind of difference (interface.md, "The verdict").
SEVERITY: Dict[str, Dict[str, Optional[Severity]]] = {
    "compatible": {"same-series": None, "newer": "warning", "differs": "error", "unreadable": "warning"},
    "series": {"same-series": None, "newer": "error", "differs": "error", "unreadable": "warning"},
    "exact": {"same-series": "error", "newer": "error", "differs": "error", "unreadable": "error"},
    "any": {"same-series": "note", "newer": "note", "differs": "note", "unreadable": "note"},
}


def level(card: str, installed: Optional[str]) -> Level:
    """How an installed version stands to the card's. Local and post parts are build notes: 1.10.0+cu111 is
    1.10.0; epoch and release decide, then pre and dev (2.1.0a0+32f93b1 is a build of 2.1.0).
    """
    if installed is None:
        return "missing"
    try:
        theirs, ours = Version(card), Version(installed)
    except InvalidVersion:
        return _range_level(card, installed)
    if (theirs.epoch, _padded(theirs)) == (ours.epoch, _padded(ours)):
        same_build = (theirs.pre, theirs.dev) == (ours.pre, ours.dev)
        return "exact" if same_build else "same-release"
    newer = (ours.epoch, _padded(ours)) > (theirs.epoch, _padded(theirs))
    if (theirs.epoch, theirs.major) != (ours.epoch, ours.major):
        return "newer-major" if newer else "older-major"
    if theirs.minor != ours.minor:
        return "newer-minor" if newer else "older-minor"
    return "same-series"


def _range_level(card: str, installed: str) -> Level:
    """A card may state a range (">=2.0"); only then is its text a specifier."""
    if not card.lstrip().startswith(("<", ">", "=", "!", "~")):
        return "unreadable"
    try:
        return "range-met" if SpecifierSet(card).contains(installed, prereleases=True) else "range-missed"
    except (InvalidSpecifier, InvalidVersion):
        return "unreadable"


def _padded(version: Version) -> Tuple[int, ...]:
    release = version.release
    return release + (0,) * (3 - len(release))


def distributions_of(card: Card) -> Dict[str, str]:
    """What the card states that can be installed: its Python is the interpreter's affair, and no distribution."""
    return {name: stated for name, stated in card.versions.items() if name != "python"}


def rows(case: Case) -> Tuple[VersionRow, ...]:
    """Every distribution that the card states, beside what is installed; those that an incomplete
    environment does not name are left out.
    """
    if case.card is None:
        return ()
    found = []
    for name, stated in distributions_of(case.card).items():
        try:
            package = case.package(name)
        except Unknown:
            continue
        installed = package.version if package else None
        row_level = level(stated, installed)
        if name == "tokenizers" and installed is not None:
            row_level = _by_transformers(case, installed) or row_level
        found.append(VersionRow(name, stated, installed, row_level))
    return tuple(found)


def _by_transformers(case: Case, installed: str) -> Optional[Level]:
    """Tokenizers follows transformers: what counts is the range that the installed transformers declares."""
    transformers = case.snapshot.packages.get("transformers")
    for requirement in requirements_of(transformers, case.snapshot.python) if transformers else ():
        if requirement.name == "tokenizers":
            return "range-met" if holds(requirement, installed) else "range-missed"
    return None


def _findings(case: Case, check_id: str, kind: str, levels: Tuple[str, ...]) -> Iterator[Finding]:
    card = case.needs_card()
    if not distributions_of(card):
        raise NotApplicable("the card states no versions")
    severity = SEVERITY[case.policy.match][kind]
    for row in rows(case):
        # A tokenizers outside of transformers' range is one finding: packages/ has it.
        if row.level not in levels or row.level == "range-missed":
            continue
        breaks: Breaks = "yes" if row.level == "missing" and row.distribution in STANDARD_LOOP else "no"
        if severity is None and breaks == "no":
            continue
        line = card.line_of(f"versions.{row.distribution}")
        yield Finding(
            id=check_id,
            severity="error" if breaks == "yes" else severity or "note",
            subject=row.distribution,
            found=row.installed,
            needs=row.card,
            message=_message(row),
            because=_BECAUSE[check_id],
            breaks=breaks,
            remedies=_remedies(row),
            at=Place(card.source.path, line) if card.source.path and line else None,
        )


def _message(row: VersionRow) -> str:
    if row.level == "missing":
        return f"{row.distribution} is not installed; the card was trained with {row.card}"
    if row.level == "unreadable":
        return f"{row.distribution}: {row.card!r} (card) and {row.installed!r} (installed) can't be compared"
    word = row.level.replace("-", " ")
    return f"{row.distribution} {row.installed} is installed; the card was trained with {row.card} ({word})"


def _remedies(row: VersionRow) -> Tuple[Remedy, ...]:
    try:
        stated = Version(row.card)
    except InvalidVersion:
        return ()
    if stated.is_prerelease:  # a source or dev build: no index has it
        return (Remedy("pin", f"{row.distribution}~={stated.major}.{stated.minor}.0"),)
    return (Remedy("pin", f"{row.distribution}=={stated.public}"),)


_BECAUSE = {
    "versions/missing": "The training loop of the card imports it.",
    "versions/older": "What the card was trained with may use what an older release does not have.",
    "versions/newer": "Newer releases mostly still run, but defaults and results may differ, and majors remove things.",
    "versions/same-series": "`--match exact` asks for the card's own patch release.",
    "versions/unreadable": "One of the two is no version that PEP 440 can read.",
}


@check("versions/missing", severity="error")
def missing(case: Case) -> Iterator[Finding]:
    """Is every distribution that the card states installed?

    A stated transformers, torch, datasets or tokenizers that is not there stops training at its first import.

    Example: the card says Datasets 2.1.0, and no datasets is installed.
    Remedy: install the release that the card states.
    """
    yield from _findings(case, "versions/missing", "differs", ("missing",))
    unseen = [name for name in distributions_of(case.needs_card()) if name not in case.snapshot.packages]
    if unseen and not case.snapshot.complete:
        raise Unknown("whether these are installed: " + ", ".join(unseen))


@check("versions/older", severity="error")
def older(case: Case) -> Iterator[Finding]:
    """Is an installed release older than the one the card states?

    Training code relies on what was there when it was written: an older minor or major may lack it.

    Example: the card says Transformers 4.18.0, and 4.11.3 is installed.
    Remedy: install the release that the card states. `--match any` turns this into a note.
    """
    return _findings(case, "versions/older", "differs", ("older-minor", "older-major"))


@check("versions/newer", severity="error")
def newer(case: Case) -> Iterator[Finding]:
    """Is an installed release of a newer minor or major than the one the card states?

    Mostly harmless for running, not for reproducing: defaults change between minors, and majors remove things.
    A warning by default; an error under `--match series` and `--match exact`.

    Example: the card says Pytorch 1.9.1, and 2.1.2 is installed.
    Remedy: install the release that the card states, or accept the difference.
    """
    return _findings(case, "versions/newer", "newer", ("newer-minor", "newer-major"))


@check("versions/same-series", severity="error")
def same_series(case: Case) -> Iterator[Finding]:
    """Is an installed release another patch of the series that the card states?

    Only `--match exact` asks; otherwise a patch release of the same minor counts as the same.

    Example: the card says Pytorch 1.10.1, and 1.10.2 is installed.
    Remedy: install the release that the card states.
    """
    return _findings(case, "versions/same-series", "same-series", ("same-series",))


@check("versions/unreadable", severity="error")
def unreadable(case: Case) -> Iterator[Finding]:
    """Can the card's version and the installed one be compared at all?

    A card may print what is no version ("N/A", "1.11.0 + cu113"); then nothing can be said about it.

    Example: the card says Pytorch 1.11.0 + cu113.
    Remedy: correct the card, or ignore this for that distribution.
    """
    return _findings(case, "versions/unreadable", "unreadable", ("unreadable",))
