"""Which distribution installed a file: from the RECORDs, as pip and uv write them."""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Optional, Tuple

from card_doctor.model import Package


class Distributions:
    """`owners` of a top-level module, `owner` of a file."""

    def __init__(self, packages: Mapping[str, Package]) -> None:
        self._packages = packages
        self._owners: Optional[Dict[str, Tuple[str, ...]]] = None
        self._records: Dict[str, str] = {}

    def owners(self, top_level: str) -> Tuple[str, ...]:
        if self._owners is None:
            owners: Dict[str, List[str]] = {}
            for package in self._packages.values():
                for name in self._top_level(package):
                    owners.setdefault(name, []).append(package.name)
            self._owners = {name: tuple(found) for name, found in owners.items()}
        return self._owners.get(top_level, ())

    def owner(self, module: str, path: Optional[str]) -> Optional[Package]:
        """The distribution that installed this module."""
        owners = self.owners(module.partition(".")[0])
        if len(owners) == 1:
            return self._packages[owners[0]]
        for name in owners:
            package = self._packages[name]
            if path and package.location:
                relative = os.path.relpath(path, package.location).replace(os.sep, "/")
                if "\n" + relative + "," in "\n" + self.record(package):
                    return package
        return self._packages[owners[0]] if owners else None

    def record(self, package: Package) -> str:
        if package.name not in self._records:
            self._records[package.name] = read_record(package)
        return self._records[package.name]

    def _top_level(self, package: Package) -> List[str]:
        names = set()
        for line in self.record(package).splitlines():
            first, slash, _ = line.partition("/")
            if not slash:
                first = first.split(",", 1)[0]
                if not first.endswith((".py", ".so", ".pyd", ".pyc")):
                    continue
                first = first.partition(".")[0]
            if first.isidentifier():
                names.add(first)
        if not names:
            names.update(line.strip() for line in _read(package, "top_level.txt").splitlines() if line.strip())
        return sorted(names)


def read_record(package: Package) -> str:
    """The RECORD of a wheel, or the list of files of an egg; empty where there is none."""
    return _read(package, "RECORD") or _read(package, "installed-files.txt").replace("../", "")


def _read(package: Package, name: str) -> str:
    if not package.location or not package.info:
        return ""
    try:
        with open(os.path.join(package.location, package.info, name), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
