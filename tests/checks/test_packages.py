from __future__ import annotations

import msgspec
import pytest

from card_doctor.checks import packages
from card_doctor.model import Enforced, NotApplicable, Release, Unenforced, Unknown
from made import PYTHON, Known, case, hazard, package


def declared(*installed, **facts):
    return list(packages.declared_requirement(case(*installed, **facts)))


def test_a_requirement_that_does_not_hold_may_break_and_says_who_declares_it():
    (finding,) = declared(package("a", "1.0", "b>=2,<3"), package("b", "3.1"))
    assert (finding.subject, finding.breaks, finding.severity, finding.found) == ("b", "maybe", "warning", "3.1")
    assert finding.message == "a 1.0 requires b<3,>=2, and b 3.1 is installed"
    assert finding.remedies[0].requirement == "b<3,>=2"


def test_it_breaks_for_sure_where_the_package_compares_it_itself():
    known = Known(told_enforced=(Enforced("a", ">=1", ("b",), ("link",)),))
    (finding,) = declared(package("a", "1.0", "b<3"), package("b", "3.1"), known=known)
    assert (finding.breaks, finding.severity, finding.evidence) == ("yes", "error", ("link",))
    (older,) = declared(package("a", "0.9", "b<3"), package("b", "3.1"), known=known)
    assert older.breaks == "maybe", "0.9 does not enforce it yet"


def test_what_the_training_loop_does_not_import_may_declare_what_it_likes():
    known = Known(told_unreached=("a",))
    (finding,) = declared(package("a", "1.0", "b<3"), package("b", "3.1"), known=known)
    assert (finding.breaks, finding.severity) == ("no", "note")
    assert "does not import what declares it" in finding.because
    (both,) = declared(package("a", "1.0", "b<3"), package("c", "1.0", "b<2"), package("b", "3.1"), known=known)
    assert both.breaks == "maybe", "the loop imports c"
    with pytest.raises(Unknown):
        declared(package("a", "1.0", "c<3"), known=known, complete=False)


def test_where_only_versions_are_listed_what_is_known_of_the_releases_is_asked():
    released = {"a": {"1.0": Release("1.0", "2024-01-01", requires=("b<3", "c"))}}
    known = Known(told_releases=released)
    found = declared(package("a", "1.0+cu118"), package("b", "3.1"), known=known, source="pylock")
    assert [(finding.subject, finding.found) for finding in found] == [("b", "3.1"), ("c", None)]
    assert declared(package("a", "1.0"), package("b", "3.1"), known=known, source="pip-inspect") == [], "it tells all"
    assert declared(package("a", "2.0"), package("b", "3.1"), known=known, source="pylock") == []
    with pytest.raises(NotApplicable):
        declared(package("a", "1.0"), package("b", "3.1"), known=known, source="conda")


def test_one_subject_is_one_finding_whoever_requires_it():
    (finding,) = declared(package("a", "1", "c<2"), package("b", "1", "c<3"), package("c", "5"))
    assert finding.details == ("b 1 requires c<3",)
    assert finding.remedies[0].requirement == "c<2,<3"


def test_a_missing_distribution_is_found_and_is_unknown_where_the_environment_is_incomplete():
    (finding,) = declared(package("a", "1", "b"))
    assert (finding.subject, finding.found, finding.remedies[0].kind) == ("b", None, "install")
    with pytest.raises(Unknown, match=r"requires: b\)"):
        declared(package("a", "1", "b"), complete=False)
    with pytest.raises(Unknown, match="beside what is named"):
        declared(package("a", "1"), complete=False)


@pytest.mark.parametrize(
    ("requirement", "holds"),
    [
        ("b>=2; python_version < '3.8'", True),
        ("b>=2; python_version >= '3.8'", False),
        ('b>=2 ; sys_platform == "win32"', True),
        ("b>=2; extra == 'dev'", True),
        ("b (>=0.5)", True),
        ("b (>=2)", False),
        ("b @ https://example.invalid/b.zip", True),
        ("b >dev", True),  # legacy, unreadable: nothing can enforce it
        ("b==1.*", True),
        ("b!=1.0", False),
    ],
)
def test_markers_extras_urls_and_legacy_text_are_read_as_pep_508_says(requirement, holds):
    assert (declared(package("a", "1", requirement), package("b", "1.0")) == []) is holds


def test_extras_of_extras_are_followed():
    installed = (
        package("a", "1", "b[x]"),
        package("b", "1", "b[y]; extra == 'x'", "c>=2; extra == 'Y'", "d; extra == 'z'"),
        package("c", "1"),
    )
    assert [finding.subject for finding in declared(*installed)] == ["c"]


@pytest.mark.parametrize("version", ["2.0.0rc1", "2.1.0a0+32f93b1", "2.0.dev5"])
def test_a_prerelease_is_a_version_like_any_other(version):
    assert declared(package("a", "1", "b>=1"), package("b", version)) == []


def test_requirements_with_markers_need_the_markers_of_that_python():
    bare = msgspec.structs.replace(PYTHON, markers={})
    with pytest.raises(Unknown, match="markers"):
        declared(package("a", "1", "b; python_version > '3'"), python=bare)


def soft(*installed):
    return list(packages.soft_requirement(case(*installed)))


