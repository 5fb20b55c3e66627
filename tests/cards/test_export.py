"""A matrix made from a card reads back equal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_doctor.cards.export import to_toml
from card_doctor.cards.matrix import parse_matrix
from card_doctor.cards.readme import read_card
from card_doctor.model import Card, Precision, Source

WHERE = Path("card.toml")
FACTS = (
    "date",
    "base_model",
    "versions",
    "precision",
    "hyperparameters",
    "results",
    "hardware",
    "dataset",
    "troubleshooting",
)

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
texts = st.text(st.characters(codec="utf-8"), max_size=30)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
own = names.map("x_{}".format)  # no slip of a name that the Trainer has
cards = st.builds(
    Card,
    name=st.just("card"),
    source=st.just(Source("file", "README.md")),
    date=st.none() | st.dates().map(str),
    base_model=st.none() | texts.filter(bool),
    versions=st.dictionaries(st.sampled_from(["torch", "transformers", "tensorflow-gpu", "python"]), texts),
    precision=st.none() | st.builds(Precision, st.sampled_from([None, "fp16", "bf16"]), st.none() | texts, texts),
    hyperparameters=st.dictionaries(own, values, max_size=4),
    metrics=st.dictionaries(names, st.none() | st.floats(allow_nan=False), max_size=4),
    results=st.lists(st.dictionaries(names, values, max_size=3), max_size=3).map(tuple),
    hardware=st.dictionaries(names, values, max_size=3),
    dataset=st.dictionaries(names, values, max_size=3),
)
pairs = st.tuples(
    st.sampled_from(
        ["learning_rate", "train_batch_size", "seed", "optimizer", "num_epochs", "Loss", "F1", "fp16", "x_y"]
    ),
    st.sampled_from(
        ["5e-05", "8", "3.0", "nan", "True", "(16, 2)", "Adam with betas=(0.9,0.999) and epsilon=1e-08", "-1"]
    )
    | texts,
).map(": ".join)
headings = st.sampled_from(
    [
        "### Training hyperparameters",
        "### Framework versions",
        "## Evaluation results",
        "- Transformers 4.18.0",
        "- Pytorch 1.9.1+cu111",
    ]
)


def without_none(value):
    if isinstance(value, dict):
        return {key: without_none(one) for key, one in value.items() if one is not None}
    if isinstance(value, (list, tuple)):
        return [without_none(one) for one in value if one is not None]
    return value


def assert_reads_back(card):
    text = to_toml(card)
    read = parse_matrix(text, WHERE)
    for part in FACTS:
        assert without_none(getattr(read, part)) == without_none(getattr(card, part)), text
    assert read.metrics == card.metrics


@given(cards)
@settings(max_examples=150, deadline=None)
def test_any_card_reads_back_equal(card):
    assert_reads_back(card)


@given(st.lists(pairs.map("- {}".format) | headings, max_size=14))
@settings(max_examples=100, deadline=None)
def test_what_the_reader_reads_reads_back_equal(lines):
    card = read_card("\n".join(lines), "card", Source("file", "README.md"))
    text = to_toml(card)
    if "is no value of a matrix" not in text:
        assert_reads_back(card)


@pytest.mark.parametrize(
    ("stated", "key"),
    [({"learningrates": 1e-5, "seed": 1}, "learningrates"), ({"seed": "random", "train_batch_size": 8}, "seed")],
)
def test_what_a_matrix_refuses_stands_in_a_comment(stated, key):
    text = to_toml(Card("card", Source("file"), hyperparameters=stated))
    assert text.startswith(f"# hyperparameters.{key} is no value of a matrix")
    assert parse_matrix(text, WHERE).hyperparameters == {name: one for name, one in stated.items() if name != key}


def test_what_is_stated_in_two_ways_is_told_and_the_source_is_kept():
    card = read_card("- num_epochs: 3\n- num_epochs: 4\n- seed: 1", "card", Source("file", "README.md"))
    text = to_toml(card, "org/name")
    assert "# hyperparameters.num_epochs is stated in 2 ways" in text
    assert parse_matrix(text, WHERE).source.url == "org/name"
