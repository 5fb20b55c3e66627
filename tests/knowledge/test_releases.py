from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from card_doctor.errors import MatrixError
from card_doctor.knowledge.releases import (
    MINORS,
    allows,
    find_release,
    has_wheel,
    is_between,
    load_releases,
    nearest_release,
    pythons,
    wheel_fits,
)
from card_doctor.model import Platform, Python, Release

MATRICES = Path(__file__).parents[2] / "matrices"
LINUX = Platform("Linux", "x86_64", ("glibc", "2.36"))
OLD_LINUX = Platform("Linux", "x86_64", ("glibc", "2.17"))
ALPINE = Platform("Linux", "x86_64", ("musl", "1.2"))
ARM = Platform("Linux", "aarch64", ("glibc", "2.36"))
MAC = Platform("Darwin", "arm64")
INTEL_MAC = Platform("Darwin", "x86_64")
WINDOWS = Platform("Windows", "AMD64")


def shipped(distribution):
    return load_releases(distribution, [MATRICES])


def distributions():
    return sorted(path.stem for path in MATRICES.glob("releases/*.jsonl"))


def interpreters():
    """Real interpreters of this machine, by minor: those on PATH and pyenv's."""
    found = {}
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for minor in MINORS:
        candidates = [*map(str, root.glob(f"versions/3.{minor}.*/bin/python")), shutil.which(f"python3.{minor}")]
        found[minor] = next((one for one in candidates if one), None)
    return found


# What each interpreter itself says it can install: pip's own copy of packaging, asked in that interpreter.
OWN_ACCOUNT = """
import json, platform, sys
from pip._vendor.packaging import tags
print(json.dumps({
    "tags": [str(tag) for tag in tags.sys_tags()],
    "version": platform.python_version(),
    "libc": platform.libc_ver(),
    "machine": platform.machine(),
    "system": platform.system(),
}))
"""


@pytest.mark.parametrize(
    ("minor", "interpreter"), [pytest.param(*item, id=f"3.{item[0]}") for item in interpreters().items()]
)
def test_real_interpreters_agree_on_every_wheel_that_we_know(minor, interpreter):
    asked = interpreter and subprocess.run(
        [interpreter, "-c", OWN_ACCOUNT], capture_output=True, text=True, check=False
    )
    if not asked or asked.returncode:
        pytest.skip(f"no Python 3.{minor} with pip here")
    account = json.loads(asked.stdout)
    libc = account["libc"] if account["libc"][0] else None
    if libc is None:
        pytest.skip("this libc has no name")
    python = Python(account["version"])
    platform = Platform(account["system"], account["machine"], (libc[0], libc[1]))
    supported = set(account["tags"])
    wrong = []
    for distribution in distributions():
        for release in shipped(distribution).values():
            for tag in release.wheels:
                interpreter_tags, abis, platforms = (part.split(".") for part in tag.split("-"))
                theirs = any(f"{i}-{a}-{p}" in supported for i in interpreter_tags for a in abis for p in platforms)
                # PEP 600 tags are newer than the pip of the oldest interpreters
                if wheel_fits(tag, python, platform) != theirs and not (minor < 8 and "manylinux_" in tag):
                    wrong.append((tag, theirs))
    assert wrong == []


@pytest.mark.parametrize(
    ("tag", "python", "platform", "fits"),
    [
        ("py3-none-any", "3.9.1", MAC, True),
        ("py2.py3-none-any", "3.12.0", ALPINE, True),
        ("py2-none-any", "3.9.1", LINUX, False),
        ("py310-none-any", "3.9.1", LINUX, False),
        ("cp39-cp39-manylinux1_x86_64", "3.9.1", LINUX, True),
        ("cp39-cp39-manylinux1_x86_64", "3.10.1", LINUX, False),
        ("cp36-cp36m-manylinux1_x86_64", "3.6.15", LINUX, True),
        ("cp38-cp38-manylinux_2_28_x86_64", "3.8.1", OLD_LINUX, False),
        ("cp38-cp38-manylinux_2_17_x86_64.manylinux2014_x86_64", "3.8.1", OLD_LINUX, True),
        ("cp38-cp38-manylinux2014_x86_64", "3.8.1", ARM, False),
        ("cp38-cp38-manylinux2014_aarch64", "3.8.1", ARM, True),
        ("cp38-cp38-manylinux2014_x86_64", "3.8.1", ALPINE, False),
        ("cp38-cp38-musllinux_1_1_x86_64", "3.8.1", ALPINE, True),
        ("cp38-cp38-musllinux_1_1_x86_64", "3.8.1", LINUX, False),
        ("cp37-abi3-manylinux1_x86_64", "3.13.0", LINUX, True),
        ("cp310-abi3-manylinux1_x86_64", "3.9.0", LINUX, False),
        ("cp39-cp39-macosx_11_0_arm64", "3.9.1", MAC, True),
        ("cp39-cp39-macosx_10_9_x86_64", "3.9.1", MAC, False),
        ("cp39-cp39-macosx_10_9_universal2", "3.9.1", INTEL_MAC, True),
        ("cp39-cp39-win_amd64", "3.9.1", WINDOWS, True),
        ("cp39-cp39-win32", "3.9.1", WINDOWS, False),
        ("cp39-cp39-win_amd64", "3.9.1", LINUX, False),
        ("pp39-pypy39_pp73-manylinux2014_x86_64", "3.9.1", LINUX, False),
    ],
)
def test_a_wheel_fits_by_python_abi_libc_and_machine(tag, python, platform, fits):
    assert wheel_fits(tag, Python(python), platform) is fits


