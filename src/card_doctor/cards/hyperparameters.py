"""A hyperparameter's label and value: the Trainer's name for it, and the number that the words give."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Optional, Tuple

from card_doctor.cards.optimizer import optimizer_of
from card_doctor.cards.values import enum_value, is_absent, number_at_start, scalar
from card_doctor.cards.vocabulary import HYPERPARAMETERS

# Parts of an optimizer, as Keras lists them one by one.
OPTIMIZER_PARTS = {
    "beta_1": "beta_1", "beta1": "beta_1", "beta_2": "beta_2", "beta2": "beta_2", "epsilon": "epsilon",
    "eps": "epsilon", "weight_decay_rate": "weight_decay_rate", "clipnorm": "clipnorm", "clipvalue": "clipvalue",
    "global_clipnorm": "global_clipnorm", "initial_learning_rate": "learning_rate.initial_learning_rate",
    "decay_steps": "learning_rate.decay_steps", "end_learning_rate": "learning_rate.end_learning_rate",
    "power": "learning_rate.power", "cycle": "learning_rate.cycle",
}  # fmt: skip
IN_LORA = {"rank": "lora_r", "r": "lora_r", "alpha": "lora_alpha", "α": "lora_alpha", "dropout": "lora_dropout"}
TEXTUAL = {"optimizer", "lr_scheduler_type", "distributed_type", "optim", "gradient_checkpointing"}
WHOLE = {  # what no fraction can be
    "train_batch_size", "eval_batch_size", "seed", "num_devices", "gradient_accumulation_steps",
    "total_train_batch_size", "total_eval_batch_size", "training_steps", "lora_r", "max_seq_length", "max_length",
}  # fmt: skip
# As transformers names them; the longest first, since a card may write "cosine_with_restarts" or "Cosine decay".
_SCHEDULERS = (
    "cosine_warmup_with_min_lr", "cosine_with_restarts", "cosine_with_min_lr", "constant_with_warmup",
    "reduce_lr_on_plateau", "warmup_stable_decay", "piecewise_constant", "inverse_sqrt", "polynomial", "constant",
    "linear", "cosine", "greedy",
)  # fmt: skip
# What makes of a number one of several: 1e-5 - 5e-5; 3, 5, 8.
RANGE = re.compile(
    r"\s{0,2}(?:[-–—~]|to|→|->|/|±|\bor\b|\bvs\b)\s{0,2}~?\d|(?:\s?,\s?(?:and\s|or\s)?[\d.e-]{1,20}){1,20}\s?(?:$|[.)\]])",
    re.IGNORECASE,
)
_REMARK = re.compile(r"\s{0,3}\([^()]{0,60}\)\s{0,3}$")
_PREFIX = re.compile(r"^(?:training|train|total|final|used|initial|the)_")


# learningrate, weightdecay: names of several words without what parts them
_GLUED = {name.replace("_", ""): key for name, key in HYPERPARAMETERS.items() if name.count("_") and name.isascii()}


@lru_cache(maxsize=8192)
def label_of(text: str) -> str:
    """A label as the vocabulary has it: ``Learning Rate (lr)`` is ``learning_rate``."""
    return re.sub(r"[\W_]+", "_", _REMARK.sub("", text.strip()).lower()).strip("_")


@lru_cache(maxsize=8192)
def canonical(label: str, *, lora: bool = False) -> Optional[str]:
    """The Trainer's name for what a card calls `label`; `lora`: the card is about an adapter."""
    if lora and label in IN_LORA:
        return IN_LORA[label]
    plain = _PREFIX.sub("", label)
    return HYPERPARAMETERS.get(label) or HYPERPARAMETERS.get(plain) or _GLUED.get(plain)


def value_of(key: str, text: str, *, comma: bool, strict: bool) -> Optional[Tuple[Any, str]]:
    """The value that `text` gives to the hyperparameter `key`, and what follows; None where it gives none.
    `strict`: a generator printed it, so that any name is one.
    """
    if is_absent(text):
        return None
    if key == "optimizer":
        optimizer = optimizer_of(text, strict=strict)
        return (optimizer, "") if optimizer else None
    if key == "lr_scheduler_type":
        return _scheduler(text, strict=strict)
    if key in TEXTUAL:
        word = text.partition("(")[0].strip().rstrip(",.;")
        return (scalar(enum_value(word)), "") if word and (strict or len(word.split()) <= 2) else None
    found = number_at_start(text, comma=comma)
    if found is None:
        value = scalar(text)
        numbers = isinstance(value, list) and all(isinstance(one, (int, float)) for one in value)
        return (value, "") if numbers and strict else None
    number, rest = found
    if RANGE.match(rest) or (key in WHOLE and number != int(number)):
        return None
    if key == "lr_scheduler_warmup_ratio" and rest.lstrip().startswith("%"):
        return number / 100, rest.lstrip()[1:]
    return number, rest


def warmup_of(text: str) -> str:
    """Which of both a card means by "Warmup": ``10%`` and ``0.1`` are of the steps, ``500`` are steps."""
    found = number_at_start(text)
    ratio = found is not None and (found[0] < 1 or found[1].lstrip().startswith("%"))
    return "lr_scheduler_warmup_ratio" if ratio else "lr_scheduler_warmup_steps"


def _scheduler(text: str, *, strict: bool) -> Optional[Tuple[str, str]]:
    name = re.sub(r"[\s-]+", "_", enum_value(text).lower())[:80]
    known = next((one for one in _SCHEDULERS if name.startswith(one)), None)
    known = known or next((one for one in _SCHEDULERS if f"_{one}_" in f"_{name}_"), None)
    if known is not None:
        return known, text
    word = re.split(r"[(,;]", text)[0].strip()
    return (word, "") if word and (strict or len(word.split()) <= 3) and not word[0].isdigit() else None
