"""The generator of rows of truth: what it asks for and writes. What it builds takes minutes: the last test does."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from card_doctor.knowledge import Matrices
from card_doctor.model import Stage, Trial
from card_doctor.trial import run_trial

spec = importlib.util.spec_from_file_location("truth_rows", Path(__file__).parents[2] / "tools/truth_rows.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

KNOWLEDGE = Matrices()
FIRST = {"transformers": "4.18.0", "torch": "1.9.1", "datasets": "2.1.0", "tokenizers": "0.11.6"}


def test_pins_are_told_or_read_from_a_card():
    assert tool.pins_of("torch==1.9.1 transformers==4.18.0", KNOWLEDGE) == {"torch": "1.9.1", "transformers": "4.18.0"}
    assert tool.pins_of("distilbert-allsides", KNOWLEDGE)["torch"][0].isdigit()


def test_the_day_is_a_week_after_the_newest_of_the_pins():
    assert KNOWLEDGE.releases("datasets")["2.1.0"].date == "2022-04-14"
    assert tool.day_of(FIRST, KNOWLEDGE) == "2022-04-21"


def test_the_python_has_wheels_of_all_pins(monkeypatch):
    monkeypatch.setattr(tool, "choose", lambda version, **_: f"/python{version}")
    assert tool.newest_python(FIRST, KNOWLEDGE) == ("3.9", "/python3.9")


def test_the_same_changes_are_drawn_in_every_run():
    first, again, other = (list(tool.variants(name, 4)) for name in ("a", "a", "b"))
    assert first == again != other
    assert [one.name for one in first[:2]] == ["today", "dated"]
    assert len({one.name for one in first}) == len(first) == 10
    assert all(one.dated for one in first[1:])


def test_what_is_written_names_no_path_of_this_machine():
    written = tool.inventory(Path(sys.executable))
    assert written["packages"]["pytest"]["version"] == pytest.__version__
    text = json.dumps(written)
    assert not any(path in text for path in (sys.prefix, str(Path.home()), os.sep + "lib" + os.sep))


def test_the_truth_is_the_first_stage_of_the_loop_that_failed():
    def after(*stages: Stage) -> object:
        return tool.truth(Trial(works=False, device=None, stages=stages))

    fine, beside = Stage("import torch", True, 0.1), Stage("datasets load parquet", False, 0.1, "ValueError: x")
    assert after(fine, beside) == {"ok": True, "first_failure": None}
    failed = Stage("train", False, 0.1, "TypeError: y")
    assert after(fine, beside, failed)["first_failure"] == {"stage": "train", "message": "TypeError: y"}


def test_a_trial_that_ran_out_of_time_shows_nothing(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    told = tool.truth(run_trial(Path(sys.executable), None, timeout=2))
    assert told["ok"] is None
    assert told["first_failure"]["stage"] == "import torch"


def test_what_is_there_already_is_not_built_again(tmp_path, monkeypatch):
    pins = "transformers==4.18.0 torch==1.9.1 datasets==2.1.0 tokenizers==0.11.6"
    monkeypatch.setattr(tool, "choose", lambda version, **_: f"/python{version}")
    built = []

    def seen(_, interpreter, row, variant):
        built.append((interpreter, row["date"], variant.name))
        return {"truth": {"ok": True, "first_failure": None}}

    monkeypatch.setattr(tool, "seen", seen)
    monkeypatch.setattr("sys.argv", ["truth_rows.py", str(tmp_path / "rows.jsonl"), pins, "--changes", "1"])
    assert tool.main() == 0
    assert built[:2] == [("/python3.9", "2022-04-21", "today"), ("/python3.9", "2022-04-21", "dated")]
    rows = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert len(built) == len(rows) == 4
    (tmp_path / "rows.jsonl").write_text("\n".join(rows[:-1]) + "\n")
    del built[:-1]
    assert tool.main() == 0
    assert len(built) == 2
    assert built[0] == built[1]


@pytest.mark.heavy
@pytest.mark.skipif(shutil.which("uv") is None, reason="there is no uv on PATH")
def test_a_row_is_really_built(tmp_path):
    row = {"card": {"packaging": "21.0"}, "date": "2022-04-21"}
    made = tool.seen(tmp_path, sys.executable, row, tool.Variant("dated", dated=True))
    assert made["installed"]["packages"]["packaging"]["version"] == "21.0"
    assert made["truth"]["first_failure"]["stage"] == "import torch"
