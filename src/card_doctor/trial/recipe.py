"""What a card says it was trained with, as a few small steps that the payload takes: pure, nothing is looked at."""

from __future__ import annotations

import math
import re
from typing import Any, Dict, List, Optional, Tuple

from card_doctor.model import Card

STEPS = 3
BATCH = 8  # rows: more shows nothing that these don't, and takes memory
ACCUMULATION = 2

# Families that the payload has small models of, by what the names of their checkpoints contain: the first that is
# found counts, so that "distilbert" stands before "bert". Kept to those that were tried.
FAMILIES: Tuple[Tuple[str, str], ...] = (
    (r"xlm-?roberta|\bxlmr?-r\b|bge-m3|multilingual-e5", "xlm-roberta"),
    (r"distil-?roberta|roberta", "roberta"),
    (r"camembert", "camembert"),
    (r"deberta-?v[23]", "deberta-v2"),
    (r"deberta", "deberta"),
    (r"distil-?bert", "distilbert"),
    (r"modern-?bert", "modernbert"),
    (r"albert", "albert"),
    (r"electra", "electra"),
    (r"mpnet", "mpnet"),
    (r"gpt-?neox|pythia", "gpt_neox"),
    (r"gpt-?neo\b", "gpt_neo"),
    (r"gpt-?2|distilgpt", "gpt2"),
    (r"\bopt-\d", "opt"),
    (r"bloom", "bloom"),
    (r"qwen-?3", "qwen3"),
    (r"qwen-?(1\.5|2)", "qwen2"),
    (r"mistral|zephyr", "mistral"),
    (r"llama|vicuna|alpaca|smollm", "llama"),
    (r"gemma-?2", "gemma2"),
    (r"gemma\b(?!-?3)", "gemma"),
    (r"phi-?3", "phi3"),
    (r"phi-?(1|2)", "phi"),
    (r"mt5", "mt5"),
    (r"t5", "t5"),
    (r"mbart", "mbart"),
    (r"bart", "bart"),
    (r"opus-mt|marian", "marian"),
    (r"pegasus", "pegasus"),
    (r"whisper", "whisper"),
    (r"wav2vec2|xls-r", "wav2vec2"),
    (r"hubert", "hubert"),
    (r"\bdeit", "deit"),
    (r"\bbeit", "beit"),
    (r"\bvit\b|vit-", "vit"),
    (r"\bswin\b", "swin"),
    (r"convnext(?!-?v2)", "convnext"),
    (r"\bresnet", "resnet"),
    (r"bert|bge-|e5-|minilm", "bert"),
)
KNOWN = frozenset(family for _, family in FAMILIES)
_MODALITY = {
    **dict.fromkeys(("vit", "deit", "beit", "swin", "convnext", "resnet"), "image-classification"),
    **dict.fromkeys(("wav2vec2", "hubert"), "automatic-speech-recognition"),
    "whisper": "speech-to-text",
    **dict.fromkeys(("t5", "mt5", "bart", "mbart", "marian", "pegasus"), "text2text-generation"),
    **dict.fromkeys(
        ("gpt2", "gpt_neo", "gpt_neox", "opt", "bloom", "qwen2", "qwen3", "mistral", "llama", "gemma", "gemma2", "phi",
         "phi3"), "text-generation"
    ),
}  # fmt: skip
# The hub's names of tasks (https://huggingface.co/tasks) that are trained, and others that are trained in the same way.
TASKS = {
    **{task: task for task in (
        "text-classification", "token-classification", "question-answering", "fill-mask", "text-generation",
        "text2text-generation", "image-classification", "audio-classification", "automatic-speech-recognition",
    )},
    "translation": "text2text-generation",
    "summarization": "text2text-generation",
    "zero-shot-classification": "text-classification",
    "sentiment-analysis": "text-classification",
    "natural-language-inference": "text-classification",
    "conversational": "text-generation",
    "named-entity-recognition": "token-classification",
    "masked-language-modeling": "fill-mask",
    "language-modeling": "text-generation",
}  # fmt: skip
# What each kind of model can be trained for; the first is what it is trained for where the card tells no task.
_TRAINABLE = {
    "image-classification": ("image-classification",),
    "automatic-speech-recognition": ("automatic-speech-recognition", "audio-classification"),
    "speech-to-text": ("automatic-speech-recognition",),
    "text2text-generation": ("text2text-generation",),
    "text-generation": ("text-generation", "text-classification"),
}
_ENCODER = ("text-classification", "token-classification", "question-answering", "fill-mask")
# A family for a task, where the card names no family.
_STANDS_FOR = {
    "text-generation": "gpt2",
    "text2text-generation": "t5",
    "image-classification": "vit",
    "audio-classification": "wav2vec2",
    "automatic-speech-recognition": "wav2vec2",
}
# Schedulers that need no settings beyond those that a card states.
SCHEDULERS = (
    "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt",
)  # fmt: skip


