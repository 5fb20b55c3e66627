from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import InvalidMarker

from card_doctor.environment.files.target import holds, target
from card_doctor.errors import UsageError


@pytest.mark.parametrize(
    ("told", "version", "full", "free_threaded"),
    [
        ("3.9", "3.9", "3.9.0", False),
        ("3.9.18", "3.9.18", "3.9.18", False),
        ("python3.10", "3.10", "3.10.0", False),
        ("3.13t", "3.13", "3.13.0", True),
        ("3.14.0rc1", "3.14.0rc1", "3.14.0rc1", False),
    ],
)
def test_a_version_tells_the_python_and_its_markers(told, version, full, free_threaded):
    python = target(told, None).python
    assert (python.version, python.free_threaded) == (version, free_threaded)
    assert python.markers["python_full_version"] == full
    assert python.markers["python_version"] == ".".join(version.split(".")[:2])


@pytest.mark.parametrize("told", ["/usr/bin/python3", "three", "3", "3.9.1.2", "39", "3.9 ; x", "٣.٩"])
def test_anything_else_is_a_usage_error(told):
    with pytest.raises(UsageError, match="only a version"):
        target(told, None)


@pytest.mark.parametrize(
    ("tag", "system", "machine", "libc", "sys_platform"),
    [
        ("manylinux_2_28_x86_64", "Linux", "x86_64", ("glibc", "2.28"), "linux"),
        ("manylinux2014_aarch64", "Linux", "aarch64", ("glibc", "2.17"), "linux"),
        ("manylinux1_x86_64", "Linux", "x86_64", ("glibc", "2.5"), "linux"),
        ("musllinux_1_2_x86_64", "Linux", "x86_64", ("musl", "1.2"), "linux"),
        ("linux_x86_64", "Linux", "x86_64", None, "linux"),
        ("macosx_11_0_arm64", "Darwin", "arm64", None, "darwin"),
        ("win_amd64", "Windows", "AMD64", None, "win32"),
        ("win32", "Windows", "x86", None, "win32"),
    ],
)
def test_a_tag_tells_the_platform_and_its_markers(tag, system, machine, libc, sys_platform):
    asked = target(None, tag)
    assert (asked.platform.system, asked.platform.machine, asked.platform.libc) == (system, machine, libc)
    assert (asked.markers["platform_system"], asked.markers["sys_platform"]) == (system, sys_platform)
    assert asked.python is None


@pytest.mark.parametrize("tag", ["linux", "any", "manylinux_x86_64", "x86_64", "win", "macosx_arm64"])
def test_any_other_tag_is_a_usage_error(tag):
    with pytest.raises(UsageError, match="no platform tag"):
        target(None, tag)


LINUX_39 = target("3.9", "linux_x86_64").markers


@pytest.mark.parametrize(
    ("marker", "result"),
    [
        ("python_version < '3.10'", True),
        ("python_full_version >= '3.10'", False),
        ("sys_platform == 'win32'", False),
        ("os_name == 'posix' and python_version >= '3.8'", True),
        ("extra == 'dev'", False),
        ("platform_release >= '6'", None),
        ("python_version < '3.8' and platform_version == 'x'", None),
        ("sys.platform == 'linux'", True),
        ("python_implementation == 'CPython'", True),
        ("'linux' in sys_platform", True),
        ("'dev' in extras", False),
        ("'dev' not in extras", True),
        ("'main' in dependency_groups", True),
        ("'test' in dependency_groups or python_version == '3.9'", True),
        ("'test' in dependency_groups and python_version == '3.9'", False),
    ],
)
def test_a_marker_holds_does_not_or_is_not_known(marker, result):
    assert holds(marker, LINUX_39, ("main",)) is result


def test_a_marker_is_not_evaluated_for_the_interpreter_that_runs_us():
    assert holds("python_version >= '3'", {}) is None
    assert holds("sys_platform == 'linux' or sys_platform != 'linux'", {}) is None


@pytest.mark.parametrize("marker", ["python_version", "no_such_thing == 'x'", "python_version = '3'", "", "'"])
def test_what_is_no_marker_is_an_error(marker):
    with pytest.raises(InvalidMarker):
        holds(marker, LINUX_39)


@given(
    st.sampled_from(sorted(LINUX_39)), st.sampled_from(["==", "!=", "<", ">=", "in", "not in", "~=", "==="]), st.text()
)
def test_no_value_of_a_marker_raises(name, operator, value):
    quoted = value.replace('"', "").replace("\\", "")
    with contextlib.suppress(InvalidMarker):
        assert holds(f'{name} {operator} "{quoted}"', LINUX_39) in {True, False, None}
