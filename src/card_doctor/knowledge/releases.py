"""Releases of distributions: reading what tools/refresh_releases.py wrote, and what can be installed where."""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

import msgspec
from packaging import tags
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from card_doctor.errors import MatrixError
from card_doctor.model import Platform, Python, Release

KIND = "releases"  # the folder of a matrices directory

# The minors of Python 3 that are worth naming to a reader; the last one stands for all that follow.
MINORS = range(6, 16)

_LINES = msgspec.json.Decoder(Release)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LINUX = re.compile(r"(manylinux|musllinux)_(\d+)_(\d+)_(\w+)|(manylinux1|manylinux2010|manylinux2014|linux)_(\w+)")
_OLD_GLIBC = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17), "linux": (0, 0)}  # PEP 600
_MAC = re.compile(r"macosx_\d+_\d+_(\w+)")
_MAC_MACHINES = {
    "x86_64": {"x86_64", "universal2", "intel", "fat64", "fat3", "universal"},
    "arm64": {"arm64", "universal2"},
}
_WINDOWS_MACHINES = {"amd64": "win_amd64", "x86_64": "win_amd64", "x86": "win32", "arm64": "win_arm64"}


def load_releases(distribution: str, directories: Sequence[Path]) -> Mapping[str, Release]:
    """By version as the index writes it, the oldest version first; what a later directory says of a release replaces
    what an earlier one does. Empty where nothing is known of that distribution. The first directory is ours: its files
    are sorted, and of them a release is read when it is asked for; a user's files are read and validated in full.
    """
    if not _NAME.fullmatch(distribution):  # a card may state anything; it must lead to no other file
        return {}
    paths = [directory / KIND / f"{distribution}.jsonl" for directory in directories]
    ours = _Lines(_content(paths[0]), paths[0])
    theirs = [release for path in paths[1:] for release in _checked(path)]
    if not theirs:
        return ours
    together = {**ours, **{release.version: release for release in theirs}}
    return {version: together[version] for version in sorted(together, key=Version)}


class _Lines(Mapping[str, Release]):
    """Releases, one a line of JSON: a line is decoded alone where its version is asked for."""

    def __init__(self, content: bytes, path: Path) -> None:
        self._content = content
        self._path = path
        self._read: Dict[str, Release] = {}

    @cached_property
    def _all(self) -> Dict[str, Release]:
        return {release.version: release for release in _decode(self._content, self._path)}

    def __getitem__(self, version: str) -> Release:
        if "_all" in self.__dict__:  # all were asked for before
            return self._all[version]
        if version not in self._read:
            start = self._content.find(b'{"version":%s,' % msgspec.json.encode(version))
            if start < 0:  # unknown, or not as our tool writes it
                return self._all[version]
            line = self._content[start:].partition(b"\n")[0]
            (self._read[version],) = _decode(line, self._path)
        return self._read[version]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __bool__(self) -> bool:
        return bool(self._content)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise MatrixError(f"{path}: {error.strerror}") from error


def _checked(path: Path) -> Iterator[Release]:
    """What a user wrote, one release a line, with its version and its day validated."""
    for number, release in enumerate(_decode(_content(path), path), start=1):
        try:
            Version(release.version)
            dt.date.fromisoformat(release.date)
        except ValueError as error:  # InvalidVersion is one
            raise MatrixError(f"{path}:{number}: {error}", 'Expected `"version"` and `"date": "2022-05-08"`.') from None
        yield release


def _decode(content: bytes, path: Path) -> List[Release]:
    try:
        return _LINES.decode_lines(content)
    except msgspec.MsgspecError as error:
        number = next(number for number, line in enumerate(content.splitlines(), start=1) if not _is_release(line))
        raise MatrixError(f"{path}:{number}: {error}", "Each line is one release, as JSON.") from error


def _is_release(line: bytes) -> bool:
    try:
        _LINES.decode(line)
    except msgspec.MsgspecError:
        return False
    return True


def find_release(releases: Mapping[str, Release], version: Version) -> Optional[Release]:
    """The release that `version` is a build of: 1.9.1 for ``1.9.1+cu111``, 2.3.1 for ``2.3.1.post300``."""
    found = releases.get(version.public)
    if found is not None:
        return found
    same = {known: release for known, release in _parsed(releases).items() if _identity(known) == _identity(version)}
    return next(
        (release for known, release in same.items() if known.post == version.post), next(iter(same.values()), None)
    )


def nearest_release(releases: Mapping[str, Release], version: Version) -> Optional[Release]:
    """The final release that a source or dev build was on its way to, else the one just before it, else the first."""
    finals = sorted((known, release) for known, release in _parsed(releases).items() if not known.is_prerelease)
    after = [release for known, release in finals if _release(known) == _release(version)]
    before = [release for known, release in finals if known < version]
    return next(iter([*after[:1], *before[-1:], *(release for _, release in finals[:1])]), None)


