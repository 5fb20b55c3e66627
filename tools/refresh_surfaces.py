# /// script
# requires-python = ">=3.11"
# dependencies = ["card-doctor", "pypi-simple>=1.6", "remotezip>=0.12"]
# [tool.uv.sources]
# card-doctor = { path = "..", editable = true }
# ///
"""Bring matrices/surfaces/ up to date: what each release takes from others, and which releases do not give it.

    python tools/refresh_surfaces.py --work DIR [--to DIR] [--importers A,B] [--providers C,D]

The sources of every release are read from its wheel in the package index that pip or uv is set up with (range
requests: only the modules that are followed are fetched), by the same follower that reads a live environment. For an
importer, everything outside of it counts as there and is not opened: what its own modules take from others when the
training loop runs them, surely and in no `try`, is noted. That is done three times: beside what was out on its day,
beside the newest, and beside the oldest that it declares; what stands in all that apply is taken whatever release is
installed. What they import of a distribution that nobody declares, setuptools, is followed once more as if that were
not there. For a provider, each of those names is looked for in each of its releases. Only takes that some release
does not meet are kept, and of each distribution the first import, which fails where none is installed.

Resumable: what was read of a release stays in DIR, and is not asked again.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import os
import shutil
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Collection, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Set, Tuple

import msgspec
import packaging
from packaging.version import Version
from pypi_simple import DistributionPackage, PyPISimple
from refresh_releases import UNREADABLE, best, files_by_release, index_url, is_linux_wheel, remote_zip, tag_of, tell

from card_doctor.checks.requirements import parse
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.takes import READ, Read, Unasked
from card_doctor.model import Need, Package, Platform, Python, Release, Snapshot, Take
from card_doctor.surfaces import walk as walking
from card_doctor.surfaces.finder import Finder, Found
from card_doctor.surfaces.following import Frame, Raised
from card_doctor.surfaces.source import Unreadable, read_module
from card_doctor.surfaces.statements import Follower
from card_doctor.surfaces.values import MISSING, Module

# By the module that each installs: what counts as there beside the release that is read.
MODULES: Mapping[str, str] = {
    **{
        name.replace("-", "_"): name
        for name in (
            *("torch", "transformers", "datasets", "tokenizers", "accelerate", "huggingface-hub", "safetensors"),
            *("numpy", "pyarrow", "pandas", "fsspec", "dill", "multiprocess", "evaluate", "peft", "packaging"),
            *("requests", "urllib3", "filelock", "tqdm", "regex", "aiohttp", "setuptools", "scipy", "joblib"),
            *("threadpoolctl", "psutil", "charset-normalizer", "httpx", "xxhash", "sympy", "networkx", "jinja2"),
            *("typing-extensions", "hf-xet", "shellingham", "typer", "pytz", "six", "responses", "sacremoses"),
            *("importlib-metadata", "certifi", "idna", "click", "future", "mpmath", "markupsafe", "anyio", "httpcore"),
            *("tzdata", "multidict", "yarl", "attrs", "chardet"),
        )
    },
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "dateutil": "python-dateutil",
    "attr": "attrs",
    "pkg_resources": "setuptools",
}
# What the training loop does with each.
ENTRIES: Mapping[str, Tuple[str, ...]] = {
    **{name: ("import " + name,) for name in ("torch", "dill", "multiprocess", "fsspec", "pandas", "evaluate")},
    "tokenizers": tuple(text for name, text in walking.STANDARD_LOOP if name == "tokenizers"),
    "transformers": tuple(text for name, text in walking.STANDARD_LOOP if name == "transformers"),
    "datasets": tuple(text for name, text in walking.STANDARD_LOOP if name == "datasets"),
    "accelerate": ("import accelerate\naccelerate.Accelerator()",),
    "huggingface-hub": ("from huggingface_hub import HfApi, hf_hub_download",),
    "scikit-learn": ("from sklearn.metrics import f1_score, roc_curve",),
    "requests": ("import requests",),
    "aiohttp": ("import aiohttp",),
}
PROVIDERS = (
    "huggingface-hub", "pyarrow", "accelerate", "datasets", "fsspec", "dill", "multiprocess", "numpy", "packaging",
    "setuptools", "tokenizers", "safetensors", "requests", "urllib3", "tqdm", "filelock", "pyyaml", "scipy", "joblib",
    "threadpoolctl", "psutil", "charset-normalizer",
)  # fmt: skip
# It came with every environment until Python 3.12 and virtualenv left it out, so that hardly anything declares it.
UNDECLARED = ("setuptools",)
SINCE = "2020-06-01"
LINUX = Platform("Linux", "x86_64", ("glibc", "2.36"))


def whole(index: PyPISimple, wheel: DistributionPackage) -> zipfile.ZipFile:
    response = index.s.get(wheel.url, timeout=120)
    response.raise_for_status()
    return zipfile.ZipFile(io.BytesIO(response.content))


class Wheel:
    """A release's files under a folder: all of their names, and the content of those that were asked for."""

    def __init__(self, index: PyPISimple, name: str, version: str, work: Path) -> None:
        self.index, self.name, self.version = index, name, version
        self.folder = work / "wheels" / f"{name}-{version}"
        self.archive: Optional[zipfile.ZipFile] = None

    def lay_out(self) -> None:
        if (self.folder / ".names").exists():
            return
        for member in self.open().namelist():
            if member.endswith((".py", ".so", ".pyi")) and not member.startswith(("/", "..")):
                path = self.folder / member
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        (self.folder / ".names").touch()

    def open(self) -> zipfile.ZipFile:
        if self.archive is None:
            files = files_by_release(self.index.get_project_page(self.name).packages, dt.date.min).get(self.version, [])
            wheels = [file for file in files if file.package_type == "wheel"]
            linux = [wheel for wheel in wheels if is_linux_wheel(tag_of(wheel)) and "cp3" in tag_of(wheel)]
            wheel = best(linux or wheels)
            if wheel is None:
                raise LookupError("it has no wheel")
            # One of sources alone is small: one request is quicker than one for each module.
            self.archive = (
                whole(self.index, wheel) if wheel.filename.endswith("-any.whl") else remote_zip(self.index, wheel)
            )
        return self.archive

    def fetch(self, path: str) -> bytes:
        """The content of one of its files, kept for the next time."""
        known = Path(path).read_bytes()
        if known:
            return known
        content = self.open().read(Path(path).relative_to(self.folder).as_posix()) or b"\n"
        Path(path).write_bytes(content)
        return content


