"""Environments as others list them in JSON: CycloneDX and `conda list --json`."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Optional, Tuple
from urllib.parse import unquote

import msgspec
from packaging.utils import canonicalize_name

from card_doctor.environment.files.target import python_markers
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Gap, Package, Platform, Python, Snapshot, TorchBuild

DECLARED = Gap("declared requirements", "absent", "a file of this kind does not hold what its packages require")
# pkg:pypi/Name@1.0?qualifiers: https://github.com/package-url/purl-spec
PURL = re.compile(r"pkg:(pypi|conda|generic)/(?:[^@?#]*/)?([^/@?#]+)@([^?#]+)")
# What conda calls otherwise than the package index does.
CONDA_NAMES = {"pytorch": "torch", "pytorch-cpu": "torch", "pytorch-gpu": "torch", "msgpack-python": "msgpack"}
# https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/packages.html
CONDA_MACHINES = {"64": "x86_64", "32": "x86", "aarch64": "aarch64", "arm64": "arm64", "ppc64le": "ppc64le"}
CONDA_SYSTEMS = {"linux": "Linux", "osx": "Darwin", "win": "Windows"}
# py3.9_cuda11.1_cudnn8.0.5_0 of the channel pytorch; cuda112py39h3ad47f5_1 and cuda126_mkl_py312 of conda-forge
CONDA_CUDA = re.compile(r"cuda(?P<dotted>\d+\.\d+)|cuda(?P<major>\d{2})(?P<minor>\d)")


class Component(msgspec.Struct, rename="camel"):
    name: str
    type: str = "library"
    version: Optional[str] = None
    purl: Optional[str] = None
    components: List[Component] = []


class Composition(msgspec.Struct, rename="camel"):
    aggregate: str = "unknown"


class Bom(msgspec.Struct, rename="camel"):
    """https://cyclonedx.org/docs/latest/json/"""

    components: List[Component] = []
    compositions: List[Composition] = []


def read_cyclonedx(path: str, document: Dict[str, Any]) -> Snapshot:
    """The Python packages among its components. Others may be there, unless it says that it is complete."""
    try:
        bom = msgspec.convert(document, Bom)
    except msgspec.ValidationError as error:
        raise EnvironmentReadError(f"{path}: no valid CycloneDX document: {error}", "Write it again.") from None
    listed, python = [], None
    for component in _all(bom.components):
        purl = PURL.match(component.purl or "")
        kind, name, version = purl.groups() if purl else ("", component.name, component.version)
        if (
            name == "python"
            and version
            and (kind in {"generic", "conda"} or component.type in {"platform", "framework"})
        ):
            python = unquote(version)
        elif kind in {"pypi", "conda"}:
            listed.append((_known_as(kind, unquote(name)), unquote(version or "")))
    packages, gaps = _collected(listed)
    complete = [one.aggregate for one in bom.compositions] == ["complete"]
    return Snapshot(
        source="cyclonedx",
        complete=complete,
        python=_interpreter(python),
        packages=packages,
        gaps=(*gaps, DECLARED),
    )


def _all(components: List[Component]) -> Iterator[Component]:
    for component in components:
        yield component
        yield from _all(component.components)


class CondaPackage(msgspec.Struct):
    name: str
    version: str
    build_string: str = ""
    channel: str = ""
    platform: str = ""


def read_conda(path: str, document: List[Any]) -> Snapshot:
    """All that is in the environment; what is no Python package stands there under its own name."""
    try:
        rows = msgspec.convert(document, List[CondaPackage])
    except msgspec.ValidationError as error:
        raise EnvironmentReadError(f"{path}: no valid `conda list --json`: {error}", "Write it again.") from None
    # What pip installed comes last: it is what Python finds.
    rows.sort(key=lambda row: row.channel == "pypi", reverse=True)
    by_name = {row.name: row for row in reversed(rows)}
    listed = [
        (_known_as("pypi" if row.channel == "pypi" else "conda", row.name), row.version)
        for row in rows
        if row.name != "python"
    ]
    packages, gaps = _collected(listed)
    python = by_name.get("python")
    return Snapshot(
        source="conda",
        python=_interpreter(python.version if python else None),
        platform=next(filter(None, (_platform(row.platform) for row in rows)), None),
        packages=packages,
        torch=_torch(by_name),
        gaps=(*gaps, DECLARED),
    )


def _known_as(kind: str, name: str) -> str:
    return CONDA_NAMES.get(name, name) if kind == "conda" else name


def _collected(listed: List[Tuple[str, str]]) -> Tuple[Dict[str, Package], List[Gap]]:
    packages: Dict[str, Package] = {}
    gaps: List[Gap] = []
    for raw, version in listed:
        name = canonicalize_name(raw)
        if not version:
            gaps.append(Gap(f"package {name}", "absent", "listed without a version"))
        elif name not in packages:
            packages[name] = Package(name, version)
        elif packages[name].version != version:
            told = f"listed twice: {packages[name].version} is taken, {version} is not"
            gaps.append(Gap(f"package {name}", "failed", told))
    return packages, gaps


def _interpreter(version: Optional[str]) -> Optional[Python]:
    if version is None or not re.match(r"3\.\d", version):
        return None
    return Python(version, markers=python_markers(version))


def _platform(subdir: str) -> Optional[Platform]:
    system, _, machine = subdir.partition("-")
    if system not in CONDA_SYSTEMS or machine not in CONDA_MACHINES:  # noarch, pypi
        return None
    named = {"x86_64": "AMD64"}.get(CONDA_MACHINES[machine], CONDA_MACHINES[machine]) if system == "win" else None
    return Platform(CONDA_SYSTEMS[system], named or CONDA_MACHINES[machine])


def _torch(by_name: Dict[str, CondaPackage]) -> Optional[TorchBuild]:
    """The build of a torch that conda installed, by its build string."""
    row = by_name.get("pytorch")
    if row is None:
        return None
    found = CONDA_CUDA.search(row.build_string)
    if found is None:
        return TorchBuild(row.version, build="cpu" if "cpu" in row.build_string else None)
    cuda = found["dotted"] or f"{found['major']}.{found['minor']}"
    return TorchBuild(row.version, build="cu" + cuda.replace(".", ""), cuda=cuda)
