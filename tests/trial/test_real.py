"""Trials in real environments: the first seed's pins as of their date and as they are resolved today, and the newest
releases there are.
"""

from __future__ import annotations

import shutil
import subprocess

import pytest
from uv import find_uv_bin

from card_doctor.cards import find_card
from card_doctor.environment import choose
from card_doctor.errors import EnvironmentReadError
from card_doctor.knowledge import Matrices
from card_doctor.trial import run_trial

pytestmark = pytest.mark.heavy

SEED = "tiny-bert-mnli-distilled"
PINS = ("transformers==4.18.0", "torch==1.9.1", "datasets==2.1.0", "tokenizers==0.11.6")


@pytest.fixture
def build(tmp_path):
    """Makes an environment of those requirements, as of a day or as resolved today; gives its interpreter."""
    folder = tmp_path / "env"

    def make(version, *requirements, day=None):
        try:
            python = choose(version, started_with_m=False)
        except EnvironmentReadError as error:
            pytest.skip(str(error))
        uv = find_uv_bin()
        subprocess.run([uv, "venv", "-q", "--python", python, str(folder)], check=True)
        dated = ["--exclude-newer", day] if day else []
        subprocess.run([uv, "pip", "install", "-q", "--python", str(folder), *dated, *requirements], check=True)
        return folder / "bin" / "python"

    yield make
    shutil.rmtree(folder, ignore_errors=True)  # gigabytes


def seed():
    return find_card(SEED, Matrices().directories)


def test_what_trains_works_in_every_stage(build):
    trial = run_trial(build("3.9", *PINS, day="2022-05-08"), seed())
    assert [stage.error for stage in trial.failed] == []
    assert trial.works
    assert len(trial.stages) == 14
    assert trial.trained["model"] == "BertForSequenceClassification"
    assert trial.trained["arguments"]["learning_rate"] == 0.0005
    if trial.device == "cpu":
        assert "precision: fp16 is not tried, there is no GPU here: trained in fp32" in trial.notes


def test_what_does_not_train_is_explained(build):
    trial = run_trial(build("3.9", *PINS), seed())
    assert not trial.works
    assert trial.failed[0].stage == "torch to numpy"
    assert {finding.subject for finding in trial.diagnosis} >= {"numpy", "pyarrow"}


def test_the_newest_releases_train(build):
    trial = run_trial(build("3.12", "transformers[torch]", "datasets"), seed())
    assert [(stage.stage, stage.error) for stage in trial.failed] == []
    assert trial.works
