"""Which versions of others releases insist on, as tools/refresh_enforced.py read it from their wheels: they compare
them when the training loop imports or uses them, and stop where they do not hold.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Collection, Dict, Iterator, Mapping, Tuple

import msgspec
from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from card_doctor.knowledge.files import decoded
from card_doctor.model import Need, Package, Step

FILE = "surfaces/enforced.json"


class Stop(msgspec.Struct, frozen=True, array_like=True):
    """A line that stops where one of these requirements does not hold."""

    file: str
    line: int
    requires: Tuple[str, ...]


class Insists(msgspec.Struct, frozen=True, omit_defaults=True):
    """Releases of a distribution that stop alike: those whose files were read, and those `between` two of one series
    that were.
    """

    stops: Tuple[Stop, ...]
    read: Tuple[str, ...] = ()
    between: Tuple[str, ...] = ()


class EnforcedVersions:
    """Read when it is first asked."""

    def __init__(self, matrices: Path) -> None:
        self._path = matrices / FILE

    @cached_property
    def _known(self) -> Dict[str, Tuple[Insists, ...]]:
        if not self._path.exists():
            return {}
        return decoded(self._path, self._path.read_bytes(), Dict[str, Tuple[Insists, ...]])

    def needs(self, packages: Mapping[str, Package], reached: Collection[str]) -> Iterator[Need]:
        """What these releases insist on and do not have. What is not installed at all is not compared."""
        for name, alike in self._known.items():
            importer = packages.get(name)
            for one in alike if importer else ():
                if importer and (importer.version in one.read or importer.version in one.between):
                    for stop in one.stops:
                        yield from _stopped(importer, stop, packages, loop=name in reached)


def _stopped(importer: Package, stop: Stop, packages: Mapping[str, Package], *, loop: bool) -> Iterator[Need]:
    for text in stop.requires:
        requirement = Requirement(text)
        provider = packages.get(requirement.name)
        if provider is None or _holds(requirement, provider.version):
            continue
        yield Need(
            kind="enforced",
            importer=importer.name,
            importer_version=importer.version,
            provider=provider.name,
            provider_version=provider.version,
            module="",
            name="",
            at=Step(stop.file, stop.line),
            entry=importer.name,
            error="ImportError",
            message=f"{text} is required, but found {provider.name}=={provider.version}",
            loop=loop,
            wants=text,
        )


def _holds(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True
