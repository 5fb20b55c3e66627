from __future__ import annotations

from pathlib import Path

import pytest

from card_doctor.cards import catalogue, find_card
from card_doctor.cards.matrix import FAMILIES, read_matrix
from card_doctor.checks.registry import FAMILIES as EXISTING
from card_doctor.errors import CardError, MatrixError
from card_doctor.model import Precision

MATRICES = Path(__file__).parents[2] / "matrices"
NATIVE_AMP = Precision("fp16", "native-amp", "Native AMP")
ADAM = {"name": "adam", "betas": [0.9, 0.999], "epsilon": 1e-08}


def card_of(name):
    return read_matrix(MATRICES / "cards" / f"{name}.toml")


def written(folder, text, name="mine.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_tiny_bert_states_what_its_article_states():
    card = card_of("tiny-bert-mnli-distilled")
    assert card.name == "tiny-bert-mnli-distilled"
    assert card.date == "2022-05-08"
    assert card.source.url == "https://fxis.ai/edu/how-to-understand-the-tiny-bert-mnli-distilled-model/"
    assert card.versions == {"transformers": "4.18.0", "torch": "1.9.1", "datasets": "2.1.0", "tokenizers": "0.11.6"}
    assert card.precision == NATIVE_AMP
    assert card.hyperparameters == {
        "learning_rate": 0.0005,
        "train_batch_size": 64,
        "eval_batch_size": 32,
        "seed": 33,
        "optimizer": ADAM,
        "lr_scheduler_type": "linear",
        "num_epochs": 4,
    }
    assert card.metrics == {"loss": 1.5018, "accuracy": 0.5819, "f1": 0.5782, "precision": 0.6036, "recall": 0.5819}
    assert card.dataset == {"name": "MNLI", "benchmark": "GLUE", "task": "text-classification"}
    assert (card.results, card.base_model, card.hardware) == ((), None, {})
    assert {case.case: case.answers for case in card.troubleshooting} == {
        "Low accuracy": ("results", "training"),
        "Inconsistent F1 score": ("data", "results"),
        "Training fails": ("versions", "packages", "python"),
    }


def test_distilbert_allsides_states_what_its_article_states():
    card = card_of("distilbert-allsides")
    assert card.date is None
    assert card.base_model == "distilbert-base-uncased"
    assert card.source.url == "https://fxis.ai/edu/how-to-utilize-the-distilbert-allsides-model/"
    assert card.versions == {"transformers": "4.11.3", "torch": "1.10.1", "datasets": "1.17.0", "tokenizers": "0.10.3"}
    assert card.precision == NATIVE_AMP
    assert card.hyperparameters == {
        "learning_rate": 3e-05,
        "train_batch_size": 32,
        "eval_batch_size": 32,
        "seed": 12345,
        "optimizer": ADAM,
        "lr_scheduler_type": "linear",
        "lr_scheduler_warmup_steps": 16,
        "num_epochs": 20,
    }
    assert card.metrics == {"loss": 0.9138, "accuracy": 0.7094}
    losses = [0.7003, 0.6619, 0.6736, 0.6642, 0.6936, 0.7670, 0.8537, 0.9138]
    accuracies = [0.6820, 0.6981, 0.7064, 0.7091, 0.7121, 0.7106, 0.7121, 0.7094]
    assert card.results == tuple(
        {"epoch": epoch, "step": 822 * epoch, "validation_loss": loss, "accuracy": accuracy}
        for epoch, (loss, accuracy) in enumerate(zip(losses, accuracies), start=1)
    )
    assert {case.case: case.answers for case in card.troubleshooting} == {
        "Compatible versions of the frameworks": ("versions", "packages", "python"),
        "Parameters and data unlike the card's": ("training", "data"),
        "Slow or failing hardware": ("accelerator", "amp", "resources"),
    }


@pytest.mark.parametrize("name", catalogue([MATRICES]))
def test_every_fact_of_the_catalogue_is_where_it_says(name):
    card = card_of(name)
    lines = (MATRICES / "cards" / f"{name}.toml").read_text(encoding="utf-8").split("\n")
    for distribution, version in card.versions.items():
        assert lines[card.line_of(f"versions.{distribution}") - 1] == f'{distribution} = "{version}"'
    if card.precision is not None:
        assert lines[card.line_of("precision") - 1] == "[precision]"
    assert {fact.key for fact in card.facts} >= {f"hyperparameters.{key}" for key in card.hyperparameters}
    assert all(fact.raw in lines[fact.line - 1] for fact in card.facts if fact.key != "precision")


def test_a_card_may_say_little(tmp_path):
    card = read_matrix(written(tmp_path, 'name = "org/mine"\n[precision]\nmode = "bf16"\n'))
    assert card.name == "org/mine"
    assert card.precision == Precision("bf16")
    assert (card.versions, card.date, card.source.url) == ({}, None, None)
    assert read_matrix(written(tmp_path, "")).name == "mine"


def test_what_the_trainer_does_not_know_may_be_stated(tmp_path):
    text = "[hyperparameters]\nlora_r = 8\nnum_epochs = [1, 4]\nlearning_rate = 1\noptimizer = 'Adafactor'\n"
    assert read_matrix(written(tmp_path, text)).hyperparameters == {
        "lora_r": 8,
        "num_epochs": [1, 4],
        "learning_rate": 1,
        "optimizer": "Adafactor",
    }


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("\nhyperparameter = {}\n", ":2: hyperparameter: ", "unknown key, did you mean `hyperparameters`?"),
        ('date = "May 8"\n', ":1: date: ", "expected a date like 2022-05-08, without quotes, found a string"),
        ("[versions]\ntorch = 1.10\n", ":2: versions.torch: ", "expected a string, found a number"),
        ('[versions]\nPyTorch = "1.10"\n', ":2: versions.PyTorch: ", "the name of a distribution, `torch`"),
        ('[versions]\nhuggingface_hub = "1"\n', ":2: versions.huggingface_hub: ", "`huggingface-hub`"),
        ('[precision]\nmode = "f16"\n', ":2: precision.mode: ", "did you mean `fp16`?"),
        ('[precision]\nmode = "fp16"\nback = "x"\n', ":3: precision.back: ", "did you mean `backend`?"),
        (
            "[hyperparameters]\nlerning_rate = 1\n",
            ":2: hyperparameters.lerning_rate: ",
            "did you mean `learning_rate`?",
        ),
        ('[hyperparameters]\nseed = "33"\n', ":2: hyperparameters.seed: ", "expected a whole number, found a string"),
        ("[metrics]\nloss = true\n", ":2: metrics.loss: ", "expected a number, found true or false"),
        ("results = [\n  3,\n]\n", ":1: results[0]: ", "expected a table, found a whole number"),
        (
            '[[troubleshooting]]\ncase = "c"\nadvice = "a"\nanswers = ["version"]\n',
            ":4: troubleshooting[0].answers: ",
            "`version` is no family of checks",
        ),
        ("a = \n", ": ", "not TOML"),
    ],
)
def test_a_wrong_key_or_type_is_told_with_its_line(tmp_path, text, where, said):
    path = written(tmp_path, text)
    with pytest.raises(MatrixError) as caught:
        read_matrix(path)
    assert caught.value.message.startswith(f"{path}{where}")
    assert said in caught.value.message


