"""What the installed files take from each other, derived from them: nothing here knows a package."""

from __future__ import annotations

import re
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from packaging.specifiers import SpecifierSet

from card_doctor.checks.registry import check
from card_doctor.checks.requirements import holds, normalise, parse, readable, required_by, requirements_of
from card_doctor.model import Breaks, Case, Finding, Package, Remedy, Severity
from card_doctor.model.derived import Kind, Need, Step

# `accelerate>=0.20.1`, `transformers[torch] >= 4`, as packages write it when they stop
_REQUIREMENT = re.compile(
    r"[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9](?:\[[\w, -]+\])?\s*(?:(?:[<>=!~]=|[<>])\s*v?\d[\w.*+!-]*\s*,?\s*)+"
)


@check("packages/missing-module", severity="error")
def missing_module(case: Case) -> Iterator[Finding]:
    """Is every module there that the installed packages import?

    The modules that run from the entry points of training (torch, transformers' Trainer, datasets, ...) are
    followed through the installed files, their guards evaluated for this environment; nothing is imported. What
    no one provides stops the import.

    Example: torch 1.10.1 imports pkg_resources (torch/torch_version.py:3), and nothing installed provides it.
    Remedy: install what provides it, in the releases that the importing package asks for.
    """
    for needs in _causes(case, "missing-module"):
        first = needs[0]
        if first.provider_version:
            lacks = f"{first.provider} {first.provider_version} does not have it"
        else:
            lacks = "nothing that is installed provides it"
        yield _finding(
            case,
            needs,
            subject=_provider(first),
            message=f"{_importer(first)} {_asks(first)} ({_at(first.at)}), and {lacks}",
            takes=_asks,
        )


@check("packages/missing-name", severity="error")
def missing_name(case: Case) -> Iterator[Finding]:
    """Does every package still have the names that the others take from it?

    From-imports and attributes that are taken when a module is imported, against what the installed release
    defines, re-exports or imports on demand. What a compiled module has can't be known, and is not judged.

    Example: datasets 2.1.0 takes pyarrow.PyExtensionType (datasets/features/features.py:513), which pyarrow
    21.0.0 does not have.
    Remedy: a release of either side that fits the other.
    """
    for needs in _causes(case, "missing-name"):
        first = needs[0]
        provider = f"{first.provider} {first.provider_version or ''}".strip()
        if first.provider == "python" and case.snapshot.python:
            provider = f"Python {case.snapshot.python.version}"
        yield _finding(
            case,
            needs,
            subject=first.provider or first.module,
            message=f"{_importer(first)} takes {_name(first)} ({_at(first.at)}), which {provider} does not have"
            + _others(needs),
            takes=lambda need: f"takes {_name(need)}",
        )


@check("packages/refused-keyword", severity="error")
def refused_keyword(case: Case) -> Iterator[Finding]:
    """Do the packages call each other with arguments that are still taken?

    The calls that the standard training loop makes from one package into another, against the signature of what
    is called. A callable that takes `**kwargs`, is decorated, or can't be found is not judged.

    Example: transformers 4.30.2 calls Accelerator(dispatch_batches=...), which accelerate 1.0.1 does not take.
    Remedy: a release of either side that fits the other.
    """
    for needs in _causes(case, "refused-keyword"):
        first = needs[0]
        refuses = f"which {first.provider} {first.provider_version} does not take"
        yield _finding(
            case,
            needs,
            subject=first.provider or first.module,
            message=f"{_importer(first)} calls {first.name} ({_at(first.at)}), {refuses}" + _others(needs),
            takes=lambda need: f"calls {need.name}",
        )


@check("packages/enforced-version", severity="error")
def enforced_version(case: Case) -> Iterator[Finding]:
    """Is everything in the versions that the packages enforce themselves?

    Many declare more than they look at. Some compare versions when they are imported, or when the Trainer is
    made, and stop: those comparisons are evaluated for what is installed. Some go on without what is too old for
    them, and say only where it is used that it is not there. It is what tells a declared requirement that stops
    training from one that nobody looks at.

    Example: transformers 4.57.6 stops: tokenizers>=0.22.0,<=0.23.0 is required, but found tokenizers==0.19.1.
    Remedy: the version that it asks for.
    """
    for needs in _causes(case, "enforced"):
        first = needs[0]
        said = _said(first)
        if first.error == "SyntaxError" and case.snapshot.python:
            said = f"Python {case.snapshot.python.version} can't parse it ({said})"
        yield _finding(
            case,
            needs,
            subject=first.provider or first.importer,
            message=f"{_importer(first)} stops ({_at(first.at)}): {said}",
            takes=lambda need: f"stops: {_said(need)}",
        )


def _said(need: Need) -> str:
    """The first sentence of what a package says when it stops."""
    return need.message.strip().partition("\n")[0].partition(". ")[0] or f"it raises {need.error}"


def _causes(case: Case, kind: Kind) -> Iterator[List[Need]]:
    """The needs of that kind which hold for this snapshot, those of one cause together, what is sure first."""
    causes: Dict[Tuple[object, ...], List[Need]] = {}
    for need in _needs(case):
        if need.kind == kind and _is_asked(case, need):
            missing = need.module.partition(".")[0] if need.provider is None else ""
            causes.setdefault((need.importer, need.provider, missing, need.loop), []).append(need)
    for needs in causes.values():
        yield sorted(needs, key=lambda need: not need.sure)


def _is_asked(case: Case, need: Need) -> bool:
    """Where there is neither a card nor a torch, nobody asks to train: what is not installed is then not missed."""
    packages = case.snapshot.packages
    trains = case.card is not None or "torch" in packages or need.entry.endswith(".py")
    return trains or _provider(need) in {*packages, "python"}


