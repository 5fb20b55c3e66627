"""An environment from a file: a snapshot, a lock, a list of packages. The kind is recognised by the content."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Optional

import msgspec

from card_doctor.environment.files.reading import KNOWN, read_text
from card_doctor.environment.files.target import Target, target
from card_doctor.errors import EnvironmentReadError, UsageError
from card_doctor.model import Gap, Snapshot, TorchBuild

__all__ = ["read_file"]

# Kinds that people try, by how they begin, and what to give instead.
LOCK_VERSION = re.compile(r"^lock-version\s*=", re.MULTILINE)
UV_LOCK = re.compile(r"\s*(?:#.*\s+)*version\s*=\s*\d+\s*\n")
OTHER_TOML = re.compile(r"^\[\[?\s*(package|project|tool|build-system|packages|metadata|source)\b", re.MULTILINE)
# The local part of a version: 1.9.1+cu111, 2.1.0+cpu, 2.0.1+rocm5.4.2, 1.13.1+cu117.with.pypi.cudnn
LOCAL_BUILD = re.compile(r"cu(?P<major>\d+)(?P<minor>\d)(?!\d)|cpu|xpu|rocm(?P<rocm>\d+(?:\.\d+)*)")


def read_file(path: str, *, python: Optional[str] = None, platform: Optional[str] = None) -> Snapshot:
    """The environment that a file describes. `python` ("3.9") and `platform` ("manylinux_2_28_x86_64") tell what it
    does not say; what it says, they can't change.
    """
    asked = target(python, platform)
    snapshot = _read(path, read_text(Path(path)), asked)
    return _completed(snapshot, asked, path)


def _read(path: str, text: str, asked: Target) -> Snapshot:
    begins = text.lstrip()[:1]
    try:
        if LOCK_VERSION.search(text):
            from card_doctor.environment.files.pylock import read_pylock  # noqa: PLC0415

            return read_pylock(path, text, asked)
        if UV_LOCK.match(text):
            from card_doctor.environment.files.uv_lock import read_uv_lock  # noqa: PLC0415

            return read_uv_lock(path, text, asked)
        if begins in {"{", "["} and not OTHER_TOML.search(text):
            from card_doctor.environment.files.documents import read_document  # noqa: PLC0415

            return read_document(path, _json(path, text))
    except RecursionError:
        raise EnvironmentReadError(f"{path}: nested too deeply", KNOWN) from None
    other = OTHER_TOML.search(text)
    if other:
        hint = "`uv export --format pylock.toml -o pylock.toml` writes one that can be read"
        if other.group(1) in {"project", "tool", "build-system"}:
            hint = f"`uv pip compile {path} --format pylock.toml -o pylock.toml` writes one that can be read"
        raise EnvironmentReadError(f"{path}: TOML, but no pylock.toml", f"{hint}. {KNOWN}")
    from card_doctor.environment.files.requirements import read_requirements  # noqa: PLC0415

    return read_requirements(path, text, asked)


def _json(path: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError as error:
        raise EnvironmentReadError(f"{path}: begins like JSON, but is none: {error}", KNOWN) from None


def _completed(snapshot: Snapshot, asked: Target, path: str) -> Snapshot:
    """With what was told beside the file, the build of torch by its version, and gaps for what neither says."""
    if asked.python and snapshot.python and not _agrees(asked.python.version, snapshot.python.version):
        raise UsageError(
            f"{path} is of Python {snapshot.python.version}, --python says {asked.python.version}",
            "Leave --python out: the file says it.",
        )
    if asked.platform and snapshot.platform and asked.platform.system != snapshot.platform.system:
        raise UsageError(
            f"{path} is of {snapshot.platform.system}, --platform says {asked.platform.system}",
            "Leave --platform out: the file says it.",
        )
    python, platform = snapshot.python or asked.python, snapshot.platform or asked.platform
    torch = snapshot.torch
    if torch is None and "torch" in snapshot.packages:
        torch = build_of(snapshot.packages["torch"].version)
    gaps = list(snapshot.gaps)
    if python is None:
        gaps.append(Gap("python", "absent", "the file does not say it; --python VERSION does"))
    if platform is None:
        gaps.append(Gap("platform", "absent", "the file does not say it; --platform TAG does"))
    if snapshot.source != "snapshot":
        gaps.append(Gap("accelerators", "absent", "a file of this kind says nothing of GPUs; --gpu SPEC does"))
    return msgspec.structs.replace(snapshot, path=path, python=python, platform=platform, torch=torch, gaps=tuple(gaps))


def _agrees(told: str, read: str) -> bool:
    """3.9 is 3.9.18."""
    return f"{read}.".startswith(f"{told}.")


def build_of(version: str) -> TorchBuild:
    """The build of torch by its version; one without a local part is whatever the index gave, and unknown here."""
    release, _, local = version.partition("+")
    found = LOCAL_BUILD.match(local)
    if found is None:
        return TorchBuild(version)
    cuda = f"{found['major']}.{found['minor']}" if found["major"] else None
    return TorchBuild(release, found.group(), cuda, found["rocm"])