def test_every_family_that_a_case_may_name_is_one_that_exists_or_is_designed():
    assert set(EXISTING) <= set(FAMILIES)


def test_a_name_finds_the_catalogues_card_and_a_path_wins_over_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = find_card("distilbert-allsides", [MATRICES])
    assert found.source.kind == "catalogue"
    assert found.base_model == "distilbert-base-uncased"

    written(tmp_path, 'base_model = "mine"\n', "distilbert-allsides.toml")
    by_path = find_card("distilbert-allsides.toml", [MATRICES])
    assert (by_path.source.kind, by_path.base_model) == ("matrix", "mine")
    assert find_card("distilbert-allsides", [MATRICES]).source.kind == "catalogue"

    Path("distilbert-allsides").mkdir()
    with pytest.raises(CardError, match="no model's folder"):
        find_card("distilbert-allsides", [MATRICES])


def test_later_matrices_add_to_the_catalogue_and_override(tmp_path):
    (tmp_path / "cards").mkdir()
    written(tmp_path / "cards", 'base_model = "ours"\n', "distilbert-allsides.toml")
    written(tmp_path / "cards", "", "another.toml")
    assert list(catalogue([MATRICES, tmp_path])) == sorted({*catalogue([MATRICES]), "another"})
    assert find_card("distilbert-allsides", [MATRICES, tmp_path]).base_model == "ours"


@pytest.mark.parametrize(
    ("ref", "message", "hint"),
    [
        ("distilbert-allside", "no card of that name in the catalogue", "Did you mean `distilbert-allsides`?"),
        ("Tiny-BERT", "no card of that name in the catalogue", "Did you mean `tiny-bert-mnli-distilled`?"),
        ("absent.md", "absent.md: no such file, and no card of that name in the catalogue", "`card-doctor cards`"),
        ("somewhere/distilbert-allsides.toml", "no such file", "Did you mean `distilbert-allsides`?"),
        ("", "no card of that name", "`card-doctor cards`"),
        ("a\0b", "no card of that name", "`card-doctor cards`"),
        ("x" * 5000, "no card of that name", "`card-doctor cards`"),
    ],
)
def test_what_names_no_card_is_told_with_what_may_be_meant(tmp_path, monkeypatch, ref, message, hint):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CardError) as caught:
        find_card(ref, [MATRICES])
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_file_of_no_known_kind_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.bin").touch()
    with pytest.raises(CardError, match="no kind of card that is known"):
        find_card("model.bin", [MATRICES])


def test_a_matrix_that_is_wrong_is_a_card_that_can_not_be_read(tmp_path):
    path = written(tmp_path, "[versions]\ntorch = 1\n")
    with pytest.raises(CardError, match=r"mine\.toml:2: versions\.torch: "):
        find_card(str(path), [MATRICES])
