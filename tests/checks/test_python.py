from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from card_doctor.checks.python import no_release, no_wheel, requires_python
from card_doctor.knowledge.releases import load_releases
from card_doctor.model import Fact, NotApplicable, Place, Platform, Policy, Python, Release, Remedy, Unknown
from made import PYTHON, Known, card, case, package

MATRICES = Path(__file__).parents[2] / "matrices"
SEED = {"transformers": "4.18.0", "torch": "1.9.1", "datasets": "2.1.0", "tokenizers": "0.11.6"}
SEED_PACKAGES = [package(name, version) for name, version in SEED.items()]
OLD_LINUX = Platform("Linux", "x86_64", ("glibc", "2.17"))
INTEL_MAC = Platform("Darwin", "x86_64")


class Shipped(Known):
    """The release facts that are shipped."""

    def releases(self, distribution):
        return load_releases(distribution, [MATRICES])


def python(version, **more):
    return Python(version, markers={**PYTHON.markers, "python_full_version": version}, **more)


def found(check, *packages, of=None, known=None, **facts):
    return list(check(case(*packages, of=of, known=known or Shipped(), **facts)))


def test_the_first_seed_can_be_had_on_python_39():
    assert found(no_wheel, of=card(SEED)) == []


def test_a_release_without_wheels_for_this_python_says_which_pythons_have_them():
    stated = card(SEED, facts=(Fact("versions.torch", "1.9.1", 6),))
    torch, tokenizers = found(no_wheel, of=stated, python=python("3.12.1"))
    assert (torch.subject, torch.severity, torch.breaks) == ("torch", "warning", "no")
    assert torch.message == "torch 1.9.1 has no wheel for Python 3.12 on Linux x86_64 (glibc 2.36)"
    assert (torch.found, torch.needs) == ("Python 3.12.1", "Python 3.6 to 3.9")
    assert "no source release to build" in torch.because
    assert torch.remedies == (Remedy("python", text="Python 3.6 to 3.9"),)
    assert torch.at == Place("made.toml", 6)
    assert tokenizers.needs == "Python 3.6 to 3.10"
    assert "pip would have to build it" in tokenizers.because


@pytest.mark.parametrize(("installed", "severity"), [("1.9.1", "note"), ("2.5.1", "note"), ("1.7.1", "warning")])
def test_what_is_installed_instead_decides_how_loud_it_is(installed, severity):
    findings = found(no_wheel, package("torch", installed), of=card({"torch": "1.9.1"}), python=python("3.12.1"))
    assert [(one.severity, one.breaks) for one in findings] == [(severity, "no")]


def test_match_any_asks_for_no_release():
    (one,) = found(no_wheel, of=card({"torch": "1.9.1"}), python=python("3.12.1"), policy=Policy(match="any"))
    assert one.severity == "note"


def test_requires_python_counts_as_much_as_the_wheels_tag():
    (one,) = found(no_wheel, of=card({"transformers": "5.0.0"}))
    assert one.needs == "Python 3.10 or newer"
    assert one.because.startswith("It asks for Python >=3.10.0.")


@pytest.mark.parametrize(
    ("platform", "where"),
    [
        (OLD_LINUX, "Linux x86_64 (glibc 2.17)"),
        (INTEL_MAC, "macOS x86_64"),
        (Platform("Linux", "x86_64", ("musl", "1.2")), "Linux x86_64 (musl 1.2)"),
    ],
)
def test_a_platform_without_any_wheel_is_named_and_no_python_is_offered(platform, where):
    (one,) = found(no_wheel, of=card({"torch": "2.7.1"}), platform=platform)
    assert one.message == f"torch 2.7.1 has no wheel for Python 3.9 on {where}"
    assert f"no wheel for any Python on {where}" in one.because
    assert one.remedies == ()


def test_a_free_threaded_python_is_named_as_such():
    (one,) = found(no_wheel, of=card({"torch": "2.6.0"}), python=python("3.13.0", free_threaded=True))
    assert "free-threaded Python 3.13" in one.message


def test_a_cuda_build_is_judged_by_its_release_and_said_to_be():
    assert found(no_wheel, of=card({"torch": "1.9.1+cu111"})) == []
    (one,) = found(no_wheel, of=card({"torch": "1.9.1+cu111"}), python=python("3.12.1"))
    assert "+cu111 is from elsewhere" in one.because


def test_nothing_known_is_nothing_said():
    for stated in ({}, {"never-heard-of": "1.0"}, {"torch": ">=2"}, {"torch": "99.0"}):
        with pytest.raises(NotApplicable):
            found(no_wheel, of=card(stated))
    with pytest.raises(NotApplicable):
        found(no_wheel)


def test_without_python_or_platform_it_is_unknown():
    with pytest.raises(Unknown, match="python"):
        found(no_wheel, of=card(SEED), python=None)
    with pytest.raises(Unknown, match="platform"):
        found(no_wheel, of=card(SEED), platform=None)


LISTED = {"source": "requirements", "complete": False}


def test_a_list_of_what_can_be_installed_here_is_fine():
    assert found(no_wheel, *SEED_PACKAGES, **LISTED) == []


def test_a_listed_release_that_can_not_be_installed_breaks():
    findings = found(no_wheel, *SEED_PACKAGES, of=card(SEED), python=python("3.12.1"), **LISTED)
    torch, tokenizers = findings
    assert (torch.subject, torch.severity, torch.breaks, torch.at) == ("torch", "error", "yes", None)
    assert (tokenizers.subject, tokenizers.severity, tokenizers.breaks) == ("tokenizers", "warning", "maybe")


