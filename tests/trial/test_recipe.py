"""What of a card is tried, and what is said of the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_doctor.model import Card, Precision, Source
from card_doctor.trial.recipe import FAMILIES, SCHEDULERS, recipe_for


def card(name="made", **facts):
    return Card(name, Source("matrix"), **facts)


def test_without_a_card_a_bert_is_trained_and_nothing_is_to_be_said():
    made, notes = recipe_for(None)
    assert (made["family"], made["task"], made["precision"]) == ("bert", "text-classification", "fp32")
    assert notes == []


def test_what_a_card_states_is_kept_and_what_is_too_large_is_scaled_down_and_said():
    made, notes = recipe_for(
        card(
            "distilbert-x",
            precision=Precision("fp16"),
            hyperparameters={
                "learning_rate": 3e-05,
                "train_batch_size": 64,
                "eval_batch_size": 4,
                "seed": 12345,
                "optimizer": {"name": "adamw_torch", "betas": [0.9, 0.98], "epsilon": 1e-06},
                "lr_scheduler_type": "cosine",
                "lr_scheduler_warmup_ratio": 0.1,
                "num_epochs": 20,
            },
        )
    )
    assert made == {
        "family": "distilbert",
        "task": "text-classification",
        "precision": "fp16",
        "optimizer": "adamw_torch",
        "arguments": {
            "max_steps": 3,
            "per_device_train_batch_size": 8,
            "per_device_eval_batch_size": 4,
            "gradient_accumulation_steps": 1,
            "learning_rate": 3e-05,
            "seed": 12345,
            "adam_beta1": 0.9,
            "adam_beta2": 0.98,
            "adam_epsilon": 1e-06,
            "lr_scheduler_type": "cosine",
            "warmup_ratio": 0.1,
        },
    }
    assert notes == ["scaled down: train_batch_size 8 (card: 64), 3 steps (card: 20 epochs)"]


@pytest.mark.parametrize(
    ("base_model", "family", "task"),
    [
        ("distilbert-base-uncased", "distilbert", "text-classification"),
        ("FacebookAI/xlm-roberta-base", "xlm-roberta", "text-classification"),
        ("roberta-large", "roberta", "text-classification"),
        ("microsoft/deberta-v3-base", "deberta-v2", "text-classification"),
        ("prajjwal1/bert-tiny", "bert", "text-classification"),
        ("albert-base-v2", "albert", "text-classification"),
        ("google/mt5-small", "mt5", "text2text-generation"),
        ("google/flan-t5-base", "t5", "text2text-generation"),
        ("facebook/mbart-large-50", "mbart", "text2text-generation"),
        ("Helsinki-NLP/opus-mt-en-de", "marian", "text2text-generation"),
        ("openai-community/gpt2", "gpt2", "text-generation"),
        ("facebook/opt-125m", "opt", "text-generation"),
        ("meta-llama/Llama-2-7b-hf", "llama", "text-generation"),
        ("Qwen/Qwen2.5-0.5B", "qwen2", "text-generation"),
        ("google/vit-base-patch16-224", "vit", "image-classification"),
        ("openai/whisper-small", "whisper", "automatic-speech-recognition"),
        ("facebook/wav2vec2-large-xlsr-53", "wav2vec2", "automatic-speech-recognition"),
    ],
)
def test_the_family_is_read_from_the_base_model(base_model, family, task):
    made, notes = recipe_for(card(base_model=base_model))
    assert (made["family"], made["task"]) == (family, task)
    assert notes == []


def test_the_configuration_says_it_better_than_a_name():
    assert recipe_for(card(base_model="bert-base", model_type="electra"))[0]["family"] == "electra"


def test_a_task_is_trained_by_its_family_and_a_family_that_is_not_kept_has_one_that_stands_in():
    made, _ = recipe_for(card("bert-ner", dataset={"task": "token-classification"}))
    assert (made["family"], made["task"]) == ("bert", "token-classification")
    made, notes = recipe_for(card("segmenter", dataset={"task": "image-classification"}))
    assert (made["family"], made["task"]) == ("vit", "image-classification")
    assert notes == ["model: the card names no family that a small model is kept of, vit stands in"]


def test_a_task_that_is_not_tried_is_said():
    made, notes = recipe_for(card("t5-small", dataset={"task": "token-classification"}))
    assert made["task"] == "text2text-generation"
    assert notes == ["task: token-classification is not tried with t5, text2text-generation is"]


def test_a_scheduler_that_takes_more_than_a_card_states_is_said():
    made, notes = recipe_for(card("bert", hyperparameters={"lr_scheduler_type": "cosine_with_min_lr"}))
    assert "lr_scheduler_type" not in made["arguments"]
    assert notes == ["scheduler: cosine_with_min_lr takes settings that the card does not state, linear is used"]


@pytest.mark.parametrize("betas", [None, [0.9], [0.9, None], [0.9, float("nan")], [0.9, 1.0], "0.9, 0.99", [True, 0.9]])
def test_betas_that_are_none_are_left_out(betas):
    arguments = recipe_for(card("x", hyperparameters={"optimizer": {"betas": betas}}))[0]["arguments"]
    assert "adam_beta1" not in arguments


ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.floats(), max_size=3)
KEYS = st.sampled_from([
    "learning_rate", "train_batch_size", "eval_batch_size", "seed", "optimizer", "lr_scheduler_type",
    "lr_scheduler_warmup_steps", "lr_scheduler_warmup_ratio", "gradient_accumulation_steps", "weight_decay",
    "label_smoothing_factor", "max_grad_norm", "num_epochs", "training_steps",
])  # fmt: skip


@given(st.dictionaries(KEYS, ANY | st.dictionaries(st.sampled_from(["name", "betas", "epsilon"]), ANY)), ANY)
def test_whatever_a_card_holds_a_few_small_steps_come_of_it(stated, task):
    made, _ = recipe_for(card("x", hyperparameters=stated, dataset={"task": task}))
    arguments = made["arguments"]
    assert made["family"] in {family for _, family in FAMILIES}
    assert arguments["max_steps"] == 3
    assert 1 <= arguments["per_device_train_batch_size"] <= 8
    assert 1 <= arguments["gradient_accumulation_steps"] <= 2
    assert arguments.get("warmup_steps", 0) <= 2
    assert arguments.get("lr_scheduler_type", "linear") in SCHEDULERS
    assert all(0 <= arguments.get(name, 0) < 1 for name in ("adam_beta1", "adam_beta2"))
