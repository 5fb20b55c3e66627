"""uv.lock: what `uv sync` would install, from the project's own packages along their dependencies.
https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile
"""

from __future__ import annotations

import sys
from typing import Any, Dict, List, Optional, Tuple

import msgspec
from packaging.markers import InvalidMarker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from card_doctor.environment.files.documents import without_credentials
from card_doctor.environment.files.pylock import File, file_names
from card_doctor.environment.files.target import Target, holds
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Gap, Package, Snapshot

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What `uv sync` installs beside the project's own dependencies, unless it is told otherwise.
DEFAULT_GROUPS = ("dev",)


class Dependency(msgspec.Struct):
    name: str
    version: Optional[str] = None  # where the lock has several
    extra: Tuple[str, ...] = ()
    marker: Optional[str] = None


Dependencies = Tuple[Dependency, ...]


class Locked(msgspec.Struct, rename="kebab"):
    name: str
    source: Dict[str, Any]
    version: Optional[str] = None
    resolution_markers: Tuple[str, ...] = ()
    dependencies: Dependencies = ()
    optional_dependencies: Dict[str, Dependencies] = {}
    dev_dependencies: Dict[str, Dependencies] = {}
    wheels: Tuple[File, ...] = ()
    sdist: Optional[File] = None


class Lock(msgspec.Struct, rename="kebab"):
    version: int
    package: List[Locked] = []
    requires_python: Optional[str] = None


def read_uv_lock(path: str, text: str, asked: Target) -> Snapshot:
    """What it locks for the Python and platform that were asked for, with the group `dev`, without extras. Complete,
    unless a dependency hangs on what is not known.
    """
    try:
        lock = msgspec.convert(tomllib.loads(text), Lock)
    except tomllib.TOMLDecodeError as error:
        raise EnvironmentReadError(f"{path}: not TOML: {error}", "Write it again: uv lock") from None
    except msgspec.ValidationError as error:
        raise EnvironmentReadError(f"{path}: no valid uv.lock: {error}", "Write it again: uv lock") from None
    if lock.version != 1:
        raise EnvironmentReadError(
            f"{path}: a uv.lock of version {lock.version}; known is version 1", "Upgrade: pip install -U card-doctor"
        )
    _expect_python(path, lock, asked)
    walk = Walk(path, lock, asked)
    walk.all()
    gaps = [*walk.gaps, Gap("declared requirements", "absent", "a lock file does not hold what its packages require")]
    return Snapshot(source="uv-lock", complete=walk.complete, packages=walk.packages, gaps=tuple(gaps))


def _expect_python(path: str, lock: Lock, asked: Target) -> None:
    python = asked.markers.get("python_full_version")
    if lock.requires_python is None or python is None:
        return
    try:
        allowed = SpecifierSet(lock.requires_python).contains(python, prereleases=True)
    except InvalidSpecifier:
        raise EnvironmentReadError(f"{path}: requires-python {lock.requires_python!r} is no range") from None
    if not allowed:
        raise EnvironmentReadError(
            f"{path}: locked for Python {lock.requires_python}, not for {asked.markers['python_version']}",
            "Give --python one of those, or lock again.",
        )


class Walk:
    """One walk from the workspace's own packages; each package and extra is entered once."""

    def __init__(self, path: str, lock: Lock, asked: Target) -> None:
        self.path, self.asked = path, asked
        self.named: Dict[str, List[Locked]] = {}
        for one in lock.package:
            self.named.setdefault(canonicalize_name(one.name), []).append(one)
        self.roots = [one for one in lock.package if {"virtual", "editable"} & set(one.source)]
        self.packages: Dict[str, Package] = {}
        self.gaps: List[Gap] = []
        self.complete = True

    def all(self) -> None:
        waiting: List[Tuple[Locked, Dependencies]] = []
        for root in self.roots:
            groups = [root.dev_dependencies.get(group, ()) for group in DEFAULT_GROUPS]
            waiting += [(root, root.dependencies), *((root, group) for group in groups)]
        entered = {(id(root), "") for root in self.roots}
        while waiting:
            parent, dependencies = waiting.pop()
            self.add(parent)
            for dependency in dependencies:
                locked = self.chosen(dependency)
                if locked is None:
                    continue
                self.add(locked)
                parts = [("", locked.dependencies)]
                parts += [(extra, locked.optional_dependencies.get(extra, ())) for extra in dependency.extra]
                for extra, following in parts:
                    if (id(locked), extra) not in entered:
                        entered.add((id(locked), extra))
                        waiting.append((locked, following))

    def chosen(self, dependency: Dependency) -> Optional[Locked]:
        """The package that a dependency stands for here, if it is installed here at all."""
        name = canonicalize_name(dependency.name)
        wanted = self.holds(name, (dependency.marker,) if dependency.marker else ())
        candidates = [
            one
            for one in self.named.get(name, ())
            if dependency.version in {None, one.version} and self.holds(name, one.resolution_markers) is not False
        ]
        if wanted and not candidates:
            self.miss(name, "named as a dependency, and not locked")
        return candidates[0] if wanted and candidates else None

    def holds(self, name: str, markers: Tuple[str, ...]) -> bool:
        """Is one of the markers met? What hangs on an unknown fact is not taken, and told."""
        try:
            met = [holds(marker, self.asked.markers) for marker in markers]
        except InvalidMarker as error:
            raise EnvironmentReadError(f"{self.path}: {name}: no marker: {error}", "Write it again: uv lock") from None
        if markers and True not in met and None in met:
            self.miss(name, f"locked for {markers[0]}: --python and --platform tell whether it is")
        return not markers or True in met

    def miss(self, name: str, why: str) -> None:
        gap = Gap(f"package {name}", "absent", why)
        if gap not in self.gaps:
            self.gaps.append(gap)
        self.complete = False

    def add(self, locked: Locked) -> None:
        name = canonicalize_name(locked.name)
        if "virtual" in locked.source or name in self.packages:  # a project that is no package is not installed
            return
        if locked.version is None:
            self.miss(name, "locked without a version")
            return
        url = locked.source.get("url") or locked.source.get("git")
        self.packages[name] = Package(
            name,
            locked.version,
            editable="editable" in locked.source,
            url=without_credentials(url) if isinstance(url, str) else None,
            locked=file_names(locked.wheels, locked.sdist) if "registry" in locked.source else None,
        )
