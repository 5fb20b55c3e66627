"""`card_doctor.TrainerCallback`, where transformers and torch are: else that it costs nothing."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import ClassVar

import pytest

import card_doctor


def test_importing_card_doctor_imports_no_transformers():
    code = "import sys, card_doctor; sys.exit(bool({'transformers', 'torch', 'msgspec'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Trainercallback"):
        card_doctor.Trainercallback  # noqa: B018


# A tiny model, trained for four steps with the callback: what it made of them is printed as JSON.
TRAINED = """
import inspect, json, sys
sys.path += sys.argv[1].split(":")  # behind what is installed there
import torch, transformers
import card_doctor

class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, at):
        return {"input_ids": torch.tensor([at % 20, 3, 4]), "labels": torch.tensor(at % 3)}

known = inspect.signature(transformers.TrainingArguments).parameters
wanted = {"output_dir": sys.argv[2], "learning_rate": 5e-3, "max_steps": 4, "logging_steps": 1, "seed": 33,
          "report_to": [], "save_strategy": "no", "disable_tqdm": True}
wanted["use_cpu" if "use_cpu" in known else "no_cuda"] = True
sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
model = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=64, num_labels=3, **sizes))
before = model.classifier.weight.detach().clone()
callback = card_doctor.TrainerCallback("tiny-bert-mnli-distilled", **json.loads(sys.argv[3]))
trainer = transformers.Trainer(model=model, args=transformers.TrainingArguments(**wanted), train_dataset=Rows(),
                               callbacks=[callback])
stopped = None
try:
    trainer.train()
except card_doctor.IncompatibleEnvironment as error:
    stopped = str(error)
run = callback.after.reports[0].run if callback.after else None
print(json.dumps({
    "stopped": stopped, "step": trainer.state.global_step, "changed": not torch.equal(before, model.classifier.weight),
    "before": callback.before.exit_code, "rows": {row.parameter: row.level for row in run.parameters} if run else None,
}))
"""
TORCHES = [one for one in os.environ.get("CARD_DOCTOR_TORCHES", "").split(os.pathsep) if one]
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", params=TORCHES or [sys.executable])
def trained(request, tmp_path_factory):
    """Trains in an interpreter that has torch and transformers, beside what card-doctor itself needs."""
    python, ours = request.param, tmp_path_factory.mktemp("ours")
    asked = [python, "-c", "import torch, transformers.trainer"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("CARD_DOCTOR_TORCHES names no interpreter with torch and a Trainer")
    needs = [
        "uv",
        "pip",
        "install",
        "-q",
        "--python",
        python,
        "--target",
        str(ours),
        "-r",
        str(ROOT / "pyproject.toml"),
    ]
    subprocess.run(needs, check=True)

    def train(folder, **how):
        path = os.pathsep.join([str(ROOT / "src"), str(ours)])
        command = [python, "-c", TRAINED, path, str(folder), json.dumps(how)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1]), done.stderr

    return train


@pytest.mark.heavy
class TestRealRuns:
    def test_one_is_held_against_the_card(self, trained, tmp_path):
        said, printed = trained(tmp_path, stop=False)
        assert (said["stopped"], said["step"], said["changed"]) == (None, 4, True)
        assert (said["rows"]["learning_rate"], said["rows"]["seed"]) == ("differs", "same")
        assert "10 times the card's" in printed

    def test_one_that_is_not_as_the_card_is_stopped_before_its_first_step(self, trained, tmp_path):
        said, _ = trained(tmp_path, match="exact")
        if said["before"] == 0:
            pytest.skip("this environment is exactly the card's")
        assert (said["step"], said["changed"], said["rows"]) == (0, False, None)
        assert "transformers" in said["stopped"]


class State:
    """What the callback asks of a TrainerState."""

    is_world_process_zero = True
    log_history: ClassVar[list] = []


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="a torch is installed here")
def test_what_stops_before_the_first_step_and_what_does_not(monkeypatch, capsys):
    """With the base class alone of transformers: the environment here has no torch, which the card needs."""
    theirs = types.ModuleType("transformers")
    theirs.TrainerCallback = type("TrainerCallback", (), {})
    monkeypatch.setitem(sys.modules, "transformers", theirs)
    monkeypatch.delitem(sys.modules, "card_doctor.callback", raising=False)
    module = importlib.import_module("card_doctor.callback")
    monkeypatch.delitem(sys.modules, "card_doctor.callback")
    arguments = types.SimpleNamespace(learning_rate=5e-3, seed=33, per_device_train_batch_size=64, n_gpu=0)
    stopping = module.TrainerCallback("tiny-bert-mnli-distilled")
    with pytest.raises(card_doctor.IncompatibleEnvironment) as error:
        stopping.on_train_begin(arguments, State(), None)
    assert "torch" in str(error.value)
    assert (stopping.before.exit_code, stopping.after) == (1, None)
    told = module.TrainerCallback("tiny-bert-mnli-distilled", stop=False)
    told.on_train_begin(arguments, State(), None)
    assert "trains: " in capsys.readouterr().err
    rows = {row.parameter: row.level for row in told.before.reports[0].run.parameters}
    assert (rows["learning_rate"], rows["seed"], rows["batch_size"]) == ("differs", "same", "same")
