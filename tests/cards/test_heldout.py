"""Cards that the readers were not made with: the factual lines of 43 of them, and what a person reads there.

They were drawn at random from public collections before anything was changed for them.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from card_doctor.cards.readme import read_card
from card_doctor.model import Source

ROWS = [json.loads(line) for line in Path(__file__).with_name("heldout.jsonl").read_text(encoding="utf-8").splitlines()]


def read(text):
    return read_card(text, "card", Source("file", "README.md"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["source"].partition("//")[2] or row["source"])
def test_every_fact_is_read_and_none_is_invented(row):
    card = read("\n".join(row["lines"]))
    for part in ("versions", "hyperparameters", "metrics"):
        assert getattr(card, part) == row["expected"][part]
    stated = card.precision and {
        "mode": card.precision.mode,
        "backend": card.precision.backend,
        "raw": card.precision.raw,
    }
    assert stated == row["expected"].get("precision")


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("- learningrate: 4e-05\n- weightdecay: 0.01", "learning_rate", 4e-05),
        ("It was trained with a learning rate of 1e-6 for 10 epoches.", "num_epochs", 10),
    ],
)
def test_what_was_missed_on_them_is_read_now(text, key, value):
    assert read(text).hyperparameters[key] == value


def test_a_version_that_may_help_is_not_the_one_it_was_trained_with():
    assert read("Older versions seem to have issues. Using Transformers==4.13 might solve some of them.").versions == {}
    assert read("It was trained using Transformers 4.13 and Pytorch 1.10.0.").versions["transformers"] == "4.13"


def test_what_a_page_costs_is_bounded():
    """A card has 0.1 MB; behind half a megabyte running text is data, and behind 20,000 statements everything is."""
    unit = "<p>Trained for 3 months on 12 layers of text, 40 kinds of it, in 2021.</p><ul><li>one thing: 5</li></ul>\n"
    begun = time.process_time()
    read("<!doctype html><html><body>" + unit * 1_000 + "</body></html>")
    one = time.process_time() - begun
    begun = time.process_time()
    read("<!doctype html><html><body>" + unit * 4_000 + "</body></html>")
    assert time.process_time() - begun < 8 * one


def test_a_base_model_that_trl_does_not_know_is_none():
    card = read(
        "---\nbase_model: None\n---\nThis model is a fine-tuned version of [None](https://huggingface.co/None)."
    )
    assert card.base_model is None
