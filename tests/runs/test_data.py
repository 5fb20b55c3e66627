from __future__ import annotations

import csv
import json
import os

import pytest

from card_doctor.errors import DataError
from card_doctor.runs.data import read_data

pytest.importorskip("duckdb")
ROWS = [("a cat sat", "an animal sat", "yes"), ("a dog ran", "a dog sat", "no"), ("it rained", "", "no")]
HEADER = ("premise", "hypothesis", "label")


def write_csv(path, rows, header=HEADER):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(dict(zip(HEADER, row))) + "\n" for row in rows))
    return path


def table(rows):
    arrow = pytest.importorskip("pyarrow")
    return arrow.table({name: [row[at] for row in rows] for at, name in enumerate(HEADER)})


def write_parquet(path, rows):
    pytest.importorskip("pyarrow.parquet").write_table(table(rows), path)
    return path


def write_arrow(path, rows):
    arrow = pytest.importorskip("pyarrow")
    made = table(rows)
    with arrow.OSFile(str(path), "wb") as file, arrow.ipc.new_stream(file, made.schema) as stream:
        stream.write_table(made)
    return path


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet, "arrow": write_arrow}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file_says_the_same(tmp_path, kind):
    path = WRITERS[kind](tmp_path / f"train [1].{kind}", [*ROWS, ROWS[0], (*ROWS[1][:2], "yes")])
    file = read_data([path], None).files[0]
    assert (file.kind, file.part, file.rows, file.label) == (kind, "train", 5, "label")
    assert file.classes == {"yes": 3, "no": 2}
    assert (file.duplicates, file.contradictions, file.unlabelled) == (2, 1, 0)
    assert {text.name: (text.empty, text.longest_words) for text in file.texts} == {
        "premise": (0, 3),
        "hypothesis": (1, 3),
    }


def test_rows_of_the_evaluation_that_are_trained_on_are_counted(tmp_path):
    train = write_csv(tmp_path / "train.csv", ROWS)
    test = write_jsonl(tmp_path / "validation.jsonl", [ROWS[0], ROWS[0], ("new text", "new text", "no")])
    data = read_data([test, train], "label")
    assert [(file.part, file.rows) for file in data.files] == [("evaluation", 3), ("train", 3)]
    assert data.compared == ("premise", "hypothesis")
    assert [(one.train, one.evaluation, one.rows) for one in data.overlaps] == [(str(train), str(test), 2)]


def test_a_saved_dataset_has_the_names_of_its_classes(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    for part in ("train", "test"):
        folder = tmp_path / "set" / part
        folder.mkdir(parents=True)
        made = arrow.table({"text": ["a b", "c d", "e f"], "label": [0, 1, 1]})
        with arrow.OSFile(str(folder / "data.arrow"), "wb") as file, arrow.ipc.new_stream(file, made.schema) as stream:
            stream.write_table(made)
        (folder / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
        names = {"features": {"label": {"_type": "ClassLabel", "names": ["left", "right"]}}}
        (folder / "dataset_info.json").write_text(json.dumps(names))
    (tmp_path / "set" / "dataset_dict.json").write_text("{}")
    data = read_data([tmp_path / "set"], "label")
    assert [(file.part, file.classes) for file in data.files] == [
        ("evaluation", {"right": 2, "left": 1}),
        ("train", {"right": 2, "left": 1}),
    ]


def test_the_shards_of_a_part_are_one_file(tmp_path):
    for number in range(2):
        write_parquet(tmp_path / f"train-0000{number}-of-00002.parquet", ROWS)
    assert [file.rows for file in read_data([tmp_path], None).files] == [6]


def test_texts_longer_than_the_model_takes_are_counted(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("word " * 100, "x y", "a"), ("w  " * 40, "x y", "b")])
    text = read_data([path], "label", longest=77).files[0].texts[0]
    assert text.longest_words == 100
    assert (text.longer_than[64], text.longer_than[77], text.longer_than[128]) == (1, 1, 0)


def test_a_label_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(DataError, match="has no column 'labels'") as caught:
        read_data([write_csv(tmp_path / "a.csv", ROWS)], "labels")
    assert caught.value.hint == "did you mean 'label'? its columns are premise, hypothesis, label"


@pytest.mark.parametrize("name", ['we"ird', "it's", "a {} b", "x; DROP TABLE data0", "été"])
def test_a_column_may_have_any_name(tmp_path, name):
    path = write_csv(tmp_path / "a'b.csv", ROWS, ("premise", "hypothesis", name))
    assert read_data([path], name).files[0].classes == {"no": 2, "yes": 1}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"text,label\n" + b"a b,1\n" * 30_000 + b'"c d,2\n' + b"a b,1\n" * 30_000, "in line 30002: a quote"),
        ("a.csv", b"text,label\na,1\nb,2,3,4\n", "can't be read"),
        ("a.csv", b"\xff\xfe\x00\x01" * 50, "not UTF-8"),
        ("a.jsonl", b'{"text": "a b"}\n{"text": "c', "in line"),
        ("a.parquet", b"PAR1xx", "can't be read"),
        ("a.arrow", b"xx", "can't be read"),
        ("a.xlsx", b"", "not a data file"),
        ("a.csv.gz", b"no gzip", "can't be read"),
    ],
)
def test_what_can_not_be_read_is_an_error_of_one_line(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        read_data([tmp_path / name], None)
    assert "\n" not in caught.value.message


def test_in_a_folder_what_is_hidden_or_goes_away_is_no_data(tmp_path, monkeypatch):
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "old.csv").write_text("text,label\na,1\n")
    (tmp_path / "going").mkdir()
    (tmp_path / "train.csv").write_text("text,label\na,1\nb,0\n")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("going"):
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    (file,) = read_data([tmp_path], None).files
    assert (file.rows, file.path) == (2, str(tmp_path / "train.csv"))


def test_a_missing_file_and_an_empty_folder_are_errors(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError):
            read_data([path], None)
