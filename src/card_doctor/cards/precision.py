"""The numeric precision of the training: what a label or a sentence says of it, and what only looks like it."""

from __future__ import annotations

import re
from typing import Dict, Iterator, Optional, Tuple

from card_doctor.cards.values import is_absent
from card_doctor.cards.vocabulary import PRECISION
from card_doctor.model import Precision
from card_doctor.model.card import Mode

_MODES: Dict[str, Mode] = {
    "fp32": "fp32", "float32": "fp32", "single": "fp32", "fp16": "fp16", "float16": "fp16", "half": "fp16",
    "bf16": "bf16", "bfloat16": "bf16", "tf32": "tf32", "fp8": "fp8", "mixed_float16": "fp16",
    "mixed_bfloat16": "bf16",
}  # fmt: skip
# Arguments that are on or off. tf32 is none: it is how fp32 is multiplied, beside whatever the training's precision is.
_FLAGS: Dict[str, Optional[Mode]] = {
    "fp16": "fp16", "float16": "fp16", "bf16": "bf16", "bfloat16": "bf16", "fp32": "fp32", "tf32": None,
    "use_amp": None,
}  # fmt: skip
_FLAG = re.compile(r"(?:use_)?((?:fp|bf|float|bfloat)\d\d)_(?:precision|training|mixed_precision|enabled)")
_ON = {"true", "auto", "full", "yes", "1", "on", "enabled"}
_WORD = r"mixed_bfloat16|mixed_float16|bfloat16|bf16|float16|fp16|float32|fp32|tf32|fp8"
_TYPE = re.compile(rf"(?<![\w./])(?:torch\.)?(?P<type>{_WORD})(?![\w-]*_|\w|\.\w)", re.IGNORECASE)
_REGIME = re.compile(
    rf"(?P<first>{_WORD}|half|single)[- ](?P<mixed>(?:non-)?mixed)?[- ]?precision"
    rf"|(?P<after>(?:non-)?mixed[- ]precision)\s?(?:training\s?)?[(:=,]?\s?(?:with |using |in )?(?P<second>{_WORD})"
    rf"|(?P<bare>{_WORD})",
    re.IGNORECASE,
)
_AMP = re.compile(r"(?:automatic )?mixed[ -]precision|amp\b|yes\b|true\b|enabled", re.IGNORECASE)
_NATIVE = re.compile(r"native[ -_]?amp", re.IGNORECASE)
_CLAUSE = re.compile(r"[;.]\s|,\s(?:and |while |but )|\s(?:and|while|but) (?=eval|infer|load)")
_TRAINING = re.compile(r"\b(?:train\w*|fine-?tun\w*|pre-?train\w*|precision|amp)\b", re.IGNORECASE)
_SOMETHING_ELSE = re.compile(
    r"\b(?:infer\w*|load\w*|quanti[sz]\w*|quant|serv\w*|generat\w*|torch_dtype|compute_dtype|compute dtype|export\w*"
    r"|conver\w*|deploy\w*|weights|gguf|merged?|checkpoints?|saved?|stored|format|cast|support\w*|requires?|recommend\w*"
    r"|evaluat\w*|vram|runs? (?:in|on|with)|if|instead)\b",
    re.IGNORECASE,
)


def is_label(label: str) -> bool:
    return label in PRECISION or label in _FLAGS


def is_flag(label: str) -> bool:
    return label in _FLAGS


def flag_of(label: str) -> str:
    """``fp16_precision`` and ``use_bf16_training`` are on or off as ``fp16`` and ``bf16`` are; others as they are."""
    found = _FLAG.fullmatch(label)
    return found.group(1) if found and found.group(1) in _FLAGS else label


def of_label(label: str, value: str, *, keras: bool) -> Optional[Precision]:
    """The precision that ``label: value`` states, None where it states none (``Precision: 0.68`` is a score)."""
    value = value.strip()
    if is_absent(value):
        return None
    if label in _FLAGS:
        mode = _FLAGS[label]
        on = value.lower().partition("(")[0].strip("'\" ") in _ON and label != "tf32"
        return Precision(mode, None if mode else label, f"{label}: {value}") if on else None
    if value.lower().startswith("apex"):
        return Precision("fp16", "apex", value)
    if _NATIVE.match(value):
        return Precision("fp16", "native-amp", value[: len("Native AMP")])
    found = _REGIME.search(value)
    if found:
        mixed = (found.group("mixed") or found.group("after") or "").lower()
        # Only the Keras callback and the Keras hub table write "training_precision".
        by_keras = label == "training_precision" or (keras and label == "precision")
        backend = "mixed" if mixed and not mixed.startswith("non") else "keras" if by_keras else None
        word = found.group("first") or found.group("second") or found.group("bare")
        return Precision(_MODES[word.lower()], backend, found.group())
    if _AMP.match(value) and label not in {"precision", "dtype"}:
        return Precision(None, "mixed" if label == "training_regime" else None, value[:60])
    return None


def in_sentence(text: str) -> Iterator[Tuple[Precision, int]]:
    """What prose says of the training's precision; of loading, serving and evaluating it says something else."""
    if not _TYPE.search(text):
        return
    begin = 0
    for end in [*(found.end() for found in _CLAUSE.finditer(text)), len(text)]:
        clause, start, begin = text[begin:end], begin, end
        if not _TRAINING.search(clause) or _SOMETHING_ELSE.search(clause):
            continue
        types = list(_TYPE.finditer(clause))
        modes = {_MODES[found.group("type").lower()] for found in types}
        if len(modes) != 1 or "=" in clause[max(0, types[0].start() - 12) : types[0].start()]:
            continue
        mixed = re.search(r"(?<!non-)mixed[- ]precision", clause, re.IGNORECASE)
        yield Precision(modes.pop(), "mixed" if mixed else None, types[0].group("type")), start + types[0].start()
