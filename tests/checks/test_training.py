from __future__ import annotations

import pytest
from run_case import found, seed_card, trained, with_run

from card_doctor.checks.training import batch_of, parameter_rows, rows_by_steps, steps_per_epoch
from card_doctor.model import Run
from made import card

STATED = {
    "learning_rate": 1e-4,
    "train_batch_size": 32,
    "num_epochs": 3,
    "seed": 1,
    "lr_scheduler_type": "linear",
    "lr_scheduler_warmup_ratio": 0.1,
    "optimizer": {"name": "adam", "betas": [0.9, 0.999], "epsilon": 1e-8},
}


def ids(hyperparameters, **facts):
    run = Run("settings", None, hyperparameters, dict.fromkeys(hyperparameters, "a.yaml"), **facts)
    return {
        finding.id.partition("/")[2]: finding.severity
        for finding in found(with_run(run, card(hyperparameters=STATED)), "training")
    }


def test_the_same_parameters_are_no_finding_whatever_they_are_called():
    assert ids({**STATED, "optimizer": {"name": "adamw_torch", "betas": [0.9, 0.999]}}) == {}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"learning_rate": 1e-3}, {"learning-rate": "warning"}),
        ({"learning_rate": 1.5e-4}, {"learning-rate": "note"}),
        ({"learning_rate": 2e-4, "train_batch_size": 64}, {"learning-rate": "note", "batch-size": "warning"}),
        ({"train_batch_size": 8}, {"batch-size": "warning"}),
        ({"train_batch_size": 8, "gradient_accumulation_steps": 4}, {}),
        ({"train_batch_size": 8, "gradient_accumulation_steps": 2, "num_devices": 2}, {}),
        ({"total_train_batch_size": 64}, {"batch-size": "warning"}),
        ({"num_epochs": 1}, {"epochs": "warning"}),
        ({"lr_scheduler_type": "cosine"}, {"schedule": "warning"}),
        ({"lr_scheduler_warmup_ratio": 0.3}, {"schedule": "note"}),
        ({"optimizer": {"name": "adafactor"}}, {"optimizer": "warning"}),
        ({"optimizer": {"name": "adamw_torch", "betas": [0.9, 0.95]}}, {"optimizer": "warning"}),
        ({"seed": 42}, {"seed": "note"}),
    ],
)
def test_one_parameter_that_differs_is_one_finding(changed, expected):
    assert ids({**STATED, **changed}) == expected


def test_warmup_steps_are_compared_with_a_ratio_by_all_steps():
    told = {key: value for key, value in STATED.items() if key != "lr_scheduler_warmup_ratio"}
    stated = card(hyperparameters={**told, "lr_scheduler_warmup_steps": 100})
    for ratio, level in ((0.1, "same"), (0.2, "differs")):
        told["lr_scheduler_warmup_ratio"] = ratio
        run = Run("settings", None, told, dict.fromkeys(told, "a"), planned_steps=1000)
        levels = {row.parameter: row.level for row in parameter_rows(stated, run)}
        assert levels["lr_scheduler_warmup_steps"] == level


def test_what_the_run_does_not_tell_is_unknown():
    rows = parameter_rows(card(hyperparameters=STATED), Run("trainer"))
    assert {row.level for row in rows} == {"unknown"}


def test_the_second_seeds_table_tells_its_rows():
    stated = seed_card("distilbert-allsides")
    assert steps_per_epoch(stated) == 822
    assert rows_by_steps(822, batch_of(stated.hyperparameters)) == (26_273, 26_304)


@pytest.mark.parametrize(
    ("seed", "variant", "expected"),
    [
        ("tiny-bert-mnli-distilled", "as-stated", set()),
        ("tiny-bert-mnli-distilled", "tenfold-rate", {"training/learning-rate"}),
        ("tiny-bert-mnli-distilled", "other-batch", {"training/batch-size"}),
        ("distilbert-allsides", "as-stated", set()),
        ("distilbert-allsides", "tenfold-rate", {"training/learning-rate"}),
        ("distilbert-allsides", "stopped-early", set()),
        ("distilbert-allsides", "overfitted", {"training/learning-rate", "training/epochs", "training/rows"}),
    ],
)
def test_real_runs_are_named_for_what_they_are(seed, variant, expected):
    """On a CPU none of them was in the cards' fp16, and each says so where a model card was written."""
    judged = trained(seed, variant)
    findings = found(judged, "training")
    assert {one.id for one in findings if one.severity != "note"} == expected
    told = judged.run.precision is not None
    assert [one.id for one in findings if one.severity == "note"] == (["training/precision"] if told else [])