class Seen(NamedTuple):
    module: str
    name: str  # "" is the module itself
    file: str
    line: int


class Opaque(Finder):
    """Everything but one distribution is there, and is not opened; `absent` modules are not."""

    def __init__(self, *args: Any, own: Set[str], absent: Collection[str]) -> None:
        super().__init__(*args)
        self.absent = absent
        # How versions compare is asked everywhere: any packaging that is at hand will do for that.
        self.opaque = {name for name in MODULES if name not in {*own, "packaging"}}

    def find(self, name: str) -> Optional[Found]:
        if name.partition(".")[0] in self.absent:
            return None
        if name.partition(".")[0] in self.opaque:
            return Found(None, compiled=True, root="elsewhere")
        return super().find(name)


class Recorder(Follower):
    """Notes what is taken from elsewhere, for sure and uncaught."""

    seen: Dict[Tuple[str, str], Seen]
    told: Any

    def note_take(self, module: str, name: str, frame: Frame, line: int, error: str) -> None:
        opaque = self.finder.opaque  # type: ignore[attr-defined]
        importer = frame.module
        if (
            module.partition(".")[0] in opaque
            and importer.found is not None
            and not importer.trusted
            and importer.name.partition(".")[0] not in opaque
            and self.sure
            and not frame.typing
            and all(catcher.catches(error) is False for catcher in self.catchers)
        ):
            self.seen.setdefault((module, name), Seen(module, name, self.told(importer), line))

    def import_module(self, name: str, frame: Frame, line: int) -> Any:
        self.note_take(name, "", frame, line, "ImportError")
        return super().import_module(name, frame, line)

    def taken_from(self, module: Module, name: str, frame: Frame, line: int) -> Any:
        self.note_take(module.name, name, frame, line, "ImportError")
        return super().taken_from(module, name, frame, line)

    def take(self, module: Module, name: str, frame: Frame, line: int, *, how: str) -> Any:
        self.note_take(module.name, name, frame, line, "ImportError" if how == "from" else "AttributeError")
        return super().take(module, name, frame, line, how=how)


