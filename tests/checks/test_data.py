from __future__ import annotations

import msgspec
import pytest
from run_case import found, seed_card, with_run

from card_doctor.model import Data, DataFile, Overlap, Run, TextColumn
from made import card

BALANCED = {"entailment": 130_901, "neutral": 130_900, "contradiction": 130_901}
MNLI = DataFile(
    path="/data/train.csv",
    kind="csv",
    part="train",
    rows=392_702,
    columns={"premise": "VARCHAR", "hypothesis": "VARCHAR", "label": "VARCHAR"},
    label="label",
    classes=BALANCED,
    class_count=3,
    texts=(TextColumn("premise", 0, 100, {512: 0}), TextColumn("hypothesis", 0, 60, {512: 0})),
)


def ids(*files, of=None, overlaps=(), run=None):
    data = Data(files, ("premise", "hypothesis"), overlaps)
    judged = with_run(run, of if of is not None else seed_card("tiny-bert-mnli-distilled"), data)
    return {one.id.partition("/")[2]: one.severity for one in found(judged, "data")}


def changed(**facts):
    return msgspec.structs.replace(MNLI, **facts)


def test_the_first_seeds_own_data_are_no_finding():
    assert ids(MNLI) == {}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (changed(rows=5_000), {"rows": "warning"}),
        (changed(columns={"text_a": "VARCHAR", "hypothesis": "VARCHAR"}), {"columns": "warning"}),
        (changed(classes={**BALANCED, "-": 9}, class_count=4), {"labels": "warning", "imbalance": "warning"}),
        (changed(classes={"entailment": 392_702}, class_count=1), {"labels": "warning"}),
        (changed(unlabelled=3), {"labels": "warning"}),
        (changed(duplicates=100), {"duplicates": "note"}),
        (changed(duplicates=10_000), {"duplicates": "warning"}),
        (changed(contradictions=10_000), {"duplicates": "warning"}),
        (changed(texts=(TextColumn("premise", 5, 9),)), {"empty": "note"}),
    ],
)
def test_one_thing_amiss_is_one_finding(file, expected):
    assert ids(file) == expected


def test_imbalance_says_what_balance_alone_does():
    file = changed(classes={"a": 920, "b": 50, "c": 30}, rows=1000)
    finding = next(one for one in found(with_run(None, None, Data((file,))), "data") if one.id == "data/imbalance")
    assert "30.7 to 1" in finding.message
    assert "accuracy (and micro F1) 0.92, but macro F1 0.32" in finding.because
    assert "0.59" in finding.details[0]


def test_rows_by_the_second_seeds_steps():
    stated = seed_card("distilbert-allsides")
    for rows, expected in ((26_300, {}), (26_100, {}), (5_000, {"rows": "warning"})):
        assert ids(changed(rows=rows), of=stated) == expected


def test_leakage_and_labels_that_training_never_saw():
    evaluation = changed(path="/data/dev.csv", part="evaluation", rows=100, classes={"neutral": 90, "other": 10})
    assert ids(MNLI, evaluation) == {"labels": "warning"}
    leak = Overlap(MNLI.path, evaluation.path, 40)
    assert ids(MNLI, evaluation, overlaps=(leak,)) == {"labels": "warning", "leakage": "warning"}


def test_too_long_for_the_model_of_the_run_or_the_card():
    file = changed(texts=(TextColumn("premise", 0, 900, {256: 50_000, 512: 20_000, 1024: 0}),))
    assert ids(file, run=Run("trainer", longest=512)) == {"too-long": "warning"}
    assert ids(file, run=Run("trainer", longest=1024)) == {}
    assert ids(file, of=card(hyperparameters={"max_seq_length": 256}))["too-long"] == "warning"
