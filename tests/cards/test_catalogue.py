"""The cards that ship: facts alone, each from a public place, read as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.version import InvalidVersion, Version

from card_doctor.cards import catalogue, find_card
from card_doctor.cards.export import to_toml
from card_doctor.cards.matrix import parse_matrix
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.releases import find_release

MATRICES = Matrices()
NAMES = list(catalogue(MATRICES.directories))
CARDS = {name: find_card(name, MATRICES.directories) for name in NAMES}
# Its model-index gives no version, or spaCy's card its range alone.
STATED = {name: card for name, card in CARDS.items() if card.versions}


def test_there_are_a_hundred_over_the_years_and_generators():
    assert len(NAMES) >= 100
    minors = {
        card.versions["transformers"].rsplit(".", 1)[0] for card in CARDS.values() if "transformers" in card.versions
    }
    assert {"4.6", "4.11", "4.15", "4.18", "4.25", "4.44", "4.57"} <= minors
    stated = {name for card in CARDS.values() for name in card.versions}
    assert {"torch", "tensorflow", "peft", "trl", "setfit", "sentence-transformers", "spacy"} <= stated


@pytest.mark.parametrize("name", NAMES)
def test_each_names_its_source_and_states_facts(name):
    card = CARDS[name]
    assert re.match(r"https://(huggingface\.co|github\.com|fxis\.ai)/[^/]+/[^/]+", card.source.url)
    assert card.versions or card.metrics
    assert not card.conflicts
    again = parse_matrix(to_toml(card), Path(f"{name}.toml"))
    assert (again.versions, again.hyperparameters, again.metrics) == (card.versions, card.hyperparameters, card.metrics)


def test_each_stated_release_was_released():
    """A typing error would name one that never was; source builds and ranges are no releases."""
    unknown = [
        (name, distribution, text)
        for name, card in STATED.items()
        for distribution, text in card.versions.items()
        if (releases := MATRICES.releases(distribution))
        and (version := _final(text)) is not None
        and find_release(releases, version) is None
    ]
    assert unknown == []


def _final(text):
    try:
        version = Version(text)
    except InvalidVersion:
        return None
    return None if version.is_prerelease else version