class Reading(walking._Walk):  # noqa: SLF001  the same walk, over files that come from elsewhere
    def __init__(
        self, snapshot: Snapshot, wheel: Wheel, parsed: Optional[Dict[Any, Any]] = None, absent: Collection[str] = ()
    ) -> None:
        super().__init__(snapshot)
        self.parsed = {} if parsed is None else parsed
        assert snapshot.python is not None
        own = {module for module, name in MODULES.items() if name == wheel.name}
        self.finder = Opaque(snapshot.python.search_path, snapshot.packages, own=own, absent=absent)
        self.environment.finder = self.finder
        self.follower = Recorder(self.environment, self.surface, self.function, self.text_shows)
        self.follower.seen = {}
        self.follower.told = self.told
        fetch = wheel.fetch

        def source(path: str) -> bytes:
            return fetch(path) if path.startswith(str(wheel.folder) + os.sep) else Path(path).read_bytes()

        self.surfaces._source = source  # type: ignore[method-assign]  # noqa: SLF001

    def surface(self, module: Module) -> Any:
        """Parsed once for all walks over the same wheel."""
        path = module.found.path if module.found else None
        if path not in self.parsed:
            self.parsed[path] = super().surface(module)
        return self.parsed[path]

    def takes(self, entries: Iterable[str]) -> Dict[Tuple[str, str], Seen]:
        for entry in entries:
            self.follow("loop", entry.encode(), {}, loop=True)
        return self.follower.seen

    def misses(self, entries: Iterable[str]) -> List[Unasked]:
        """What it imports, surely and uncaught, although it is not there."""
        needs: Dict[Tuple[object, ...], Need] = {}
        for entry in entries:
            self.follow("loop", entry.encode(), needs, loop=True)
        return [
            Unasked(MODULES[need.module.partition(".")[0]], need.module, need.at.file, need.at.line)
            for need in needs.values()
            if need.kind == "missing-module" and need.sure and need.module.partition(".")[0] in self.finder.absent
        ]

    def lacks(self, wanted: Iterable[Tuple[str, str]]) -> List[Tuple[str, str]]:
        """Those of these names that it surely does not have."""
        asker = Module("asker", Found("asker.py", (), "elsewhere"), trusted=False)
        asker.surface = read_module(b"", self.environment.python)
        lacking: List[Tuple[str, str]] = []
        for name, taken in wanted:
            frame = Frame(asker, asker.scope, "module")
            self.follower.rows = {}
            try:
                module = self.follower.import_module(name, frame, 0)
                missing = any(
                    row.kind == "missing-module" and row.importer is asker and row.provider == name
                    for row, _ in self.follower.rows.values()
                )
                if missing or (taken and isinstance(module, Module) and self.follower.lookup(module, taken) is MISSING):
                    lacking.append((name, taken))
            except (Raised, Unreadable):
                continue
        return lacking


