from __future__ import annotations

import json
import shutil

import pytest

from card_doctor.errors import RunError
from card_doctor.runs.curve import POINTS
from card_doctor.runs.folder import read_run


def state(folder, log, **facts):
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"global_step": 10, "epoch": 1.0, **facts, "log_history": log}
    (folder / "trainer_state.json").write_text(json.dumps(whole))


def test_reads_a_folder_that_the_trainer_wrote(trained):
    run = read_run(trained / "tiny-bert-mnli-distilled-tenfold-rate")
    assert run.hyperparameters["learning_rate"] == 0.005
    assert run.hyperparameters["seed"] == 33
    assert run.read_from["seed"] == "README.md"
    assert run.precision == "fp32 or bf16"
    assert (run.step, run.planned_steps, run.epoch, run.finished) == (500, 500, 4.0, True)
    assert (run.steps_per_epoch, run.train_rows, run.evaluated_rows, run.labels) == (125, 8000, 2000, 3)
    assert len(run.evaluations) == 4
    assert run.scores["accuracy"] == 0.5835


@pytest.mark.parametrize(
    ("name", "rate", "warmup", "batch", "rows", "epochs"),
    [
        ("tiny-bert-mnli-distilled-tenfold-rate", 0.005, 0, 64, 8000, 4),
        ("tiny-bert-mnli-distilled-other-batch", 0.0005, 0, 16, 8000, 4),
        ("distilbert-allsides-tenfold-rate", 0.0003, 16, 32, 26300, 20),
    ],
)
def test_the_log_alone_tells_rate_warmup_batch_and_rows(trained, tmp_path, name, rate, warmup, batch, rows, epochs):
    shutil.copy(trained / name / "trainer_state.json", tmp_path)
    run = read_run(tmp_path)
    told = run.hyperparameters
    assert told["learning_rate"] == pytest.approx(rate, rel=1e-9)
    assert told["lr_scheduler_type"] == "linear"
    assert told["lr_scheduler_warmup_steps"] == warmup
    assert told["total_train_batch_size"] == batch
    assert told["num_epochs"] == epochs
    assert run.train_rows == rows
    assert run.evaluated_rows == 2000
    assert set(run.read_from.values()) == {"the log"}


def test_the_newest_checkpoint_stands_in_for_a_state_that_is_missing_or_broken(tmp_path):
    state(tmp_path / "checkpoint-9", [{"loss": 1.0, "step": 9}], global_step=9)
    state(tmp_path / "checkpoint-100", [{"loss": 0.5, "step": 100}], global_step=100)
    assert read_run(tmp_path).step == 100
    (tmp_path / "checkpoint-100" / "trainer_state.json").write_text('{"global_step": 100, "log_history": [{"lo')
    run = read_run(tmp_path)
    assert run.step == 9
    assert run.finished is None
    assert [gap.fact for gap in run.gaps] == ["checkpoint-100/trainer_state.json"]


def test_a_truncated_state_without_checkpoints_is_an_error(tmp_path):
    (tmp_path / "trainer_state.json").write_text('{"global_step": 100, "log_history": [{"lo')
    with pytest.raises(RunError, match="ends in the middle"):
        read_run(tmp_path)


def test_a_pickle_is_told_and_not_read(tmp_path):
    state(tmp_path, [])
    (tmp_path / "training_args.bin").write_bytes(b"\x80\x02cos\nsystem\n.")
    assert [(gap.fact, gap.reason) for gap in read_run(tmp_path).gaps] == [("training_args.bin", "not-asked")]


@pytest.mark.parametrize("folder", ["", "logs", "runs/Jul05_12-00-00_host"])
def test_a_state_goes_before_tensorboards_events(tmp_path, folder):
    state(tmp_path, [{"loss": 2.0, "learning_rate": 1e-05, "step": 10}])
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "events.out.tfevents.1657022400.host.1.0").write_bytes(b"\0")
    run = read_run(tmp_path)
    assert [point.loss for point in run.training] == [2.0]
    assert run.gaps == ()


def test_events_without_numbers_are_no_run(tmp_path):
    (tmp_path / "events.out.tfevents.1657022400.host.1.0").write_bytes(b"\0")
    with pytest.raises(RunError, match="without a loss"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_no_run_is_an_error_that_says_what_is_expected(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError) as caught:
        read_run(tmp_path / name)
    assert "expected" in (caught.value.hint or "")


def test_a_broken_file_beside_the_state_is_told_and_costs_only_itself(tmp_path):
    state(tmp_path, [{"loss": 1.0, "step": 5}])
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "eval_results.json").write_text('{"eval_accuracy": NaN, "eval_f1": 0.5}')
    run = read_run(tmp_path)
    assert [gap.fact for gap in run.gaps] == ["config.json"]
    assert run.scores["f1"] == 0.5


def test_a_long_log_keeps_its_shape_in_bounded_length(tmp_path):
    lines = 3 * POINTS
    state(tmp_path, [{"loss": 2.0 - n / lines, "learning_rate": 1e-3, "step": n} for n in range(1, lines + 1)])
    points = read_run(tmp_path).training
    assert POINTS / 2 <= len(points) <= POINTS + 1
    assert points[-1].step == lines
    assert points[0].loss == pytest.approx(2.0, abs=0.01)
    assert points[-1].loss == pytest.approx(1.0, abs=0.01)


def test_nan_is_kept_however_long_the_log(tmp_path):
    log = [{"loss": float("nan") if n == 7 else 1.0, "step": n} for n in range(2 * POINTS)]
    state(tmp_path, log)
    assert sum(point.loss != point.loss for point in read_run(tmp_path).training) == 1


def test_the_rate_of_steps_that_old_trainers_call_samples_tells_no_batch(tmp_path):
    """transformers 4.6: {"train_runtime": 132.9917, "train_samples_per_second": 0.12} after 16 steps of 64 rows."""
    log = [{"train_runtime": 132.9917, "train_samples_per_second": 0.12, "epoch": 4.0, "step": 16}]
    state(tmp_path, log, max_steps=16, num_train_epochs=4, global_step=16, epoch=4.0)
    run = read_run(tmp_path)
    assert "total_train_batch_size" not in run.hyperparameters
    assert run.train_rows is None
