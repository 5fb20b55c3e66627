"""`packages/`: do the installed distributions work together?"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Collection, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from msgspec.structs import replace
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from card_doctor.checks.registry import check
from card_doctor.checks.requirements import (
    Declared,
    declared_by_all,
    extras_of,
    holds,
    name_of,
    normalise,
    parse,
    readable,
    required_by,
    requirements_of,
)
from card_doctor.knowledge.hazards import matching
from card_doctor.knowledge.releases import find_release
from card_doctor.model import (
    Breaks,
    Case,
    Enforced,
    Finding,
    Hazard,
    NotApplicable,
    Package,
    Remedy,
    Severity,
    Unenforced,
    Unknown,
)

# Extras that a training run uses: their requirements hold in practice although nobody asked for the extra
# (transformers declares torch and accelerate for its Trainer so, and nowhere else). Extras for developers
# (dev, tests, docs, quality, ...) pin what their CI uses and say nothing of a user's environment.
USED_EXTRAS = frozenset(
    {"torch", "accelerate", "train", "training", "trainer", "deepspeed", "peft", "quantization", "sentencepiece"}
)

# Sources that list what comes from a package index, by its version alone. Others list what conda has built, too: that
# requires something else.
_VERSIONS_OF_INDEX = frozenset({"pylock", "uv-lock", "requirements"})
_VERSIONS_OF_ANY = frozenset({"conda", "cyclonedx"})

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")  # {torch}: the installed version


class _Violation(NamedTuple):
    by: Package
    declared: Declared


@check("packages/declared-requirement", severity="error")
def declared_requirement(case: Case) -> Iterator[Finding]:
    """Does every requirement hold that an installed distribution declares?

    The same question as `pip check`, with its markers and extras of extras. Of a file that lists versions alone, what
    is known of those releases is asked. A requirement that does not hold is no proof that training fails: one in five
    environments that train violate one. It breaks for sure only where the package compares it itself when it is
    imported, as transformers does with its core dependencies.

    Example: transformers 4.44.2 requires tokenizers >=0.19,<0.20, and 0.23.3 is installed.
    Remedy: install a release in the range.
    """
    installed = _requiring(case)
    violated: Dict[str, List[_Violation]] = {}
    unknown: Set[str] = set()
    for by, declared in declared_by_all(installed, case.snapshot.python):
        package = installed.get(declared.name)
        if package is None and not case.snapshot.complete:
            unknown.add(declared.name)
        elif package is None or not holds(declared, package.version):
            violated.setdefault(declared.name, []).append(_Violation(by, declared))
    for name in sorted(violated):
        yield _declared_finding(case, name, violated[name])
    if not case.snapshot.complete:
        named = ", ".join(sorted(unknown)[:5])
        raise Unknown(
            "what is installed beside what is named" + (f" (of what that requires: {named})" if named else "")
        )


def _declared_finding(case: Case, name: str, violations: List[_Violation]) -> Finding:
    violations = sorted(violations, key=lambda violation: not _is_enforced(case, violation))
    first = violations[0]
    enforced = _is_enforced(case, first)
    harmless = None if enforced else _harmless(case, name, violations)
    package = case.snapshot.packages.get(name)
    others = len(violations) - 1
    requires = f"{first.by.name} {first.by.version} requires {first.declared.text}"
    return Finding(
        id="packages/declared-requirement",
        severity="error" if enforced else harmless.severity if harmless else "warning",
        subject=name,
        found=package.version if package else None,
        needs=str(first.declared.specifier) or "any release",
        message=f"{requires}, and {f'{name} {package.version}' if package else f'no {name}'} is installed"
        + (f" (so do {others} others)" if others > 1 else " (so does 1 other)" if others else ""),
        because=f"{first.by.name} compares this itself when it is imported, and stops."
        if enforced
        else f"Its authors declare it; {harmless.why if harmless else 'nothing shows that training fails without it'}.",
        breaks="yes" if enforced else "no" if harmless else "maybe",
        evidence=enforced.evidence if enforced else harmless.evidence if harmless else (),
        remedies=(Remedy("pin" if package else "install", _joined(name, violations)),),
        details=tuple(f"{v.by.name} {v.by.version} requires {v.declared.text}" for v in violations[1:]),
        between=(*dict.fromkeys(violation.by.name for violation in violations), name),
    )


class _Harmless(NamedTuple):
    """Why training goes on although a requirement does not hold."""

    why: str
    severity: Severity = "warning"
    evidence: Tuple[str, ...] = ()


def _harmless(case: Case, name: str, violations: List[_Violation]) -> Optional[_Harmless]:
    """The weightiest of the reasons, where there is one for each violation."""
    unreached = _unreached(case)
    reasons = []
    for violation in violations:
        tried = _works(case, violation, name)
        if violation.by.name in unreached:
            reasons.append(_Harmless("the training loop does not import what declares it", "note"))
        elif _followed(case, violation.by, name):
            reasons.append(_Harmless(_LOOKED))
        elif tried:
            reasons.append(_Harmless("training was seen to run without it", evidence=tried.evidence))
        else:
            return None
    return max(reasons, key=lambda reason: reason.severity == "warning")


_LOOKED = (
    "the files of these releases were followed through the training loop, and nothing there asks for it or lacks what "
    "it takes from it"
)


def _unreached(case: Case) -> Collection[str]:
    """The installed distributions that training with these packages leaves alone."""
    snapshot = case.snapshot
    if not snapshot.complete:
        return ()
    return case.knowledge.unreached(snapshot.packages, lambda package: required_by(package, snapshot.python))


def _followed(case: Case, by: Package, name: str) -> bool:
    """Is it known what `by` takes from `name` in the training loop, so that a requirement which matters shows by
    itself?
    """
    here, derived = case.snapshot.packages.get(name), case.derived
    if derived is not None and not derived.gaps:
        versions = (by.version, here.version if here else None)
        if versions == (derived.installed.get(by.name), derived.installed.get(name)):
            return True
    return here is not None and case.knowledge.has_read(by, here)


def _joined(name: str, violations: List[_Violation]) -> str:
    """One requirement for all who require it, where they agree; else that of the first."""
    together = SpecifierSet(",".join(str(violation.declared.specifier) for violation in violations))
    return f"{name}{together}"


def _is_enforced(case: Case, violation: _Violation) -> Optional[Enforced]:
    by, name = violation.by, violation.declared.name
    known = (one for one in case.knowledge.enforced() if one.distribution == by.name and name in one.names)
    return next((one for one in known if _is_in(by.version, one.versions)), None)


def _works(case: Case, violation: _Violation, name: str) -> Optional[Unenforced]:
    """What shows that the loop runs with what is installed although `violation` is one."""
    package = case.snapshot.packages.get(name)
    for known in case.knowledge.unenforced():
        if known.distribution != violation.by.name or not _is_in(violation.by.version, known.versions):
            continue
        if "*" in known.works or (package and name in known.works and _is_in(package.version, known.works[name])):
            return known
    return None


def _is_in(version: str, specifier: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidVersion:
        return False


@check("packages/soft-requirement", severity="warning")
def soft_requirement(case: Case) -> Iterator[Finding]:
    """Does what a distribution requires for training hold, where it hides that behind an extra?

    transformers requires torch and accelerate only for its extra `torch`; checkers of requirements never look
    there. Lower bounds and exclusions are looked at, for packages that are installed. Upper bounds and pins in
    extras mostly describe the authors' CI, so they are not.

    Example: transformers 4.57.6 [torch] wants torch>=2.2, and 2.1.2 is installed.
    Remedy: install a release in the range.
    """
    installed = _requiring(case)
    unreached = _unreached(case)
    for package in installed.values():
        missed: Dict[str, Declared] = {}
        for declared in _soft(package, case, installed):
            if not holds(declared, installed[declared.name].version):
                missed.setdefault(declared.name, declared)
        for name, declared in sorted(missed.items()):
            here = installed[name].version
            tried = _works(case, _Violation(package, declared), name)
            yield Finding(
                id="packages/soft-requirement",
                severity="note" if package.name in unreached else "warning",
                subject=name,
                found=here,
                needs=str(declared.specifier),
                message=f"{package.name} {package.version} [{declared.extra}] wants {name}{declared.specifier}, "
                f"and {name} {here} is installed",
                because=f"It is declared for the extra `{declared.extra}` alone: checkers of requirements don't look."
                + (" Training was seen to run without it." if tried else "")
                + (" The training loop does not import what declares it." if package.name in unreached else ""),
                # Below its bound a package may hide what needs the other one: that shows in no import
                breaks="no" if tried or package.name in unreached else "maybe",
                evidence=tried.evidence if tried else (),
                remedies=(Remedy("pin", f"{name}{declared.specifier}"),),
                between=(package.name, name),
            )


def _soft(package: Package, case: Case, installed: Dict[str, Package]) -> Iterator[Declared]:
    """Requirements of an extra that training uses, on what is installed; hard ones on the same package win."""
    candidates = [
        text
        for text in package.requires
        if name_of(text) in installed and any(_is_used(extra, name_of(text)) for extra in extras_of(text))
    ]
    if not candidates:
        return
    extras = frozenset(extra for text in candidates for extra in extras_of(text) if _is_used(extra, name_of(text)))
    for declared in requirements_of(package, case.snapshot.python, extras):
        if declared.extra and declared.name in installed and _is_used(declared.extra, declared.name):
            yield declared._replace(specifier=_lower_bounds(declared.specifier))


def _lower_bounds(specifier: SpecifierSet) -> SpecifierSet:
    return SpecifierSet(",".join(str(one) for one in specifier if one.operator in {">=", ">", "!=", "~="}))


def _is_used(extra: str, target: Optional[str]) -> bool:
    return extra in USED_EXTRAS or extra == target


@check("packages/hazard", severity="error")
def hazard(case: Case) -> Iterator[Finding]:
    """Is this one of the combinations that are known to break although nothing declares it?

    Each hazard has an id of its own (`packages/<slug>`), a scope and its evidence: `card-doctor explain` shows
    it. Those that break an import or the training loop are errors where they were seen to fail; those of one
    feature (TensorBoard, resuming, ...) are notes, since only its users meet them.

    Example: torch 1.9.1 beside numpy 2.0.2: `torch.zeros(2).numpy()` raises `Numpy is not available`.
    Remedy: the finding's own; all of them are joined into one command.
    """
    for one in hazards_met(case):
        yield _hazard_finding(one, case.snapshot.packages)


def hazards_met(case: Case) -> Iterator[Hazard]:
    """The known hazards that this environment meets."""
    python = case.snapshot.python
    versions = _readable_versions(_installed(case))
    return matching(
        case.knowledge.hazards(versions),
        versions,
        python.version if python else None,
        python.markers if python else {},
        case.snapshot.complete,
    )


def _hazard_finding(one: Hazard, packages: Dict[str, Package]) -> Finding:
    subject = one.subject or next(iter(one.when))
    breaks, severity = _weight(one)
    versions = {name: packages[name].version for name in one.when}
    return Finding(
        id=f"packages/{one.id}",
        severity=severity,
        subject=subject,
        found=packages[subject].version if subject in packages else None,
        needs=next((_range_of(text) for text in one.remedies if name_of(text) == subject), None),
        message=re.sub(
            r"\{([^{}]+)\}", lambda match: versions.get(normalise(match.group(1)), match.group(0)), one.message
        ),
        because=one.because,
        breaks=breaks,
        evidence=one.evidence,
        remedies=tuple(_remedy(text, packages) for text in one.remedies),
        details=(f"fails with: {one.symptom}",),
        between=(*one.when, *one.missing),
    )


def _range_of(requirement: str) -> str:
    parsed = parse(requirement)
    return str(parsed.specifier) if parsed and parsed.specifier else "any release"


def _weight(one: Hazard) -> Tuple[Breaks, Severity]:
    if one.scope.startswith("feature:"):
        return "no", "note"
    return ("yes", "error") if one.proof == "reproduced" else ("maybe", "warning")


def _remedy(text: str, packages: Dict[str, Package]) -> Remedy:
    if text.startswith("-"):
        return Remedy("remove", text[1:])
    return Remedy("pin" if name_of(text) in packages else "install", text)


def _requiring(case: Case) -> Dict[str, Package]:
    """The installed distributions with what they require: where a file does not hold it, what is known of their
    releases.
    """
    installed = _installed(case)
    if case.snapshot.source in _VERSIONS_OF_ANY:
        raise NotApplicable("a file of this kind does not hold what its packages require")
    if case.snapshot.source not in _VERSIONS_OF_INDEX:
        return installed
    return {name: package if package.requires else _as_released(case, package) for name, package in installed.items()}


def _as_released(case: Case, package: Package) -> Package:
    version = readable(package.version)
    release = find_release(case.knowledge.releases(package.name), version) if version else None
    return replace(package, requires=release.requires) if release else package


def _installed(case: Case) -> Dict[str, Package]:
    if not case.snapshot.packages:
        if case.snapshot.complete:
            raise NotApplicable("no distribution is installed")
        raise Unknown("the installed distributions")
    return case.snapshot.packages


def _readable_versions(packages: Dict[str, Package]) -> Dict[str, Version]:
    versions = {}
    for name, package in packages.items():
        with suppress(InvalidVersion):
            versions[name] = Version(package.version)
    return versions