def snapshot_of(wheel: Wheel, versions: Mapping[str, str], python: Python) -> Snapshot:
    """The release and, by their versions alone, the others."""
    packages = {name: Package(name, version) for name, version in versions.items()}
    packages[wheel.name] = Package(wheel.name, wheel.version, location=str(wheel.folder))
    own = str(Path(packaging.__file__).parents[1])
    folded = msgspec.structs.replace(python, search_path=(*python.search_path, str(wheel.folder), own))
    return Snapshot(source="interpreter", python=folded, platform=LINUX, packages=packages)


def this_python(minor: str) -> Python:
    """The library of the interpreter that runs this, said to be of that minor release."""
    import sysconfig  # noqa: PLC0415

    paths = sysconfig.get_paths()
    markers = {
        "implementation_name": "cpython", "os_name": "posix", "platform_machine": "x86_64",
        "platform_python_implementation": "CPython", "platform_system": "Linux", "python_full_version": f"{minor}.9",
        "python_version": minor, "sys_platform": "linux",
    }  # fmt: skip
    return Python(
        f"{minor}.9",
        executable="/env/bin/python",
        markers=markers,
        search_path=(paths["stdlib"], paths["stdlib"] + "/lib-dynload"),
    )


def beside(knowledge: Matrices, release: Release, when: str) -> Dict[str, str]:
    """What stands beside a release: of its day, the newest, or the oldest that it asks for."""
    found: Dict[str, str] = {}
    declared = {one.name.lower().replace("_", "-"): one.specifier for one in map(parse, release.requires) if one}
    for name in set(MODULES.values()):
        known = [one for one in knowledge.releases(name).values() if not Version(one.version).is_prerelease]
        asked = declared.get(name)
        if when == "day":
            known = [one for one in known if one.date <= release.date] or known[:1]
        elif when == "oldest":
            fitting = [one for one in known if asked is None or asked.contains(one.version)]
            known = (fitting or known)[:1] if asked is not None else [one for one in known if one.date <= release.date]
        if known:
            found[name] = max((one.version for one in known), key=Version)
    return found


_WORK: Path


@contextmanager
def laid_out(name: str, version: str) -> Iterator[Tuple[Wheel, Matrices, Release, Python]]:
    """A release's wheel, what is known beside it, and a Python of its day."""
    with PyPISimple(index_url()) as index:
        knowledge = Matrices()
        release = knowledge.releases(name)[version]
        wheel = Wheel(index, name, version, _WORK)
        wheel.lay_out()
        yield wheel, knowledge, release, this_python("3.9" if release.date < "2024-06-01" else "3.11")
        shutil.rmtree(wheel.folder)


def read_takes(job: Tuple[str, str]) -> Tuple[str, str, Optional[Dict[str, List[Seen]]]]:
    """Of one release of an importer: what it takes, by when it was."""
    name, version = job
    kept = _WORK / "takes" / f"{name}-{version}.json"
    if kept.exists():
        return name, version, msgspec.json.decode(kept.read_bytes(), type=Dict[str, List[Seen]])
    try:
        with laid_out(name, version) as (wheel, knowledge, release, python):
            found: Dict[str, List[Seen]] = {}
            parsed: Dict[Any, Any] = {}
            for when in ("day", "newest", "oldest"):
                snapshot = snapshot_of(wheel, beside(knowledge, release, when), python)
                read = walking.with_deep_stack(lambda s=snapshot: Reading(s, wheel, parsed).takes(ENTRIES[name]))
                found[when] = list(read.values())
    except (*UNREADABLE, RecursionError) as error:
        tell(f"{name} {version}", error)
        return name, version, None
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(msgspec.json.encode(found))
    return name, version, found


