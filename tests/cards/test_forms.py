"""Forms of real cards that came after the readers were written: each by its cause, in lines of our own."""

from __future__ import annotations

import pytest

from card_doctor.cards.readme import read_card
from card_doctor.model import Card, Source


def read(text: str) -> Card:
    return read_card(text, "card", Source("file", "card"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # one line that holds a list of its own
        (
            "- **Optimization:** 2 epochs, learning rate 4e-4, warmup 30 steps, train batch 24 / eval batch 12",
            {
                "num_epochs": 2,
                "learning_rate": 4e-4,
                "lr_scheduler_warmup_steps": 30,
                "train_batch_size": 24,
                "eval_batch_size": 12,
            },
        ),
        (
            "Fine-tuned with adapters, cosine LR 3e-4, effective batch 12.",
            {"learning_rate": 3e-4, "total_train_batch_size": 12},
        ),
        ("- **Batch size (train / eval)** : 6 / 18", {"train_batch_size": 6, "eval_batch_size": 18}),
        ("- Train/eval batch size: 6/18", {"train_batch_size": 6, "eval_batch_size": 18}),
        ("- Learning rate: 7e-5 with cosine decay", {"learning_rate": 7e-5, "lr_scheduler_type": "cosine"}),
        ("- Learning rate: \\(3 \\times 10^{-6}\\)", {"learning_rate": 3e-6}),
        ("| 항목 | 값 |\n|-|-|\n| Epoch | 6 |\n| Batch Size | 4 |", {"num_epochs": 6, "train_batch_size": 4}),
        ("Settings\n===\nEpochs: 12\nLearning rate: 0.0003\n=====\n", {"num_epochs": 12, "learning_rate": 0.0003}),
        (
            "El modelo se entrenó durante 7 épocas con una tasa de aprendizaje de 6e-5 y un tamaño de lote de 24.",
            {"num_epochs": 7, "learning_rate": 6e-5, "train_batch_size": 24},
        ),
        (
            "Das Modell wurde 7 Epochen mit einer Lernrate von 6e-5 trainiert.",
            {"num_epochs": 7, "learning_rate": 6e-5},
        ),
        ("Se recomienda una tasa de aprendizaje de 6e-5.", {}),
        ("### Hyperparameters\n\n| Name | Value |\n|-|-|\n| alpha | 0.001 |", {"alpha": 0.001}),
    ],
)
def test_hyperparameters(text, expected):
    assert read(text).hyperparameters == expected


def test_none_of_several_models_in_one_table_is_the_cards():
    card = read(
        "| Hyperparameter | Small | Large |\n|-|-|-|\n| Learning rate | 1e-3 | 1e-4 |\n| Batch size | 8 | 8 |\n"
    )
    assert card.hyperparameters == {"train_batch_size": 8}
    assert [conflict.key for conflict in card.conflicts] == ["hyperparameters.learning_rate"]
    scores = read("| Metric | Ours | Theirs |\n|-|-|-|\n| Accuracy | 0.91 | 0.84 |\n| F1 | 0.9 | 0.8 |\n")
    assert scores.metrics == {}


def test_what_stands_behind_a_value_is_a_remark():
    card = read("| Parameter | Value | Note |\n|-|-|-|\n| Learning rate | 1e-3 | 2e-3 diverged |\n")
    assert card.hyperparameters == {"learning_rate": 1e-3}
    card = read("| Parameter | Ours | Note |\n|-|-|-|\n| Learning rate | 1e-3 | 2e-3 diverged |\n")
    assert card.hyperparameters == {"learning_rate": 1e-3}


def test_a_recipe_tells_what_the_trainers_list_has_no_line_for():
    card = read(
        "axolotl version: `0.9.0`\n```yaml\nbase_model: org/base\nlora_r: 12\nsequence_len: 640\nwarmup_ratio: 0.2\n"
        "```\n\n### Training hyperparameters\n\nThe following hyperparameters were used during training:\n"
        "- learning_rate: 0.0002\n- lr_scheduler_warmup_steps: 9\n"
    )
    assert card.hyperparameters == {
        "learning_rate": 0.0002,
        "lr_scheduler_warmup_steps": 9,
        "lora_r": 12,
        "max_seq_length": 640,
    }


def test_a_flag_by_another_name():
    assert read("| Parameter | Value |\n|-|-|\n| FP16 precision | Yes (on CUDA) |").precision.mode == "fp16"
    assert read("| Parameter | Value |\n|-|-|\n| FP16 precision | No |").precision is None


def test_versions_beside_pairs_and_among_requirements():
    card = read("Trained with `epochs=9 seed=4 optimizer=AdamW` using Ultralytics 8.3.40, torch 2.5.1.\n")
    assert card.versions == {"ultralytics": "8.3.40", "torch": "2.5.1"}
    card = read("## Requirements\n\n```\ntransformers==4.40.1\ntorch==2.2.2\n```\n")
    assert card.versions == {"transformers": "4.40.1", "torch": "2.2.2"}
    assert read("## Usage\n\n```\ntransformers==4.40.1\n```\n").versions == {}
