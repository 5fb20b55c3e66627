# /// script
# requires-python = ">=3.11"
# dependencies = ["card-doctor", "pypi-simple>=1.6", "remotezip>=0.12"]
# [tool.uv.sources]
# card-doctor = { path = "..", editable = true }
# ///
"""Bring matrices/surfaces/numpy-abi.json up to date: which NumPy the wheels of each release were compiled for.

    python tools/refresh_numpy_abi.py --work DIR [--to FILE] [DISTRIBUTION...]

Of a wheel for Linux x86_64 in the package index that pip or uv is set up with, range requests fetch the extension
modules, and the libraries that are called after Python (torch's are 7 MB of 755), and the reader of installed files
reads them. For every Python that there are wheels for, the first and the last release of each series are read, and
what lies between two that do not say the same; what lies between two that do is taken to say it too, and listed apart.

Resumable: what was read of a wheel stays in DIR, and is not asked again. What could not be read is named and left out.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import re
import shutil
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar

import msgspec
from packaging.version import Version
from pypi_simple import DistributionPackage, PyPISimple
from refresh_releases import UNREADABLE, best, files_by_release, index_url, is_linux_wheel, remote_zip, tag_of, tell

from card_doctor.knowledge.numpy_abi import FILE, CompiledFor
from card_doctor.model import NumpyApi, Package
from card_doctor.surfaces.binary import read_binary

# What a training environment commonly has of what is compiled with NumPy's headers.
DISTRIBUTIONS = (
    *("torch", "pandas", "pyarrow", "scipy", "scikit-learn", "numexpr", "bottleneck", "matplotlib", "h5py"),
    "numba",
)
SINCE = dt.date(2020, 6, 1)
CONNECTIONS = 4
_TAG = re.compile(r"cp(\d)(\d+)-cp\d+m?(t?)-")
# NumPy's messages stand in what calls Python: extension modules, and libraries that are called after it.
_CALLS_PYTHON = re.compile(r".*\.so|.*/lib[^/]*python[^/]*\.so[.\d]*")
_LIBRARY = re.compile(r"(?:.*/)?lib(?![^/]*python)[^/]*")

T = TypeVar("T")
Apis = Tuple[NumpyApi, ...]


class Job(NamedTuple):
    """One distribution for one Python: its releases in order, each with its wheel."""

    name: str
    python: str
    wheels: Dict[str, DistributionPackage]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("distributions", nargs="*", default=DISTRIBUTIONS, metavar="DISTRIBUTION")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--to", type=Path, default=Path(__file__).parents[1] / "matrices" / FILE, metavar="FILE")
    options = parser.parse_args()
    found = (
        msgspec.json.decode(options.to.read_bytes(), type=Dict[str, List[CompiledFor]]) if options.to.exists() else {}
    )
    failed = 0
    with PyPISimple(index_url()) as index, ThreadPoolExecutor(CONNECTIONS) as pool:
        for name in options.distributions:
            reader = Reader(index, options.work)
            jobs = jobs_of(index, name)
            by_python = dict(zip((job.python for job in jobs), pool.map(reader.releases, jobs)))
            found[name] = list(together(by_python))
            failed += reader.failed
            releases = {version for one in found[name] for version in (*one.read, *one.between)}
            print(f"{name}: {len(releases)} releases for {len(jobs)} Pythons, {reader.read} wheels", file=sys.stderr)
            write(options.to, found)
    return 1 if failed else 0


def jobs_of(index: PyPISimple, name: str) -> List[Job]:
    jobs: Dict[str, Job] = {}
    for version, files in files_by_release(index.get_project_page(name).packages, SINCE).items():
        wheels: Dict[str, List[DistributionPackage]] = defaultdict(list)
        for file in files:
            tag = tag_of(file) if file.package_type == "wheel" and not file.is_yanked else ""
            match = _TAG.match(tag)
            if match and is_linux_wheel(tag):
                wheels["{}.{}{}".format(*match.groups())].append(file)
        for python, those in wheels.items():
            wheel = best(those)
            if wheel is not None:
                jobs.setdefault(python, Job(name, python, {})).wheels[version] = wheel
    return list(jobs.values())


class Reader:
    def __init__(self, index: PyPISimple, work: Path) -> None:
        self.index, self.work = index, work
        self.read = self.failed = 0

    def releases(self, job: Job) -> Dict[str, Tuple[Apis, bool]]:
        """By release, what its wheel says, and whether that was read."""
        return by_series(list(job.wheels), lambda version: self.wheel(job, version))

    def wheel(self, job: Job, version: str) -> Optional[Apis]:
        """None where it could not be read."""
        kept = self.work / f"{job.name}-{version}-{job.python}.json"
        if kept.exists():
            return msgspec.json.decode(kept.read_bytes(), type=Apis)
        folder = kept.with_suffix("")
        try:
            fetch(self.index, job.wheels[version], folder)
            surface = read_binary(Package(job.name, version, location=str(folder), info="dist-info"))
            if surface.gaps:
                raise ValueError("{}: {}".format(*surface.gaps[0]))
        except UNREADABLE as error:
            self.failed += 1
            tell(f"{job.name} {version} for Python {job.python}", error)
            return None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.read += 1
        apis = what_counts(surface.numpy)
        kept.write_bytes(msgspec.json.encode(apis))
        return apis


def by_series(versions: Sequence[str], read: Callable[[str], Optional[T]]) -> Dict[str, Tuple[T, bool]]:
    """Of releases in their order, what each says, and whether it was read: the first and the last of each series, and
    what lies between two that do not say the same. What could not be read (None) is left out.
    """
    found: Dict[str, Tuple[T, bool]] = {}
    for _, members in itertools.groupby(versions, lambda version: Version(version).release[:2]):
        series = list(members)
        known = {version: read(version) for version in dict.fromkeys((series[0], series[-1]))}
        read_between(series, known, read)
        before: Optional[T] = None
        for version in series:
            before = known.get(version, before)
            if before is not None:
                found[version] = before, version in known
    return found


def read_between(versions: Sequence[str], known: Dict[str, Optional[T]], read: Callable[[str], Optional[T]]) -> None:
    """Read on, where the first and the last of these do not say the same."""
    if len(versions) > 2 and (known[versions[0]] is None or known[versions[0]] != known[versions[-1]]):
        middle = len(versions) // 2
        known[versions[middle]] = read(versions[middle])
        read_between(versions[: middle + 1], known, read)
        read_between(versions[middle:], known, read)


def fetch(index: PyPISimple, wheel: DistributionPackage, folder: Path) -> None:
    """Lay out what of a wheel may have NumPy's messages, with a list of it."""
    (folder / "dist-info").mkdir(parents=True, exist_ok=True)
    with remote_zip(index, wheel) as archive:
        names = [one for one in archive.namelist() if _CALLS_PYTHON.fullmatch(one) and not _LIBRARY.fullmatch(one)]
        for name in names:
            archive.extract(name, folder)
    (folder / "dist-info" / "RECORD").write_text("".join(f"{name},,\n" for name in names))


