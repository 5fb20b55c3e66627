"""Which NumPy the wheels of releases were compiled for, as tools/refresh_numpy_abi.py read it from them: so that an
environment whose files are not at hand, known from a file or only planned, is judged like an installed one.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Dict, Optional, Tuple

import msgspec
from packaging.version import InvalidVersion, Version

from card_doctor.knowledge.files import decoded
from card_doctor.model import BinarySurface, NumpyApi, Package, Python

FILE = "surfaces/numpy-abi.json"


class CompiledFor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Releases of a distribution whose wheels for these `pythons` ("3.9", "3.13t") say the same: those whose files
    were read, and those `between` two of one series that were.
    """

    numpy: Tuple[NumpyApi, ...]
    pythons: Tuple[str, ...]
    read: Tuple[str, ...] = ()
    between: Tuple[str, ...] = ()


class NumpyAbi:
    """Read when it is first asked."""

    def __init__(self, matrices: Path) -> None:
        self._path = matrices / FILE

    @cached_property
    def _known(self) -> Dict[str, Tuple[CompiledFor, ...]]:
        if not self._path.exists():
            return {}
        return decoded(self._path, self._path.read_bytes(), Dict[str, Tuple[CompiledFor, ...]])

    def of(self, package: Package, python: Optional[Python]) -> Optional[Tuple[BinarySurface, ...]]:
        """What the wheel of that release says for that Python; where it is not known which it is, what each of its
        wheels says, that of the oldest Python first. Empty for a release that is not known; None where nothing is known
        of the distribution.
        """
        lines = self._known.get(package.name)
        if lines is None:
            return None
        version, tag = _public(package.version), _tag(python) if python else None
        return tuple(
            BinarySurface(package.name, package.version, numpy=line.numpy)
            for line in lines
            if (version in line.read or version in line.between) and (tag is None or tag in line.pythons)
        )


def _public(version: str) -> str:
    """2.1.2 for `2.1.2+cu118`: built for another CUDA, from the same sources with the same headers."""
    try:
        return Version(version).public
    except InvalidVersion:
        return version


def _tag(python: Python) -> str:
    series = ".".join(python.version.split(".")[:2])
    return series + ("t" if python.free_threaded else "") if python.implementation == "cpython" else ""
