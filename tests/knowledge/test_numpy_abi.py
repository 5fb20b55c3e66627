from __future__ import annotations

import itertools

import pytest
from packaging.version import Version

from card_doctor.errors import MatrixError
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.numpy_abi import NumpyAbi
from card_doctor.model import BinarySurface, NumpyApi, Package, Python

TOLD = """{"spam": [
  {"numpy": [[1, "1.16", "", 1]], "pythons": ["3.9"], "read": ["1.0", "1.2"], "between": ["1.1"]},
  {"numpy": [[1, "1.20", "", 1]], "pythons": ["3.10"], "read": ["1.1"]},
  {"numpy": [], "pythons": ["3.13t"], "read": ["1.1"]}
]}"""


@pytest.fixture
def known(tmp_path):
    (tmp_path / "surfaces").mkdir()
    (tmp_path / "surfaces" / "numpy-abi.json").write_text(TOLD)
    return NumpyAbi(tmp_path)


def of(known, version, python, name="spam"):
    found = known.of(Package(name, version), python)
    return None if found is None else [surface.numpy for surface in found]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.1+cu118"])
def test_a_release_says_what_its_wheel_for_that_python_does(known, version):
    surface = BinarySurface("spam", version, numpy=(NumpyApi(1, "1.16", ""),))
    assert known.of(Package("spam", version), Python("3.9.18")) == (surface,)


def test_where_the_python_is_not_known_each_wheel_says_it(known):
    assert of(known, "1.1", None) == [(NumpyApi(1, "1.16", ""),), (NumpyApi(1, "1.20", ""),), ()]


def test_what_has_no_c_api_of_numpy_is_known_to_have_none(known):
    assert of(known, "1.1", Python("3.13.1", free_threaded=True)) == [()]


@pytest.mark.parametrize(
    ("version", "python"),
    [
        ("1.3", Python("3.9.18")),
        ("1.1.1", Python("3.9.18")),
        ("2021b", Python("3.9.18")),
        ("", None),
        ("1.0", Python("3.10.4")),
        ("1.1", Python("3.13.1")),
        ("1.1", Python("3.9.18", implementation="pypy")),
    ],
)
def test_what_was_not_read_is_not_known(known, version, python):
    assert of(known, version, python) == []


def test_of_a_distribution_that_is_not_there_nothing_is_known(known, tmp_path):
    assert of(known, "1.0", None, name="ham") is None
    assert of(NumpyAbi(tmp_path / "none"), "1.0", None) is None


def test_a_file_that_can_not_be_read_is_named(known, tmp_path):
    (tmp_path / "surfaces" / "numpy-abi.json").write_text('{"spam": 1}')
    with pytest.raises(MatrixError, match=r"numpy-abi\.json"):
        known.of(Package("spam", "1.0"), None)


# --- what is shipped ----------------------------------------------------------------------------------------------

SHIPPED = Matrices()._numpy_abi._known


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_of_each_release_one_wheel_a_python_and_between_means_between(name):
    said = {}
    for line in SHIPPED[name]:
        for version, python in itertools.product((*line.read, *line.between), line.pythons):
            assert (python, Version(version)) not in said
            said[python, Version(version)] = line.numpy, version in line.read
    for (python, version), (numpy, read) in said.items():
        if not read:
            series = {
                other: answer
                for (one, other), (answer, was_read) in said.items()
                if one == python and was_read and other.release[:2] == version.release[:2]
            }
            below = max(other for other in series if other < version)
            above = min(other for other in series if other > version)
            assert series[below] == series[above] == numpy


@pytest.mark.parametrize(
    ("name", "last_for_numpy_1", "first_for_numpy_2"),
    # https://github.com/pytorch/pytorch/releases/tag/v2.3.0, https://pandas.pydata.org/docs/whatsnew/v2.2.2.html,
    # https://arrow.apache.org/release/16.0.0.html
    [("torch", "2.2.2", "2.3.0"), ("pandas", "2.2.1", "2.2.2"), ("pyarrow", "15.0.2", "16.0.0")],
)
def test_the_first_releases_for_numpy_2(name, last_for_numpy_1, first_for_numpy_2):
    python = Python("3.11.4")
    for version, major in ((last_for_numpy_1, 1), (first_for_numpy_2, 2)):
        (surface,) = Matrices().compiled_for(Package(name, version), python) or ()
        assert {api.major for api in surface.numpy} == {major}