def test_what_training_needs_is_looked_at_behind_its_extra():
    transformers = package("transformers", "4.57.6", "torch>=2.2 ; extra == 'torch'", "torch<1 ; extra == 'dev'")
    (finding,) = soft(transformers, package("torch", "2.1.2"))
    assert (finding.subject, finding.breaks, finding.needs) == ("torch", "maybe", ">=2.2")
    assert "[torch]" in finding.message
    assert soft(transformers, package("torch", "2.2.0")) == []
    assert soft(transformers) == [], "torch is not installed: then there is nothing to be too old"


@pytest.mark.parametrize("extra", ["dev", "tests", "docs", "quality", "testing", "all"])
def test_extras_of_developers_are_not(extra):
    assert soft(package("a", "1", f"torch>=9; extra == '{extra}'"), package("torch", "1.0")) == []


def test_behind_an_extra_of_what_the_training_loop_does_not_import_nothing_breaks():
    safetensors = package("safetensors", "0.7.0", "torch>=1.10; extra == 'torch'")
    known = Known(told_unreached=("safetensors",))
    (finding,) = packages.soft_requirement(case(safetensors, package("torch", "1.8.1"), known=known))
    assert (finding.breaks, finding.severity) == ("no", "note")


def test_upper_bounds_and_pins_of_an_extra_are_the_authors_ci():
    a = package("transformers", "4.52.4", "torch>=2.1,<2.7; extra == 'torch'")
    assert soft(a, package("torch", "2.8.0")) == []
    assert soft(package("a", "1", "torch==1.0; extra == 'torch'"), package("torch", "2.0")) == []


def hazards(*installed, told, **facts):
    return list(packages.hazard(case(*installed, known=Known(told_hazards=told), **facts)))


NUMPY_2 = hazard(
    "numpy-2-torch",
    {"torch": "<2.3", "numpy": ">=2"},
    ["numpy<2", "torch>=2.3"],
    subject="numpy",
    message="torch {torch} cannot use numpy {numpy}",
)


def test_a_hazard_is_found_where_all_its_conditions_hold():
    (finding,) = hazards(package("torch", "1.9.1+cu102"), package("numpy", "2.0.2"), told=(NUMPY_2,))
    assert (finding.id, finding.subject, finding.breaks) == ("packages/numpy-2-torch", "numpy", "yes")
    assert finding.message == "torch 1.9.1+cu102 cannot use numpy 2.0.2"
    assert [remedy.requirement for remedy in finding.remedies] == ["numpy<2", "torch>=2.3"]
    assert hazards(package("torch", "2.3.0"), package("numpy", "2.0.2"), told=(NUMPY_2,)) == []
    assert hazards(package("numpy", "2.0.2"), told=(NUMPY_2,)) == []


def test_a_hazard_that_is_only_reported_may_break_and_one_of_a_feature_does_not():
    reported = msgspec.structs.replace(NUMPY_2, proof="reported")
    feature = msgspec.structs.replace(NUMPY_2, scope="feature:tensorboard")
    installed = package("torch", "1.9.1"), package("numpy", "2.0.2")
    assert [(f.breaks, f.severity) for f in hazards(*installed, told=(reported,))] == [("maybe", "warning")]
    assert [(f.breaks, f.severity) for f in hazards(*installed, told=(feature,))] == [("no", "note")]


def test_a_hazard_of_something_missing_needs_a_complete_environment():
    missing = hazard("no-setuptools", {"torch": "<1.11"}, ["setuptools<82"], missing=("setuptools",))
    (finding,) = hazards(package("torch", "1.10.1"), told=(missing,))
    assert finding.remedies[0].kind == "install"
    assert hazards(package("torch", "1.10.1"), package("setuptools", "60"), told=(missing,)) == []
    assert hazards(package("torch", "1.10.1"), told=(missing,), complete=False) == []


class TestWhatTrainingWasSeenToRunWithout:
    KNOWN = Known(
        told_unenforced=(
            Unenforced("a", "<2", {"b": ">=1,<5"}, ("reproduced: a 1.0 with b 4.0 trains",)),
            Unenforced("viewer", "", {"*": ""}, ("reproduced: viewer 1.0 without c trains",)),
        )
    )

    def test_it_is_told_and_breaks_nothing(self):
        (finding,) = declared(package("a", "1.0", "b<3"), package("b", "4.0"), known=self.KNOWN)
        assert (finding.severity, finding.breaks) == ("warning", "no")
        assert finding.evidence == ("reproduced: a 1.0 with b 4.0 trains",)
        (finding,) = declared(package("viewer", "1.0", "c"), known=self.KNOWN)
        assert (finding.subject, finding.breaks) == ("c", "no")

    @pytest.mark.parametrize(
        "installed",
        [
            (package("a", "1.0", "b<3"), package("b", "5.0")),  # further than what was seen
            (package("a", "2.0", "b<3"), package("b", "4.0")),  # another a
            (package("a", "1.0", "b<3"),),  # no b at all
            (package("a", "1.0", "b<3"), package("other", "1.0", "b<3"), package("b", "4.0")),  # not only a declares it
        ],
    )
    def test_nothing_more_than_what_was_seen(self, installed):
        (finding,) = declared(*installed, known=self.KNOWN)
        assert finding.breaks == "maybe"
