"""Trains a small model on made data as a card says, or with one thing changed, and keeps what the Trainer writes.

    ENVIRONMENT/bin/python tools/train_runs.py CARD VARIANT DIR

Run inside an environment that has torch, transformers and numpy; on the CPU. CARD and VARIANT are the keys of
`CARDS` and `VARIANTS`. The folders under tests/runs/trained are what it wrote, without weights and data;
benchmarks/runs.py makes all of them and judges them.
"""

from __future__ import annotations

import csv
import inspect
import json
import os
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["WANDB_DISABLED"] = "true"
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"

import numpy as np
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

LABELS = ["entailment", "neutral", "contradiction"]
# `ceiling`: the accuracy that the labels' noise leaves possible, which is the card's score. `rows`: what the variants
# are trained on, `whole`: as many as the card's data set has.
CARDS = {
    "tiny-bert-mnli-distilled": {
        "model": "bert", "rows": 8000, "whole": 392_702, "ceiling": 0.5819, "learning_rate": 5e-4,
        "per_device_train_batch_size": 64, "per_device_eval_batch_size": 32, "seed": 33, "num_train_epochs": 4,
    },
    "distilbert-allsides": {
        "model": "distilbert", "rows": 26_300, "whole": 26_300, "ceiling": 0.7094, "learning_rate": 3e-5,
        "per_device_train_batch_size": 32, "per_device_eval_batch_size": 32, "seed": 12345,
        "num_train_epochs": 20, "warmup_steps": 16,
    },
}  # fmt: skip
VARIANTS = {
    "as-stated": {"part": "whole"},
    "tenfold-rate": {"rate": 10},
    "other-batch": {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2},
    "imbalanced": {"shares": (0.92, 0.05, 0.03)},
    "stopped-early": {"stop": 0.3},
    "overfitted": {"rows": 600, "num_train_epochs": 40, "learning_rate": 2e-3, "hidden": 64},
}
VOCABULARY, LENGTH, SIGNALS, EVALUATED = 120, 12, 8, 2000


def made(rows, shares, ceiling, seed):
    """Token ids and labels: two of a row's words tell its class, and a part of the labels is drawn anew."""
    random = np.random.RandomState(seed)
    truth = random.choice(3, size=rows, p=shares)
    ids = random.randint(5 + 3 * SIGNALS, VOCABULARY, size=(rows, LENGTH))
    for place in (2, 7):
        ids[:, place] = 5 + SIGNALS * truth + random.randint(0, SIGNALS, size=rows)
    ids[:, 0] = 1
    noisy = random.rand(rows) > ceiling
    labels = np.where(noisy, (truth + random.choice([1, 2], size=rows)) % 3, truth) if shares[0] == shares[1] else truth
    if shares[0] != shares[1]:
        labels = np.where(random.rand(rows) > ceiling + 0.3, random.choice(3, size=rows, p=shares), truth)
    return ids, labels


def write(path, ids, labels):
    """The rows as a person would keep them: the text and the label's name."""
    with open(path, "w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["premise", "hypothesis", "label"])
        for row, label in zip(ids, labels):
            words = [f"w{one}" for one in row]
            rows.writerow([" ".join(words[:6]), " ".join(words[6:]), LABELS[label]])


class Rows(torch.utils.data.Dataset):
    def __init__(self, ids, labels):
        self.ids, self.labels = torch.tensor(ids), torch.tensor(labels)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, number):
        return {"input_ids": self.ids[number], "labels": self.labels[number]}


class StopAt(TrainerCallback):
    def __init__(self, part):
        self.part = part

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= self.part * state.max_steps:
            control.should_training_stop = True


def scores(prediction):
    """Accuracy, and precision, recall and F1 weighted by class, as the first card has them; the macro F1 too."""
    guessed, labels = np.argmax(prediction.predictions, axis=1), prediction.label_ids
    parts = []
    for one in range(3):
        hit = float(((guessed == one) & (labels == one)).sum())
        precision = hit / max(1, (guessed == one).sum())
        recall = hit / max(1, (labels == one).sum())
        f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
        parts.append((float((labels == one).mean()), precision, recall, f1))
    weighted = [sum(share * part[at] for share, *part in parts) for at in range(3)]
    return {
        "accuracy": float((guessed == labels).mean()),
        "precision": weighted[0],
        "recall": weighted[1],
        "f1": weighted[2],
        "macro_f1": sum(part[3] for part in parts) / 3,
    }


def main(card, variant, folder):
    wanted = {**CARDS[card], **VARIANTS[variant]}
    kind, ceiling = wanted.pop("model"), wanted.pop("ceiling")
    rows = wanted[wanted.pop("part", "rows")]
    shares = wanted.pop("shares", (1 / 3, 1 / 3, 1 / 3))
    hidden, stop = wanted.pop("hidden", 32), wanted.pop("stop", None)
    wanted["learning_rate"] *= wanted.pop("rate", 1)
    torch.manual_seed(wanted["seed"])
    torch.set_num_threads(1)
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: at for at, name in enumerate(LABELS)}}
    if kind == "bert":
        model = BertForSequenceClassification(BertConfig(
            vocab_size=VOCABULARY, hidden_size=hidden, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=2 * hidden, num_labels=3, max_position_embeddings=64, **names))  # fmt: skip
    else:
        model = DistilBertForSequenceClassification(DistilBertConfig(
            vocab_size=VOCABULARY, dim=hidden, n_layers=1, n_heads=2, hidden_dim=2 * hidden, num_labels=3,
            max_position_embeddings=64, **names))  # fmt: skip
    known = inspect.signature(TrainingArguments).parameters
    every = "eval_strategy" if "eval_strategy" in known else "evaluation_strategy"
    batch = wanted["per_device_train_batch_size"] * wanted.get("gradient_accumulation_steps", 1)
    wanted.update({
        "output_dir": folder, "report_to": [], every: "epoch", "save_strategy": "epoch", "save_total_limit": 1,
        "logging_steps": max(1, rows // batch // 4), "disable_tqdm": True,
    })  # fmt: skip
    wanted["use_cpu" if "use_cpu" in known else "no_cuda"] = True
    training, evaluation = made(rows, shares, ceiling, 1), made(EVALUATED, shares, ceiling, 2)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(**{key: value for key, value in wanted.items() if key in known}),
        train_dataset=Rows(*training),
        eval_dataset=Rows(*evaluation),
        compute_metrics=scores,
        callbacks=[StopAt(stop)] if stop else [],
    )
    result = trainer.train()
    trainer.save_metrics("train", {**result.metrics, "train_samples": rows})
    trainer.save_metrics("eval", {**trainer.evaluate(), "eval_samples": EVALUATED})
    trainer.save_state()
    trainer.model.config.save_pretrained(folder)
    trainer.create_model_card(model_name=Path(folder).name)
    write(Path(folder) / "train.csv", *training)
    write(Path(folder) / "evaluation.csv", *evaluation)
    print(json.dumps(trainer.state.log_history[-1]))


if __name__ == "__main__":
    main(*sys.argv[1:4])
