from __future__ import annotations

import math

import msgspec
import pytest
from run_case import curve, found, seed_card, trained, with_run

from card_doctor.checks.answers import answers, averaging
from card_doctor.checks.results import overfit_of, score_rows
from card_doctor.checks.statistics import entropy, majority_macro_f1, spread, tolerance
from card_doctor.model import Point, Run
from made import card

NAN = math.nan


def ids(judged):
    return {finding.id.partition("/")[2]: finding.severity for finding in found(judged, "results")}


def test_the_second_seeds_own_table_overfits_from_its_second_epoch():
    findings = {one.id: one for one in found(with_run(None, seed_card("distilbert-allsides")), "results")}
    assert set(findings) == {"results/overfitting", "results/not-best", "results/ended-early"}
    assert {one.severity for one in findings.values()} == {"note"}
    assert "epoch 2 (0.6619)" in findings["results/overfitting"].message
    assert "+38%" in findings["results/overfitting"].message
    assert "0.7121 in epoch 5" in findings["results/not-best"].message
    assert "epoch 8 of 20" in findings["results/ended-early"].message


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (curve(0.9, 0.7, 0.6), {"still-learning": "note"}),
        (curve(0.9, 0.7, 0.699), {}),
        (curve(0.9, 0.6, 0.7, 0.8), {"overfitting": "warning"}),
        (curve(0.9, 0.6, 0.9), {}),  # once is noise
        (curve(0.9, 0.6, 0.9, 0.61), {}),
        (curve(0.9, NAN, NAN), {"not-a-number": "error"}),
        (curve(0.6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5), {"plateau": "note"}),
        (curve(0.6, 0.5, training=[2, 1, 0.5, 0.4, NAN, 1, 1]), {"not-a-number": "error"}),
        (curve(0.6, 0.5, training=[2, 1, 0.5, 0.4, 0, 0, 0]), {"not-a-number": "error"}),
        (curve(0.6, 0.5, training=[2, 1, 0.5, 0.01, 0.001, 0, 0, 0]), {}),  # learned by heart
        (curve(0.6, 0.5, training=[2, 1, 0.5, 0.4, 1.5, 3, 4]), {"diverged": "error"}),
        (curve(0.6, 0.5, training=[1.10, 1.09, 1.10, 1.09], labels=3), {"learned-nothing": "warning"}),
        (curve(0.6, 0.5, step=150, planned_steps=500, finished=True), {"ended-early": "warning"}),
        (curve(0.6, 0.5, step=500, planned_steps=500, finished=True), {}),
        (curve(0.6, 0.5, step=400, planned_steps=500, save_steps=200), {}),  # its last checkpoint, perhaps not its end
    ],
)
def test_curves_are_named(run, expected):
    assert ids(with_run(run)) == expected


def test_a_loss_that_rises_with_the_training_loss_is_no_overfitting():
    rows = curve(0.9, 0.6, 0.8, 0.9).evaluations
    assert overfit_of(rows)
    rising = [msgspec.structs.replace(row, training_loss=0.1 * at) for at, row in enumerate(rows, 1)]
    assert overfit_of(rising) is None


@pytest.mark.parametrize(
    ("accuracy", "rows", "level"),
    [
        (0.56, 2000, "within"),
        (0.55, 2000, "below"),
        (0.62, 2000, "above"),
        (0.55, 200, "within"),
        (0.1, None, "unknown"),
    ],
)
def test_scores_are_judged_by_the_size_of_the_evaluation(accuracy, rows, level):
    run = Run("trainer", scores={"accuracy": accuracy, "loss": 9.0}, evaluated_rows=rows)
    judged = score_rows(card(metrics={"accuracy": 0.5819, "loss": 1.5}), run)
    assert [row.level for row in judged] == [level, "unknown"]


def test_a_score_in_percent_is_the_same_score():
    run = Run("trainer", scores={"accuracy": 0.58}, evaluated_rows=2000)
    assert score_rows(card(metrics={"accuracy": 58.19}), run)[0].level == "within"


def test_tolerance_is_that_of_two_binomial_shares():
    assert tolerance(0.5, 0.5, 200) == pytest.approx(1.96 * math.sqrt(2 * 0.25 / 200))
    assert 0 < tolerance(1.0, 1.0, 10) < 1


def test_what_balance_alone_does_to_averages():
    assert entropy([0.5, 0.5]) == pytest.approx(1)
    assert entropy([1.0]) == 0
    assert spread([1 / 3] * 3) == pytest.approx(0)
    shares, scores = [0.92, 0.05, 0.03], [1.0, 0.0, 0.0]  # the worst case: it is reached
    weighted = sum(share * score for share, score in zip(shares, scores))
    assert spread(shares) == pytest.approx(weighted - sum(scores) / 3)
    assert majority_macro_f1(0.92, 3) == pytest.approx(2 * 0.92 / 1.92 / 3)


