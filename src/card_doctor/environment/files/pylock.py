"""pylock.toml: https://packaging.python.org/en/latest/specifications/pylock-toml/"""

from __future__ import annotations

import re
import sys
from typing import Dict, List, Optional, Tuple
from urllib.parse import unquote

import msgspec
from packaging.markers import InvalidMarker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from card_doctor.environment.files.documents import without_credentials
from card_doctor.environment.files.target import Target, holds
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Gap, Package, Snapshot

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Source(msgspec.Struct):
    """Where a package comes from that no index has: vcs, directory or archive."""

    url: Optional[str] = None
    path: Optional[str] = None
    editable: bool = False


class File(msgspec.Struct):
    """A wheel or a source archive, by one or more of these."""

    name: Optional[str] = None
    filename: Optional[str] = None
    url: Optional[str] = None
    path: Optional[str] = None


def file_names(wheels: Tuple[File, ...], sdist: Optional[File]) -> Optional[Tuple[str, ...]]:
    """What an installer can choose from; None where the lock tells none."""
    files = (*wheels, *([sdist] if sdist else ()))
    places = [file.name or file.filename or file.url or file.path or "" for file in files]
    names = [unquote(re.split("[?#]", place)[0]).rpartition("/")[2] for place in places]
    return tuple(filter(None, names)) or None


class Locked(msgspec.Struct, rename="kebab"):
    name: str
    version: Optional[str] = None
    marker: Optional[str] = None
    requires_python: Optional[str] = None
    vcs: Optional[Source] = None
    directory: Optional[Source] = None
    archive: Optional[Source] = None
    wheels: Tuple[File, ...] = ()
    sdist: Optional[File] = None


class Lock(msgspec.Struct, rename="kebab"):
    lock_version: str
    packages: List[Locked]
    requires_python: Optional[str] = None
    default_groups: Tuple[str, ...] = ()


def read_pylock(path: str, text: str, asked: Target) -> Snapshot:
    """What it locks for the Python and platform that were asked for, without extras. Its packages are all there is,
    unless one has no version or depends on what is not known.
    """
    try:
        lock = msgspec.convert(tomllib.loads(text), Lock)
    except tomllib.TOMLDecodeError as error:
        raise EnvironmentReadError(f"{path}: not TOML: {error}", "Write it again.") from None
    except msgspec.ValidationError as error:
        raise EnvironmentReadError(f"{path}: no valid pylock.toml: {error}", "Write it again.") from None
    if lock.lock_version.partition(".")[0] != "1":
        raise EnvironmentReadError(
            f"{path}: lock-version {lock.lock_version}; known is version 1", "Upgrade: pip install -U card-doctor"
        )
    if _allows(path, lock.requires_python, asked) is False:
        raise EnvironmentReadError(
            f"{path}: locked for Python {lock.requires_python}, not for {asked.markers['python_version']}",
            "Give --python one of those, or lock again.",
        )
    packages: Dict[str, Package] = {}
    gaps: List[Gap] = []
    complete = True
    for one in lock.packages:
        name = canonicalize_name(one.name)
        wanted = _wanted(path, one, lock, asked)
        if wanted is False:
            continue
        if wanted is None:
            trouble = f"locked for {one.marker or one.requires_python}: --python and --platform tell whether it is"
        elif one.version is None:
            trouble = "locked without a version"
        elif name in packages:
            trouble = f"locked twice: {packages[name].version} is taken, {one.version} is not"
        else:
            packages[name] = _package(name, one.version, one)
            continue
        complete = complete and name in packages
        gaps.append(Gap(f"package {name}", "failed" if name in packages else "absent", trouble))
    gaps.append(Gap("declared requirements", "absent", "a lock file does not hold what its packages require"))
    return Snapshot(source="pylock", complete=complete, packages=packages, gaps=tuple(gaps))


def _allows(path: str, specifier: Optional[str], asked: Target) -> Optional[bool]:
    """Is this Python in the range? None where it is not known."""
    if specifier is None:
        return True
    try:
        allowed = SpecifierSet(specifier)
    except InvalidSpecifier:
        raise EnvironmentReadError(f"{path}: requires-python {specifier!r} is no range", "Write it again.") from None
    python = asked.markers.get("python_full_version")
    return allowed.contains(python, prereleases=True) if python else None


def _wanted(path: str, one: Locked, lock: Lock, asked: Target) -> Optional[bool]:
    try:
        marked = holds(one.marker, asked.markers, lock.default_groups) if one.marker else True
    except InvalidMarker:
        raise EnvironmentReadError(f"{path}: {one.name}: {one.marker!r} is no marker", "Write it again.") from None
    # A package's own range only tells the installer to stop: where the lock's is met, so is this.
    allowed = _allows(path, one.requires_python, asked)
    if marked is False:
        return False
    return marked if allowed is not False else False


def _package(name: str, version: str, one: Locked) -> Package:
    source = one.vcs or one.directory or one.archive
    url = source.url if source else None
    return Package(
        name,
        version,
        requires_python=one.requires_python,
        editable=bool(source and source.editable),
        url=without_credentials(url) if url else None,
        locked=file_names(one.wheels, one.sdist),
    )
