"""Every card of the catalogue or of a folder, and those that a pattern picks."""

from __future__ import annotations

import pytest

from card_doctor.cards import find_card
from card_doctor.cards.many import every_card, picked
from card_doctor.errors import UsageError
from card_doctor.knowledge import Matrices

SHIPPED = Matrices().directories


@pytest.fixture
def folder(tmp_path):
    """Two models' folders, loose cards, and what is none."""
    for name, text in {
        "org/one/README.md": "- Transformers 4.18.0",
        "org/one/checkpoint-1/trainer_state.json": "{}",
        "org/two/config.json": '{"transformers_version": "4.20.0"}',
        "loose/three.md": "- Transformers 4.18.0",
        "loose/four.toml": '[versions]\ntorch = "1.9.1"',
        "loose/notes.csv": "1,2",
        "loose/requirements.txt": "torch==2.0",
        ".git/README.md": "no card",
        "pyproject.toml": "[project]",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_folder_is_searched_for_models_and_loose_cards(folder):
    found = every_card([str(folder)], SHIPPED)
    assert found == [
        str(folder / name)
        for name in ("loose/four.toml", "loose/three.md", "org/one", "org/one/checkpoint-1", "org/two")
    ]
    assert all(find_card(one, SHIPPED).name for one in found)


def test_without_a_folder_it_is_the_catalogue():
    assert {"distilbert-allsides", "tiny-bert-mnli-distilled"} <= set(every_card([], SHIPPED))


def test_a_file_among_the_folders_is_itself(folder):
    assert every_card([str(folder / "loose/three.md")], SHIPPED) == [str(folder / "loose/three.md")]


def test_a_folder_without_a_card_is_said(tmp_path):
    with pytest.raises(UsageError, match="no card in it"):
        every_card([str(tmp_path)], SHIPPED)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("ALLSIDES", ["distilbert-allsides"]),
        ("bert", ["distilbert-allsides", "tiny-bert"]),
        ("tiny-*", ["tiny-bert"]),
        ("*/models/*", ["/models/gpt.md"]),
        ("gpt", ["/models/gpt.md"]),
        ("?pt", ["/models/gpt.md"]),
    ],
)
def test_a_pattern_is_a_part_of_the_name_or_all_of_it(pattern, names):
    assert picked(["distilbert-allsides", "tiny-bert", "/models/gpt.md"], pattern) == names


def test_a_pattern_that_picks_nothing_is_an_error():
    with pytest.raises(UsageError, match="none of 1 cards"):
        picked(["tiny-bert"], "t5")