def test_a_free_threaded_python_takes_its_own_abi_only():
    threaded = Python("3.13.0", free_threaded=True)
    assert wheel_fits("cp313-cp313t-manylinux_2_28_x86_64", threaded, LINUX)
    assert not wheel_fits("cp313-cp313-manylinux_2_28_x86_64", threaded, LINUX)
    assert not wheel_fits("cp38-abi3-manylinux_2_28_x86_64", threaded, LINUX)
    assert not wheel_fits("cp313-cp313t-manylinux_2_28_x86_64", Python("3.13.0"), LINUX)
    assert wheel_fits("py3-none-any", threaded, LINUX)


def test_pypy_takes_its_own_wheels():
    pypy = Python("3.9.18", implementation="pypy")
    assert wheel_fits("pp39-pypy39_pp73-manylinux2014_x86_64", pypy, LINUX)
    assert not wheel_fits("cp39-cp39-manylinux2014_x86_64", pypy, LINUX)


def test_a_libc_that_is_not_known_keeps_no_wheel_out():
    unknown = Platform("Linux", "x86_64")
    assert wheel_fits("cp39-cp39-manylinux_2_28_x86_64", Python("3.9.1"), unknown)
    assert wheel_fits("cp39-cp39-musllinux_1_2_x86_64", Python("3.9.1"), unknown)


@pytest.mark.parametrize("distribution", distributions())
def test_what_is_shipped_is_whole(distribution):
    releases = shipped(distribution)
    versions = [Version(version) for version in releases]
    assert versions == sorted(versions)
    for version, release in releases.items():
        assert release.version == version
        assert time.strptime(release.date, "%Y-%m-%d")
        assert release.wheels or release.sdist
        assert list(release.wheels) == sorted(set(release.wheels))
        assert all(tag.count("-") == 2 for tag in release.wheels)


# torch-gpu.md 3.1 was read from the wheels by another way: one row a minor.
@pytest.mark.parametrize(
    ("version", "cuda", "cudnn", "triton", "architectures"),
    [
        ("1.6.0", "10.2", "7.6.5", None, "37 50 60 70 75"),
        ("1.9.1", "10.2", "7.6.5", None, "37 50 60 70"),
        ("1.13.1", "11.7", "8.5.0.96", None, "37 50 60 70 75 80 86"),
        ("2.1.2", "12.1", "8.9.2.26", "2.1.0", "50 60 70 75 80 86 90"),
        ("2.8.0", "12.8", "9.10.2.21", "3.4.0", "70 75 80 86 90 100 120"),
        ("2.11.0", "13.0", "9.19.0.56", "3.6.0", "75 80 86 90 100 120"),
    ],
)
def test_torch_releases_say_what_they_were_built_with(version, cuda, cudnn, triton, architectures):
    build = shipped("torch")[version].build
    assert (build.cuda, build.cudnn, build.triton) == (cuda, cudnn, triton)
    assert build.architectures == tuple(f"sm_{one}" for one in architectures.split())


def test_the_core_is_known_from_its_first_releases():
    assert shipped("transformers")["4.18.0"].date == "2022-04-06"
    assert "tokenizers (!=0.11.3,<0.13,>=0.11.1)" in shipped("transformers")["4.18.0"].requires
    assert {"4.11.3", "5.0.0"} <= set(shipped("transformers"))
    assert {"1.0.0", "1.10.1"} <= set(shipped("torch"))
    assert {"2.1.0", "1.17.0"} <= set(shipped("datasets"))
    assert {"0.10.3", "0.11.6"} <= set(shipped("tokenizers"))
    assert not shipped("torch")["1.9.1"].sdist


def test_wheels_say_which_pythons_a_release_is_for():
    torch = shipped("torch")
    assert pythons(torch["1.9.1"], LINUX) == (6, 7, 8, 9)
    assert pythons(torch["2.6.0"], LINUX) == (9, 10, 11, 12, 13)
    assert pythons(torch["2.7.1"], OLD_LINUX) == ()
    assert pythons(torch["2.3.0"], INTEL_MAC) == ()
    assert pythons(shipped("transformers")["5.0.0"], LINUX) == (10, 11, 12, 13, 14, 15)
    assert has_wheel(torch["1.9.1"], Python("3.9.18"), LINUX)
    assert not has_wheel(torch["1.9.1"], Python("3.10.1"), LINUX)


@pytest.mark.parametrize(
    ("stated", "release"),
    [
        ("1.9.1", "1.9.1"),
        ("1.9.1+cu111", "1.9.1"),
        ("1.9.1.post3", "1.9.1"),
        ("1.10", "1.10.0"),
        ("2.1.0a0+32f93b1", None),
        ("2.1.99", None),
    ],
)
def test_a_build_is_of_its_release(stated, release):
    found = find_release(shipped("torch"), Version(stated))
    assert (found.version if found else None) == release