def read_unasked(job: Tuple[str, str]) -> Tuple[str, str, Optional[List[Unasked]]]:
    """Of one release of an importer: what it imports of a distribution that is not there."""
    name, version = job
    kept = _WORK / "unasked" / f"{name}-{version}.json"
    if kept.exists():
        return name, version, msgspec.json.decode(kept.read_bytes(), type=List[Unasked])
    absent = [module for module, provider in MODULES.items() if provider in UNDECLARED]
    try:
        with laid_out(name, version) as (wheel, knowledge, release, python):
            others = {one: at for one, at in beside(knowledge, release, "day").items() if one not in UNDECLARED}
            reading = Reading(snapshot_of(wheel, others, python), wheel, absent=absent)
            found = walking.with_deep_stack(lambda: reading.misses(ENTRIES[name]))
    except (*UNREADABLE, RecursionError) as error:
        tell(f"{name} {version}", error)
        return name, version, None
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(msgspec.json.encode(found))
    return name, version, found


def read_lacks(job: Tuple[str, str, List[Tuple[str, str]]]) -> Tuple[str, str, Optional[List[Tuple[str, str]]]]:
    """Of one release of a provider: which of these names it lacks."""
    name, version, wanted = job
    kept = _WORK / "lacks" / f"{name}-{version}.json"
    asked: Dict[str, bool] = msgspec.json.decode(kept.read_bytes()) if kept.exists() else {}
    new = [pair for pair in wanted if " ".join(pair) not in asked]
    if new:
        try:
            with laid_out(name, version) as (wheel, knowledge, release, python):
                snapshot = snapshot_of(wheel, beside(knowledge, release, "day"), python)
                lacking = walking.with_deep_stack(lambda: Reading(snapshot, wheel).lacks(new))
        except (*UNREADABLE, RecursionError) as error:
            tell(f"{name} {version}", error)
            return name, version, None
        asked.update({" ".join(pair): pair in lacking for pair in new})
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(msgspec.json.encode(asked))
    return name, version, [pair for pair in wanted if asked[" ".join(pair)]]


def releases_of(knowledge: Matrices, name: str) -> List[str]:
    return [
        one.version
        for one in knowledge.releases(name).values()
        if one.date >= SINCE and not one.yanked and one.wheels and not Version(one.version).is_prerelease
    ]


def to_read(name: str, versions: Iterable[str]) -> List[str]:
    """The last of each series: what a release imports hardly ever changes within one. But datasets 2.14.7 is rid of
    what 2.14.5 takes of pyarrow.
    """
    if name == "datasets":
        return list(versions)
    series = {Version(version).release[:2]: version for version in sorted(versions, key=Version)}
    return list(series.values())


