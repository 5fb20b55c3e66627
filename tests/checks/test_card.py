from __future__ import annotations

import json
from pathlib import Path

import pytest

from card_doctor.cards import catalogue
from card_doctor.cards.matrix import read_matrix
from card_doctor.checks.card import pins_exclude, released_later
from card_doctor.knowledge.releases import load_releases
from card_doctor.model import Fact, NotApplicable, Place, Remedy, Unknown
from made import Known, card, case, releases

MATRICES = Path(__file__).parents[2] / "matrices"
SHARED = Path(__file__).parents[3] / "shared"


class Shipped(Known):
    """The release facts that are shipped."""

    def releases(self, distribution):
        return load_releases(distribution, [MATRICES])


def found(check, of, known=None, **facts):
    return list(check(case(of=of, known=known or Shipped(), **facts)))


def test_of_the_cards_that_we_ship_one_contradicts_itself():
    """It does state tokenizers 0.11.0 beside transformers 4.24.0, which conda's packages let in."""
    told = [one for path in catalogue([MATRICES]).values() for one in found(pins_exclude, read_matrix(path))]
    (one,) = [one for one in told if one.severity != "note"]
    assert one.message.endswith("<0.14,>=0.11.1, and the card states tokenizers 0.11.0")


def test_releases_that_exclude_each_other_are_told_with_the_cards_line():
    stated = card({"transformers": "4.18.0", "tokenizers": "0.20.0"}, facts=(Fact("versions.tokenizers", "0.20.0", 4),))
    (one,) = found(pins_exclude, stated)
    assert (one.severity, one.breaks, one.subject) == ("warning", "no", "tokenizers")
    assert one.message == (
        "transformers 4.18.0 requires tokenizers!=0.11.3,<0.13,>=0.11.1, and the card states tokenizers 0.20.0"
    )
    assert one.remedies == (Remedy("pin", "tokenizers!=0.11.3,<0.13,>=0.11.1"),)
    assert one.at == Place("made.toml", 4)


def test_what_only_an_extra_asks_for_is_a_note():
    (one,) = found(pins_exclude, card({"transformers": "4.57.6", "torch": "1.13.1"}))
    assert (one.severity, one.subject, one.needs) == ("note", "torch", ">=2.2")
    assert one.message.startswith("transformers 4.57.6 [torch] requires torch>=2.2")


@pytest.mark.parametrize(
    ("required", "stated", "excluded"),
    [
        ("torch>=1.9", "1.9.1+cu111", False),
        ("torch==1.9.1", "1.9.1+cu111", False),
        ("torch>=2.1.0", "2.1.0a0+32f93b1", False),
        ("torch<2.1.0", "2.1.0a0+32f93b1", True),
        ("torch==2.3.1", "2.3.1.post300", False),
        ("torch>=2.0", "2.0.0.dev20230130+cu118", False),
        ("torch>=1.10", "1.9.1+cu111", True),
        ("torch>=1.10", "nightly", False),
    ],
)
def test_a_build_is_judged_as_the_release_that_it_is_of(required, stated, excluded):
    known = Known(told_releases={"made": releases("1.0", requires=[required])})
    assert bool(found(pins_exclude, card({"made": "1.0", "torch": stated}), known)) is excluded


def test_a_requirement_counts_once_and_the_hard_one_first():
    both = ["torch>=2 ; extra == 'torch'", "torch>=1.9", "torch>=1.9 ; extra == 'other'"]
    known = Known(told_releases={"made": releases("1.0", requires=both)})
    stated = card({"made": "1.0", "torch": "1.8"})
    assert [one.severity for one in found(pins_exclude, stated, known)] == ["warning"]


def test_an_extra_that_only_happens_to_need_it_says_nothing_of_the_two():
    known = Known(told_releases={"made": releases("1.0", requires=["torch>=3 ; extra == 'audio'"])})
    assert found(pins_exclude, card({"made": "1.0", "torch": "1.8"}), known) == []


def test_markers_are_of_the_python_that_is_judged():
    known = Known(told_releases={"made": releases("1.0", requires=["torch>=2 ; python_version >= '3.12'"])})
    stated = card({"made": "1.0", "torch": "1.8"})
    assert found(pins_exclude, stated, known) == []
    with pytest.raises(Unknown):
        found(pins_exclude, stated, known, python=None)


def test_a_card_that_states_nothing_known_is_left_alone():
    assert found(pins_exclude, card({"transformers": "4.18.0.dev0", "tokenizers": "0.20.0"})) == []
    assert found(pins_exclude, card({"transformers": "9.99", "never-heard-of": "1"})) == []
    with pytest.raises(NotApplicable):
        found(pins_exclude, None)


def test_a_release_from_after_the_cards_date_is_noted():
    stated = card({"transformers": "4.18.0", "torch": "1.9.1"}, date="2022-03-01", facts=(Fact("date", "March", 2),))
    (one,) = found(released_later, stated)
    assert (one.severity, one.subject, one.needs, one.at) == (
        "note",
        "transformers",
        "2022-04-06",
        Place("made.toml", 2),
    )
    assert found(released_later, card({"transformers": "4.18.0"}, date="2022-04-06")) == []
    with pytest.raises(NotApplicable, match="no date"):
        found(released_later, card({"transformers": "4.18.0"}))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the examples of real cards are not beside this checkout")
def test_no_real_card_is_accused():
    """All of these were really trained with: what they state went together."""
    for line in (SHARED / "cards" / "examples.jsonl").read_text(encoding="utf-8").splitlines():
        versions = json.loads(line)["expected"].get("versions") or {}
        stated = card({name: version for name, version in versions.items() if isinstance(version, str)})
        assert [one for one in found(pins_exclude, stated) if one.severity == "warning"] == [], line