def test_a_listed_release_that_this_python_is_too_old_for_breaks():
    (one,) = found(no_wheel, package("transformers", "5.0.0"), **LISTED)
    assert (one.severity, one.breaks) == ("error", "yes")


def test_a_listed_release_that_everybody_builds_is_fine():
    assert load_releases("sentence-transformers", [MATRICES])["2.2.2"].wheels == ()
    assert found(no_wheel, package("sentence-transformers", "2.2.2"), **LISTED) == []


def test_a_listed_build_from_elsewhere_only_may_be_missing():
    (one,) = found(no_wheel, package("torch", "1.9.1+cu111"), python=python("3.12.1"), **LISTED)
    assert one.breaks == "maybe"


def test_what_comes_from_an_address_of_its_own_is_not_asked_of_the_index():
    direct = msgspec.structs.replace(package("torch", "1.9.1"), url="https://example.org/torch.whl")
    with pytest.raises(NotApplicable):
        found(no_wheel, direct, python=python("3.12.1"), **LISTED)


def test_pythons_are_spelled_as_ranges():
    wheels = tuple(f"cp3{minor}-cp3{minor}-manylinux2014_x86_64" for minor in (8, 10, 11, 13, 15))
    known = Known(told_releases={"made": {"1.0": Release("1.0", "2022-01-01", wheels)}})
    (one,) = found(no_wheel, of=card({"made": "1.0"}), known=known)
    assert one.needs == "Python 3.8, 3.10 to 3.11, 3.13, 3.15 or newer"


@pytest.mark.parametrize(
    ("stated", "nearest"),
    [
        ("2.1.0a0+32f93b1", "2.1.0"),
        ("2.0.0.dev20230117+cu117", "2.0.0"),
        ("1.13.7", "1.13.1"),
    ],
)
def test_a_build_that_is_no_release_names_the_nearest(stated, nearest):
    (one,) = found(no_release, of=card({"torch": stated}))
    assert (one.severity, one.breaks, one.needs) == ("note", "no", nearest)
    assert one.remedies == (Remedy("pin", f"torch=={nearest}"),)


def test_what_is_released_installed_or_newer_than_we_know_is_left_alone():
    assert found(no_release, of=card(SEED)) == []
    assert found(no_release, of=card({"torch": "1.9.1+cu111"})) == []
    assert found(no_release, of=card({"torch": "99.0"})) == []
    assert found(no_release, of=card({"torch": "nightly"})) == []
    assert found(no_release, package("torch", "2.1.0a0+32f93b1"), of=card({"torch": "2.1.0a0+32f93b1"})) == []


def test_a_package_that_this_python_is_not_for_may_break():
    numpy = msgspec.structs.replace(package("numpy", "2.1.0"), requires_python=">=3.10")
    fine = msgspec.structs.replace(package("pandas", "2.0.0"), requires_python=">=3.8")
    (one,) = found(requires_python, numpy, fine, package("torch", "1.9.1"))
    assert (one.subject, one.severity, one.breaks) == ("numpy", "warning", "maybe")
    assert one.message == "numpy 2.1.0 asks for Python >=3.10, and this is 3.9.18"
    assert one.remedies == (Remedy("pin", "numpy<=2.0.2"),)


def test_where_no_older_release_allows_this_python_a_newer_one_or_another_python_is_offered():
    old = msgspec.structs.replace(package("made", "1.0"), requires_python="<3.8")
    releases = {"1.0": Release("1.0", "2020-01-01"), "2.0": Release("2.0", "2022-01-01", requires_python=">=3.8")}
    releases["1.0"] = msgspec.structs.replace(releases["1.0"], requires_python="<3.8")
    (one,) = found(requires_python, old, known=Known(told_releases={"made": releases}))
    assert one.remedies == (Remedy("pin", "made>=2.0"),)
    (one,) = found(requires_python, old, known=Known())
    assert one.remedies == (Remedy("python", text="Python <3.8"),)


def test_a_requires_python_that_can_not_be_read_accuses_nobody():
    odd = msgspec.structs.replace(package("odd", "1.0"), requires_python="three and up")
    assert found(requires_python, odd) == []
    with pytest.raises(Unknown):
        found(requires_python, odd, python=None)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("made-1.0-cp39-cp39-manylinux2014_x86_64.whl", "made-1.0-cp312-cp312-win_amd64.whl"), []),
        (("made-1.0-1-py3-none-any.whl",), []),
        (("made-1.0.tar.gz",), []),
        (("made-1.0-cp38-cp38-manylinux2014_x86_64.whl",), [("error", "yes", "Python 3.8")]),
        (("made-1.0-cp38-cp38-manylinux2014_x86_64.whl", "made-1.0.zip"), [("warning", "maybe", "Python 3.8")]),
        (("made-1.0-cp39-cp39-win_amd64.whl",), [("error", "yes", None)]),
    ],
)
def test_of_a_lock_the_files_that_it_names_decide_also_of_what_we_know_nothing(files, expected):
    locked = msgspec.structs.replace(package("made", "1.0+cu111"), locked=files)
    findings = found(no_wheel, locked, source="uv-lock")
    assert [(one.severity, one.breaks, one.needs) for one in findings] == expected
    assert all(one.message == "made 1.0 has no wheel for Python 3.9 on Linux x86_64 (glibc 2.36)" for one in findings)
