"""What card-doctor knows, read from matrices: ours, and the directories that a user adds."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Dict, Iterator, Mapping, Optional, Sequence, Set, Tuple

from packaging.version import Version

from card_doctor.errors import MatrixError
from card_doctor.knowledge.enforced import EnforcedVersions
from card_doctor.knowledge.files import shipped
from card_doctor.knowledge.hardware import Hardware, load_hardware
from card_doctor.knowledge.hazards import Hazards
from card_doctor.knowledge.models import Models, Value
from card_doctor.knowledge.numpy_abi import NumpyAbi
from card_doctor.knowledge.releases import load_releases
from card_doctor.knowledge.signatures import Signatures, load_signatures
from card_doctor.knowledge.takes import Declares, Takes
from card_doctor.knowledge.tasks import load_tasks
from card_doctor.model import BinarySurface, Enforced, Hazard, Need, Package, Python, Release, Task, Unenforced

__all__ = ["Matrices"]

LAYOUT = ("cards", "hazards", "models", "hardware", "releases", "signatures.toml", "surfaces")
HINT = f"A directory of matrices holds one or more of {', '.join(LAYOUT)}."


class Matrices:
    """The knowledge of one run. Each kind is read when it is first asked for, and once. A later directory adds to
    an earlier one, and overrides it where the id is the same.
    """

    def __init__(self, extra: Sequence[Path] = ()) -> None:
        """`extra` are a user's: what is wrong in them is told at once, whatever will be asked for. Cards are read one
        by one, when they are named.
        """
        self.directories: Tuple[Path, ...] = (shipped(), *extra)
        self._releases: Dict[str, Mapping[str, Release]] = {}
        for directory in extra:
            if not directory.is_dir():
                raise MatrixError(f"{directory}: no such directory", HINT)
            if not any((directory / name).exists() for name in LAYOUT):
                raise MatrixError(f"{directory}: there are no matrices in it", HINT)
            for path in sorted((directory / "releases").glob("*.jsonl")):
                self.releases(path.stem)
        if extra:
            self.hazards()
            self.hardware()
            self.model("")
            self.signatures  # noqa: B018

    @cached_property
    def digest(self) -> str:
        """Tells whether two reports were made with the same knowledge. What people write is TOML and counts with its
        bytes; what a script generates is megabytes and counts with its size, which every new release changes; a card
        stands in its report itself. JSON beside a TOML is that again, made for the wheel, and does not count.
        """
        import hashlib  # noqa: PLC0415  it loads a library of ciphers, and a plan has no digest

        digest = hashlib.blake2b(digest_size=6)
        for directory in self.directories:
            files = {*directory.glob("*.toml"), *directory.glob("*/*")}
            for path in sorted(path for path in files if path.is_file()):
                if path.suffix == ".json" and path.with_suffix(".toml") in files:
                    continue
                whole = path.suffix == ".toml" and path.parent.name != "cards"
                content = path.read_bytes() if whole else b"%d" % path.stat().st_size
                name = path.relative_to(directory).as_posix()
                digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def releases(self, distribution: str) -> Mapping[str, Release]:
        """By version as the index writes it; empty where nothing is known of that distribution."""
        if distribution not in self._releases:
            self._releases[distribution] = load_releases(distribution, self.directories)
        return self._releases[distribution]

    def hazards(self, installed: Optional[Mapping[str, Version]] = None) -> Tuple[Hazard, ...]:
        """All that an environment with these distributions can meet; without `installed`, all there are."""
        return self._hazards.among(installed)

    def needs(self, packages: Mapping[str, Package], declared: Declares, *, complete: bool) -> Iterator[Need]:
        """What these releases take from each other and do not have, and what they insist on, as it was read from their
        wheels.
        """
        yield from self._takes.needs(packages, self.releases, declared, complete=complete)
        yield from self._enforced_versions.needs(packages, self._takes.reached(packages, declared))

    def unreached(self, packages: Mapping[str, Package], declared: Declares) -> Set[str]:
        """What no training loop of these packages imports, as it was read from the wheels."""
        return self._takes.unreached(packages, declared)

    def has_read(self, importer: Package, provider: Optional[Package] = None) -> bool:
        """Was what this release takes (from that one) read from the wheels?"""
        return self._takes.has_read(importer, provider)

    def reached(self, packages: Mapping[str, Package], declared: Declares) -> Set[str]:
        """What the training loop imports for sure, as far as it was read from the wheels."""
        return self._takes.reached(packages, declared)

    @cached_property
    def _takes(self) -> Takes:
        return Takes(self.directories)

    @cached_property
    def _enforced_versions(self) -> EnforcedVersions:
        return EnforcedVersions(self.directories[0])

    def compiled_for(self, package: Package, python: Optional[Python]) -> Optional[Tuple[BinarySurface, ...]]:
        """Which NumPy the wheels of that release for Linux x86_64 were compiled for (on that Python, else on each).
        Empty for a release that is not known; None where nothing is known of the distribution.
        """
        return self._numpy_abi.of(package, python)

    @cached_property
    def _numpy_abi(self) -> NumpyAbi:
        return NumpyAbi(self.directories[0])

    def enforced(self) -> Tuple[Enforced, ...]:
        return self._hazards.enforced

    def unenforced(self) -> Tuple[Unenforced, ...]:
        return self._hazards.unenforced

    @cached_property
    def _hazards(self) -> Hazards:
        return Hazards(self.directories, self.releases)

    def model(self, name: str) -> Optional[Mapping[str, Value]]:
        """What the config.json of a model says of its sizes, by the hub's name of it."""
        return self._models.config(name)

    @cached_property
    def _models(self) -> Models:
        return Models(self.directories)

    def tasks(self) -> Mapping[str, Task]:
        """Well-known data sets, by every name that cards call them, in lower case."""
        return self._tasks

    @cached_property
    def _tasks(self) -> Mapping[str, Task]:
        return load_tasks(self.directories)

    def hardware(self) -> Hardware:
        """GPUs, CUDA toolkits and drivers."""
        return self._hardware

    @cached_property
    def _hardware(self) -> Hardware:
        return load_hardware(self.directories)

    @cached_property
    def signatures(self) -> Signatures:
        """What failing logs are known to say."""
        return load_signatures(self.directories)
