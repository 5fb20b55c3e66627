"""Hazards in TOML, as people write them: read in full, every statement in them validated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from packaging.markers import InvalidMarker, Marker
from packaging.specifiers import InvalidSpecifier, Specifier

from card_doctor.errors import MatrixError
from card_doctor.knowledge.files import toml_files
from card_doctor.knowledge.hazard_lints import lint, normalise, remedied
from card_doctor.knowledge.hazards import KIND, HazardFile
from card_doctor.model import Enforced, Hazard, Release, Unenforced
from card_doctor.toml import Step, convert, parse, read_text, wrong_key

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SCOPE = re.compile(rf"import|train|feature:{_SLUG.pattern}")
_EVIDENCE = re.compile(r"https://[\w.-]+/\S+|(?:reproduced|source): .+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class _Entry(NamedTuple):
    path: Path
    text: str
    place: int
    hazard: Hazard

    def error(self, steps: Tuple[Step, ...], problem: str) -> MatrixError:
        return wrong_key(self.path, self.text, ("hazard", self.place, *steps), f"{problem} (of {self.hazard.id})")


def read_checked(
    directory: Path,
    known: Sequence[Hazard] = (),
    releases: Callable[[str], Mapping[str, Release]] = lambda _: {},
) -> Tuple[List[Hazard], List[Enforced], List[Unenforced]]:
    """All hazards of a directory, every statement in them validated, against the others, those already `known` and the
    `releases` of a distribution too; MatrixError for the first that is wrong.
    """
    entries: Dict[str, _Entry] = {}
    enforced: List[Enforced] = []
    unenforced: List[Unenforced] = []
    for path in toml_files(directory, KIND):
        text = read_text(path)
        content = convert(parse(text, path), HazardFile, text, path)
        for index, hazard in enumerate(content.hazard):
            entry = _Entry(path, text, index, hazard)
            for steps, problem in _problems(hazard):
                raise entry.error(steps, problem)
            if hazard.id in entries:
                raise wrong_key(path, text, ("hazard", index, "id"), f"there is another hazard called {hazard.id}")
            entries[hazard.id] = entry
        for index, one in enumerate(content.enforced):
            for steps, problem in _enforced_problems(one):
                raise wrong_key(path, text, ("enforced", index, *steps), problem)
            enforced.append(one)
        for index, declared in enumerate(content.unenforced):
            for steps, problem in _unenforced_problems(declared):
                raise wrong_key(path, text, ("unenforced", index, *steps), problem)
            unenforced.append(declared)
    hazards = [entry.hazard for entry in entries.values()]
    others = [*(one for one in known if one.id not in entries), *hazards]
    for hazard, (steps, problem) in lint(hazards, others, releases):
        raise entries[hazard.id].error(steps, problem)
    return hazards, enforced, unenforced


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
            yield where, f"expected a normalised distribution name, like `{normalise(name)}`"
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
            yield steps, f"expected a normalised distribution name, like `{normalise(name)}`"
    yield from _specifier_problems(("versions",), one.versions)
    yield from _evidence_problems(one.evidence)


def _unenforced_problems(one: Unenforced) -> Iterator[Tuple[Tuple[Step, ...], str]]:
    for steps, name in [(("distribution",), one.distribution), *((("works", name), name) for name in one.works)]:
        if not _SLUG.fullmatch(name) and (name != "*" or steps == ("distribution",)):
            yield steps, f"expected a normalised distribution name, like `{normalise(name)}`"
    yield from _specifier_problems(("versions",), one.versions)
    for name, specifier in one.works.items():
        yield from _specifier_problems(("works", name), specifier)
    yield from _evidence_problems(one.evidence)


def _evidence_problems(evidence: Tuple[str, ...]) -> Iterator[Tuple[Tuple[Step, ...], str]]:
    if not evidence:
        yield ("evidence",), "expected at least one link or `reproduced: <pins> fail, <pins> pass`"
    for index, one in enumerate(evidence):
        if not _EVIDENCE.fullmatch(one):
            yield ("evidence", index), "expected an https link, `reproduced: …` or `source: …`"


def _specifier_problems(steps: Tuple[Step, ...], text: str) -> Iterator[Tuple[Tuple[Step, ...], str]]:
    try:  # packaging 21 takes any text for a SpecifierSet, but not for a Specifier
        operators = [Specifier(one).operator for one in filter(None, text.split(","))]
    except InvalidSpecifier:
        operators = ["==="]
    if "===" in operators:  # equal as text: no range
        yield steps, f"expected a version specifier like `>=2,<3` (empty for any version), found `{text}`"
