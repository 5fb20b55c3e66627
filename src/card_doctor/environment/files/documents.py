"""Environments as JSON: our own snapshots, and the reports of `pip inspect`."""

from __future__ import annotations

from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlsplit, urlunsplit

import msgspec
from packaging.utils import canonicalize_name

from card_doctor.environment.files.reading import KNOWN
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Gap, Package, Platform, Python, Snapshot

SNAPSHOT = "card-doctor/snapshot/"
CONDA = {"name", "version", "build_string", "channel"}


def read_document(path: str, document: Any) -> Snapshot:
    if isinstance(document, dict):
        if "schema" in document:
            return read_snapshot(path, document)
        if "installed" in document and "pip_version" in document:
            return _inspected(path, document)
        if document.get("bomFormat") == "CycloneDX":
            from card_doctor.environment.files.listings import read_cyclonedx  # noqa: PLC0415

            return read_cyclonedx(path, document)
    if (
        isinstance(document, list)
        and document
        and all(isinstance(row, dict) and row.keys() >= CONDA for row in document)
    ):
        from card_doctor.environment.files.listings import read_conda  # noqa: PLC0415

        return read_conda(path, document)
    raise EnvironmentReadError(f"{path}: JSON, but of an unknown kind{_kind(document)}", KNOWN)


def _kind(document: Any) -> str:
    if isinstance(document, dict) and "install" in document:
        return " (a report of `pip install`)"
    rows = isinstance(document, list) and document and all(isinstance(row, dict) for row in document)
    return " (`pip list --format json`?)" if rows and all("version" in row for row in document) else ""


def read_snapshot(path: str, document: Dict[str, Any]) -> Snapshot:
    """One of `card-doctor snapshot`; EnvironmentReadError for any other, and for one of another version."""
    schema = document["schema"]
    if not isinstance(schema, str) or not schema.startswith(SNAPSHOT):
        raise EnvironmentReadError(f"{path}: {schema!r} is no snapshot", "Write one with `card-doctor snapshot`.")
    if schema != SNAPSHOT + "1":
        raise EnvironmentReadError(
            f"{path}: {schema} is of another version of card-doctor, this one reads {SNAPSHOT}1",
            "Upgrade: pip install -U card-doctor",
        )
    try:
        snapshot = msgspec.convert(document, Snapshot)
    except msgspec.ValidationError as error:
        raise EnvironmentReadError(f"{path}: no valid snapshot: {error}", "Write it again.") from None
    packages = {canonicalize_name(name): package for name, package in snapshot.packages.items()}
    return msgspec.structs.replace(snapshot, source="snapshot", packages=packages)


class Metadata(msgspec.Struct):
    name: str
    version: str
    requires_dist: Tuple[str, ...] = ()
    provides_extra: Tuple[str, ...] = ()
    requires_python: Optional[str] = None


class Directory(msgspec.Struct):
    editable: bool = False


class DirectUrl(msgspec.Struct):
    url: str
    dir_info: Optional[Directory] = None


class Installed(msgspec.Struct):
    metadata: Metadata
    metadata_location: Optional[str] = None
    direct_url: Optional[DirectUrl] = None


class Inspected(msgspec.Struct):
    """https://pip.pypa.io/en/stable/reference/inspect-report/"""

    version: str
    installed: List[Installed]
    environment: Dict[str, str] = {}


def _inspected(path: str, document: Dict[str, Any]) -> Snapshot:
    try:
        report = msgspec.convert(document, Inspected)
    except msgspec.ValidationError as error:
        raise EnvironmentReadError(f"{path}: no valid `pip inspect` report: {error}", "Write it again.") from None
    if report.version.partition(".")[0] not in {"0", "1"}:
        raise EnvironmentReadError(
            f"{path}: a `pip inspect` report of version {report.version}; known is version 1",
            "Upgrade: pip install -U card-doctor",
        )
    packages: Dict[str, Package] = {}
    gaps: List[Gap] = []
    for one in report.installed:
        name = canonicalize_name(one.metadata.name)
        if name in packages:
            told = f"listed twice: {packages[name].version} is taken, {one.metadata.version} is not"
            gaps.append(Gap(f"package {name}", "failed", told))
            continue
        packages[name] = _package(name, one)
    markers = report.environment
    full = markers.get("python_full_version")
    implementation = markers.get("implementation_name", "cpython")
    system, machine = markers.get("platform_system"), markers.get("platform_machine")
    return Snapshot(
        source="pip-inspect",
        python=Python(full, implementation, markers=markers) if full else None,
        platform=Platform(system, machine) if system and machine else None,
        packages=packages,
        gaps=tuple(gaps),
    )


def _package(name: str, one: Installed) -> Package:
    metadata, direct = one.metadata, one.direct_url
    place = _pure(one.metadata_location) if one.metadata_location else None
    return Package(
        name=name,
        version=metadata.version,
        requires=metadata.requires_dist,
        extras=metadata.provides_extra,
        requires_python=metadata.requires_python,
        location=str(place.parent) if place else None,
        info=place.name if place else None,
        editable=bool(direct and direct.dir_info and direct.dir_info.editable),
        url=without_credentials(direct.url) if direct else None,
    )


def _pure(path: str) -> PurePath:
    """The report may come from another system."""
    return PureWindowsPath(path) if "\\" in path else PurePosixPath(path)


def without_credentials(url: str) -> str:
    """No user, password, query or fragment: each may hold a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:  # https://[
        return url.partition("://")[0] + "://"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
