# /// script
# requires-python = ">=3.11"
# dependencies = ["card-doctor", "pypi-simple>=1.6", "remotezip>=0.12"]
# [tool.uv.sources]
# card-doctor = { path = "..", editable = true }
# ///
"""Bring matrices/surfaces/enforced.json up to date: which versions of others the releases of a distribution insist on.

    python tools/refresh_enforced.py --work DIR [--to FILE] [DISTRIBUTION...]

The sources of a release are followed as tools/refresh_surfaces.py does, from what the training loop does with it: once
beside releases of all that it declares that are older than any, and once beside such that are newer. Where it stops,
and does not beside those of its day, it compares them itself: what it insists on is what it then says that it requires,
or what it compared with last.

The first and the last release of each series are read, and what lies between two that do not say the same. Resumable:
what was read of a release stays in DIR, and is not asked again.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import msgspec
import refresh_surfaces as surfaces
from packaging.utils import canonicalize_name
from packaging.version import Version
from refresh_numpy_abi import by_series, write
from refresh_releases import UNREADABLE, tell
from refresh_surfaces import MODULES, Reading, Recorder, beside, laid_out, releases_of, snapshot_of, start

from card_doctor.checks.requirements import parse
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.enforced import FILE, Insists, Stop
from card_doctor.model import Release
from card_doctor.surfaces import walk as walking
from card_doctor.surfaces.following import Frame, Row
from card_doctor.surfaces.values import Module

DISTRIBUTIONS = ("transformers", "datasets", "pandas")
_REQUIREMENT = re.compile(r"([A-Za-z][\w.-]*)((?:(?:[<>=!]=|[<>])\d[\w.]*,?)+)")


class Asked(NamedTuple):
    """Where it stops, what it asks for, and of which distribution; whether it says so itself."""

    file: str
    line: int
    requirement: str
    name: str
    said: bool


class Asker(Recorder):
    """Notes where it stops beside releases that were made up, and what it asks for there."""

    made_up: Mapping[Version, str]
    stops: Dict[Tuple[str, int], Set[Asked]]

    def take(self, module: Module, name: str, frame: Frame, line: int, *, how: str) -> Any:
        found = super().take(module, name, frame, line, how=how)
        return (self.version_of(module) if name == "__version__" else None) or found

    def taken_from(self, module: Module, name: str, frame: Frame, line: int) -> Any:
        found = super().taken_from(module, name, frame, line)
        return (self.version_of(module) if name == "__version__" else None) or found

    def version_of(self, module: Module) -> Optional[str]:
        package = self.environment.installed(MODULES.get(module.name, ""))
        return package.version if package else None

    def note(self, row: Row) -> None:
        if row.kind == "enforced" and self.sure and not row.importer.trusted:
            file = self.told(row.importer)
            self.stops.setdefault((file, row.line), set()).update(self.asked(file, row))
        super().note(row)

    def asked(self, file: str, row: Row) -> Iterator[Asked]:
        """As it says itself; else by what it compared last."""
        for found, specifier in _REQUIREMENT.findall(row.message):
            name = canonicalize_name(found)
            if name in self.made_up.values():
                yield Asked(file, row.line, name + specifier.rstrip(","), name, said=True)
                return
        for left, how, right in self.compared[-1:]:
            for one, asks, other in ((left, how, right), (right, _MIRRORED.get(how, how), left)):
                name = self.made_up.get(one, "") if isinstance(one, Version) else ""
                bound = _ASKED.get((asks, one < other)) if name and isinstance(other, Version) else None
                if bound:
                    yield Asked(file, row.line, f"{name}{bound}{other}", name, said=False)


_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
# What a comparison of a release with a bound asks of it, where the release is below the bound, and where it is not.
_ASKED = {
    ("<", True): ">=", (">=", True): ">=", ("<=", True): ">", (">", True): ">",
    (">", False): "<=", ("<=", False): "<=", (">=", False): "<", ("<", False): "<",
    ("==", True): "==", ("==", False): "==",
}  # fmt: skip


class Stopping(Reading):
    """The same walk, of which only the stops count."""

    def __init__(self, *args: Any, made_up: Mapping[Version, str]) -> None:
        super().__init__(*args)
        told = self.follower.told
        self.follower = Asker(self.environment, self.surface, self.function, self.text_shows)
        self.follower.seen, self.follower.told = {}, told
        self.follower.made_up, self.follower.stops = made_up, {}

    def stops(self, name: str) -> Dict[Tuple[str, int], Set[Asked]]:
        for entry in surfaces.ENTRIES[name]:
            self.follow("loop", entry.encode(), {}, loop=True)
        return self.follower.stops


def fitting(knowledge: Matrices, release: Release) -> Dict[str, str]:
    """By distribution that it requires without any extra and that counts as there, the newest release of its day that
    it declares to fit; else the oldest.
    """
    found: Dict[str, str] = {}
    for one in map(parse, release.requires):
        name = canonicalize_name(one.name) if one else ""
        if one and name in MODULES.values() and name != "packaging" and "extra" not in str(one.marker or ""):
            fits = [other for other in knowledge.releases(name).values() if one.specifier.contains(other.version)]
            known = [other for other in fits if other.date <= release.date] or fits[:1]
            if known:
                found[name] = max((other.version for other in known), key=Version)
    return found


def read(name: str, version: str, work: Path) -> Optional[Tuple[Stop, ...]]:
    """Where that release stops, and what for; None where that could not be read."""
    kept = work / "enforced" / f"{name}-{version}.json"
    if kept.exists():
        return msgspec.json.decode(kept.read_bytes(), type=Tuple[Stop, ...])
    try:
        with laid_out(name, version) as (wheel, knowledge, release, python):
            parsed: Dict[Any, Any] = {}
            fit = fitting(knowledge, release)
            of_its_day = {**beside(knowledge, release, "day"), **fit}

            def stops(made_up: Mapping[Version, str]) -> Dict[Tuple[str, int], Set[Asked]]:
                others = {**of_its_day, **{one: str(at) for at, one in made_up.items()}}
                reading = Stopping(snapshot_of(wheel, others, python), wheel, parsed, made_up=made_up)
                return walking.with_deep_stack(lambda: reading.stops(name))

            found = set(insists(stops, sorted(fit)))
    except (*UNREADABLE, RecursionError) as error:
        tell(f"{name} {version}", error)
        return None
    told = together(found)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(msgspec.json.encode(told))
    return told


def insists(
    stops: Callable[[Mapping[Version, str]], Dict[Tuple[str, int], Set[Asked]]], names: Sequence[str]
) -> Iterator[Asked]:
    """What it asks for where it stops beside releases that are all too old, or all too new, and does not beside those
    of its day. What it does not say itself is asked for where it stops beside that one alone too.
    """
    always = stops({})
    for release in ("0.0", "99999.0"):
        made_up = {Version(f"{release}.{number}"): name for number, name in enumerate(names)}
        found = [one for place, those in stops(made_up).items() if place not in always for one in those]
        alone = {
            name: stops({at: name})
            for at, name in made_up.items()
            if any(one.name == name and not one.said for one in found)
        }
        for one in found:
            if one.said or one in alone[one.name].get((one.file, one.line), ()):
                yield one


def together(found: Iterable[Asked]) -> Tuple[Stop, ...]:
    """What one line asks for, in one."""
    by_line: Dict[Tuple[str, int], Set[str]] = defaultdict(set)
    for one in found:
        by_line[one.file, one.line].add(one.requirement)
    return tuple(Stop(file, line, tuple(sorted(texts))) for (file, line), texts in sorted(by_line.items()))


def read_series(job: Tuple[str, Tuple[str, ...], Path]) -> Dict[str, Tuple[Tuple[Stop, ...], bool]]:
    name, versions, work = job
    return by_series(versions, lambda version: read(name, version, work))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("distributions", nargs="*", default=DISTRIBUTIONS, metavar="DISTRIBUTION")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--to", type=Path, default=Path(__file__).parents[1] / "matrices" / FILE, metavar="FILE")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    os.environ["CARD_DOCTOR_CACHE"] = ""
    knowledge = Matrices()
    found = msgspec.json.decode(options.to.read_bytes(), type=Dict[str, List[Insists]]) if options.to.exists() else {}
    failed = 0
    with ProcessPoolExecutor(options.processes, initializer=start, initargs=(options.work,)) as pool:
        for name in options.distributions:
            versions = releases_of(knowledge, name)
            series = [tuple(those) for _, those in groupby(versions, lambda version: Version(version).release[:2])]
            lines: Dict[Tuple[Stop, ...], Dict[bool, List[str]]] = defaultdict(lambda: defaultdict(list))
            told = 0
            for releases in pool.map(read_series, [(name, those, options.work) for those in series]):
                for version, (stops, was_read) in releases.items():
                    lines[stops][was_read].append(version)
                    told += 1
            failed += len(versions) - told
            found[name] = [Insists(stops, tuple(of[True]), tuple(of[False])) for stops, of in lines.items()]
            print(f"{name}: {told} of {len(versions)} releases", file=sys.stderr)
            write(options.to, found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
