"""Hazards: combinations that break although nothing declares it. Loading them, and which of them an environment meets.

A check needs them on every run, and parsing TOML is slow: all of ours take 20 to 30 ms, a quarter of what a whole check
may cost. So of our own files an entry is parsed only where its one line ``when = {…}`` holds, which costs 2 ms. What a
user wrote is parsed and validated in full: a mistake in it must be said.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import msgspec
from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import Version

from card_doctor.knowledge.files import toml_files
from card_doctor.model import Enforced, Hazard
from card_doctor.toml import Step, convert, decode_toml, parse, read_text, wrong_key

KIND = "hazards"  # the folder of a matrices directory

_ENTRY = re.compile(r"^\[\[(\w+)\]\]$", re.MULTILINE)
_WHEN = re.compile(r"^when = \{(.*)\}$", re.MULTILINE)
_WHEN_PART = re.compile(r"([\w-]+) = \"([^\"]*)\"")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SCOPE = re.compile(rf"import|train|feature:{_SLUG.pattern}")
_EVIDENCE = re.compile(r"https://[\w.-]+/\S+|(?:reproduced|source): .+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_MARKER_VARIABLE = re.compile(r"\b(?:os_name|sys_platform|python_\w+|platform_\w+|implementation_\w+)\b")


class HazardFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of ``matrices/hazards/``."""

    hazard: Tuple[Hazard, ...] = ()
    enforced: Tuple[Enforced, ...] = ()


