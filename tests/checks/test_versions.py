from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from card_doctor.checks import versions
from card_doctor.model import Fact, Finding, NotApplicable, Place, Policy, Unknown
from made import card, case, package


@pytest.mark.parametrize(
    ("stated", "installed", "level"),
    [
        ("1.9.1", "1.9.1", "exact"),
        ("1.9.1", "1.9.1+cu102", "exact"),
        ("1.9.1+cu111", "1.9.1+cpu", "exact"),
        ("2.3.1", "2.3.1.post300", "exact"),
        ("2.0", "2.0.0", "exact"),
        ("2.1.0a0+32f93b1", "2.1.0", "same-release"),
        ("4.19.0.dev0", "4.19.0", "same-release"),
        ("1.10.1", "1.10.2", "same-series"),
        ("1.10.0", "1.9.1", "older-minor"),
        ("1.9.1", "1.10.0", "newer-minor"),
        ("1.13.1", "2.0.0", "newer-major"),
        ("2.0.0", "1.13.1", "older-major"),
        ("1!1.0", "2.0", "older-major"),
        (">=2.0", "2.4.1", "range-met"),
        (">=2.0,<3", "1.9", "range-missed"),
        ("N/A", "1.0", "unreadable"),
        ("1.11.0 + cu113", "1.11.0", "unreadable"),
        ("1.0", None, "missing"),
    ],
)
def test_a_version_stands_to_the_cards_as_the_design_says(stated, installed, level):
    assert versions.level(stated, installed) == level


releases = st.builds(
    lambda release, suffix: ".".join(map(str, release)) + suffix,
    st.lists(st.integers(0, 30), min_size=1, max_size=4),
    st.sampled_from(["", "+cu113", ".post1", "a0", "rc1", ".dev3"]),
)


@given(releases, releases)
def test_levels_are_mirrored_when_card_and_environment_change_places(one, other):
    mirror = {"newer-minor": "older-minor", "newer-major": "older-major"}
    mirror.update({theirs: ours for ours, theirs in mirror.items()})
    level = versions.level(one, other)
    assert versions.level(other, one) == mirror.get(level, level)
    if level.startswith("newer"):
        assert Version(other) > Version(one)


def found(check, of, *packages, match="compatible", **facts):
    return list(check(case(*packages, of=of, policy=Policy(match=match), **facts)))


@pytest.mark.parametrize(
    ("check", "installed", "severities"),
    [
        (versions.newer, "2.0.0", {"compatible": "warning", "series": "error", "exact": "error", "any": "note"}),
        (versions.older, "1.8.0", {"compatible": "error", "series": "error", "exact": "error", "any": "note"}),
        (versions.same_series, "1.9.0", {"compatible": None, "series": None, "exact": "error", "any": "note"}),
        (versions.unreadable, "what", {"compatible": "warning", "series": "warning", "exact": "error", "any": "note"}),
    ],
)
def test_each_policy_weighs_a_difference_as_interface_md_says(check, installed, severities):
    for match, severity in severities.items():
        of = card({"torch": "1.9.1"})
        assert [f.severity for f in found(check, of, package("torch", installed), match=match)] == (
            [severity] if severity else []
        )


def test_a_stated_torch_that_is_missing_breaks_under_every_policy():
    (finding,) = found(versions.missing, card({"torch": "1.9.1"}), package("numpy", "1.0"), match="any")
    assert (finding.breaks, finding.severity, finding.remedies[0].requirement) == ("yes", "error", "torch==1.9.1")


def test_a_stated_package_outside_the_training_loop_only_differs():
    (finding,) = found(versions.missing, card({"pandas": "1.0"}), package("numpy", "1.0"))
    assert finding.breaks == "no"


def test_what_an_incomplete_environment_does_not_name_is_unknown_and_what_it_names_is_judged():
    of = card({"torch": "1.9.1", "datasets": "2.1.0"})
    incomplete = case(package("torch", "1.8.0"), of=of, complete=False)
    with pytest.raises(Unknown, match="datasets"):
        list(versions.missing(incomplete))
    assert [finding.subject for finding in versions.older(incomplete)] == ["torch"]
    assert [row.distribution for row in versions.rows(incomplete)] == ["torch"]


def test_tokenizers_is_judged_by_the_range_of_the_installed_transformers():
    of = card({"transformers": "4.18.0", "tokenizers": "0.11.6"})
    transformers = package("transformers", "4.18.0", "tokenizers (!=0.11.3,<0.13,>=0.11.1)")
    fits = case(transformers, package("tokenizers", "0.12.1"), of=of)
    assert {row.distribution: row.level for row in versions.rows(fits)} == {
        "transformers": "exact",
        "tokenizers": "range-met",
    }
    outside = case(transformers, package("tokenizers", "0.20.0"), of=of)
    assert versions.rows(outside)[1].level == "range-missed"
    assert not list(versions.newer(outside)), "packages/ reports it: one cause, one finding"


def test_a_source_builds_remedy_is_the_nearest_release():
    (finding,) = found(versions.older, card({"torch": "2.1.0a0+32f93b1"}), package("torch", "2.0.1"))
    assert finding.remedies[0].requirement == "torch~=2.1.0"


def test_the_place_in_the_card_is_named():
    of = card({"torch": "1.9.1"}, facts=(Fact("versions.torch", "1.9.1", line=7),))
    (finding,) = found(versions.older, of, package("torch", "1.8.0"))
    assert isinstance(finding, Finding)
    assert finding.at == Place("made.toml", 7)


def test_the_python_of_a_card_is_no_distribution_to_install():
    of = card({"torch": "1.9.1", "python": "3.9.7"})
    judged = case(package("torch", "1.9.1"), of=of)
    assert [row.distribution for row in versions.rows(judged)] == ["torch"]
    assert list(versions.missing(judged)) == []
    assert list(versions.missing(case(package("torch", "1.9.1"), of=of, complete=False))) == []
    with pytest.raises(NotApplicable):
        list(versions.missing(case(package("torch", "1.9.1"), of=card({"python": "3.9.7"}))))


def test_without_a_card_there_is_nothing_to_ask():
    with pytest.raises(NotApplicable):
        list(versions.newer(case(package("torch", "1.0"))))
