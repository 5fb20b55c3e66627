"""`python/`: can this interpreter and platform hold these releases at all?"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Iterable, Iterator, List, Sequence, Tuple

from packaging.version import Version

from card_doctor.checks.card import place
from card_doctor.checks.registry import check
from card_doctor.checks.requirements import readable
from card_doctor.checks.versions import rows
from card_doctor.knowledge.releases import (
    MINORS,
    allows,
    find_release,
    has_wheel,
    is_between,
    nearest_release,
    pythons,
)
from card_doctor.model import (
    Breaks,
    Case,
    Finding,
    NotApplicable,
    Package,
    Platform,
    Python,
    Release,
    Remedy,
    Severity,
)

# Files that say what is to be installed from an index: nothing of it is installed yet.
TO_INSTALL = frozenset({"requirements", "pylock", "uv-lock"})

# name-version[-build]-python-abi-platform.whl
WHEEL = re.compile(r"[^-]+-[^-]+(-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")

# Levels at which what is installed stands in for what the card states.
STANDS_IN = frozenset({"exact", "same-release", "same-series", "newer-minor", "newer-major", "range-met"})


@check("python/no-wheel", severity="error")
def no_wheel(case: Case) -> Iterator[Finding]:
    """Are there wheels of these releases for this Python, machine and libc?

    A release has wheels for the Pythons and platforms of its time. Where none fits, pip builds from source, if there
    is a source release, or finds nothing. Of an environment, what is installed decides whether training starts: there
    this only says why the card's own releases can't be had, and for which Python they can. A list of what is still to
    be installed breaks on it.

    Example: torch 1.9.1 has wheels for Python 3.6 to 3.9, and this is Python 3.12.
    Remedy: another Python, or a newer release.
    """
    python, platform = case.needs_python(), case.needs_platform()
    listed = case.snapshot.source in TO_INSTALL
    asked = [*(_listed(case) if listed else ()), *_stated(case, skip=case.snapshot.packages if listed else ())]
    if not asked:
        raise NotApplicable("no release that is known is stated")
    levels = {row.distribution: row.level for row in rows(case)}
    for name, version, release in asked:
        if has_wheel(release, python, platform):
            continue
        is_listed = listed and name in case.snapshot.packages
        if is_listed and release.sdist and not release.wheels and allows(release.requires_python, python.version):
            continue  # everybody builds it from source
        if is_listed:
            breaks, severity = _weight(version, release, python)
        else:
            breaks, severity = (
                "no",
                "note" if levels.get(name) in STANDS_IN or case.policy.match == "any" else "warning",
            )
        fitting = pythons(release, platform)
        yield Finding(
            id="python/no-wheel",
            severity=severity,
            subject=name,
            found=f"Python {python.version}",
            needs=_spell(fitting) if fitting else None,
            message=f"{name} {version} has no wheel for {_here(python, platform)}",
            because=_because(version, release, fitting, python, platform),
            breaks=breaks,
            remedies=(Remedy("python", text=_spell(fitting)),) if fitting else (),
            at=None if is_listed else place(case.needs_card(), f"versions.{name}"),
        )


def _listed(case: Case) -> Iterator[Tuple[str, Version, Release]]:
    """The releases that a file says to install from the index: of a lock, the files that it lets choose from."""
    for name, package in case.snapshot.packages.items():
        if package.url is not None or package.editable:
            continue
        version = readable(package.version)
        if package.locked is not None and version is not None:
            # the lock holds the very build, wherever its local version comes from
            yield name, Version(version.public), _locked(package, package.locked)
        else:
            yield from _known(case, name, package.version)


def _locked(package: Package, files: Sequence[str]) -> Release:
    wheels = tuple("-".join(file[: -len(".whl")].split("-")[-3:]) for file in files if WHEEL.fullmatch(file))
    sdist = any(not file.endswith(".whl") for file in files)
    return Release(package.version, "", wheels, sdist, requires_python=package.requires_python)


def _stated(case: Case, skip: Iterable[str]) -> Iterator[Tuple[str, Version, Release]]:
    """The releases that the card states."""
    for name, version in case.card.versions.items() if case.card else ():
        if name not in skip:
            yield from _known(case, name, version)


def _known(case: Case, name: str, text: str) -> Iterator[Tuple[str, Version, Release]]:
    version = readable(text)
    release = find_release(case.knowledge.releases(name), version) if version else None
    if version is not None and release is not None:
        yield name, version, release


def _weight(version: Version, release: Release, python: Python) -> Tuple[Breaks, Severity]:
    """Of what is to be installed: pip refuses it, or has to build it, or an index of its own has the build."""
    refused = not allows(release.requires_python, python.version) or not release.sdist
    return ("yes", "error") if refused and version.local is None else ("maybe", "warning")


def _because(version: Version, release: Release, fitting: Sequence[int], python: Python, platform: Platform) -> str:
    reasons: List[str] = []
    if not allows(release.requires_python, python.version):
        reasons.append(f"It asks for Python {release.requires_python}.")
    if fitting:
        reasons.append(f"It has wheels for {_spell(fitting)}.")
    elif release.wheels:
        reasons.append(f"It has no wheel for any Python on {_where(platform)}.")
    if release.sdist:
        reasons.append("Its source is on the index: pip would have to build it.")
    elif release.wheels:
        reasons.append("There is no source release to build.")
    if version.local is not None:
        reasons.append(
            f"This is known of the index's own builds of {version.public}; +{version.local} is from elsewhere."
        )
    return " ".join(reasons)


def _here(python: Python, platform: Platform) -> str:
    minor = ".".join(python.version.split(".")[:2])
    threads = "free-threaded " if python.free_threaded else ""
    kind = "Python" if python.implementation == "cpython" else python.implementation
    return f"{threads}{kind} {minor} on {_where(platform)}"


def _where(platform: Platform) -> str:
    libc = f" ({' '.join(platform.libc)})" if platform.libc else ""
    return f"{'macOS' if platform.system == 'Darwin' else platform.system} {platform.machine}{libc}"


def _spell(minors: Sequence[int]) -> str:
    """``Python 3.6 to 3.9``, ``Python 3.9 and 3.11``, ``Python 3.10 or newer``."""
    runs = [[minor for _, minor in run] for _, run in groupby(enumerate(minors), key=lambda pair: pair[1] - pair[0])]
    spelled = []
    for run in runs:
        if run[-1] == MINORS[-1]:
            spelled.append(f"3.{run[0]} or newer")
        elif len(run) > 1:
            spelled.append(f"3.{run[0]} to 3.{run[-1]}")
        else:
            spelled.append(f"3.{run[0]}")
    return "Python " + ", ".join(spelled)


@check("python/no-release", severity="note")
def no_release(case: Case) -> Iterator[Finding]:
    """Was what the card states ever released?

    Containers and nightly builds report versions that no index has (`2.1.0a0+32f93b1` is a build from source on the
    way to 2.1.0). They can't be installed again; the release that they became is the nearest thing that can.

    Example: the card says Pytorch 2.1.0a0+32f93b1.
    Remedy: the nearest release.
    """
    card = case.needs_card()
    levels = {row.distribution: row.level for row in rows(case)}
    for name, stated in card.versions.items():
        releases = case.knowledge.releases(name)
        version = readable(stated)
        if version is None or levels.get(name) in STANDS_IN or find_release(releases, version):
            continue
        nearest = nearest_release(releases, version)
        if nearest is None or not is_between(releases, version):
            continue
        yield Finding(
            id="python/no-release",
            severity="note",
            subject=name,
            found=stated,
            needs=nearest.version,
            message=f"{name} {stated} is no release; the nearest is {nearest.version}",
            because="No index has it: it was built from source, or before the release.",
            remedies=(Remedy("pin", f"{name}=={nearest.version}"),),
            at=place(card, f"versions.{name}"),
        )


@check("python/requires-python", severity="warning")
def requires_python(case: Case) -> Iterator[Finding]:
    """Does every installed package allow this Python?

    A package says for which Pythons it is made. pip holds to that when it installs, so a package that does not allow
    this Python came here another way: with dependencies ignored, copied, or before Python was replaced.

    Example: numpy 2.1.0 asks for Python >=3.10, and this is Python 3.9.18.
    Remedy: a release that allows this Python.
    """
    python = case.needs_python()
    for package in case.snapshot.packages.values():
        if allows(package.requires_python, python.version):
            continue
        name = f"{package.name} {package.version}"
        yield Finding(
            id="python/requires-python",
            severity="warning",
            subject=package.name,
            found=f"Python {python.version}",
            needs=f"Python {package.requires_python}",
            message=f"{name} asks for Python {package.requires_python}, and this is {python.version}",
            because="It may use what this Python does not have; pip would not have installed it.",
            breaks="maybe",
            remedies=_allowing(case, package, python),
        )


def _allowing(case: Case, package: Package, python: Python) -> Tuple[Remedy, ...]:
    """The nearest release that allows this Python, where one is known."""
    here = readable(package.version)
    known = [
        Version(release.version)
        for release in case.knowledge.releases(package.name).values()
        if allows(release.requires_python, python.version)
    ]
    older = [version for version in known if here is not None and version < here]
    if older:
        return (Remedy("pin", f"{package.name}<={max(older)}"),)
    newer = [version for version in known if here is not None and version > here]
    if newer:
        return (Remedy("pin", f"{package.name}>={min(newer)}"),)
    return (Remedy("python", text=f"Python {package.requires_python}"),)
