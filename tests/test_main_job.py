"""The main job on real environments: the pins of both seed cards, as resolved today and as of the card's date.

The same training is tried in every environment, so that a verdict is held against what happens there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from card_doctor.environment import choose
from card_doctor.errors import EnvironmentReadError

pytestmark = pytest.mark.heavy

FIRST, SECOND = "tiny-bert-mnli-distilled", "distilbert-allsides"
PINS = {
    FIRST: ["transformers==4.18.0", "torch==1.9.1", "datasets==2.1.0", "tokenizers==0.11.6"],
    SECOND: ["transformers==4.11.3", "torch==1.10.1", "datasets==1.17.0", "tokenizers==0.10.3"],
}
CULPRITS = {"numpy", "pyarrow", "pandas"}
# What the verdict is of, without a network: a CSV file, mapped, two steps of the Trainer, saved and loaded.
TRAINING = """
import pathlib, datasets, torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
pathlib.Path("data.csv").write_text("label,number\\n" + "0,5\\n1,6\\n" * 4)
rows = datasets.load_dataset("csv", data_files="data.csv", cache_dir="cache")["train"]
rows = rows.map(lambda row: {"input_ids": [row["number"]] * 4}, remove_columns=["number"])
config = BertConfig(vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
arguments = TrainingArguments("out", max_steps=2, per_device_train_batch_size=4, report_to=[])
trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=rows, eval_dataset=rows)
trainer.train()
trainer.save_model()
BertForSequenceClassification.from_pretrained("out")
assert trainer.predict(rows).predictions.shape == (8, 2)
"""


@pytest.fixture
def build(tmp_path):
    """Makes an environment of Python 3.9 with those pins, as of a day or as resolved today; gives its folder."""
    try:
        python = choose("3.9", started_with_m=False)
    except EnvironmentReadError as error:
        pytest.skip(str(error))
    folder = tmp_path / "env"

    def make(pins, day):
        uv = find_uv_bin()
        subprocess.run([uv, "venv", "-q", "--python", python, str(folder)], check=True)
        dated = ["--exclude-newer", day] if day else []
        subprocess.run([uv, "pip", "install", "-q", "--python", str(folder), *dated, *pins], check=True)
        return folder

    yield make
    shutil.rmtree(folder, ignore_errors=True)  # two gigabytes


def check(card: str, environment: Path) -> dict:
    """The card's report, from outside of that environment."""
    machine = ["--python", str(environment), "--gpu", "T4", "--driver", "470.57.02"]
    command = [sys.executable, "-m", "card_doctor", "check", card, *machine, "--format", "json"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, cwd=environment)
    made = json.loads(ran.stdout)
    assert made["exit_code"] == ran.returncode
    return made["reports"][0]


def trains(environment: Path, folder: Path) -> bool:
    folder.mkdir()
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    command = [str(environment / "bin" / "python"), "-c", TRAINING]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=offline)
    print(ran.stderr[-2000:])
    return ran.returncode == 0


@pytest.mark.parametrize(
    ("card", "day", "culprits"),
    [
        pytest.param(FIRST, None, CULPRITS, id="first-today"),
        pytest.param(FIRST, "2022-05-08", set(), id="first-dated"),
        pytest.param(SECOND, None, {*CULPRITS, "setuptools"}, id="second-today"),
        pytest.param(SECOND, "2021-12-30", {"setuptools"}, id="second-dated"),
    ],
)
def test_the_verdict_is_what_happens_and_the_one_command_mends_it(build, tmp_path, card, day, culprits):
    environment = build(PINS[card], day)
    report = check(card, environment)
    assert {finding["subject"] for finding in report["findings"] if finding["breaks"] == "yes"} == culprits
    assert report["verdict"] == {"trains": "no" if culprits else "yes", "matches": "exact"}
    assert trains(environment, tmp_path / "before") is not bool(culprits)
    if not culprits:
        assert report["remedy"] is None
        return

    path = os.pathsep.join([str(Path(find_uv_bin()).parent), os.environ["PATH"]])
    subprocess.run(report["remedy"]["command"], shell=True, check=True, env={**os.environ, "PATH": path})
    mended = check(card, environment)
    assert mended["verdict"] == {"trains": "yes", "matches": "exact"}
    assert mended["remedy"] is None
    assert trains(environment, tmp_path / "after")
