"""What the card states, as releases; and which releases are near to one."""

from __future__ import annotations

import msgspec
from packaging.version import Version

from card_doctor.planning.draft import away, by_nearness, cost, stated
from made import Known, card, releases

TORCH = releases("1.8.0", "1.8.1", "1.9.0", "1.9.1", "1.10.0", "1.10.2", "1.11.0", "2.0.0", "2.1.0rc1")
KNOWN = Known(told_releases={"torch": TORCH, "transformers": releases("4.17.0", "4.18.0", "4.19.0")})


def choices(**versions):
    return stated(card(versions), KNOWN).choices


def test_a_release_is_taken_as_it_is_stated():
    choice = choices(torch="1.9.1")["torch"]
    assert (choice.version, choice.because, choice.moved) == ("1.9.1", "", False)


def test_a_build_of_another_index_becomes_the_release_and_that_is_said():
    choice = choices(torch="1.9.1+cu111")["torch"]
    assert (choice.version, choice.moved) == ("1.9.1", False)
    assert "+cu111" in choice.because


def test_what_was_built_from_source_becomes_the_release_that_it_was_on_its_way_to():
    choice = choices(transformers="4.19.0.dev0")["transformers"]
    assert choice.version == "4.19.0"
    assert "4.19.0.dev0 is no release" in choice.because


def test_what_is_no_version_leaves_the_release_open():
    assert choices(torch="latest")["torch"].version is None


def test_a_distribution_that_is_not_known_keeps_the_version_that_is_stated():
    assert choices(own="0.3.1+local")["own"].version == "0.3.1"


def test_the_same_series_is_nearest_then_the_neighbours_newer_first():
    order = [release.version for release in by_nearness(TORCH, Version("1.9.1"))]
    assert order == ["1.9.1", "1.9.0", "1.10.2", "1.10.0", "1.8.1", "1.8.0", "1.11.0", "2.0.0"]


def test_a_yanked_release_is_near_to_none_but_its_own_card():
    yanked = {**TORCH, "1.9.1": msgspec.structs.replace(TORCH["1.9.1"], yanked=True)}
    assert by_nearness(yanked, Version("1.9.1"))[0].version == "1.9.1"
    assert "1.9.1" not in [release.version for release in by_nearness(yanked, Version("1.9.0"))]


def test_how_far_away_counts_series_and_weighs_what_the_card_is_about():
    assert away(TORCH, Version("1.9.1"), Version("1.11.0")) == 2
    draft = stated(card({"torch": "1.9.1", "transformers": "4.18.0"}), KNOWN)
    torch, transformers = draft.choices["torch"], draft.choices["transformers"]
    assert cost(draft, KNOWN) == 0
    moved_torch = cost(draft.choose(torch._replace(version="1.10.2")), KNOWN)
    moved_transformers = cost(draft.choose(transformers._replace(version="4.19.0")), KNOWN)
    assert 0 < moved_torch < moved_transformers
