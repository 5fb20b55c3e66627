"""The smallest change to an environment that exists: what is to be mended, resolved with everything else kept."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Sequence, Tuple, Union

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from card_doctor.checks.requirements import normalise, parse
from card_doctor.model import Difference, Finding, Snapshot
from card_doctor.planning.constraints import mend
from card_doctor.planning.draft import Draft
from card_doctor.planning.ground import Ground
from card_doctor.planning.resolver import Question, Refusal, Resolution, Resolver

ROUNDS = 8  # each settles all that was found so far


class Kept(NamedTuple):
    """The environment as it would be, and what changes for it."""

    resolution: Resolution
    changes: Tuple[Difference, ...]
    left: Tuple[Finding, ...]


def keep(
    ground: Ground, snapshot: Snapshot, requirements: Sequence[str], findings: Sequence[Finding], resolver: Resolver
) -> Union[Kept, Refusal]:
    """The installed set with `requirements` met, and nothing else moved that need not be. What our checks find of the
    result is fed back; `findings` are the reasons that are known before.
    """
    installed = {
        name: package.version for name, package in snapshot.packages.items() if not (package.url or package.editable)
    }
    draft = Draft({})
    for text in requirements:
        requirement = parse(text)
        if requirement is not None:
            name = normalise(requirement.name)
            draft = draft.hold(name, requirement.specifier, _reason(name, findings), add=name not in installed)
    answer = _ask(ground, draft, installed, resolver)
    for _ in range(ROUNDS):
        if isinstance(answer, Refusal):
            return answer
        mended = mend(ground, draft, ground.problems(answer.versions, complete=True)).draft
        if mended == draft:
            break
        draft = mended
        answer = _ask(ground, draft, installed, resolver)
    if isinstance(answer, Refusal):
        return answer
    planned = answer.versions
    asked = {name: version for name, version in planned.items() if name in draft.ranges or name not in installed}
    # An index may offer other files than it did: what is there can stay, if it goes with what changes.
    replaced = {**snapshot.packages, **{name: ground.package(name, version) for name, version in asked.items()}}
    if not ground.problems_of(replaced):
        planned = {**planned, **{name: installed[name] for name in planned if name not in asked}}
    changes = _changes(installed, planned, draft)
    return Kept(answer, tuple(changes), tuple(ground.remaining(answer.versions)))


def _ask(ground: Ground, draft: Draft, installed: Dict[str, str], resolver: Resolver) -> Union[Resolution, Refusal]:
    """All that is installed; what no index knows (a package of one's own) is left where it is."""
    known = {name: version for name, version in installed.items() if ground.site.knowledge.releases(name)}
    refusal = Refusal("")
    for names in (installed, known):
        wanted = {**{name: SpecifierSet() for name in names}, **draft.ranges}
        # What is installed may have been built: it needs no wheel to stay.
        question = Question(
            tuple(f"{name}{specifier}" for name, specifier in wanted.items()), wheels=frozenset(draft.ranges)
        )
        answer = resolver.ask(question, preferred=_locked(installed))
        if isinstance(answer, Resolution):
            return answer
        refusal = answer
    return refusal


def _locked(installed: Dict[str, str]) -> str:
    """What is installed, as a lock file whose releases are to be kept."""
    lines = ['lock-version = "1.0"', 'created-by = "card-doctor"']
    for name, version in sorted(installed.items()):
        lines += ["", "[[packages]]", f'name = "{name}"', f'version = "{version}"']
    return "\n".join(lines) + "\n"


def _changes(installed: Dict[str, str], planned: Dict[str, str], draft: Draft) -> List[Difference]:
    changes = []
    for name, version in sorted(planned.items()):
        if installed.get(name) != version:
            because = draft.reasons.get(name) or "what else changes requires it"
            changes.append(Difference(name, installed.get(name), version, because))
    return changes


def _reason(name: str, findings: Sequence[Finding]) -> str:
    of_it = [one for one in findings if any(normalise(parsed.name) == name for parsed in _asked(one))]
    return of_it[0].message if of_it else ""


def _asked(finding: Finding) -> List[Requirement]:
    parsed = (parse(remedy.requirement) for remedy in finding.remedies if remedy.requirement)
    return [one for one in parsed if one is not None]
