"""Model folders as training leaves them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from card_doctor.cards import find_card
from card_doctor.cards.folder import read_folder
from card_doctor.errors import CardError

README = """---
base_model: org/base-7b
---
# x

It achieves the following results on the evaluation set:
- Loss: 0.5
- Rouge2: 13.62

### Framework versions

- Transformers 4.26.1
- Pytorch 1.13.1+cu116
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "my-model"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, content: Any) -> None:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def raws(card: Any, prefix: str) -> list[str]:
    return [fact.raw for fact in card.facts if fact.key.startswith(prefix)]


def test_each_fact_from_its_best_place(model: Path) -> None:
    put(model, "README.md", README)
    put(model, "config.json", {"transformers_version": "4.26.1", "torch_dtype": "float32", "model_type": "distilbert"})
    put(model, "adapter_config.json", {"peft_version": "0.18.0", "r": 8, "lora_alpha": 16, "lora_dropout": 0.1})
    put(model, "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "3.0.1"}})
    put(model, "all_results.json", {"eval_loss": 0.50001, "eval_runtime": 1.0, "train_loss": 0.25, "epoch": 3.0})
    put(
        model, "requirements.txt", "# ours\ntorch==9.9.9\naccelerate>=0.26,<1 ; python_version > '3'\n-r other.txt\n?\n"
    )
    put(model, "training_args.bin", "\x80")
    card = read_folder(model)
    assert card.name == "my-model"
    assert card.source.kind == "folder"
    assert card.model_type == "distilbert"
    assert card.versions == {
        "transformers": "4.26.1",
        "torch": "1.13.1+cu116",
        "sentence-transformers": "3.0.1",
        "peft": "0.18.0",
        "accelerate": "<1,>=0.26",
    }
    assert card.hyperparameters == {"lora_r": 8, "lora_alpha": 16, "lora_dropout": 0.1}
    assert card.metrics == {"loss": 0.5, "rouge2": 13.62, "train_loss": 0.25}
    assert card.precision is None  # torch_dtype is how the weights are stored
    assert card.conflicts == ()
    assert raws(card, "files.training_args.bin") == ["training_args.bin: present, not read: it is a pickle"]
    assert {fact.confidence for fact in card.facts if fact.key == "versions.peft"} == {"file"}


def test_files_that_contradict_the_card_are_conflicts_and_the_card_stands(model: Path) -> None:
    put(model, "README.md", README)
    put(model, "all_results.json", {"eval_rouge2": 19.1949})
    put(model, "adapter_config.json", {"base_model_name_or_path": "org/other-7b"})
    put(model, "config.json", {"transformers_version": "4.30.0"})
    card = read_folder(model)
    assert card.metrics["rouge2"] == 13.62
    assert card.versions["transformers"] == "4.26.1"
    assert {(one.key, one.values) for one in card.conflicts} == {
        ("metrics.rouge2", ("13.62", "19.1949 (all_results.json)")),
        ("versions.transformers", ("4.26.1", "4.30.0 (config.json)")),
        ("base_model", ("org/other-7b (adapter_config.json)", "org/base-7b")),
    }


def test_a_base_model_on_another_machine_contradicts_nothing(model: Path) -> None:
    put(model, "README.md", README)
    put(model, "adapter_config.json", {"base_model_name_or_path": "/data/models/something"})
    assert read_folder(model).conflicts == ()


def test_the_history_of_the_trainer_is_the_table_where_the_card_has_none(model: Path) -> None:
    log = [{"loss": 0.9, "step": 1}, {"eval_loss": 0.8, "eval_acc": 0.5, "eval_runtime": 1, "epoch": 1.0, "step": 2}]
    put(model, "trainer_state.json", {"log_history": log, "num_train_epochs": 3, "train_batch_size": 8})
    card = read_folder(model)
    assert card.results == ({"training_loss": 0.9, "epoch": 1.0, "step": 2, "validation_loss": 0.8, "accuracy": 0.5},)
    assert card.hyperparameters == {"num_epochs": 3, "train_batch_size": 8}
    put(model, "README.md", "- training_steps: 100\n")
    assert read_folder(model).hyperparameters == {"training_steps": 100, "train_batch_size": 8}


def test_results_of_the_evaluation_come_before_those_of_the_test(model: Path) -> None:
    put(model, "all_results.json", '{"eval_f1": 0.8, "test_f1": 0.7, "eval_x": NaN}')
    assert read_folder(model).metrics == {"f1": 0.8}
    put(model, "all_results.json", {"predict_f1": 0.7, "predict_samples": 20})
    assert read_folder(model).metrics == {"f1": 0.7}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x00\x01\x02", "binary data, not a card"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n",
            "a git-lfs pointer, not the file itself",
        ),
        (b"{not json", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b" " * (10 * 1024 * 1024 + 1), "longer than 10,240 kB, more than any card"),
    ],
)
def test_a_file_that_can_not_be_read_costs_its_own_facts_only(model: Path, content: bytes, why: str) -> None:
    put(model, "README.md", README)
    (model / "config.json").write_bytes(content)
    card = read_folder(model)
    assert card.versions["transformers"] == "4.26.1"
    assert raws(card, "files.") == [f"config.json: not read: {why}"]


def test_a_number_of_a_million_digits_is_none(model: Path) -> None:
    put(model, "adapter_config.json", '{"r": ' + "9" * 1_000_000 + ', "lora_alpha": 16}')
    assert read_folder(model).hyperparameters == {"lora_alpha": 16}


def test_links_are_followed_inside_the_folder_alone(model: Path, tmp_path: Path) -> None:
    put(tmp_path, "secret.json", {"transformers_version": "4.0.0"})
    put(model, "README.md", README)
    (model / "config.json").symlink_to("../secret.json")
    card = read_folder(model)
    assert raws(card, "files.") == ["config.json: not read: a link that leads out of the folder"]
    (model / "blob").write_text('{"peft_version": "0.5.0"}', encoding="utf-8")
    (model / "adapter_config.json").symlink_to("blob")
    (model / "trainer_state.json").symlink_to("trainer_state.json")
    card = read_folder(model)
    assert card.versions["peft"] == "0.5.0"
    assert len(raws(card, "files.")) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(model: Path) -> None:
    os.mkfifo(model / "README.md")
    put(model, "config.json", {"transformers_version": "4.0.0"})
    card = read_folder(model)
    assert card.versions == {"transformers": "4.0.0"}
    assert raws(card, "files.") == ["README.md: not read: not a regular file"]


def test_a_folder_that_is_no_model_is_an_error(model: Path) -> None:
    with pytest.raises(CardError, match="no README, no config"):
        read_folder(model)
    (model / "README.md").write_bytes(b"\x00")
    with pytest.raises(CardError, match=r"README\.md: can't be read: binary data"):
        find_card(str(model), [])