@pytest.mark.parametrize(
    ("stated", "release"),
    [
        ("2.1.0a0+32f93b1", "2.1.0"),
        ("1.11.0a0+17540c5", "1.11.0"),
        ("2.0.0.dev20230130+cu118", "2.0.0"),
        ("2.1.99", "2.1.2"),
        ("0.1", "1.0.0"),
    ],
)
def test_a_source_build_has_a_nearest_release(stated, release):
    assert nearest_release(shipped("torch"), Version(stated)).version == release


def test_only_between_known_releases_is_absence_known():
    releases = {"1.0": Release("1.0", "2022-01-01"), "2.0": Release("2.0", "2023-01-01")}
    assert is_between(releases, Version("1.5"))
    assert not is_between(releases, Version("0.9"))
    assert not is_between(releases, Version("2.1"))
    assert not is_between({}, Version("1.0"))
    assert nearest_release({}, Version("1.0")) is None


def test_an_unreadable_requires_python_keeps_nobody_out():
    assert allows(None, "3.9.1")
    assert allows("", "3.9.1")
    assert allows("three", "3.9.1")
    assert allows(">=3.6.1, !=3.7.*", "3.9.1")
    assert not allows(">=3.10", "3.9.1")
    assert allows(">=3.9", "3.15.0rc1")


def test_later_directories_override_and_nothing_else_is_read(tmp_path):
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "torch.jsonl").write_text(
        '{"version":"1.9.1","date":"2030-01-01","sdist":true}\n{"version":"9.0.0","date":"2030-01-02"}\n'
    )
    releases = load_releases("torch", [MATRICES, tmp_path])
    assert releases["1.9.1"] == Release("1.9.1", "2030-01-01", sdist=True)
    assert releases["9.0.0"].wheels == ()
    assert releases["1.10.0"] == shipped("torch")["1.10.0"]
    assert dict(load_releases("no-such-distribution", [MATRICES, tmp_path])) == {}
    (tmp_path / "outside.jsonl").write_text('{"version":"1","date":"2030-01-01"}\n')
    assert load_releases("../outside", [tmp_path]) == {}


def test_one_release_is_read_as_all_of_them_are():
    one, every = shipped("transformers"), shipped("transformers")
    assert len(every) == len(list(every)) > 200
    for version in ("4.18.0", "4.57.6"):
        assert one[version] == dict(every)[version]
    assert "9.99" not in one
    assert shipped("transformers")
    assert not shipped("no-such-distribution")
    assert one.get('4.18.0"') is None


def test_a_release_is_found_however_its_line_is_written(tmp_path):
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "mine.jsonl").write_text('{ "date": "2030-01-01", "version": "1.0" }\n')
    assert load_releases("mine", [tmp_path])["1.0"] == Release("1.0", "2030-01-01")


def test_a_wrong_line_is_named(tmp_path):
    (tmp_path / "releases").mkdir()
    path = tmp_path / "releases" / "mine.jsonl"
    path.write_text('{"version":"1","date":"2030-01-01"}\n{"version":2,"date":"2030-01-01"}\n')
    with pytest.raises(MatrixError, match=r"mine\.jsonl:2: Expected `str`, got `int`") as caught:
        load_releases("mine", [MATRICES, tmp_path])
    assert "JSON" in caught.value.hint
    path.unlink()
    path.mkdir()
    with pytest.raises(MatrixError, match=r"mine\.jsonl: "):
        load_releases("mine", [MATRICES, tmp_path])


def test_loading_is_cheap():
    """The budget is 5 ms for the largest file; the best of some tries, on a machine that others use too."""
    largest = max(MATRICES.glob("releases/*.jsonl"), key=lambda path: path.stat().st_size).stem
    times = []
    for _ in range(7):
        start = time.perf_counter()
        len(shipped(largest))
        times.append(time.perf_counter() - start)
    assert min(times) < 0.005


TAGS = st.builds(
    "{}-{}-{}".format,
    st.sampled_from(["py3", "py2.py3", "cp39", "cp310", "cp38.cp39", "pp39"]),
    st.sampled_from(["none", "cp39", "abi3", "cp39.abi3", "pypy39_pp73"]),
    st.sampled_from(
        ["any", "linux_x86_64", "manylinux_2_5_x86_64", "manylinux2014_aarch64", "win32", "macosx_11_0_arm64"]
    ),
)


@given(TAGS, st.sampled_from([LINUX, ALPINE, ARM, MAC, WINDOWS]))
def test_a_compressed_tag_fits_if_one_that_it_stands_for_does(tag, platform):
    python = Python("3.9.1")
    parts = [part.split(".") for part in tag.split("-")]
    single = [f"{i}-{a}-{p}" for i in parts[0] for a in parts[1] for p in parts[2]]
    assert wheel_fits(tag, python, platform) == any(wheel_fits(one, python, platform) for one in single)