def test_how_scores_were_averaged_shows_in_them():
    first = seed_card("tiny-bert-mnli-distilled").metrics
    assert averaging(first) == "weighted"
    assert averaging({"accuracy": 0.9, "recall": 0.4, "f1": 0.41}) == "macro or binary"
    assert averaging({"accuracy": 0.9, "recall": 0.9, "f1": 0.9, "precision": 0.9}) == "micro"
    assert averaging({"accuracy": 0.9}) is None


def test_a_run_that_ends_where_the_card_did_is_a_note():
    stated = seed_card("distilbert-allsides")
    for epoch, severity in ((8.0, "note"), (2.0, "warning")):
        run = Run("trainer", step=int(822 * epoch), planned_steps=16440, epoch=epoch, finished=True)
        assert ids(with_run(run, stated)) == {"ended-early": severity}


REAL = [
    ("distilbert-allsides", "as-stated", {"plateau": "note"}),
    ("distilbert-allsides", "stopped-early", {"ended-early": "warning", "plateau": "note"}),
    ("tiny-bert-mnli-distilled", "as-stated", {}),
    ("tiny-bert-mnli-distilled", "tenfold-rate", {}),
    ("tiny-bert-mnli-distilled", "other-batch", {}),
    ("tiny-bert-mnli-distilled", "imbalanced", {"above-card": "note", "inconsistent-f1": "note"}),
    (
        "tiny-bert-mnli-distilled",
        "stopped-early",
        {"ended-early": "warning", "below-card": "warning", "low-accuracy": "note"},
    ),
    (
        "tiny-bert-mnli-distilled",
        "overfitted",
        {"overfitting": "warning", "below-card": "warning", "low-accuracy": "note", "not-best": "note"},
    ),
    (
        "distilbert-allsides",
        "overfitted",
        {"overfitting": "warning", "below-card": "warning", "low-accuracy": "note", "not-best": "note"},
    ),
]


@pytest.mark.parametrize(("seed", "variant", "expected"), REAL)
def test_real_runs_are_named_for_what_they_are(seed, variant, expected):
    assert ids(trained(seed, variant)) == expected


def verdicts(judged, complaint):
    answer = next(one for one in answers(judged) if one.case == complaint)
    return {cause.cause: cause.verdict for cause in answer.causes}, answer.first


def test_low_accuracy_is_answered_by_the_runs_own_numbers():
    said, first = verdicts(trained("tiny-bert-mnli-distilled", "overfitted"), "Low accuracy")
    assert said["overfitting"] == "supported"
    assert said["another learning rate"] == "supported"
    assert said["too few epochs"] == said["training ended early"] == said["another batch size"] == "ruled out"
    assert said["less or other data"] == said["the seed"] == "not known"
    assert first == "the card's learning rate, 0.0005"


def test_accuracy_below_guessing_is_the_labels_numbers():
    run = Run("trainer", scores={"accuracy": 0.1}, evaluated_rows=2000, labels=3)
    said, first = verdicts(with_run(run, card(metrics={"accuracy": 0.58})), "Low accuracy")
    assert said["the labels are numbered otherwise"] == "supported"
    assert "id2label" in first


def test_inconsistent_f1_is_answered_by_balance():
    said, first = verdicts(trained("tiny-bert-mnli-distilled", "imbalanced"), "Inconsistent F1")
    assert said["classes of unequal size"] == "supported"
    assert said["only one class is ever predicted"] == said["another average over the classes"] == "ruled out"
    assert "weight the loss" in first


def test_a_model_that_says_one_class_is_told_by_its_f1():
    scores = {"accuracy": 0.9, "macro_f1": majority_macro_f1(0.9, 3)}
    said, _ = verdicts(with_run(Run("trainer", scores=scores, labels=3), card()), "Inconsistent F1")
    assert said["only one class is ever predicted"] == "supported"


def test_nothing_is_answered_where_nothing_is_amiss():
    assert answers(trained("tiny-bert-mnli-distilled", "as-stated")) == ()


def test_a_log_of_odd_numbers_crashes_no_check():
    odd = (Point(1, loss=math.inf, learning_rate=0.0), Point(0, loss=-1.0), Point(5, loss=0.0, grad_norm=NAN))
    for losses in ((0.0, 0.0, 0.0), (-1.0, NAN, math.inf), (math.inf,) * 7):
        run = msgspec.structs.replace(curve(*losses), training=odd * 3, labels=3, scores={"accuracy": NAN, "f1": -1.0})
        found(with_run(run, seed_card("distilbert-allsides")))
