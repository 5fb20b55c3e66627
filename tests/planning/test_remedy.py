"""The joined remedy: real checks judge, on releases and hazards made for the test."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from card_doctor.checks import engine
from card_doctor.checks.binaries import numpy_abi
from card_doctor.checks.packages import declared_requirement
from card_doctor.checks.packages import hazard as hazard_check
from card_doctor.checks.registry import CheckInfo
from card_doctor.checks.versions import missing, older
from card_doctor.model import BinarySurface, NumpyApi
from card_doctor.planning import join
from card_doctor.planning.remedy import _tidy
from made import Known, card, case, hazard, package, releases

CHECKS = [
    CheckInfo(f"packages/{function.__name__}", "error", "?", "", function)
    for function in (declared_requirement, hazard_check, missing, older, numpy_abi)
]


def judge(of):
    return engine.run(CHECKS, of)[0]


NUMPY = hazard("numpy-2-torch", {"torch": "<2.3", "numpy": ">=2"}, ["torch>=2.3", "numpy<2"])
PYARROW = hazard("pyarrow-21", {"datasets": "<2.14", "pyarrow": ">=21"}, ["pyarrow<21", "datasets>=2.14"])
PANDAS = hazard("pandas-2", {"datasets": "<2.11", "pandas": ">=2"}, ["pandas<2", "datasets>=2.11"])
# numpy below 2 and pyarrow 26 do not go together either: a remedy of one finding can make another
PYARROW_26 = hazard("pyarrow-26", {"numpy": "<2", "pyarrow": ">=26"}, ["pyarrow<26", "numpy>=2"])

FIRST_SEED = card({"torch": "1.9.1", "datasets": "2.1.0"})
INSTALLED = (
    package("torch", "1.9.1"),
    package("datasets", "2.1.0"),
    package("numpy", "2.0.2"),
    package("pyarrow", "26.0.0"),
    package("pandas", "2.3.0"),
    package("pip", "24.0"),
)
KNOWN = Known(
    told_hazards=(NUMPY, PYARROW, PANDAS, PYARROW_26),
    told_releases={
        "torch": releases("1.9.1", "2.3.0"),
        "numpy": releases("1.26.4", "2.0.2"),
        "pyarrow": releases("20.0.0", "25.0.0", "26.0.0"),
        "pandas": releases("1.5.3", "2.3.0"),
        "datasets": releases("2.1.0", "2.14.7"),
    },
)


def test_one_command_mends_everything_and_keeps_the_cards_releases():
    remedy = join(case(*INSTALLED, of=FIRST_SEED, known=KNOWN), judge)
    assert remedy.requirements == ("numpy<2", "pandas<2", "pyarrow<21")
    assert remedy.command == "/env/bin/python -m pip install 'numpy<2' 'pandas<2' 'pyarrow<21'"
    assert (remedy.proven, remedy.left) == (True, ())


def test_without_a_card_the_first_remedy_is_taken_and_judged_again():
    remedy = join(case(*INSTALLED, known=KNOWN), judge)
    assert "torch>=2.3" in remedy.requirements
    assert remedy.proven


def test_what_wheels_were_compiled_for_leads_to_the_same_remedy_as_hazards_do():
    def told(name, version, major, since):
        return BinarySurface(name, version, numpy=(NumpyApi(major, since, ""),))

    known = Known(
        told_reached=("pyarrow",),
        told_compiled=(
            *(told("torch", "1.9.1", 1, "1.16"), told("torch", "2.3.0", 2, "1.16")),
            *(told("pyarrow", "20.0.0", 2, "1.20"), told("pyarrow", "25.0.0", 2, "1.20")),
            told("pyarrow", "26.0.0", 2, "2.0"),
        ),
        told_releases={name: KNOWN.told_releases[name] for name in ("numpy", "pyarrow", "torch")},
    )
    installed = package("torch", "1.9.1"), package("numpy", "2.0.2"), package("pyarrow", "26.0.0")
    here = case(*installed, of=card({"torch": "1.9.1"}), known=known, source="pip-inspect")
    remedy = join(here, judge)
    assert remedy.requirements == ("numpy<2", "pyarrow<=25.0.0")
    assert remedy.proven


def test_what_a_remedy_breaks_is_mended_too():
    known = Known(
        told_hazards=(NUMPY, PYARROW_26),
        told_releases={name: KNOWN.told_releases[name] for name in ("numpy", "pyarrow", "torch")},
    )
    installed = package("torch", "1.9.1"), package("numpy", "2.0.2"), package("pyarrow", "26.0.0")
    remedy = join(case(*installed, of=card({"torch": "1.9.1"}), known=known), judge)
    assert remedy.requirements == ("numpy<2", "pyarrow<26")
    assert remedy.proven


def test_a_remedy_that_has_no_wheel_for_this_python_is_not_offered():
    known = Known(
        told_hazards=(NUMPY,),
        told_releases={"numpy": releases("1.26.4", wheel="cp312-cp312-win_amd64"), "torch": releases("2.3.0")},
    )
    remedy = join(case(package("torch", "1.9.1"), package("numpy", "2.0.2"), known=known), judge)
    assert remedy.requirements == ("torch>=2.3",)


def test_with_unknown_releases_nothing_is_claimed_to_be_proven():
    known = Known(told_hazards=(PYARROW,))
    remedy = join(case(package("datasets", "2.1.0"), package("pyarrow", "26.0.0"), known=known), judge)
    assert (remedy.requirements, remedy.proven) == (("pyarrow<21",), False)


def test_of_an_unknown_python_the_remedy_is_told_and_not_claimed_to_be_proven():
    """A list of requirements says neither the Python nor which markers hold there."""
    known = Known(
        told_hazards=(NUMPY,),
        told_releases={
            "numpy": releases("1.26.4", requires=['typing-extensions; python_version < "3.8"']),
            "torch": releases("1.9.1"),
        },
    )
    installed = package("torch", "1.9.1"), package("numpy", "2.0.2")
    stated = card({"torch": "1.9.1"})
    remedy = join(case(*installed, of=stated, known=known, python=None, platform=None), judge)
    assert (remedy.requirements, remedy.proven) == (("numpy<2",), False)


def test_what_stays_is_named():
    stuck = hazard("stuck", {"torch": ">=1"}, [])
    known = Known(told_hazards=(NUMPY, stuck), told_releases=KNOWN.told_releases)
    remedy = join(case(*INSTALLED, of=FIRST_SEED, known=known), judge)
    assert remedy.left == ("packages/stuck",)
    assert not remedy.proven


def test_nothing_to_install_is_no_remedy():
    known = Known(told_hazards=(hazard("stuck", {"torch": ">=1"}, []),))
    assert join(case(package("torch", "1.9.1"), known=known), judge) is None


def test_what_is_missing_and_what_the_card_pins_is_installed_together():
    installed = package("datasets", "2.1.0"), package("pyarrow", "26.0.0"), package("numpy", "1.26.4")
    remedy = join(case(*installed, of=FIRST_SEED, known=KNOWN), judge)
    assert remedy.requirements == ("pyarrow<21", "torch==1.9.1")
    assert remedy.command.startswith("uv pip install --python /env/bin/python"), "there is no pip in it"


def test_what_an_installer_brings_along_is_not_named():
    known = Known(
        told_hazards=(PYARROW,),
        told_releases={
            "datasets": {
                **releases("2.1.0", requires=["fsspec", "pyarrow>=5", "unheard-of"]),
            },
            "fsspec": releases("2022.1.0"),
            "pyarrow": releases("20.0.0", "26.0.0"),
        },
    )
    remedy = join(case(package("pip", "24.0"), of=card({"datasets": "2.1.0"}), known=known), judge)
    assert remedy.requirements == ("datasets==2.1.0", "pyarrow<21")
    assert remedy.proven


def test_a_part_of_the_cards_releases_is_no_way_out():
    known = Known(told_releases={**KNOWN.told_releases, "torch": releases("1.9.1", wheel="cp36-cp36m-win_amd64")})
    assert join(case(package("pip", "24.0"), of=FIRST_SEED, known=known), judge) is None


def test_a_removal_comes_first_in_the_command():
    broken = hazard("broken-wandb", {"wandb": "<1"}, ["-wandb"])
    known = Known(told_hazards=(broken, NUMPY), told_releases=KNOWN.told_releases)
    installed = package("wandb", "0.1"), package("torch", "1.9.1"), package("numpy", "2.0.2"), package("pip", "1")
    remedy = join(case(*installed, of=card({"torch": "1.9.1"}), known=known), judge)
    assert remedy.command == ("/env/bin/python -m pip uninstall -y wandb && /env/bin/python -m pip install 'numpy<2'")


@pytest.mark.parametrize(
    ("specifier", "tidy"),
    [
        ("<2,>=1.20,<3", ">=1.20,<2"),
        ("==1.9.1", "==1.9.1"),
        ("!=0.11.3,<0.13,>=0.11.1", "!=0.11.3,>=0.11.1,<0.13"),
        ("", ""),
    ],
)
def test_ranges_are_written_as_short_as_they_go(specifier, tidy):
    assert _tidy(SpecifierSet(specifier)) == tidy
