from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_doctor.errors import RunError
from card_doctor.runs.folder import read_run
from card_doctor.runs.settings import settings_of

ARGUMENTS = {
    "output_dir": "out",
    "learning_rate": 5e-4,
    "per_device_train_batch_size": 16,
    "gradient_accumulation_steps": 4,
    "num_train_epochs": 4,
    "seed": 33,
    "fp16": True,
    "warmup_ratio": 0.1,
    "optim": "adamw_torch",
}


def as_toml(values):
    return "[training]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


@pytest.mark.parametrize(("name", "write"), [("a.json", json.dumps), ("a.yaml", json.dumps), ("a.toml", as_toml)])
def test_reads_training_arguments(tmp_path, name, write):
    (tmp_path / name).write_text(write(ARGUMENTS))
    run = read_run(tmp_path / name)
    told = run.hyperparameters
    assert (told["learning_rate"], told["train_batch_size"], told["num_epochs"], told["seed"]) == (5e-4, 16, 4, 33)
    assert told["optimizer"] == {"name": "adamw_torch", "betas": [0.9, 0.999], "epsilon": 1e-08}
    assert told["lr_scheduler_warmup_ratio"] == 0.1
    assert run.precision == "fp16"
    assert run.read_from["learning_rate"] == name
    assert run.read_from["lr_scheduler_type"] == "default"


def test_reads_axolotl_and_leaves_out_what_it_does_not_say(tmp_path):
    (tmp_path / "axolotl.yml").write_text(
        "base_model: x/y\nmicro_batch_size: 2\ngradient_accumulation_steps: 8\nlearning_rate: 0.0002\n"
        "optimizer: adamw_bnb_8bit\nlr_scheduler: cosine\nnum_epochs: 3\nbf16: auto\nwarmup_steps: 10\n"
    )
    run = read_run(tmp_path / "axolotl.yml")
    assert run.hyperparameters["lr_scheduler_type"] == "cosine"
    assert run.hyperparameters["lr_scheduler_warmup_steps"] == 10
    assert "seed" not in run.hyperparameters
    assert run.precision is None


def test_a_number_that_yaml_takes_for_text_is_read_and_told(tmp_path):
    (tmp_path / "a.yaml").write_text("learning_rate: 5e-4\nper_device_train_batch_size: 8\n")
    run = read_run(tmp_path / "a.yaml")
    assert run.hyperparameters["learning_rate"] == 5e-4
    assert [gap.fact for gap in run.gaps] == ["learning_rate"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"learning_rate": 1'),
        ("a.yaml", "a: [1"),
        ("a.toml", "a = "),
        ("a.json", '{"learning": 1}'),
        ("a.yaml", "- 1"),
        ("a.txt", "learning_rate: 1"),
        ("a.yaml", "!!python/object/apply:os.system ['true']"),
        ("a.json", "[" * 100_000),
    ],
)
def test_what_is_no_settings_file_is_an_error(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(RunError):
        read_run(tmp_path / name)


NAMES = st.sampled_from([*ARGUMENTS, "optimizer", "adam_beta1"])
ODD = st.none() | st.text("0.-e x", max_size=6) | st.floats() | st.lists(st.none(), max_size=2)


@given(st.dictionaries(NAMES, ODD))
def test_any_value_under_a_known_name_is_read_or_left_out(values):
    found = settings_of(values)
    assert found is None or set(found.stated) <= set(found.hyperparameters)
