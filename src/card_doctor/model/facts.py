"""What card-doctor knows, as values: releases, hazards, and the knowledge that a check may ask."""

from __future__ import annotations

from typing import Any, Callable, Collection, Dict, Iterator, List, Literal, Mapping, Optional, Protocol, Tuple

import msgspec
from packaging.version import Version

from card_doctor.model.binary import BinarySurface
from card_doctor.model.data import Task
from card_doctor.model.derived import Need
from card_doctor.model.snapshot import Package, Python


class Build(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a torch release was built with, by the default wheel of the package index.
    `architectures` are torch's own names ("sm_70", "compute_90").
    """

    cuda: Optional[str] = None
    cudnn: Optional[str] = None
    triton: Optional[str] = None
    architectures: Tuple[str, ...] = ()


class Release(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One release of one distribution. `wheels` are wheel tags ("cp39-cp39-manylinux1_x86_64"), `requires`
    its Requires-Dist on distributions that we know, `date` the day of its first upload.
    """

    version: str
    date: str
    wheels: Tuple[str, ...] = ()
    sdist: bool = False
    yanked: bool = False
    requires_python: Optional[str] = None
    requires: Tuple[str, ...] = ()
    extras: Tuple[str, ...] = ()
    build: Optional[Build] = None


class Reproduction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pins that break, one line of Python that shows it, and the change after which the line passes. `then` is
    changed after the pins were installed, without what it requires: what `pip install --no-deps` does, and what no
    resolver would put together.
    """

    python: str
    pins: Tuple[str, ...]
    run: str
    remedy: Tuple[str, ...]
    then: Tuple[str, ...] = ()
    date: Optional[str] = None  # what the pins do not name is resolved as of this day


class Hazard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A combination that breaks although nothing declares it: all of `when` (specifiers on installed
    distributions; "" is any version), `missing`, `python` and `marker` (PEP 508) hold. `scope` is ``import``,
    ``train`` or ``feature:<name>``; `message` is one line, in which ``{torch}`` stands for the installed version of a
    distribution of `when`; `symptom` is a part of the error as it is printed; `proof` says whether it was seen to
    fail or is only reported; `remedies` are alternatives, each a requirement or ``-name`` for a removal; `evidence`
    are links, ``reproduced: <pins> fail, <pins> pass`` or ``source: <what was read where>``.
    """

    id: str
    scope: str
    message: str
    symptom: str
    because: str
    remedies: Tuple[str, ...]
    evidence: Tuple[str, ...]
    proof: Literal["reproduced", "reported"]
    when: Dict[str, str] = {}
    missing: Tuple[str, ...] = ()
    python: Optional[str] = None
    marker: Optional[str] = None
    subject: Optional[str] = None  # the distribution that a reader would change; else the first of `when`
    reproduction: Optional[Reproduction] = None


class Enforced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`distribution` compares its own declared requirement on each of `names` when it is imported, and stops."""

    distribution: str
    versions: str
    names: Tuple[str, ...]
    evidence: Tuple[str, ...]


class Take(msgspec.Struct, frozen=True, array_like=True):
    """What releases of `importer` take from a distribution: `name` of its `module` ("" is the module itself), which
    the releases of it in `lacking` do not have. `newer` holds, by file, those releases of the importer ("VERSION:LINE")
    that take it also beside a release newer than themselves, `older` those that do beside an older one: in
    between a condition on the version may stand.
    """

    importer: str
    module: str
    name: str
    lacking: Tuple[str, ...]
    newer: Dict[str, List[str]] = {}
    older: Dict[str, List[str]] = {}


class Unenforced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`distribution` declares more than the training loop needs of it: with releases in the ranges of `works` the loop
    was seen to run, whatever is declared. The name ``*`` stands for all that it requires, installed or not.
    """

    distribution: str
    versions: str
    works: Dict[str, str]
    evidence: Tuple[str, ...]


class Knowledge(Protocol):
    """What a check may ask. Nothing is read from disk before it is asked for."""

    @property
    def digest(self) -> str: ...

    def __hash__(self) -> int: ...

    def releases(self, distribution: str) -> Mapping[str, Release]:
        """By version as the index writes it; empty where nothing is known of that distribution."""
        ...

    def hazards(self, installed: Optional[Mapping[str, Version]] = None) -> Tuple[Hazard, ...]:
        """All that an environment with these distributions can meet; without `installed`, all there are."""
        ...

    def enforced(self) -> Tuple[Enforced, ...]: ...

    def unenforced(self) -> Tuple[Unenforced, ...]: ...

    def model(self, name: str) -> Optional[Mapping[str, Any]]:
        """What the config.json of a model says of its sizes, by the hub's name of it."""
        ...

    def tasks(self) -> Mapping[str, Task]:
        """Well-known data sets, by every name that cards call them, in lower case."""
        ...

    def needs(
        self, packages: Mapping[str, Package], declared: Callable[[Package], Collection[str]], *, complete: bool
    ) -> Iterator[Need]:
        """What these releases take from each other and do not have, as it was read from their wheels; `complete` tells
        that there is nothing beside them, `declared` the distributions that one requires without any extra.
        """
        ...

    def unreached(
        self, packages: Mapping[str, Package], declared: Callable[[Package], Collection[str]]
    ) -> Collection[str]:
        """What no training loop of these packages imports, as it was read from the wheels."""
        ...

    def reached(
        self, packages: Mapping[str, Package], declared: Callable[[Package], Collection[str]]
    ) -> Collection[str]:
        """What the training loop imports for sure, as far as it was read from the wheels."""
        ...

    def compiled_for(self, package: Package, python: Optional[Python]) -> Optional[Tuple[BinarySurface, ...]]:
        """Which NumPy the wheels of that release for Linux x86_64 were compiled for (on that Python, else on each).
        Empty for a release that is not known; None where nothing is known of the distribution.
        """
        ...

    def has_read(self, importer: Package, provider: Optional[Package] = None) -> bool:
        """Was what this release takes (from that one) read from the wheels?"""
        ...

    def hardware(self) -> Any:
        """GPUs, CUDA toolkits and drivers."""
        ...