class Hazards:
    """The hazards of some directories of matrices: ours first, then the user's, which override by id."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._ours = [entry for path in toml_files(directories[0], KIND) for entry in _entries(path)]
        self._theirs: Dict[str, Hazard] = {}
        self._theirs_enforced: List[Enforced] = []
        for directory in directories[1:]:
            hazards, enforced = read_checked(directory)
            self._theirs.update((one.id, one) for one in hazards)
            self._theirs_enforced += enforced

    def among(self, installed: Optional[Mapping[str, Version]] = None) -> Tuple[Hazard, ...]:
        """All that `matching` can find in `installed`; without it, all there are."""
        ours = (
            hazard
            for entry in self._ours
            if entry.table == "hazard" and (installed is None or _all_within(entry.when, installed))
            for hazard in entry.content.hazard
        )
        return (*(one for one in ours if one.id not in self._theirs), *self._theirs.values())

    @cached_property
    def enforced(self) -> Tuple[Enforced, ...]:
        ours = (one for entry in self._ours if entry.table == "enforced" for one in entry.content.enforced)
        return (*ours, *self._theirs_enforced)


class _Entry:
    """One ``[[hazard]]`` or ``[[enforced]]`` of our files, parsed when it is asked for."""

    def __init__(self, path: Path, table: str, text: str) -> None:
        self.table = table
        self._path = path
        self._text = text
        when = _WHEN.search(text)
        self.when: Dict[str, str] = dict(_WHEN_PART.findall(when.group(1))) if when else {}

    @cached_property
    def content(self) -> HazardFile:
        return decode_toml(self._text, self._path, HazardFile)


def _entries(path: Path) -> Iterator[_Entry]:
    text = read_text(path)
    starts = list(_ENTRY.finditer(text))
    for start, following in zip(starts, [*starts[1:], None]):
        yield _Entry(path, start.group(1), text[start.start() : following.start() if following else None])


def read_checked(directory: Path) -> Tuple[List[Hazard], List[Enforced]]:
    """All hazards of a directory, every statement in them validated; MatrixError for the first that is wrong."""
    hazards: Dict[str, Hazard] = {}
    enforced: List[Enforced] = []
    for path in toml_files(directory, KIND):
        text = read_text(path)
        content = convert(parse(text, path), HazardFile, text, path)
        for index, hazard in enumerate(content.hazard):
            for steps, problem in _problems(hazard):
                raise wrong_key(path, text, ("hazard", index, *steps), f"{problem} (of {hazard.id})")
            if hazard.id in hazards:
                raise wrong_key(path, text, ("hazard", index, "id"), f"there is another hazard called {hazard.id}")
            hazards[hazard.id] = hazard
        for index, one in enumerate(content.enforced):
            for steps, problem in _enforced_problems(one):
                raise wrong_key(path, text, ("enforced", index, *steps), problem)
            enforced.append(one)
    return list(hazards.values()), enforced


def _problems(hazard: Hazard) -> Iterator[Tuple[Tuple[Step, ...], str]]:
    """What is wrong with an entry beyond its shape."""
    if not _SLUG.fullmatch(hazard.id):
        yield ("id",), "expected lower-case words joined by `-`"
    if not _SCOPE.fullmatch(hazard.scope):
        yield ("scope",), "expected `import`, `train` or `feature:<name>`"
    if not hazard.when:
        yield ("when",), 'expected at least one distribution, like { numpy = ">=2" }'
    named = {*hazard.when, *hazard.missing}
    for name in named:
        if not _SLUG.fullmatch(name):
            where = ("when", name) if name in hazard.when else ("missing",)
            yield where, f"expected a normalised distribution name, like `{_normalise(name)}`"
    for name, specifier in hazard.when.items():
        yield from _specifier_problems(("when", name), specifier)
    if hazard.python is not None:
        yield from _specifier_problems(("python",), hazard.python)
    if hazard.marker is not None:
        try:
            Marker(hazard.marker)
        except InvalidMarker:
            yield ("marker",), "expected a PEP 508 marker, like `sys_platform == 'linux'`"
    if hazard.subject is not None and hazard.subject not in named:
        yield ("subject",), f"expected one of {', '.join(sorted(named))}"
    for placeholder in _PLACEHOLDER.findall(hazard.message):
        if placeholder not in hazard.when:
            yield ("message",), f"`{{{placeholder}}}` is no distribution of `when`"
    if not hazard.remedies:
        yield ("remedies",), "expected at least one"
    for index, remedy in enumerate(hazard.remedies):
        if remedied(remedy)[0] not in named:
            yield ("remedies", index), f"expected a requirement on, or `-name` of, one of {', '.join(sorted(named))}"
    yield from _evidence_problems(hazard.evidence)


def _enforced_problems(one: Enforced) -> Iterator[Tuple[Tuple[Step, ...], str]]:
    for steps, name in [(("distribution",), one.distribution), *((("names",), name) for name in one.names)]:
        if not _SLUG.fullmatch(name):
            yield steps, f"expected a normalised distribution name, like `{_normalise(name)}`"
    yield from _specifier_problems(("versions",), one.versions)
    yield from _evidence_problems(one.evidence)


def _evidence_problems(evidence: Tuple[str, ...]) -> Iterator[Tuple[Tuple[Step, ...], str]]:
    if not evidence:
        yield ("evidence",), "expected at least one link or `reproduced: <pins> fail, <pins> pass`"
    for index, one in enumerate(evidence):
        if not _EVIDENCE.fullmatch(one):
            yield ("evidence", index), "expected an https link, `reproduced: …` or `source: …`"


def _specifier_problems(steps: Tuple[Step, ...], text: str) -> Iterator[Tuple[Tuple[Step, ...], str]]:
    try:  # packaging 21 takes any text for a SpecifierSet, but not for a Specifier
        for one in filter(None, text.split(",")):
            Specifier(one)
    except InvalidSpecifier:
        yield steps, f"expected a version specifier like `>=2,<3` (empty for any version), found `{text}`"


def remedied(remedy: str) -> Tuple[str, Optional[SpecifierSet]]:
    """The distribution that a remedy changes, and to what; None where it is removed. "" is no remedy at all."""
    if remedy.startswith("-"):
        return remedy[1:], None
    try:
        requirement = Requirement(remedy)
    except InvalidRequirement:
        return "", None
    return _normalise(requirement.name), requirement.specifier


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
            _all_within(hazard.when, installed)
            and (complete or not hazard.missing)
            and not any(name in installed for name in hazard.missing)
            and (hazard.python is None or (python is not None and _within(hazard.python, Version(python))))
            and (hazard.marker is None or _holds(hazard.marker, markers))
        ):
            yield hazard


def _all_within(when: Mapping[str, str], installed: Mapping[str, Version]) -> bool:
    return all(name in installed for name in when) and all(
        _within(specifier, installed[name]) for name, specifier in when.items()
    )


@lru_cache(maxsize=4096)
def _within(specifier: str, version: Version) -> bool:
    return SpecifierSet(specifier).contains(Version(version.base_version), prereleases=True)


def _holds(marker: str, markers: Mapping[str, str]) -> bool:
    # packaging fills in what is not given from the interpreter that runs us, which is not the one that is judged
    known = all(variable in markers for variable in _MARKER_VARIABLE.findall(marker))
    return known and bool(Marker(marker).evaluate(dict(markers)))


def _normalise(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