def recipe_for(card: Optional[Card]) -> Tuple[Dict[str, Any], List[str]]:
    """What the payload is to train, and where that is not what the card states. Without a card: a BERT."""
    notes: List[str] = []
    family, task = _model(card, notes)
    stated = card.hyperparameters if card else {}
    optimizer = stated.get("optimizer")
    optimizer = optimizer if isinstance(optimizer, dict) else {}
    made = {
        "family": family,
        "task": task,
        "precision": (card.precision.mode if card and card.precision else None) or "fp32",
        "optimizer": optimizer.get("name") if isinstance(optimizer.get("name"), str) else None,
        "arguments": _arguments(stated, optimizer, notes),
    }
    return made, notes


def _model(card: Optional[Card], notes: List[str]) -> Tuple[str, str]:
    named = _family(card)
    told = _task(card)
    family = named or _STANDS_FOR.get(told or "", "bert")
    trainable = _TRAINABLE.get(_MODALITY.get(family, ""), _ENCODER)
    if card and named is None:
        notes.append(f"model: the card names no family that a small model is kept of, {family} stands in")
    if told is not None and told not in trainable:
        notes.append(f"task: {told} is not tried with {family}, {trainable[0]} is")
    return family, told if told in trainable else trainable[0]


def _family(card: Optional[Card]) -> Optional[str]:
    """As its configuration says, else from the base model's name, else from the card's own."""
    if card and card.model_type in KNOWN:
        return card.model_type
    for name in (card.base_model, card.name) if card else ():
        called = (name or "").rpartition("/")[2].lower().replace("_", "-")
        for pattern, family in FAMILIES:
            if re.search(pattern, called):
                return family
    return None


def _task(card: Optional[Card]) -> Optional[str]:
    told = card.dataset.get("task") if card else None
    return TASKS.get(told.lower().replace(" ", "-")) if isinstance(told, str) else None


def _arguments(stated: Dict[str, Any], optimizer: Dict[str, Any], notes: List[str]) -> Dict[str, Any]:
    """`TrainingArguments`, under their names; what is too large for a few steps is scaled down, and said."""
    made: Dict[str, Any] = {
        "max_steps": STEPS,
        "per_device_train_batch_size": BATCH,
        "per_device_eval_batch_size": BATCH,
    }
    smaller: List[str] = []

    def whole(key: str, argument: str, most: int) -> None:
        value = _number(stated.get(key))
        if value is not None and value >= 0 and value == int(value):
            made[argument] = int(min(value, most))
            if value > most:
                smaller.append(f"{key} {most} (card: {int(value)})")

    whole("train_batch_size", "per_device_train_batch_size", BATCH)
    whole("eval_batch_size", "per_device_eval_batch_size", BATCH)
    whole("gradient_accumulation_steps", "gradient_accumulation_steps", ACCUMULATION)
    whole("lr_scheduler_warmup_steps", "warmup_steps", STEPS - 1)
    whole("seed", "seed", 2**32 - 1)
    for key in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
        made[key] = max(1, made.get(key, 1))
    for key, argument, low, high in (
        ("learning_rate", "learning_rate", 0.0, 10.0),
        ("weight_decay", "weight_decay", 0.0, 1.0),
        ("label_smoothing_factor", "label_smoothing_factor", 0.0, 1.0),
        ("lr_scheduler_warmup_ratio", "warmup_ratio", 0.0, 1.0),
        ("max_grad_norm", "max_grad_norm", 0.0, 1e6),
    ):
        value = _number(stated.get(key))
        if value is not None and low <= value <= high:
            made[argument] = value
    epsilon = _number(optimizer.get("epsilon"))
    betas = optimizer.get("betas")
    numbers = [_number(one) for one in betas] if isinstance(betas, (list, tuple)) else []
    if len(numbers) == 2 and all(one is not None and 0 <= one < 1 for one in numbers):
        made["adam_beta1"], made["adam_beta2"] = numbers
    if epsilon is not None and epsilon > 0:
        made["adam_epsilon"] = epsilon
    scheduler = stated.get("lr_scheduler_type")
    if scheduler in SCHEDULERS:
        made["lr_scheduler_type"] = scheduler
    elif isinstance(scheduler, str):
        notes.append(f"scheduler: {scheduler} takes settings that the card does not state, linear is used")
    length = next((f"{stated[key]} {what}" for key, what in (("training_steps", "steps"), ("num_epochs", "epochs"))
                   if _number(stated.get(key)) is not None), None)  # fmt: skip
    smaller += [f"{STEPS} steps (card: {length})"] if length else []
    if smaller:
        notes.append("scaled down: " + ", ".join(smaller))
    return made


def _number(value: Any) -> Optional[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None
