"""The way into this room: what the files of a live environment mean together, derived once and kept."""

from __future__ import annotations

import os
from typing import Dict, Iterator, List, Optional, Tuple

import msgspec

from card_doctor.model import Gap, Package, Snapshot
from card_doctor.model.binary import Binaries, BinarySurface
from card_doctor.model.derived import Derived
from card_doctor.surfaces import cache


class Files(msgspec.Struct, array_like=True):
    """What sources take from each other, and what compiled files were made for."""

    derived: Derived
    binaries: Binaries

    def gaps(self) -> Iterator[Gap]:
        """What could not be read."""
        for path, why in self.derived.gaps:
            yield Gap(f"source {path}", "failed", why)
        for name, surface in self.binaries.surfaces.items():
            if surface.gaps:
                (file, why), others = surface.gaps[0], len(surface.gaps) - 1
                more = f" (and {others} more)" if others else ""
                yield Gap(f"compiled files of {name}", "failed", f"{file}{more}: {why}")
        if self.binaries.loader is None:
            yield Gap("shared libraries", "absent", "this system has no loader of glibc whose cache could be read")


class _Kept(msgspec.Struct, array_like=True):
    """`looked_at` are all the files and folders that the answer rests on."""

    looked_at: Dict[str, Tuple[int, int]]
    files: Files


def read_installed_files(snapshot: Snapshot, script: Optional[str] = None) -> Optional[Files]:
    """What the installed files need and do not find; nothing of them is imported or run. `script` is the path of
    a training script that is followed too. None for an environment whose files are not at hand.
    """
    python = snapshot.python
    if snapshot.source != "interpreter" or python is None or not python.search_path:
        return None
    key = cache.digest(
        (
            python.version,
            python.executable,
            sorted(python.markers.items()),
            python.search_path,
            sorted((package.name, package.version, package.location or "") for package in snapshot.packages.values()),
            os.environ.get("LD_LIBRARY_PATH", ""),
            os.path.abspath(script) if script else None,
        )
    )
    kept = cache.load(key, _Kept)
    if kept is not None and cache.unchanged(kept.looked_at):
        return kept.files
    # A kept answer needs neither
    from card_doctor.surfaces.loader import read_binaries  # noqa: PLC0415
    from card_doctor.surfaces.walk import walk  # noqa: PLC0415

    derived, looked_at = walk(snapshot, script)
    compiled: List[str] = []
    binaries = read_binaries(snapshot, derived.reached, lambda package: _read_binary(package, compiled))
    files = Files(derived, binaries)
    cache.store(key, _Kept(cache.stamps([*looked_at, *compiled, "/etc/ld.so.cache"]), files))
    return files


def _read_binary(package: Package, compiled: List[str]) -> BinarySurface:
    """Of a distribution in any environment, its compiled files are read once."""
    from card_doctor.surfaces.binary import compiled_files, read_binary  # noqa: PLC0415
    from card_doctor.surfaces.distributions import read_record  # noqa: PLC0415

    record = read_record(package)
    files = [os.path.join(package.location or "", file) for file in compiled_files(package) or ()]
    compiled += [os.path.join(package.location or "", package.info or "", "RECORD"), *files]
    if package.editable or not record:
        return read_binary(package)
    sizes = [size for size, _ in cache.stamps(files).values()]
    key = cache.digest(("compiled", package.name, package.version, record, sizes))
    known = cache.load(key, BinarySurface)
    if known is None:
        known = read_binary(package)
        cache.store(key, known)
    return known
