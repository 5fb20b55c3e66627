"""Against what a Trainer of transformers 4.28.1 wrote, with its callback for TensorBoard 2.11.2, and its own log."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_doctor.runs.events import read_events
from card_doctor.runs.folder import read_run

LOGGED = Path(__file__).parent / "logged"
FILE = next(LOGGED.glob("runs/*/events.out.tfevents.*"))
HISTORY = json.loads((LOGGED / "log_history.json").read_text())


def test_the_events_are_the_log():
    entries = [entry for entry in read_events([FILE]) if "arguments" not in entry]
    assert len(entries) == len(HISTORY)
    for entry, logged in zip(entries, HISTORY):
        assert entry == pytest.approx(logged, rel=1e-6)


def test_a_run_without_a_state_is_read_from_them():
    run = read_run(LOGGED)
    assert [point.step for point in run.training] == list(range(2, 25, 2))
    assert [(one.step, one.scores["accuracy"]) for one in run.evaluations] == [(8, 0.5), (16, 0.5), (24, 0.5)]
    assert run.hyperparameters["learning_rate"] == 3e-4
    assert run.hyperparameters["train_batch_size"] == 8
    assert run.read_from["train_batch_size"] == "TensorBoard events"
    assert (run.step, run.epoch, run.steps_per_epoch) == (24, 3.0, 8.0)


def test_of_several_runs_the_newest_is_read(tmp_path):
    for name, time in (("first", 1795335527), ("second", 1795335529)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        shutil.copy(FILE, tmp_path / "runs" / name / f"events.out.tfevents.{time}.host.1.0")
    newest = tmp_path / "runs" / "second" / "events.out.tfevents.1795335529.host.1.0"
    newest.write_bytes(FILE.read_bytes()[:-1200])
    assert read_run(tmp_path).step < 24


def test_a_killed_run_is_read_up_to_where_it_ends(tmp_path):
    whole = list(read_events([FILE]))
    file = tmp_path / "events"
    file.write_bytes(FILE.read_bytes()[:-70])
    entries = list(read_events([file]))
    assert 0 < len(entries) < len(whole) + 1
    assert entries[:-1] == whole[: len(entries) - 1]


@given(st.lists(st.tuples(st.integers(0, FILE.stat().st_size - 1), st.integers(0, 255)), max_size=8))
def test_no_bytes_are_too_odd(tmp_path_factory, changes):
    content = bytearray(FILE.read_bytes())
    for at, byte in changes:
        content[at] = byte
    file = tmp_path_factory.mktemp("events") / "events"
    file.write_bytes(content)
    assert len(list(read_events([file]))) <= len(content)


def test_a_length_beyond_the_file_ends_the_reading(tmp_path):
    file = tmp_path / "events"
    file.write_bytes(b"\xff" * 8 + b"\0" * 100)
    assert list(read_events([file])) == []
