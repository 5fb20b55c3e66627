"""What an environment is for: the Python and the platform that a file or a flag tells, and markers evaluated for it."""

from __future__ import annotations

import re
from typing import Dict, Mapping, NamedTuple, Optional, Tuple

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.version import InvalidVersion

from card_doctor.errors import UsageError
from card_doctor.model import Platform, Python

PYTHON = re.compile(r"(?:python|cpython)?\s*(\d)\.(\d{1,2})((?:\.\d{1,3})?(?:(?:a|b|rc)\d+)?)(t?)", re.ASCII)
# https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/
LEGACY_MANYLINUX = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}
LINUX = re.compile(r"(?:(manylinux|musllinux)_(\d+)_(\d+)|(manylinux1|manylinux2010|manylinux2014)|linux)_(\w+)")
MACOS = re.compile(r"macosx_\d+_\d+_(\w+)")
WINDOWS = {"win32": "x86", "win_amd64": "AMD64", "win_arm64": "ARM64"}

# A quoted string, or a word that stands for a variable or an operator.
TOKEN = re.compile(r"""'[^']*'|"[^"]*"|([A-Za-z_][\w.]*)""")
WORDS = frozenset({"and", "or", "in", "not"})
# 'name' in extras, as lock files write it (PEP 751); packaging learned it in 25.
MEMBERSHIP = re.compile(r"""(['"])([^'"]*)\1\s+(not\s+)?in\s+(extras|dependency_groups)\b""")
YES, NO = "extra == ''", "extra != ''"  # what any version of packaging can evaluate


class Target(NamedTuple):
    """`markers` has what is known, by the names of PEP 508."""

    python: Optional[Python] = None
    platform: Optional[Platform] = None
    markers: Mapping[str, str] = {}


def target(python: Optional[str], platform: Optional[str]) -> Target:
    """What --python and --platform tell; UsageError where they tell nothing that is known."""
    markers: Dict[str, str] = {}
    version, free_threaded = _python(python) if python else (None, False)
    if version:
        markers.update(python_markers(version))
    found = _platform(platform) if platform else None
    if found:
        markers.update(_platform_markers(found))
    interpreter = Python(version, markers=dict(markers), free_threaded=free_threaded) if version else None
    return Target(interpreter, found, markers)


def python_on(version: str, platform: Platform) -> Python:
    """CPython of that version ("3.9.18") on that platform, as requirements' markers see it."""
    return Python(version, markers={**python_markers(version), **_platform_markers(platform)})


def _python(text: str) -> Tuple[str, bool]:
    found = PYTHON.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"--python {text}: beside a file, only a version", "Like --python 3.9, or --python 3.13t.")
    major, minor, rest, threads = found.groups()
    return f"{major}.{minor}{rest}", bool(threads)


def python_markers(version: str) -> Dict[str, str]:
    series = ".".join(version.split(".")[:2])
    # "3.9" alone is its first release, as uv takes --python-version: https://docs.astral.sh/uv/reference/cli/
    full = version if version.count(".") > 1 else f"{version}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "platform_python_implementation": "CPython",
        "python_full_version": full,
        "python_version": series,
    }


def _platform(tag: str) -> Platform:
    text = tag.strip().lower()
    linux = LINUX.fullmatch(text)
    if linux:
        kind, major, minor, legacy, machine = linux.groups()
        if legacy:
            return Platform("Linux", machine, ("glibc", LEGACY_MANYLINUX[legacy]))
        libc = ("musl" if kind == "musllinux" else "glibc", f"{major}.{minor}") if kind else None
        return Platform("Linux", machine, libc)
    macos = MACOS.fullmatch(text)
    if macos:
        return Platform("Darwin", macos.group(1))
    if text in WINDOWS:
        return Platform("Windows", WINDOWS[text])
    raise UsageError(
        f"--platform {tag}: no platform tag", "Like manylinux_2_28_x86_64, linux_x86_64, macosx_11_0_arm64, win_amd64."
    )


def _platform_markers(platform: Platform) -> Dict[str, str]:
    return {
        "os_name": "nt" if platform.system == "Windows" else "posix",
        "platform_machine": platform.machine,
        "platform_system": platform.system,
        "sys_platform": {"Windows": "win32", "Darwin": "darwin"}.get(platform.system, "linux"),
    }


def holds(marker: str, markers: Mapping[str, str], groups: Tuple[str, ...] = ()) -> Optional[bool]:
    """Does a marker hold? None where it asks for what is not known. No extra is asked for; of dependency groups, those
    that are named. InvalidMarker for what is no marker.
    """

    def member(match: re.Match[str]) -> str:
        asked = match.group(4) == "dependency_groups" and match.group(2) in groups
        return NO if asked is bool(match.group(3)) else YES

    text = MEMBERSHIP.sub(member, marker)
    parsed = Marker(text)
    known = {**markers, "extra": ""}
    variables = {token.group(1) for token in TOKEN.finditer(text) if token.group(1)} - WORDS
    if any(_variable(name) not in known for name in variables):
        return None  # packaging would fill it in from the interpreter that runs us
    try:
        return bool(parsed.evaluate(known))
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return None


def _variable(name: str) -> str:
    """Some have older names, with a dot: https://peps.python.org/pep-0345/"""
    name = name.replace(".", "_")
    return "platform_python_implementation" if name == "python_implementation" else name
