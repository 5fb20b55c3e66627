from __future__ import annotations

import pytest

from card_doctor.cards import catalogue, find_card
from card_doctor.cards.readme import read_card
from card_doctor.checks import card_numbers as checks
from card_doctor.knowledge import Matrices
from card_doctor.model import Card, Case, Machine, NotApplicable, Policy, Precision, Snapshot, Source

MATRICES = Matrices()
ALL = (
    checks.batch_size,
    checks.metrics_disagree,
    checks.several_runs,
    checks.not_in_table,
    checks.better_row,
    checks.epochs_disagree,
    checks.precision_hardware,
    checks.learning_rate,
    checks.nothing_learnt,
    checks.training_loss,
)


def found(check, card):
    """None where the check has nothing to ask."""
    try:
        return list(check(Case(Snapshot("snapshot"), Machine(), Policy(), MATRICES, card)))
    except NotApplicable:
        return None


def stated(**facts):
    return Card("card", Source("file"), **facts)


def rows(**columns):
    return tuple(dict(zip(columns, values)) for values in zip(*columns.values()))


def read(text):
    return read_card(text, "card", Source("file", "README.md"))


BATCH = {"train_batch_size": 8, "total_train_batch_size": 32}


@pytest.mark.parametrize(
    ("stated_batch", "number"),
    [
        ({**BATCH, "gradient_accumulation_steps": 4}, 0),
        ({**BATCH, "num_devices": 2, "gradient_accumulation_steps": 2}, 0),
        ({**BATCH, "gradient_accumulation_steps": 2}, 1),
        ({**BATCH, "num_devices": 3}, 1),
        ({**BATCH, "distributed_type": "multi-GPU"}, 0),  # of how many, it does not say
        ({**BATCH, "distributed_type": "multi-GPU", "gradient_accumulation_steps": 3}, 1),
        ({**BATCH, "distributed_type": "IPU"}, None),
        ({"train_batch_size": 8}, None),
        ({**BATCH, "train_batch_size": 0}, None),
    ],
)
def test_the_total_batch_is_what_its_factors_make(stated_batch, number):
    one = found(checks.batch_size, stated(hyperparameters=stated_batch))
    assert (one if number is None else len(one)) == number


def test_text_and_metadata_disagree_but_two_lists_are_two_runs():
    index = "model-index:\n- name: x\n  results:\n  - metrics:\n    - name: Accuracy\n      value: {}\n"
    front = f"---\n{index}---\n## Evaluation results\n\n- Accuracy: 0.91\n"
    (one,) = found(checks.metrics_disagree, read(front.format(0.85)))
    assert (one.subject, one.severity) == ("accuracy", "note"), "metadata may be of other data"
    assert found(checks.metrics_disagree, read(front.format(0.91))) == []
    two = read("## Evaluation results\n\n- Accuracy: 0.91\n- Accuracy: 0.85\n")
    assert found(checks.metrics_disagree, two) == []
    (told,) = found(checks.several_runs, two)
    assert "accuracy 0.91, 0.85" in told.message
    assert two.metrics == {}, "neither is chosen"


def test_the_files_beside_the_weights_disagree(tmp_path):
    (tmp_path / "README.md").write_text("## Evaluation results\n\n- Rouge2: 13.62\n")
    (tmp_path / "all_results.json").write_text('{"eval_rouge2": 19.1949}')
    (one,) = found(checks.metrics_disagree, find_card(str(tmp_path), MATRICES.directories))
    assert (one.subject, one.severity) == ("rouge2", "warning")
    assert "19.1949 (all_results.json)" in one.message


TABLE = rows(epoch=[1, 2, 3], validation_loss=[0.5, 0.4, 0.6], accuracy=[0.80, 0.90, 0.85])