def what_counts(apis: Iterable[NumpyApi]) -> Apis:
    """Without the names of files, which change from release to release. A file that does not tell its oldest NumPy
    says nothing beside those of the same major that do; where all say the same, it does not matter how many there are.
    """
    apis = list(apis)
    telling = {api.major for api in apis if api.since}
    kept = [msgspec.structs.replace(api, file="") for api in apis if api.since or api.major not in telling]
    return tuple(msgspec.structs.replace(api, count=1) for api in kept) if len(kept) == 1 else tuple(kept)


def together(found: Dict[str, Dict[str, Tuple[Apis, bool]]]) -> Iterator[CompiledFor]:
    """Releases that say the same for the same Pythons, in one line; those for the oldest Python first."""
    pythons: Dict[Tuple[str, Apis, bool], List[str]] = defaultdict(list)
    for python, releases in found.items():
        for version, (apis, read) in releases.items():
            pythons[version, apis, read].append(python)
    lines: Dict[Tuple[Apis, Tuple[str, ...]], Dict[bool, List[str]]] = defaultdict(lambda: defaultdict(list))
    for (version, apis, read), those in sorted(pythons.items(), key=lambda item: Version(item[0][0])):
        lines[apis, tuple(sorted(those, key=by_number))][read].append(version)
    for (apis, those), versions in sorted(lines.items(), key=lambda item: [*map(by_number, item[0][1])]):
        yield CompiledFor(apis, those, tuple(versions[True]), tuple(versions[False]))


def by_number(python: str) -> List[int]:
    return [int(number) for number in re.findall(r"\d+", python)]


def write(path: Path, found: Mapping[str, Sequence[msgspec.Struct]]) -> None:
    """One line for each of them: a diff shows what changed."""
    lines = [
        f"{msgspec.json.encode(name).decode()}: [\n"
        + ",\n".join("  " + msgspec.json.encode(one).decode() for one in those)
        + "\n]"
        for name, those in sorted(found.items())
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    sys.exit(main())
