"""`card_doctor.TrainerCallback`, where transformers and torch are: else that it costs nothing."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import card_doctor


def test_importing_card_doctor_imports_no_transformers():
    code = "import sys, card_doctor; sys.exit(bool({'transformers', 'torch', 'msgspec'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Trainercallback"):
        card_doctor.Trainercallback  # noqa: B018


@pytest.mark.heavy
@pytest.mark.filterwarnings("default")
def test_a_real_run_is_held_against_the_card(tmp_path, capfd):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, at):
            return {"input_ids": torch.tensor([at % 20, 3, 4]), "labels": torch.tensor(at % 3)}

    known = inspect.signature(transformers.TrainingArguments).parameters
    wanted = {
        "output_dir": str(tmp_path),
        "learning_rate": 5e-3,
        "max_steps": 4,
        "logging_steps": 1,
        "seed": 33,
        "report_to": [],
        "use_cpu" if "use_cpu" in known else "no_cuda": True,
    }
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=64, num_labels=3, **sizes))
    callback = card_doctor.TrainerCallback("tiny-bert-mnli-distilled", stop=False)
    transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(**wanted),
        train_dataset=Rows(),
        callbacks=[callback],
    ).train()
    rows = {row.parameter: row.level for row in callback.after.reports[0].run.parameters}
    assert rows["learning_rate"] == "differs"
    assert rows["seed"] == "same"
    assert "10 times the card's" in capfd.readouterr().err