def _needs(case: Case) -> Iterator[Need]:
    """What was derived from the installed files, as far as they are still what the snapshot says; of the others, what
    their releases are known to need.
    """
    packages = case.snapshot.packages
    derived = case.derived
    if derived is None:
        if not any(map(case.knowledge.has_read, packages.values())):
            case.needs_derived()
        yield from _known(case)
        return
    changed = {
        name
        for name in {*packages, *derived.installed}
        if (packages[name].version if name in packages else None) != derived.installed.get(name)
    }
    for need in derived.needs:
        if need.importer not in changed and _provider(need) not in changed:
            yield need
    if changed:
        for need in _known(case):
            if need.importer in changed or _provider(need) in changed:
                yield need


def _known(case: Case) -> Iterator[Need]:
    snapshot = case.snapshot
    return case.knowledge.needs(
        snapshot.packages, lambda package: required_by(package, snapshot.python), complete=snapshot.complete
    )


def _provider(need: Need) -> str:
    """The distribution that a need is about: where none provides a module, the one that would."""
    if need.provider is not None or not need.module:
        return need.provider or need.importer
    root = need.module.partition(".")[0]
    # https://setuptools.pypa.io/en/latest/pkg_resources.html
    return "setuptools" if root in {"pkg_resources", "distutils"} else normalise(root)


def _finding(case: Case, needs: List[Need], *, subject: str, message: str, takes: Callable[[Need], str]) -> Finding:
    first = needs[0]
    breaks, severity = _weight(first)
    provider = case.snapshot.packages.get(first.provider or "")
    chain = [_at(step) for step in first.chain]
    wants = parse(first.wants)
    return Finding(
        id=f"packages/{'enforced-version' if first.kind == 'enforced' else first.kind}",
        severity=severity,
        subject=subject,
        found=provider.version if provider else None,
        needs=str(wants.specifier) if wants else None,
        message=message,
        because=_because(first),
        breaks=breaks,
        remedies=tuple(_remedies(case, needs)),
        details=(
            *((f"reached through {' > '.join(chain)}",) if chain else ()),
            *(f"{_at(need.at)} {takes(need)}" for need in needs[1:]),
        ),
        between=tuple(dict.fromkeys((first.importer, *({_provider(first)} - {"python"})))),
    )


def _weight(need: Need) -> Tuple[Breaks, Severity]:
    if need.loop:
        return ("yes", "error") if need.sure else ("maybe", "warning")
    return "no", "warning" if need.sure else "note"


def _because(need: Need) -> str:
    raises = f"it raises {need.error}" if need.error else "it fails"
    way = need.entry if need.entry.endswith(".py") else "the standard training loop" if need.loop else None
    where = f"{way or f'`import {need.entry}`'} gets there"
    if not need.sure:
        return f"Where {where} under a condition that could not be decided, {raises}."
    asks = f" It asks for {need.wants} ({_at(need.wants_at)})." if need.wants and need.wants_at else ""
    return f"Read from the files of these releases: {where}, and {raises}.{asks}"


def _remedies(case: Case, needs: List[Need]) -> Iterator[Remedy]:
    """What the importing side itself asks for, where what is installed is something else."""
    first = needs[0]
    said = (text for need in needs for text in (need.wants, need.message)) if first.kind == "enforced" else ()
    wanted = [text for one in said for text in _REQUIREMENT.findall(one)]
    name = _provider(first)
    for text in wanted:
        requirement = parse(text.strip().rstrip(",").replace(" ", ""))
        if requirement is not None and normalise(requirement.name) == name:
            yield _install(case, name, requirement.specifier)
            return
    importer = case.snapshot.packages.get(first.importer)
    if importer is None:
        return
    declared = requirements_of(importer, case.snapshot.python, frozenset(map(normalise, importer.extras)))
    for one in sorted(declared, key=lambda one: one.extra is not None):
        here = case.snapshot.packages.get(one.name)
        if one.name == name and (here is None or not holds(one, here.version)):
            yield _install(case, one.name, one.specifier)
            return
    of_its_time = _of_its_time(case, importer, name)
    if of_its_time is not None:
        yield _install(case, name, of_its_time)


def _of_its_time(case: Case, importer: Package, name: str) -> Optional[SpecifierSet]:
    """Towards the newest release of `name` that was out when this release of `importer` was: the one that its authors
    had. It is the nearest that is known to have fitted once.
    """
    release = case.knowledge.releases(importer.name).get(importer.version)
    if release is None:
        return None
    known = [one for one in case.knowledge.releases(name).values() if not one.yanked and one.date <= release.date]
    versions = [version for version in map(readable, (one.version for one in known)) if version]
    newest = max((version for version in versions if not version.is_prerelease), default=None)
    here = case.snapshot.packages.get(name)
    installed = readable(here.version) if here else None
    if newest is None or newest == installed:
        return None
    return SpecifierSet(f"<={newest}" if installed is None or installed > newest else f">={newest}")


def _install(case: Case, name: str, specifier: SpecifierSet) -> Remedy:
    return Remedy("pin" if name in case.snapshot.packages else "install", f"{name}{specifier}")


def _importer(need: Need) -> str:
    return f"{need.importer} {need.importer_version}".strip()


def _asks(need: Need) -> str:
    # https://docs.python.org/3/library/importlib.metadata.html
    by_metadata = need.error in {"PackageNotFoundError", "DistributionNotFound"}
    return f"asks for the version of {need.module}" if by_metadata else f"imports {need.module}"


def _name(need: Need) -> str:
    return f"{need.module}.{need.name}"


def _at(step: Step) -> str:
    return f"{step.file}:{step.line}" if step.line else step.file


def _others(needs: List[Need]) -> str:
    others = len(needs) - 1
    return f" (and {others} other{'s' if others > 1 else ''})" if others else ""