@pytest.mark.parametrize(
    ("metrics", "missing", "better"),
    [
        ({"loss": 0.6, "accuracy": 0.85}, [], ["the card reports 0.85 at epoch 3; the table has 0.9 at epoch 2"]),
        ({"loss": 0.4, "accuracy": 0.90}, [], []),
        ({"loss": 0.4, "accuracy": 90.0}, [], []),  # in percent
        ({"accuracy": 0.97}, ["no row of the table has what the card reports (accuracy 0.97)"], None),
        ({"loss": 0.6}, [], ["the card reports 0.6 at epoch 3; the table has 0.4 at epoch 2"]),
        ({"wer": 0.1}, None, None),
    ],
)
def test_the_reported_scores_and_the_table(metrics, missing, better):
    card = stated(metrics=metrics, results=TABLE)
    for check, messages in ((checks.not_in_table, missing), (checks.better_row, better)):
        one = found(check, card)
        assert (one and [finding.message for finding in one]) == messages


@pytest.mark.parametrize(
    ("hyperparameters", "number"),
    [
        ({"num_epochs": 3}, 0),
        ({"num_epochs": 4}, 0),  # one evaluation is not in the table
        ({"num_epochs": 20}, 1),
        ({"num_epochs": 1}, 1),
        ({"num_epochs": [1, 4]}, None),
        ({}, None),
    ],
)
def test_the_table_goes_as_far_as_the_card_says(hyperparameters, number):
    one = found(checks.epochs_disagree, stated(hyperparameters=hyperparameters, results=TABLE))
    assert (one if number is None else len(one)) == number


@pytest.mark.parametrize(
    ("gpu", "mode", "number"),
    [
        ("Tesla T4", "bf16", 1),
        ("1x NVIDIA T4 GPU", "bf16", 1),
        ("4 x A100", "bf16", 0),
        ("Tesla T4", "fp16", 0),
        ("a toaster", "bf16", 0),
        (None, "bf16", None),
    ],
)
def test_the_gpu_computes_in_the_stated_precision(gpu, mode, number):
    card = stated(hardware={"gpu": gpu} if gpu else {}, precision=Precision(mode))
    one = found(checks.precision_hardware, card)
    assert (one if number is None else len(one)) == number


@pytest.mark.parametrize(
    ("rate", "optimizer", "versions", "number"),
    [
        (5e-5, "adamw_torch", {}, 0),
        (5, "adamw_torch", {}, 1),
        (0.1, "adam", {}, 1),
        (0.1, "adamw_torch", {"peft": "0.10.0"}, 0),  # a soft prompt
        (0.1, "sgd", {}, 0),
        (0, "sgd", {}, 1),
        (-1e-4, "sgd", {}, 1),
    ],
)
def test_the_learning_rate_trains(rate, optimizer, versions, number):
    card = stated(hyperparameters={"learning_rate": rate, "optimizer": {"name": optimizer}}, versions=versions)
    assert len(found(checks.learning_rate, card)) == number


@pytest.mark.parametrize(
    ("results", "number"),
    [
        (TABLE, 0),
        (rows(epoch=[1, 2, 3], validation_loss=[None] * 3, rouge1=[0.0] * 3), 1),
        (rows(epoch=[1, 2, 3], validation_loss=[0.69] * 3, accuracy=[0.5] * 3), 1),
        (rows(epoch=[1, 2, 3], validation_loss=[0.69, 0.68, 0.67], accuracy=[0.5] * 3), 0),
        (rows(epoch=[1, 2], validation_loss=[0.69] * 2), None),
        (rows(epoch=[1, 2, 3], training_loss=[0.1] * 3), None),
    ],
)
def test_something_was_learnt(results, number):
    one = found(checks.nothing_learnt, stated(results=results))
    assert (one if number is None else len(one)) == number


def test_the_training_loss_is_not_the_evaluations():
    table = rows(training_loss=[0.1, 0.0061], validation_loss=[0.09, 0.0838], accuracy=[0.97, 0.98])
    (one,) = found(checks.training_loss, stated(metrics={"loss": 0.0061, "accuracy": 0.98}, results=table))
    assert "the validation loss is 0.0838" in one.message
    for metrics in ({"loss": 0.0838, "accuracy": 0.98}, {"loss": 0.0061, "accuracy": 0.60}):
        assert found(checks.training_loss, stated(metrics=metrics, results=table)) == []


def test_no_warning_on_the_cards_that_ship():
    """Their notes were looked at one by one: each says what stands there."""
    for name in catalogue(MATRICES.directories):
        card = find_card(name, MATRICES.directories)
        for check in ALL:
            assert [one for one in found(check, card) or () if one.severity != "note"] == [], name
