"""What releases take from each other, as tools/refresh_surfaces.py read it from their wheels: so that an environment
whose files are not at hand, known from a file or only planned, is judged like an installed one.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import (
    Callable,
    Collection,
    Dict,
    Generic,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypeVar,
)

import msgspec
from packaging.version import InvalidVersion, Version

from card_doctor.knowledge.files import decoded
from card_doctor.model import Need, Package, Release, Step, Take

T = TypeVar("T")
Declares = Callable[[Package], Collection[str]]  # the distributions that a package requires, without any extra

LOOP = ("torch", "tokenizers", "transformers", "datasets")  # where the training loop starts
# What people train with where it is installed.
TRAINERS = ("peft", "trl", "sentence-transformers", "setfit", "diffusers", "lightning", "pytorch-lightning")

KIND = "surfaces"  # the folder of a matrices directory
READ = "read.json"


class Unasked(msgspec.Struct, frozen=True, array_like=True):
    """A module that is imported without asking whether its distribution is there, and where."""

    provider: str
    module: str
    file: str
    line: int


class Read(msgspec.Struct, frozen=True):
    """The releases whose wheels were read: for what they give, and for what they take. Of the latter, `importers` has
    by release which of the distributions `sought` it imports where they are there, and `unasked` what it imports
    although it declares nothing of the kind.
    """

    sought: Tuple[str, ...] = ()
    importers: Dict[str, Dict[str, Tuple[str, ...]]] = {}
    providers: Dict[str, Tuple[str, ...]] = {}
    unasked: Dict[str, Dict[str, Tuple[Unasked, ...]]] = {}


class _Last(Generic[T]):
    """An answer about one environment: several checks ask for it in a row."""

    def __init__(self) -> None:
        self._asked: Optional[Dict[str, Tuple[str, Tuple[str, ...]]]] = None
        self._answer: List[T] = []

    def of(self, packages: Mapping[str, Package], answer: Callable[[], T]) -> T:
        asked = {name: (package.version, package.requires) for name, package in packages.items()}
        if asked != self._asked:
            self._asked, self._answer = asked, [answer()]
        return self._answer[0]


class Takes:
    """By provider, read when it is asked for."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._folders = [directory / KIND for directory in directories]
        self._known: Dict[str, Tuple[Take, ...]] = {}
        self._last_lacking: _Last[Tuple[Need, ...]] = _Last()
        self._last_reached: _Last[Set[str]] = _Last()
        self._last_unreached: _Last[Set[str]] = _Last()

    @cached_property
    def read(self) -> Read:
        path = self._folders[0] / READ
        return decoded(path, path.read_bytes(), Read) if path.exists() else Read()

    def of(self, provider: str) -> Tuple[Take, ...]:
        if provider not in self._known:
            paths = [folder / f"{provider}.jsonl" for folder in self._folders]
            lines = [(path, line) for path in paths if path.exists() for line in path.read_bytes().splitlines()]
            self._known[provider] = tuple(decoded(path, line, Take) for path, line in lines)
        return self._known[provider]

    def has_read(self, importer: Package, provider: Optional[Package] = None) -> bool:
        """Was a release of the importer's series read as what takes, and this one of the provider's as what gives?"""
        given = provider is None or provider.version in self.read.providers.get(provider.name, ())
        return given and self._imports(importer) is not None

    def _stand_in(self, importer: Package) -> Optional[str]:
        """The release that was read in its place: itself, or another of its series."""
        read = self.read.importers.get(importer.name, {})
        if importer.version in read:
            return importer.version
        series = _series(importer.version)
        return next((version for version in read if _series(version) == series), None)

    def _unasked(self, packages: Mapping[str, Package]) -> Iterator[Tuple[Package, Unasked]]:
        for name, releases in self.read.unasked.items():
            version = self._stand_in(packages[name]) if name in packages else None
            for unasked in releases.get(version or "", ()):
                yield packages[name], unasked

    def _imports(self, importer: Package) -> Optional[Tuple[str, ...]]:
        version = self._stand_in(importer)
        return None if version is None else self.read.importers[importer.name][version]

    def reached(self, packages: Mapping[str, Package], declared: Declares) -> Set[str]:
        """The distributions that the training loop imports for sure, as far as was read."""
        return self._last_reached.of(packages, lambda: self._reached(packages, LOOP, declared, unread=False))

    def _reached(
        self,
        packages: Mapping[str, Package],
        start: Iterable[str],
        declared: Declares,
        *,
        unread: bool,
    ) -> Set[str]:
        """What is imported from `start` on, for sure. With `unread`, a release that was not read imports all that it
        declares. What needs something that is not there, and that its importer imports too, may be asked for first
        (transformers before 4.30 imports scikit-learn where there is scipy as well).
        """
        todo = [name for name in start if name in packages]
        reached = set(todo)
        while todo:
            package = packages[todo.pop()]
            known = self._imports(package)
            if known is None:
                new = set(declared(package)) if unread else set()
            else:
                lacking = set(known) - set(packages)
                new = {one for one in known if one in packages and lacking.isdisjoint(declared(packages[one]))}
            new = new & set(packages) - reached
            reached |= new
            todo += new
        return reached

    def unreached(self, packages: Mapping[str, Package], declared: Declares) -> Set[str]:
        """Those that neither the training loop imports for sure nor another of the `TRAINERS`, though a release that
        was not read imported all that it declares.
        """
        return self._last_unreached.of(packages, lambda: self._left_alone(packages, declared))

    def _left_alone(self, packages: Mapping[str, Package], declared: Declares) -> Set[str]:
        if any(self._imports(packages[name]) is None for name in LOOP if name in packages):
            return set()
        return set(self.read.sought) & set(packages) - self._reached(
            packages, [*LOOP, *TRAINERS], declared, unread=True
        )

    def needs(
        self,
        packages: Mapping[str, Package],
        releases: Callable[[str], Mapping[str, Release]],
        declared: Declares,
        *,
        complete: bool,
    ) -> Iterator[Need]:
        """What these releases take from each other and do not have, for sure. Of what is not installed at all, in a
        list that is `complete`, only what they do not ask for first is told: what they declare, or should.
        """
        reached = self.reached(packages, declared)
        for asker, unasked in self._unasked(packages) if complete else ():
            if unasked.provider not in packages:
                take = Take(asker.name, unasked.module, "", ())
                place = Step(unasked.file, unasked.line)
                yield _need(take, asker, unasked.provider, None, place, loop=asker.name in reached)
        for asker, name, take, place in self._absent(packages, declared) if complete else ():
            yield _need(take, asker, name, None, place, loop=asker.name in reached)
        yield from self._last_lacking.of(packages, lambda: tuple(self._lacking(packages, releases, reached)))

    def _lacking(
        self, packages: Mapping[str, Package], releases: Callable[[str], Mapping[str, Release]], reached: Set[str]
    ) -> Iterator[Need]:
        """Of what is there."""
        for name, provider in packages.items():
            for take in self.of(name):
                importer = packages.get(take.importer)
                if importer is None or provider.version not in take.lacking:
                    continue
                read = self._stand_in(importer)
                newer = _newer(releases(name).get(provider.version), releases(importer.name).get(importer.version))
                at = _where(take.newer if newer else take.older, read) if read and newer is not None else None
                if at is not None:
                    yield _need(take, importer, name, provider.version, at, loop=importer.name in reached)

    def _absent(self, packages: Mapping[str, Package], declared: Declares) -> Iterator[Tuple[Package, str, Take, Step]]:
        """Where what is declared, and is not there, is imported first."""
        for importer in packages.values():
            missing = set(self._imports(importer) or ()) - set(packages)
            for name in sorted(missing.intersection(declared(importer)) if missing else ()):
                for take in self.of(name):
                    read = self._stand_in(importer) if take.importer == importer.name and not take.name else None
                    place = (_where(take.newer, read) or _where(take.older, read)) if read else None
                    if place is not None:
                        yield importer, name, take, place
                        break


def _newer(provider: Optional[Release], importer: Optional[Release]) -> Optional[bool]:
    """Did this release of the provider come after that of the importer? None where their days are not known."""
    return None if provider is None or importer is None else provider.date > importer.date


def _where(files: Mapping[str, List[str]], version: str) -> Optional[Step]:
    """Where that release takes it."""
    of_it = version + ":"
    for file, places in files.items():
        for place in places:
            if place.startswith(of_it):
                return Step(file, int(place[len(of_it) :]))
    return None


def _need(take: Take, importer: Package, provider: str, version: Optional[str], at: Step, *, loop: bool) -> Need:
    what = f"cannot import name '{take.name}' from '{take.module}'" if take.name else f"No module named '{take.module}'"
    return Need(
        kind="missing-name" if take.name else "missing-module",
        importer=importer.name,
        importer_version=importer.version,
        provider=provider,
        provider_version=version,
        module=take.module,
        name=take.name,
        at=at,
        entry=importer.name,
        error="ImportError" if take.name else "ModuleNotFoundError",
        message=what,
        loop=loop,
    )


def _series(version: str) -> Optional[Tuple[int, ...]]:
    try:
        return (*Version(version).release, 0)[:2]
    except InvalidVersion:
        return None
