"""Hazards: combinations that break although nothing declares it, and which of them an environment meets.

A check needs them on every run, and parsing TOML is slow: all of ours take a quarter of what a whole check may cost.
So an installed card-doctor has them as JSON too (hatch_build.py makes it); what is read from TOML instead (in a
checkout, and what a user wrote) is the business of `hazard_files`.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import msgspec
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from card_doctor.compiled import compiled
from card_doctor.knowledge.files import toml_files
from card_doctor.model import Enforced, Hazard, Release, Unenforced

KIND = "hazards"  # the folder of a matrices directory

_MARKER_VARIABLE = r"\b(?:os_name|sys_platform|python_\w+|platform_\w+|implementation_\w+)\b"


class HazardFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of ``matrices/hazards/``."""

    hazard: Tuple[Hazard, ...] = ()
    enforced: Tuple[Enforced, ...] = ()
    unenforced: Tuple[Unenforced, ...] = ()


class Hazards:
    """The hazards of some directories of matrices: ours first, then the user's, which override by id."""

    def __init__(
        self, directories: Sequence[Path], releases: Callable[[str], Mapping[str, Release]] = lambda _: {}
    ) -> None:
        """`releases` of a distribution: what a user wrote is held against them."""
        self._ours = [_read(path) for path in toml_files(directories[0], KIND)]
        self._theirs: Dict[str, Hazard] = {}
        self._theirs_enforced: List[Enforced] = []
        self._theirs_unenforced: List[Unenforced] = []
        for directory in directories[1:]:
            from card_doctor.knowledge.hazard_files import read_checked  # noqa: PLC0415

            hazards, enforced, unenforced = read_checked(directory, self.among(), releases)
            self._theirs.update((one.id, one) for one in hazards)
            self._theirs_enforced += enforced
            self._theirs_unenforced += unenforced

    def among(self, installed: Optional[Mapping[str, Version]] = None) -> Tuple[Hazard, ...]:
        """All that `matching` can find in `installed`; without it, all there are."""
        known = (one for file in self._ours for one in file.hazard if one.id not in self._theirs)
        ours = (one for one in known if installed is None or all_within(one.when, installed))
        return (*ours, *self._theirs.values())

    @cached_property
    def enforced(self) -> Tuple[Enforced, ...]:
        return (*(one for file in self._ours for one in file.enforced), *self._theirs_enforced)

    @cached_property
    def unenforced(self) -> Tuple[Unenforced, ...]:
        return (*(one for file in self._ours for one in file.unenforced), *self._theirs_unenforced)


def _read(path: Path) -> HazardFile:
    ready = compiled(path, HazardFile)
    if ready is None:
        from card_doctor.toml import read_toml  # noqa: PLC0415

        ready = read_toml(path, HazardFile)
    return ready


def matching(
    hazards: Iterable[Hazard],
    installed: Mapping[str, Version],
    python: Optional[str],
    markers: Mapping[str, str],
    complete: bool,
) -> Iterator[Hazard]:
    """The hazards that an environment meets. What is not known of it (no Python, no markers, a package that an
    incomplete list does not name) meets none.

    Ranges are of releases: ``2.1.0a0+32f93b1``, as vendors build it from source on the way to 2.1, is 2.1 here, and
    neither ``<2.1`` (as by PEP 440 order) nor outside of ``>=2.1`` (as by PEP 440 too).
    """
    for hazard in hazards:
        if (
            all_within(hazard.when, installed)
            and (complete or not hazard.missing)
            and not any(name in installed for name in hazard.missing)
            and (hazard.python is None or (python is not None and _within(hazard.python, Version(python))))
            and (hazard.marker is None or _holds(hazard.marker, markers))
        ):
            yield hazard


def all_within(when: Mapping[str, str], installed: Mapping[str, Version]) -> bool:
    return all(name in installed for name in when) and all(
        _within(specifier, installed[name]) for name, specifier in when.items()
    )


@lru_cache(maxsize=4096)
def _within(specifier: str, version: Version) -> bool:
    return SpecifierSet(specifier).contains(Version(version.base_version), prereleases=True)


def _holds(marker: str, markers: Mapping[str, str]) -> bool:
    # packaging fills in what is not given from the interpreter that runs us, which is not the one that is judged
    known = all(variable in markers for variable in re.findall(_MARKER_VARIABLE, marker))
    return known and bool(Marker(marker).evaluate(dict(markers)))