def is_between(releases: Mapping[str, Release], version: Version) -> bool:
    """Is `version` in the span that we know? Before and after it there may be releases that we have not seen."""
    known = _parsed(releases)
    return bool(known) and min(known) < version < max(known)


def _parsed(releases: Mapping[str, Release]) -> Dict[Version, Release]:
    return {Version(text): release for text, release in releases.items()}


def _release(version: Version) -> Tuple[int, ...]:
    return (version.epoch, *version.release, *(0,) * (3 - len(version.release)))


def _identity(version: Version) -> Tuple[object, ...]:
    return (_release(version), version.pre, version.dev)


def allows(requires_python: Optional[str], version: str) -> bool:
    """Does a Requires-Python let this Python in? What can't be read keeps nobody out."""
    try:
        return not requires_python or _specifiers(requires_python).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


@lru_cache(maxsize=512)
def _specifiers(text: str) -> SpecifierSet:
    return SpecifierSet(text)


def has_wheel(release: Release, python: Python, platform: Platform) -> bool:
    """Can this release be installed there without building it?"""
    return allows(release.requires_python, python.version) and any(
        wheel_fits(tag, python, platform) for tag in release.wheels
    )


def pythons(release: Release, platform: Platform) -> Tuple[int, ...]:
    """The minors of CPython 3 for which this release has a wheel on that platform."""
    return tuple(
        minor
        for minor in MINORS
        # as a late patch release, which Requires-Python like ">=3.6.1" lets in
        if has_wheel(release, Python(version=f"3.{minor}.99"), platform)
    )


def wheel_fits(wheel_tag: str, python: Python, platform: Platform) -> bool:
    """Can that interpreter on that platform install a wheel with this tag ("cp39-cp39-manylinux1_x86_64", also
    compressed: "py2.py3-none-any")? A libc or macOS release that is not known is taken to be new enough.
    """
    pythons, abis, platforms = wheel_tag.split("-")
    there = [one for one in platforms.split(".") if _platform_fits(one, platform)]
    if not there:
        return False
    supported = _supported(python.implementation, python.version, python.free_threaded)
    places = {"any" if one == "any" else "there" for one in there}
    return any(
        (one, abi, place) in supported for one in pythons.split(".") for abi in abis.split(".") for place in places
    )


@lru_cache(maxsize=64)
def _supported(implementation: str, version: str, free_threaded: bool) -> FrozenSet[Tuple[str, str, str]]:
    """The (Python, ABI, platform) tags of an interpreter, with one made-up platform, "there", for all that fit."""
    major, minor = (int(part) for part in re.findall(r"\d+", version)[:2])
    number = f"{major}{minor}"
    there = ["there"]
    if implementation == "pypy":
        interpreter = f"pp{number}"
        specific = list(tags.generic_tags(interpreter, [f"pypy{number}_pp73"], there))
    else:
        interpreter = f"cp{number}"
        abi = interpreter + ("t" if free_threaded else "m" if (major, minor) < (3, 8) else "")
        specific = list(tags.cpython_tags((major, minor), [abi], there))
    found = (*specific, *tags.compatible_tags((major, minor), interpreter, there))
    return frozenset(
        (tag.interpreter, tag.abi, tag.platform)
        for tag in found
        # packaging before 24 does not know that free-threaded Pythons have no abi3
        if not (free_threaded and tag.abi == "abi3")
    )


@lru_cache(maxsize=4096)
def _platform_fits(tag: str, platform: Platform) -> bool:
    if tag == "any":
        return True
    machine = platform.machine.lower()
    if platform.system == "Linux":
        return _linux_fits(tag, machine, platform.libc)
    if platform.system == "Darwin":
        found = _MAC.fullmatch(tag)
        return found is not None and found.group(1) in _MAC_MACHINES.get(machine, {machine})
    return platform.system == "Windows" and tag == _WINDOWS_MACHINES.get(machine)


def _linux_fits(tag: str, machine: str, libc: Optional[Tuple[str, str]]) -> bool:
    found = _LINUX.fullmatch(tag)
    if found is None:
        return False
    kind, major, minor, new_machine, old_kind, old_machine = found.groups()
    if (new_machine or old_machine) != machine:
        return False
    if libc is None or old_kind == "linux":
        return True
    name, version = libc
    needs_musl = kind == "musllinux"
    needed = (int(major), int(minor)) if kind else _OLD_GLIBC[old_kind]
    return needs_musl == (name == "musl") and needed <= tuple(int(part) for part in re.findall(r"\d+", version)[:2])
