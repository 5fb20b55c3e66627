"""The compiled files of an environment of this machine, and what its dynamic loader would find for them
(https://man7.org/linux/man-pages/man8/ld.so.8.html). It is not run and nothing is loaded: its cache is read.
"""

from __future__ import annotations

import os
import posixpath
import re
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Callable, Collection, FrozenSet, Iterator, List, Mapping, Optional, Set, Tuple

from card_doctor.model import Package, Snapshot
from card_doctor.model.binary import Binaries, BinarySurface, Loader, TorchUse
from card_doctor.surfaces.binary import TORCH_LIBRARY, compiled_files, mapped, read_binary
from card_doctor.surfaces.elf import Elf, ElfError

_CACHE = Path("/etc/ld.so.cache")
_CACHED = re.compile(rb"(/[\x20-\x7e]+\.so[\x20-\x7e]*)\0")
_STDCXX = "libstdc++.so.6"


def read_binaries(
    snapshot: Snapshot,
    reached: Optional[Collection[str]] = None,
    read: Callable[[Package], BinarySurface] = read_binary,
) -> Binaries:
    """What the compiled files of these packages say. `reached` are the distributions that the standard loop imports
    for sure; `read` may remember what it read before.
    """
    surfaces = {name: read(package) for name, package in snapshot.packages.items()}
    return Binaries(surfaces, read_loader(snapshot, surfaces), None if reached is None else frozenset(reached))


def read_loader(snapshot: Snapshot, surfaces: Mapping[str, BinarySurface]) -> Optional[Loader]:
    """None on a machine without glibc, whose loader this is about, or without its cache."""
    if snapshot.platform is None or not snapshot.platform.libc or snapshot.platform.libc[0] != "glibc":
        return None
    try:
        paths = [path.decode() for path in _CACHED.findall(_CACHE.read_bytes())]
    except OSError:
        return None
    for folder in _folders(snapshot, surfaces):
        with suppress(OSError), os.scandir(folder) as entries:
            paths += [entry.path for entry in entries if ".so" in entry.name]
    return Loader(
        libraries=frozenset(os.fsencode(path.rpartition("/")[2]).decode("utf-8", "replace") for path in paths),
        versions=_offered([path for path in paths if path.endswith("/" + _STDCXX)]),
        unresolved=tuple(_unresolved(snapshot, surfaces)),
    )


def _folders(snapshot: Snapshot, surfaces: Mapping[str, BinarySurface]) -> Iterator[Path]:
    yield from map(Path, filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")))
    for entry in snapshot.python.search_path if snapshot.python else ():
        if Path(entry, "os.py").exists():
            yield Path(entry).parent  # PREFIX/lib of the interpreter, where conda has its libraries
    for name, surface in surfaces.items():
        location = snapshot.packages[name].location if name in snapshot.packages else None
        for folder in surface.search:
            if location:
                yield Path(location, folder)


def _offered(paths: List[str]) -> Optional[FrozenSet[str]]:
    """The symbol versions that these libraries offer together; None where one can't be read, or there is none."""
    versions: Set[str] = set()
    try:
        for path in paths:
            with mapped(Path(path)) as data:
                versions.update(Elf(data).versions_offered())
    except (OSError, ElfError):
        return None
    return frozenset(versions) or None


def _unresolved(snapshot: Snapshot, surfaces: Mapping[str, BinarySurface]) -> Iterator[Tuple[str, TorchUse]]:
    """What is expected of torch and not there: looked up as the loader would, in torch's libraries and in those of
    the distribution that use them. Where one of them can't be read, nothing is said.
    """
    torch = snapshot.packages.get("torch")
    users = {name: surface.torch for name, surface in surfaces.items() if surface.torch}
    if torch is None or not users:
        return
    theirs = [file for file in compiled_files(torch) or () if TORCH_LIBRARY.match(posixpath.basename(file))]
    for name, uses in users.items():
        own = [use.file for use in uses]
        with ExitStack() as stack, suppress(OSError, ElfError):
            libraries = [
                Elf(stack.enter_context(mapped(Path(package.location or "", file))))
                for package, files in ((torch, theirs), (snapshot.packages[name], own))
                for file in files
            ]
            for use in uses:
                missing = tuple(symbol for symbol in use.symbols if not any(one.defines(symbol) for one in libraries))
                if missing:
                    yield name, TorchUse(use.file, missing)
