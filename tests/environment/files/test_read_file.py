"""Which kind a file is, and what becomes of files that are none of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from card_doctor.environment.files import build_of, read_file
from card_doctor.environment.files.reading import MOST
from card_doctor.errors import EnvironmentReadError, UsageError
from card_doctor.model import Gap, TorchBuild

INSPECTED = {
    "version": "1",
    "pip_version": "24.0",
    "installed": [{"metadata": {"name": "torch", "version": "1.9.1+cu111"}}],
    "environment": {"python_full_version": "3.9.18", "platform_system": "Linux", "platform_machine": "x86_64"},
}
PYLOCK = 'lock-version = "1.0"\n[[packages]]\nname = "torch"\nversion = "1.9.1"\n'


@pytest.mark.parametrize(
    ("content", "source", "complete"),
    [
        ("torch==1.9.1\n", "requirements", False),
        (json.dumps(INSPECTED), "pip-inspect", True),
        (PYLOCK, "pylock", True),
        ('# by uv\nversion = 1\n[[package]]\nname = "x"\nsource = { virtual = "." }\n', "uv-lock", True),
        ('[{"name": "x", "version": "1", "build_string": "h", "channel": "c"}]', "conda", True),
        ('{"bomFormat": "CycloneDX", "components": []}', "cyclonedx", False),
        ('\n\n  {"schema": "card-doctor/snapshot/1", "source": "interpreter"}', "snapshot", True),
        ("\ufefftorch==1.9.1\r\nnumpy==1.22.3\r\n", "requirements", False),
    ],
)
@pytest.mark.parametrize("name", ["pylock.toml", "requirements.txt", "environment.json", "no-suffix"])
def test_the_kind_is_in_the_content_not_in_the_name(file, content, source, complete, name):
    path = file(content, name)
    snapshot = read_file(path)
    assert (snapshot.source, snapshot.complete, snapshot.path) == (source, complete, path)


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)), "not UTF-8 text", "requirements"),
        (b"torch==1.9.1\x00\n", "binary, not text", "requirements"),
        ("torch==1.9.1\n".encode("utf-16"), "UTF-16, not UTF-8", "Out-File -Encoding utf8"),
        ("torch==1.9.1  # für\n".encode("latin-1"), "not UTF-8 text (byte 17)", "requirements"),
        (b"", "names no package", "requirements"),
        (b"# nothing\n\n", "names no package", "requirements"),
        (b"[" * 100_000, "nested too deeply", "requirements"),
        (b'{"a": ' * 100_000, "nested too deeply", "requirements"),
        (b'lock-version = "1.0"\nx = ' + b"[" * 100_000, "nested too deeply", "requirements"),
        (b'{"installed": [', "begins like JSON, but is none", "requirements"),
        (b"{}", "JSON, but of an unknown kind", "pip inspect"),
        (b"[1, 2]", "JSON, but of an unknown kind", "pip inspect"),
        (b'[{"name": "x", "version": "1"}]', "(`pip list --format json`?)", "pip inspect"),
        (b'{"version": "1", "install": []}', "(a report of `pip install`)", "pip inspect"),
        (b'version = 1\n\n[[package]]\nname = "x"\n', "no valid uv.lock", "uv lock"),
        (b'version = 9\n\n[[package]]\nname = "x"\nsource = {}\n', "a uv.lock of version 9", "pip install -U"),
        (b'[[package]]\nname = "x"\n', "TOML, but no pylock.toml", "uv export --format pylock.toml"),
        (b'{"bomFormat": "CycloneDX", "components": [{}]}', "no valid CycloneDX", "again"),
        (b'[project]\nname = "x"\n', "TOML, but no pylock.toml", "uv pip compile"),
        (b"<html><body>404</body></html>\n", "of no known kind (line 1: <html>", "requirements"),
        (b"Once upon a time\nthere was a file\n", "of no known kind (line 1: Once upon a time)", "requirements"),
        (b"name: x\ndependencies:\n  - python=3.9\n", "of no known kind", "requirements"),
        (b"numpy=1.21.0=py39h6\npip=22.0\n", "of no known kind", "pip list --format=freeze"),
    ],
    ids=range(23),
)
def test_what_is_no_environment_gets_an_error_that_says_what_to_do(file, content, message, hint):
    path = file(content)
    with pytest.raises(EnvironmentReadError) as error:
        read_file(path)
    assert error.value.message.startswith(path)
    assert message in error.value.message
    assert hint in error.value.hint


def test_a_file_of_100_megabytes_is_not_read(tmp_path):
    path = tmp_path / "huge.txt"
    with path.open("wb") as out:
        out.truncate(100 * 2**20)
    with pytest.raises(EnvironmentReadError, match=f"larger than {MOST // 2**20} MiB"):
        read_file(str(path))


def test_no_file_a_directory_and_what_may_not_be_read(file, tmp_path):
    for path, message in [(tmp_path / "gone", "No such file"), (tmp_path, "a directory"), ("nul\0", "can't be read")]:
        with pytest.raises(EnvironmentReadError, match=message):
            read_file(str(path))


def test_a_file_that_may_not_be_read(file):
    path = file("torch==1.9.1\n")
    Path(path).chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(EnvironmentReadError, match="Permission denied"):
        read_file(path)


def test_gaps_say_what_neither_the_file_nor_the_flags_tell(file):
    snapshot = read_file(file("torch==1.9.1\n"))
    assert snapshot.python is None
    assert snapshot.platform is None
    assert snapshot.accelerators is None
    assert snapshot.gaps == (
        Gap("python", "absent", "the file does not say it; --python VERSION does"),
        Gap("platform", "absent", "the file does not say it; --platform TAG does"),
        Gap("accelerators", "absent", "a file of this kind says nothing of GPUs; --gpu SPEC does"),
    )


def test_the_flags_tell_what_the_file_does_not(file):
    snapshot = read_file(file("torch==1.9.1\n"), python="3.9", platform="manylinux_2_28_x86_64")
    assert snapshot.python.version == "3.9"
    assert snapshot.python.markers["sys_platform"] == "linux"
    assert (snapshot.platform.system, snapshot.platform.libc) == ("Linux", ("glibc", "2.28"))
    assert [gap.fact for gap in snapshot.gaps] == ["accelerators"]


def test_what_the_file_tells_the_flags_can_not_change(file):
    path = file(json.dumps(INSPECTED))
    assert read_file(path, python="3.9", platform="linux_x86_64").python.version == "3.9.18"
    with pytest.raises(UsageError, match=r"is of Python 3.9.18, --python says 3.1$"):
        read_file(path, python="3.1")
    with pytest.raises(UsageError, match="is of Linux, --platform says Windows"):
        read_file(path, platform="win_amd64")


@pytest.mark.parametrize(
    ("version", "build"),
    [
        ("1.9.1", TorchBuild("1.9.1")),
        ("1.9.1+cu111", TorchBuild("1.9.1", "cu111", "11.1")),
        ("1.6.0+cu92", TorchBuild("1.6.0", "cu92", "9.2")),
        ("2.1.0+cpu", TorchBuild("2.1.0", "cpu")),
        ("2.0.1+rocm5.4.2", TorchBuild("2.0.1", "rocm5.4.2", hip="5.4.2")),
        ("1.13.1+cu117.with.pypi.cudnn", TorchBuild("1.13.1", "cu117", "11.7")),
        ("2.1.0a0+32f93b1", TorchBuild("2.1.0a0+32f93b1")),
    ],
)
def test_the_local_part_of_its_version_tells_torchs_build(file, version, build):
    assert build_of(version) == build
    assert read_file(file(f"torch=={version}\n")).torch == build
