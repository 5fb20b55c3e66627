"""Cases made for a test: a few packages, a card, and just the knowledge that the test is about."""

from __future__ import annotations

from typing import Any, Callable, Collection, Dict, Iterable, Iterator, Mapping, Optional, Sequence, Tuple

import msgspec
from packaging.version import Version

from card_doctor.model import (
    Accelerator,
    BinarySurface,
    Card,
    Case,
    Enforced,
    Hazard,
    Machine,
    Need,
    Package,
    Platform,
    Policy,
    Precision,
    Python,
    Release,
    Snapshot,
    Source,
    Task,
    Unenforced,
)

PYTHON = Python(
    version="3.9.18",
    executable="/env/bin/python",
    markers={
        "implementation_name": "cpython",
        "implementation_version": "3.9.18",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "6.1",
        "platform_system": "Linux",
        "platform_version": "1",
        "python_full_version": "3.9.18",
        "python_version": "3.9",
        "sys_platform": "linux",
    },
)
LINUX = Platform("Linux", "x86_64", ("glibc", "2.36"))
T4 = Accelerator("Tesla T4", capability="7.5", memory_bytes=16 * 2**30)


class Known(msgspec.Struct, eq=False):  # as the real one, it is itself alone
    """Knowledge that knows what it was told."""

    told_releases: Dict[str, Dict[str, Release]] = {}
    told_hazards: Tuple[Hazard, ...] = ()
    told_enforced: Tuple[Enforced, ...] = ()
    told_unenforced: Tuple[Unenforced, ...] = ()
    told_hardware: Any = None
    told_tasks: Dict[str, Task] = {}
    told_needs: Tuple[Need, ...] = ()
    told_unreached: Tuple[str, ...] = ()
    told_reached: Tuple[str, ...] = ()
    told_compiled: Tuple[BinarySurface, ...] = ()
    digest: str = "made"

    def unreached(
        self, packages: Mapping[str, Package], declared: Callable[[Package], Collection[str]]
    ) -> Collection[str]:
        return self.told_unreached

    def needs(
        self, packages: Mapping[str, Package], declared: Callable[[Package], Collection[str]], *, complete: bool
    ) -> Iterator[Need]:
        return (need for need in self.told_needs if need.importer in packages and need.provider in packages)

    def reached(
        self, packages: Mapping[str, Package], declared: Callable[[Package], Collection[str]]
    ) -> Collection[str]:
        return self.told_reached

    def compiled_for(self, package: Package, python: Optional[Python]) -> Optional[Tuple[BinarySurface, ...]]:
        told = [one for one in self.told_compiled if one.distribution == package.name]
        return tuple(one for one in told if one.version == package.version) if told else None

    def has_read(self, importer: Package, provider: Optional[Package] = None) -> bool:
        return any(need.importer == importer.name for need in self.told_needs)

    def releases(self, distribution: str) -> Mapping[str, Release]:
        return self.told_releases.get(distribution, {})

    def hazards(self, installed: Optional[Mapping[str, Version]] = None) -> Tuple[Hazard, ...]:
        return self.told_hazards

    def enforced(self) -> Tuple[Enforced, ...]:
        return self.told_enforced

    def unenforced(self) -> Tuple[Unenforced, ...]:
        return self.told_unenforced

    def model(self, name: str) -> Optional[Mapping[str, Any]]:
        return None

    def tasks(self) -> Mapping[str, Task]:
        return self.told_tasks

    def hardware(self) -> Any:
        return self.told_hardware


def package(name: str, version: str, *requires: str, extras: Sequence[str] = ()) -> Package:
    return Package(name, version, tuple(requires), tuple(extras))


def snapshot(*packages: Package, **facts: Any) -> Snapshot:
    facts = {"source": "interpreter", "python": PYTHON, "platform": LINUX, "accelerators": (), **facts}
    return Snapshot(packages={one.name: one for one in packages}, **facts)


def card(versions: Optional[Dict[str, str]] = None, precision: Optional[str] = None, **facts: Any) -> Card:
    return Card(
        name="made",
        source=Source("matrix", "made.toml"),
        versions=versions or {},
        precision=Precision(precision, raw=precision) if precision else None,  # type: ignore[arg-type]
        **facts,
    )


def case(
    *packages: Package,
    of: Optional[Card] = None,
    known: Optional[Known] = None,
    policy: Optional[Policy] = None,
    machine: Optional[Machine] = None,
    **facts: Any,
) -> Case:
    here = snapshot(*packages, **facts)
    return Case(
        snapshot=here,
        machine=machine or Machine(here.driver, here.accelerators, "fp32"),
        policy=policy or Policy(),
        knowledge=known or Known(),
        card=of,
    )


def hazard(slug: str, when: Dict[str, str], remedies: Iterable[str], scope: str = "import", **more: Any) -> Hazard:
    facts = {
        "message": f"{slug} breaks",
        "symptom": "ImportError: broken",
        "because": "It was built for another.",
        "evidence": ("reproduced: here",),
        "proof": "reproduced",
        **more,
    }
    return Hazard(id=slug, scope=scope, when=when, remedies=tuple(remedies), **facts)


def releases(*versions: str, requires: Sequence[str] = (), wheel: str = "py3-none-any") -> Dict[str, Release]:
    return {one: Release(one, "2022-01-01", wheels=(wheel,), requires=tuple(requires)) for one in versions}
