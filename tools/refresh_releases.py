# /// script
# requires-python = ">=3.11"
# dependencies = ["card-doctor", "packaging>=23.1", "pypi-simple>=1.6", "remotezip>=0.12"]
# [tool.uv.sources]
# card-doctor = { path = "..", editable = true }
# ///
"""Bring matrices/releases/ up to date from the package index that pip or uv is set up with.

    python tools/refresh_releases.py [--to DIR] [DISTRIBUTION...]

Per release: the day of its first upload, the tags of its wheels, whether there is an sdist, whether it was yanked,
what Python it asks for, and what it requires of the distributions listed here; of torch also what its wheel was
built with. One file a distribution, one release a line, sorted: a diff shows what came and what changed.

How each fact is obtained: days, tags and yanks from the index's project page (PEP 691, 700, 592); requirements from
the wheel's METADATA, asked for alone where the index offers it (PEP 658), else read from the end of the wheel by
range requests; where there is no wheel, from the sdist's PKG-INFO and egg-info. torch's CUDA is what its
torch/version.py says; cuDNN and triton are its own pins (cuDNN was linked in before 1.13: torch-builds.toml); the
architectures are the list that is compiled into libtorch_python.so, the one that `torch._C._cuda_getArchFlags()`
returns; all of them of the Linux x86_64 wheel.

Left out: pre-releases of what has final releases; requirements for the extras of developers (tests, docs, ...);
what was uploaded before 2020, but for the distributions that every card names.

What is known is not asked again: the pages are read anew, a release that the file has keeps its requirements and its
build. What could not be read is named, left out, and asked for next time. To read all of a distribution again (the
list below has grown), delete its file.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import msgspec
import remotezip
import requests
import tomllib
from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    DistributionPackage,
    NoSuchProjectError,
    PyPISimple,
    UnsupportedContentTypeError,
)

from card_doctor.model import Build, Release

# What every card names: all their releases. Then what comes with them, or is named by many.
CORE = ("torch", "transformers", "datasets", "tokenizers")
OTHERS = (
    *("accelerate", "huggingface-hub", "safetensors", "numpy", "pyarrow", "pandas", "fsspec", "dill", "multiprocess"),
    *(
        "setuptools",
        "peft",
        "trl",
        "sentence-transformers",
        "setfit",
        "diffusers",
        "evaluate",
        "bitsandbytes",
        "deepspeed",
    ),
    *("lightning", "pytorch-lightning", "tensorboard", "protobuf", "torchvision", "torchaudio", "triton", "xformers"),
    *("flash-attn", "scikit-learn", "scipy", "packaging", "requests", "urllib3", "filelock", "tqdm", "regex", "pyyaml"),
    *("aiohttp", "wandb", "tensorflow", "jax", "joblib", "threadpoolctl", "psutil", "charset-normalizer"),
)
SINCE = dt.date(2020, 1, 1)
# An extra with one of these words in its name is for those who develop the distribution, or repeats the others.
DEVELOPERS_WORDS = {
    *(
        "all",
        "alldeps",
        "benchmark",
        "benchmarks",
        "build",
        "ci",
        "codecov",
        "dev",
        "doc",
        "docs",
        "example",
        "examples",
    ),
    *("extra", "extras", "full", "install", "lint", "locking", "mypy", "quality", "readthedocs", "release", "style"),
    *("styles", "test", "testing", "testingfree", "tests", "tutorials", "type", "typecheck", "types"),
}
CONNECTIONS = 4
# What one distribution or release may fail with, without ending the run.
UNREADABLE = (
    *(OSError, ValueError, LookupError, tarfile.TarError, zipfile.BadZipFile),
    *(requests.RequestException, remotezip.RemoteZipError, NoSuchProjectError, UnsupportedContentTypeError),
)
ARCHITECTURES = re.compile(rb"sm_\d+[a-z]?(?: (?:sm|compute)_\d+[a-z]?)+(?=\0)")  # other text may precede it directly


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("distributions", nargs="*", default=[*CORE, *OTHERS], metavar="DISTRIBUTION")
    parser.add_argument("--to", type=Path, default=Path(__file__).parents[1] / "matrices" / "releases", metavar="DIR")
    options = parser.parse_args()
    failed = 0
    with PyPISimple(index_url()) as index:
        for name in map(canonicalize_name, options.distributions):
            try:
                failed += refresh(index, name, options.to)
            except UNREADABLE as error:  # noqa: PERF203
                failed += 1
                tell(name, error)
    return 1 if failed else 0


def tell(what: str, error: Exception) -> None:
    said = re.sub(r"//[^/@\s]*@", "//", str(error))  # an index's address may hold a password
    print(f"{what}: {type(error).__name__}: {said}", file=sys.stderr)


def index_url() -> str:
    """What uv or pip is told to use; else the index that both use untold, as the client library knows it."""
    told = next(filter(None, map(os.environ.get, ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"))), None)
    if told:
        return told
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or PYPI_SIMPLE_ENDPOINT


class Declared(NamedTuple):
    requires_python: Optional[str]
    requires: Tuple[str, ...]
    extras: Tuple[str, ...]


def refresh(index: PyPISimple, name: str, folder: Path) -> int:
    """Bring the file of one distribution up to date; how many of its releases could not be read."""
    path = folder / f"{name}.jsonl"
    known = {one.version: one for one in read(path)}
    found = files_by_release(index.get_project_page(name).packages, dt.date.min if name in CORE else SINCE)
    fresh: Dict[str, Release] = {}
    failed = 0
    pool = ThreadPoolExecutor(CONNECTIONS)
    tasks = {
        pool.submit(release, index, name, version, files, known.get(version)): version
        for version, files in found.items()
    }
    try:
        for done, task in enumerate(as_completed(tasks), start=1):
            try:
                fresh[tasks[task]] = task.result()
            except UNREADABLE as error:
                failed += 1
                tell(f"{name} {tasks[task]}", error)
            if done % 50 == 0 and done < len(tasks):
                print(f"{name}: {done} of {len(tasks)}", file=sys.stderr)
    finally:  # interrupted, the next run goes on from here
        pool.shutdown(cancel_futures=True)
        kept = {version: one for version, one in known.items() if version in found}
        write(path, {**kept, **fresh}.values())
    print(f"{name}: {len(fresh)} releases, {len(set(fresh) - set(known))} new", file=sys.stderr)
    return failed


def read(path: Path) -> List[Release]:
    return msgspec.json.Decoder(Release).decode_lines(path.read_bytes()) if path.exists() else []


def write(path: Path, releases: Iterable[Release]) -> None:
    lines = [msgspec.json.encode(one) for one in sorted(releases, key=lambda one: Version(one.version))]
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".new")
    whole.write_bytes(b"".join(line + b"\n" for line in lines))
    whole.replace(path)


def files_by_release(files: Iterable[DistributionPackage], since: dt.date) -> Dict[str, List[DistributionPackage]]:
    """The wheels and sdists of each release, in the order of the releases."""
    found: Dict[Version, List[DistributionPackage]] = defaultdict(list)
    for file in files:
        try:
            version = Version(file.version or "")
        except InvalidVersion:
            continue
        if file.package_type in {"wheel", "sdist"} and file.upload_time is not None:
            found[version].append(file)
    if not found:
        raise ValueError("the index tells no upload times (PEP 700), or has no release")
    late = {version: those for version, those in found.items() if first_upload(those) >= since}
    finals = {version: those for version, those in late.items() if not version.is_prerelease}
    return {those[-1].version or "": those for _, those in sorted((finals or late).items())}


def first_upload(files: Iterable[DistributionPackage]) -> dt.date:
    return min(file.upload_time for file in files if file.upload_time is not None).date()


def release(
    index: PyPISimple, name: str, version: str, files: Sequence[DistributionPackage], known: Optional[Release]
) -> Release:
    wheels = [file for file in files if file.package_type == "wheel"]
    if known is None:
        declared = declared_by(index, best(wheels) or files[0])
        build = torch_build(index, wheels) if name == "torch" else None
    else:
        declared = Declared(known.requires_python, known.requires, known.extras)
        build = known.build
    return Release(
        version=version,
        date=first_upload(files).isoformat(),
        wheels=tuple(sorted({tag_of(wheel) for wheel in wheels})),
        sdist=len(wheels) < len(files),
        yanked=all(file.is_yanked for file in files),
        requires_python=declared.requires_python,
        requires=declared.requires,
        extras=declared.extras,
        build=build,
    )


def tag_of(wheel: DistributionPackage) -> str:
    return "-".join(wheel.filename[: -len(".whl")].split("-")[-3:])


def best(wheels: Sequence[DistributionPackage]) -> Optional[DistributionPackage]:
    """The wheel to read: for any platform, else for Linux x86_64, else any; of the newest Python."""
    ranks: List[Callable[[str], bool]] = [is_linux_wheel, lambda tag: tag.endswith("-any")]
    return max(
        wheels,
        key=lambda wheel: (
            *(rank(tag_of(wheel)) for rank in ranks),
            [int(n) for n in re.findall(r"\d+", tag_of(wheel))],
        ),
        default=None,
    )


def is_linux_wheel(tag: str) -> bool:
    return "linux" in tag and "musl" not in tag and tag.endswith("x86_64")


def declared_by(index: PyPISimple, file: DistributionPackage) -> Declared:
    if file.package_type == "sdist":
        metadata, required = sdist_metadata(index, file)
    else:
        metadata, required = wheel_metadata(index, file), None
    raw, _ = parse_email(metadata)
    wanted = [one for one in required or raw.get("requires_dist", []) if is_wanted(one)]
    extras = {extra for one in wanted for extra in extras_of(one)}
    return Declared(
        raw.get("requires_python") or file.requires_python,
        tuple(dict.fromkeys(wanted)),
        tuple(sorted(extra for extra in raw.get("provides_extra", extras) if extra in extras)),
    )


def is_wanted(text: str) -> bool:
    """A requirement on a distribution that is listed here, and not one of an extra for developers alone."""
    try:
        name = canonicalize_name(Requirement(text).name)
    except InvalidRequirement:  # legacy: nothing enforces what nothing can read
        return False
    extras = extras_of(text)
    return name in {*CORE, *OTHERS} and not (extras and all(map(is_developers, extras)))


def is_developers(extra: str) -> bool:
    return not DEVELOPERS_WORDS.isdisjoint(re.split(r"[-_.]", extra.lower()))


def extras_of(text: str) -> List[str]:
    marker = text.partition(";")[2]
    return re.findall(r"""extra\s*==\s*['"]([^'"]+)['"]""", marker) + re.findall(
        r"""['"]([^'"]+)['"]\s*==\s*extra""", marker
    )


def wheel_metadata(index: PyPISimple, wheel: DistributionPackage) -> bytes:
    if wheel.has_metadata:
        return index.get_package_metadata_bytes(wheel)
    with remote_zip(index, wheel) as archive:
        return archive.read(only(archive.namelist(), r"[^/]+\.dist-info/METADATA"))


def only(names: Iterable[str], pattern: str) -> str:
    (found,) = (name for name in names if re.fullmatch(pattern, name))
    return found


def remote_zip(index: PyPISimple, file: DistributionPackage) -> remotezip.RemoteZip:
    return remotezip.RemoteZip(file.url, session=index.s, timeout=60)


def sdist_metadata(index: PyPISimple, sdist: DistributionPackage) -> Tuple[bytes, Optional[List[str]]]:
    """PKG-INFO, and what egg-info requires: setuptools wrote that into PKG-INFO only lately."""
    with tempfile.TemporaryDirectory() as folder:
        info = Path(folder, "x.egg-info")
        info.mkdir()
        for name, content in sdist_members(index, sdist):
            (info / Path(name).name).write_bytes(content)
        metadata = (info / "PKG-INFO").read_bytes()
        return metadata, list(importlib.metadata.PathDistribution(info).requires or [])


def sdist_members(index: PyPISimple, sdist: DistributionPackage) -> Iterable[Tuple[str, bytes]]:
    wanted = re.compile(r"[^/]+/PKG-INFO|[^/]+(/src)?/[^/]+\.egg-info/requires\.txt")
    if sdist.filename.endswith(".zip"):
        with remote_zip(index, sdist) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist() if wanted.fullmatch(name))
        return
    with index.s.get(sdist.url, stream=True, timeout=60) as response:
        response.raise_for_status()
        with tarfile.open(fileobj=response.raw, mode="r|*") as archive:
            for member in archive:
                content = archive.extractfile(member) if wanted.fullmatch(member.name) else None
                if content is not None:
                    yield member.name, content.read()


def torch_build(index: PyPISimple, wheels: Sequence[DistributionPackage]) -> Optional[Build]:
    """What the default wheel for Linux x86_64 was built with; None where there is none."""
    wheel = best([wheel for wheel in wheels if is_linux_wheel(tag_of(wheel))])
    if wheel is None:
        return None
    with remote_zip(index, wheel) as archive:
        version_py = archive.read("torch/version.py").decode()
        library = archive.read(only(archive.namelist(), r".*/libtorch_python\.so"))
    architectures = ARCHITECTURES.search(library)
    cuda = re.search(r"^cuda\b.*?= '([\d.]+)'", version_py, re.MULTILINE)
    raw, _ = parse_email(wheel_metadata(index, wheel))
    pins = {canonicalize_name(one.name): one for one in map(Requirement, raw.get("requires_dist", []))}
    cudnn = next((one for name, one in pins.items() if name.startswith("nvidia-cudnn-")), None)
    return Build(
        cuda=cuda.group(1) if cuda else None,
        cudnn=str(cudnn.specifier).lstrip("=") if cudnn else linked_cudnn(wheel.version or ""),
        triton=str(pins["triton"].specifier).lstrip("=") if "triton" in pins else None,
        architectures=tuple(architectures.group().decode().split()) if architectures else (),
    )


def linked_cudnn(version: str) -> Optional[str]:
    known = tomllib.loads(Path(__file__).with_name("torch-builds.toml").read_text())["build"]
    return next((one["cudnn"] for one in known if SpecifierSet(one["versions"]).contains(version)), None)


if __name__ == "__main__":
    sys.exit(main())
