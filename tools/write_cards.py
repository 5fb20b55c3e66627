"""Trains two steps of a tiny model and lets a library write its model card: what was set is printed as JSON.

    ENVIRONMENT/bin/python tools/write_cards.py trainer|peft|trl|sentence-transformers|setfit DIR

Run inside an environment that has the library; on the CPU and without a network. tests/cards/test_written_cards.py
makes such environments, and reads what was written there.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["WANDB_DISABLED"] = "true"
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

import torch
import transformers

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "</s>", "good", "bad", "the", "film", "is", "a"]
# What is set, under the names of TrainingArguments; then as a card has to be read.
ARGUMENTS = {
    "learning_rate": 3e-4, "per_device_train_batch_size": 3, "per_device_eval_batch_size": 5, "seed": 7,
    "gradient_accumulation_steps": 2, "adam_beta1": 0.8, "adam_beta2": 0.98, "adam_epsilon": 1e-7,
    "lr_scheduler_type": "cosine", "warmup_steps": 1, "max_steps": 2, "label_smoothing_factor": 0.1,
}  # fmt: skip
READ = {
    "learning_rate": 3e-4, "train_batch_size": 3, "eval_batch_size": 5, "seed": 7, "gradient_accumulation_steps": 2,
    "total_train_batch_size": 6, "lr_scheduler_type": "cosine", "lr_scheduler_warmup_steps": 1, "training_steps": 2,
    "label_smoothing_factor": 0.1,
}  # fmt: skip


class Rows(torch.utils.data.Dataset):
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, at):
        return {name: torch.tensor(value) for name, value in self.rows[at].items()}


def known(arguments, **wanted):
    """Those of them that this release has; on the CPU, and saving nothing."""
    names = inspect.signature(arguments).parameters
    every = "eval_strategy" if "eval_strategy" in names else "evaluation_strategy"
    wanted.setdefault(every, "no")
    wanted.update({"report_to": [], "save_strategy": "no", "logging_steps": 1, "disable_tqdm": True})
    wanted["use_cpu" if "use_cpu" in names else "no_cuda"] = True
    return arguments(**{name: value for name, value in wanted.items() if name in names})


def tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    special = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "eos_token"), WORDS))
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=32, **special).save_pretrained(folder)


def small():
    return transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64)  # fmt: skip


def bert(folder):
    tokenizer(folder)
    transformers.BertModel(small()).save_pretrained(folder)


def llama(folder):
    tokenizer(folder)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, eos_token_id=5)  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)


def trainer(folder):
    import numpy as np

    def scores(prediction):
        return {"accuracy": float((np.argmax(prediction.predictions, axis=1) == prediction.label_ids).mean())}

    model = transformers.BertForSequenceClassification(small())
    rows = Rows([{"input_ids": [2, 6 + at % 6, 3], "labels": at % 2} for at in range(12)])
    names = inspect.signature(transformers.TrainingArguments).parameters
    every = "eval_strategy" if "eval_strategy" in names else "evaluation_strategy"
    wanted = {**ARGUMENTS, every: "steps", "eval_steps": 1}
    run = transformers.Trainer(
        model=model,
        args=known(transformers.TrainingArguments, output_dir=str(folder / "out"), **wanted),
        train_dataset=rows,
        eval_dataset=rows,
        compute_metrics=scores,
    )
    run.train()
    run.create_model_card(model_name="tiny")
    evaluated = [entry for entry in run.state.log_history if "eval_loss" in entry][-1]
    metrics = {"loss": evaluated["eval_loss"], "accuracy": evaluated["eval_accuracy"]}
    return READ, metrics, ("transformers", "torch", "tokenizers")


def peft(folder):
    from peft import LoraConfig, get_peft_model

    llama(folder / "base")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder / "base")
    adapter = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.05, target_modules=["q_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(model, adapter)
    rows = Rows([{"input_ids": [6, 7, 8], "labels": [6, 7, 8]}] * 12)
    arguments = known(transformers.TrainingArguments, output_dir=str(folder / "out"), **ARGUMENTS)
    run = transformers.Trainer(model=model, args=arguments, train_dataset=rows)
    run.train()
    run.create_model_card(model_name="tiny")
    model.save_pretrained(folder / "out")
    beside = {"lora_r": 4, "lora_alpha": 8, "lora_dropout": 0.05}  # in adapter_config.json
    return {**READ, **beside}, {}, ("peft", "transformers", "torch", "tokenizers")


def trl(folder):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    llama(folder / "base")
    rows = Dataset.from_dict({"text": ["good film is the", "bad film is a"] * 4})
    wanted = {**ARGUMENTS, "label_smoothing_factor": 0.0, "bf16": False, "gradient_checkpointing": False}
    arguments = known(SFTConfig, output_dir=str(folder / "out"), **wanted)
    run = SFTTrainer(model=str(folder / "base"), args=arguments, train_dataset=rows)
    run.train()
    run.create_model_card(model_name="tiny")
    return {}, {}, ("trl", "transformers", "torch", "datasets", "tokenizers")


def sentence_transformers(folder):
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
        losses,
    )

    bert(folder / "base")
    model = SentenceTransformer(str(folder / "base"))
    rows = Dataset.from_dict({"anchor": ["good film"] * 8, "positive": ["the film"] * 8})
    wanted = {**ARGUMENTS, "weight_decay": 0.02, "label_smoothing_factor": 0.0}
    arguments = known(SentenceTransformerTrainingArguments, output_dir=str(folder / "out"), **wanted)
    loss = losses.MultipleNegativesRankingLoss(model)
    SentenceTransformerTrainer(model=model, args=arguments, train_dataset=rows, loss=loss).train()
    model.save_pretrained(str(folder / "out"))
    read = {name: value for name, value in READ.items() if not name.startswith(("total", "label"))}
    libraries = ("sentence_transformers", "transformers", "torch", "accelerate", "datasets", "tokenizers")
    return {**read, "weight_decay": 0.02}, {}, libraries


def setfit(folder):
    import numpy as np
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel, Trainer, TrainingArguments

    bert(folder / "base")
    SentenceTransformer(str(folder / "base")).save_pretrained(str(folder / "sentences"))
    model = SetFitModel.from_pretrained(str(folder / "sentences"))
    rows = Dataset.from_dict({"text": ["good film", "bad film"] * 4, "label": [1, 0] * 4})
    wanted = {
        "batch_size": (4, 2), "num_epochs": (1, 2), "body_learning_rate": (3e-5, 1e-5), "head_learning_rate": 0.02,
        "seed": 13, "max_steps": 2, "warmup_proportion": 0.2,
    }  # fmt: skip
    run = Trainer(
        model=model,
        args=known(TrainingArguments, output_dir=str(folder / "run"), **wanted),
        train_dataset=rows,
        eval_dataset=rows,
        metric=lambda said, true: {"accuracy": float((np.asarray(said) == np.asarray(true)).mean())},
    )
    run.train()
    metrics = run.evaluate()
    model.save_pretrained(str(folder / "out"))
    read = {
        "batch_size": [4, 2], "num_epochs": [1, 2], "body_learning_rate": [3e-5, 1e-5],
        "head_learning_rate": 0.02, "seed": 13, "training_steps": 2,
    }  # fmt: skip
    libraries = ("setfit", "sentence_transformers", "transformers", "torch", "datasets", "tokenizers")
    return read, {"accuracy": metrics["accuracy"]}, libraries


def installed():
    """Every version here that a card could state."""
    from importlib.metadata import distributions

    found = {"python": sys.version.split()[0]}
    for one in distributions():
        found.setdefault(re.sub("[-_.]+", "-", one.metadata["Name"] or "").lower(), one.version.partition("+")[0])
    return found


KINDS = {
    "trainer": trainer, "peft": peft, "trl": trl, "sentence-transformers": sentence_transformers, "setfit": setfit,
}  # fmt: skip


def main(kind, folder):
    torch.set_num_threads(1)
    read, metrics, libraries = KINDS[kind](Path(folder))
    versions = {name.replace("_", "-"): str(importlib.import_module(name).__version__) for name in libraries}
    stated = {"hyperparameters": read, "metrics": metrics, "versions": versions, "installed": installed()}
    print(json.dumps(stated))


if __name__ == "__main__":
    main(*sys.argv[1:3])
