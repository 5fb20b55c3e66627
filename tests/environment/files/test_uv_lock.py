from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from card_doctor.environment.files import read_file
from card_doctor.errors import CardDoctorError
from card_doctor.model import Package

LINUX = "manylinux_2_28_x86_64"
# As uv 0.9 writes it, shortened: a project, a fork by Python, an extra, a group, a marker, a git source.
LOCK = """\
version = 1
revision = 3
requires-python = ">=3.9, <3.13"
resolution-markers = ["python_full_version >= '3.10'", "python_full_version < '3.10'"]

[[package]]
name = "demo"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "colorama", marker = "sys_platform == 'win32'" },
    { name = "torch", version = "1.9.1", source = { registry = "r" }, marker = "python_full_version < '3.10'" },
    { name = "torch", version = "2.4.0", source = { registry = "r" }, marker = "python_full_version >= '3.10'" },
    { name = "requests", extra = ["socks"] },
    { name = "tool" },
]

[package.dev-dependencies]
dev = [{ name = "pytest" }]
docs = [{ name = "mkdocs" }]

[[package]]
name = "colorama"
version = "0.4.6"
source = { registry = "r" }

[[package]]
name = "mkdocs"
version = "1.6.1"
source = { registry = "r" }

[[package]]
name = "PySocks"
version = "1.7.1"
source = { registry = "r" }

[[package]]
name = "pytest"
version = "8.4.2"
source = { registry = "r" }
dependencies = [{ name = "requests" }]

[[package]]
name = "requests"
version = "2.32.5"
source = { registry = "r" }
wheels = [{ url = "https://example.org/a/requests-2.32.5-py3-none-any.whl", hash = "sha256:9f", size = 1 }]

[package.optional-dependencies]
socks = [{ name = "pysocks" }]

[[package]]
name = "tool"
version = "3.0"
source = { git = "https://user:token@example.org/tool?rev=v3#9f" }

[[package]]
name = "torch"
version = "1.9.1"
source = { registry = "r" }
resolution-markers = ["python_full_version < '3.10'"]
wheels = [{ url = "https://example.org/torch-1.9.1%2Bcu111-cp39-cp39-manylinux1_x86_64.whl", hash = "sha256:9f" }]

[[package]]
name = "torch"
version = "2.4.0"
source = { registry = "r" }
resolution-markers = ["python_full_version >= '3.10'"]
sdist = { url = "https://example.org/torch-2.4.0.tar.gz", hash = "sha256:9f" }
"""


def versions(snapshot):
    return {name: package.version for name, package in snapshot.packages.items()}


@pytest.mark.parametrize(("python", "torch"), [("3.9", "1.9.1"), ("3.11", "2.4.0")])
def test_what_uv_would_install_there(file, python, torch):
    snapshot = read_file(file(LOCK), python=python, platform=LINUX)
    assert versions(snapshot) == {
        "torch": torch, "requests": "2.32.5", "pysocks": "1.7.1", "pytest": "8.4.2", "tool": "3.0",
    }  # fmt: skip
    assert (snapshot.source, snapshot.complete) == ("uv-lock", True)


def test_what_there_is_to_choose_from_and_no_secret(file):
    packages = read_file(file(LOCK), python="3.9", platform=LINUX).packages
    assert packages["torch"].locked == ("torch-1.9.1+cu111-cp39-cp39-manylinux1_x86_64.whl",)
    assert packages["tool"] == Package("tool", "3.0", url="https://example.org/tool")


def test_what_hangs_on_an_unknown_fact_is_not_taken_and_the_rest_is(file):
    snapshot = read_file(file(LOCK), platform=LINUX)
    assert "torch" not in snapshot.packages
    assert snapshot.packages["requests"].version == "2.32.5"
    assert not snapshot.complete
    assert "package torch" in {gap.fact for gap in snapshot.gaps}


def test_a_python_that_it_is_not_locked_for(file):
    with pytest.raises(CardDoctorError, match=r"locked for Python >=3.9, <3.13, not for 3.13"):
        read_file(file(LOCK), python="3.13", platform=LINUX)


def test_an_installed_project_counts_and_a_circle_ends(file):
    text = """version = 1
[[package]]
name = "demo"
version = "0.1.0"
source = { editable = "." }
dependencies = [{ name = "a" }]
[[package]]
name = "a"
version = "1"
source = { registry = "r" }
dependencies = [{ name = "b" }]
[[package]]
name = "b"
version = "1"
source = { registry = "r" }
dependencies = [{ name = "a" }, { name = "demo" }]
"""
    snapshot = read_file(file(text), python="3.11", platform=LINUX)
    assert versions(snapshot) == {"demo": "0.1.0", "a": "1", "b": "1"}
    assert snapshot.packages["demo"].editable


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(0, len(LOCK)), st.sampled_from(["", "'", "[[package]]\n", "version = 1\n", "{", "\x00", "name = 3\n"])
)
def test_a_damaged_lock_is_read_or_refused(file, place, put):
    path = file(LOCK[:place] + put + LOCK[place + len(put) :])
    with contextlib.suppress(CardDoctorError):
        assert read_file(path, python="3.9", platform=LINUX).path == path


@pytest.mark.heavy
def test_a_real_lock_is_what_uv_installs(tmp_path):
    uv = pytest.importorskip("uv").find_uv_bin()
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "demo"\nversion = "1"\nrequires-python = ">={python}"\n'
        'dependencies = ["requests[socks]", "tomli; python_version < \'3.11\'",'
        " \"colorama; sys_platform == 'win32'\"]\n"
        '[dependency-groups]\ndev = ["pytest>=8"]\n[tool.uv]\npackage = false\n'
    )
    subprocess.run([uv, "sync", "-q", "--python", sys.executable], check=True, cwd=tmp_path)
    listed = subprocess.run(
        [uv, "pip", "freeze", "--python", ".venv"], check=True, cwd=tmp_path, capture_output=True, text=True
    ).stdout.split()
    locked = read_file(str(tmp_path / "uv.lock"), python=python, platform=LINUX)
    assert {f"{name}=={version}" for name, version in versions(locked).items()} == {*map(str.lower, listed)}