def start(work: Path) -> None:
    global _WORK  # noqa: PLW0603  of each process
    _WORK = work


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--to", type=Path, default=Path(__file__).parents[1] / "matrices" / "surfaces", metavar="DIR")
    parser.add_argument("--importers", default=",".join(ENTRIES), metavar="A,B")
    parser.add_argument("--providers", default=",".join(sorted(set(MODULES.values()))), metavar="C,D")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    os.environ["CARD_DOCTOR_CACHE"] = ""
    start(options.work)
    knowledge = Matrices()
    jobs = [
        (name, version)
        for name in filter(None, options.importers.split(","))
        for version in to_read(name, releases_of(knowledge, name))
    ]
    taken: Dict[Tuple[str, str], Dict[str, Dict[str, Dict[Tuple[str, str], Seen]]]] = {}
    failed = 0
    importers: Dict[str, Dict[str, Tuple[str, ...]]] = {}
    providers: Dict[str, List[str]] = {}
    with ProcessPoolExecutor(options.processes, initializer=start, initargs=(options.work,)) as pool:
        for done, (name, version, found) in enumerate(pool.map(read_takes, jobs), start=1):
            progress(f"takes of {name}", done, len(jobs))
            if found is None:
                failed += 1
                continue
            importers.setdefault(name, {})[version] = imports(found["day"])
            for when, rows in found.items():
                for row in (*rows, *roots(rows)):
                    key = (row.module, row.name)
                    taken.setdefault(key, {}).setdefault(name, {}).setdefault(version, {})[(when, "")] = row
        for provider in filter(None, options.providers.split(",")):
            wanted = sorted(key for key in taken if MODULES.get(key[0].partition(".")[0]) == provider)
            lacking: Dict[Tuple[str, str], List[str]] = {}
            read = provider in PROVIDERS and wanted
            tasks = [(provider, version, wanted) for version in releases_of(knowledge, provider)] if read else []
            for done, (_, version, lacks) in enumerate(pool.map(read_lacks, tasks), start=1):
                progress(f"names of {provider}", done, len(tasks))
                if lacks is None:
                    failed += 1
                else:
                    providers.setdefault(provider, []).append(version)
                for key in lacks or ():
                    lacking.setdefault(key, []).append(version)
            whole = {key: lacking.get(key, []) for key in wanted if key in lacking or is_root(key)}
            write(options.to, provider, taken, whole, importers)
            print(f"{provider}: {len(lacking)} of {len(wanted)} names are not in each of {len(tasks)}", file=sys.stderr)
        known = options.to / READ
        before = msgspec.json.decode(known.read_bytes(), type=Read) if known.exists() else Read()
        importers = {**before.importers, **importers}
        again = [
            (name, version)
            for name, releases in importers.items()
            for version, imported in releases.items()
            if set(imported).intersection(UNDECLARED)
        ]
        unasked: Dict[str, Dict[str, Tuple[Unasked, ...]]] = {}
        for done, (name, version, missed) in enumerate(pool.map(read_unasked, again), start=1):
            progress("undeclared", done, len(again))
            failed += missed is None
            if missed:
                unasked.setdefault(name, {})[version] = tuple(missed)
    found = Read(
        tuple(sorted(set(MODULES.values()))),
        importers,
        {**before.providers, **{name: tuple(versions) for name, versions in providers.items()}},
        unasked,
    )
    known.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return 1 if failed else 0


def is_root(key: Tuple[str, str]) -> bool:
    return key[0] in MODULES and not key[1]


def roots(seen: Iterable[Seen]) -> List[Seen]:
    """Where each distribution is imported first: there it is missed where it is not installed."""
    first: Dict[str, Seen] = {}
    for one in seen:
        root = one.module.partition(".")[0]
        if root in MODULES and not one.name:
            first.setdefault(root, Seen(root, "", one.file, one.line))
    return list(first.values())


def imports(seen: Iterable[Seen]) -> Tuple[str, ...]:
    """The distributions whose modules are imported."""
    roots = {one.module.partition(".")[0] for one in seen if one.name == ""}
    return tuple(sorted({MODULES[root] for root in roots if root in MODULES}))


def write(
    folder: Path,
    provider: str,
    taken: Mapping[Tuple[str, str], Any],
    lacking: Mapping[Tuple[str, str], List[str]],
    importers: Collection[str],
) -> None:
    """What other importers take stays as it was known."""
    path = folder / f"{provider}.jsonl"
    known = msgspec.json.Decoder(Take).decode_lines(path.read_bytes()) if path.exists() else []
    lines = [line for line in known if line.importer not in importers]
    for (module, name), versions in sorted(lacking.items()):
        for importer, releases in sorted(taken[module, name].items()):
            newer: Dict[str, List[str]] = {}
            older: Dict[str, List[str]] = {}
            for version, rows in releases.items():
                times = {when: row for (when, _), row in rows.items()}
                row = times.get("day")
                if row is not None:
                    for other, where in (("newest", newer), ("oldest", older)):
                        if other in times:
                            where.setdefault(row.file, []).append(f"{version}:{row.line}")
            if newer or older:
                lines.append(Take(importer, module, name, tuple(versions), newer, older))
    if lines:
        lines.sort(key=lambda line: (line.module, line.name, line.importer))
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def progress(what: str, done: int, of: int) -> None:
    if done % 10 == 0 or done == of:
        print(f"{what}: {done} of {of}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
