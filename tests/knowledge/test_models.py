"""Sizes of models, and the parameters that follow from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from card_doctor.errors import MatrixError
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.models import FAMILIES, Models, parameters, shape_of

MATRICES = Path(__file__).parents[2] / "matrices"
SHIPPED = Models([MATRICES])

# As transformers 4.26.1 makes them: sum(p.numel() for p in AutoModelFor…().parameters()); Llama, Mistral and Qwen as
# their safetensors on the hub state them.
COUNTED = {
    "bert-base-uncased": 109_483_778,
    "distilbert-base-uncased": 66_955_010,
    "roberta-base": 124_647_170,
    "electra-small-discriminator": 13_549_314,
    "gpt2": 124_439_808,
    "t5-small": 60_506_624,
    "bart-large": 406_291_456,
    "flan-t5-base": 247_577_856,
    "Llama-2-7b-hf": 6_738_415_616,
    "Mistral-7B-v0.1": 7_241_732_096,
    "Meta-Llama-3-8B": 8_030_261_248,
    "Qwen2.5-0.5B": 494_032_768,
}


@pytest.mark.parametrize("name", COUNTED)
def test_parameters_are_those_of_the_real_model(name):
    shape = shape_of(SHIPPED.config(name))
    assert parameters(shape) == COUNTED[name]


def test_labels_count():
    shape = shape_of(SHIPPED.config("bert-base-uncased"))
    assert parameters(shape, 3) - parameters(shape, 2) == 769


def test_every_model_that_is_shipped_has_a_shape():
    names = list(SHIPPED._known)
    assert len(names) >= 40
    shapes = {name: shape_of(SHIPPED.config(name)) for name in names}
    assert [name for name, shape in shapes.items() if shape is None] == []
    assert {shape.model_type for shape in shapes.values()} == set(FAMILIES)
    assert all(10**6 < parameters(shape) < 10**10 for shape in shapes.values())


def test_a_name_is_the_hubs_whoever_copied_it():
    assert SHIPPED.config("google-bert/bert-base-uncased") == SHIPPED.config("BERT-base-uncased")
    assert SHIPPED.config("no-such-model") is None


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "mamba", "hidden_size": 8},
        {"model_type": ["bert"]},
        {"model_type": "bert", "hidden_size": 768},
        {
            "model_type": "bert",
            "vocab_size": "many",
            "hidden_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
        },
        {"model_type": "bert", "vocab_size": 9, "hidden_size": -8, "num_hidden_layers": 1, "num_attention_heads": 1},
        {"model_type": "bert", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 0},
        {"model_type": "bert", "vocab_size": True, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1},
        {"model_type": "gpt2", "vocab_size": 2**40, "n_embd": 8, "n_layer": 1, "n_head": 1},
    ],
)
def test_what_has_no_sizes_has_no_shape(config):
    assert shape_of(config) is None


def test_a_users_own_model(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "ours.toml").write_text(
        '[models]\n"Our-Bert" = { model_type = "bert", vocab_size = 9, hidden_size = 8, num_hidden_layers = 1, '
        "num_attention_heads = 2 }\n"
    )
    assert Matrices([tmp_path]).model("us/our-bert")["hidden_size"] == 8
    (tmp_path / "models" / "ours.toml").write_text('[model]\n"x" = {}\n')
    with pytest.raises(MatrixError, match=r"ours\.toml"):
        Matrices([tmp_path])
