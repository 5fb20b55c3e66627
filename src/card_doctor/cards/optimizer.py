"""An optimizer as cards print it: the Trainer's sentence, a person's words, the configuration of a Keras optimizer."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional

from card_doctor.cards.values import enum_value, is_absent, literal

_KNOWN = re.compile(
    r"adam|sgd|adafactor|lion|rmsprop|adagrad|lamb\b|lars\b|radam|sophia|muon|shampoo|soap|galore|lomo|schedule.?free"
    r"|prodigy|\bcame\b|novograd|ademamix|apollo|adadelta|ftrl|momentum|signsgd|adopt|dadapt|adan\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"^(?:use|the|uses|using)\s+|^_+(?=\w)", re.IGNORECASE)
_END = re.compile(r"\s(?:with|and|using|\(|lr\b|from|β|beta|in\b)|[(,;:/|]|\s[-–—]\s|\.\s|\.?$", re.IGNORECASE)
_NUMBER = r"([\d.eE+-]{1,20})"
_BETAS = re.compile(
    rf"\bbetas?\s{{0,3}}[=:]?\s{{0,3}}[(\[]\s{{0,3}}{_NUMBER}\s{{0,3}},\s{{0,3}}{_NUMBER}\s{{0,3}}[)\]]", re.IGNORECASE
)
_BETA = re.compile(rf"(?:\badam_?)?(?:\bbeta_?|β)([12₁₂])\s{{0,3}}[=:]?\s{{0,3}}{_NUMBER}", re.IGNORECASE)
_SETTINGS = (
    ("epsilon", re.compile(rf"(?:\beps(?:ilon)?|ε)\s{{0,3}}[=:]?\s{{0,3}}{_NUMBER}", re.IGNORECASE)),
    ("weight_decay", re.compile(rf"\bweight.?decay\s{{0,3}}(?:[=:]|of)?\s{{0,3}}{_NUMBER}", re.IGNORECASE)),
)
_ARGUMENTS = re.compile(r"\b(?:optimizer_args=|the args are:)\s{0,3}(.{0,4000})", re.DOTALL)
# Members of OptimizerNames that are not their value in capitals (transformers 4.24 to 5.23).
_ENUMS = {
    "adamw_bnb": "adamw_bnb_8bit", "lion": "lion_32bit", "paged_adamw": "paged_adamw_32bit",
    "paged_lion": "paged_lion_32bit", "paged_ademamix": "paged_ademamix_32bit", "rmsprop_8bit": "rmsprop_bnb_8bit",
    "rmsprop_32bit": "rmsprop_bnb_32bit",
}  # fmt: skip
_LONGEST, _MOST_WORDS, _NESTED = 60, 4, 4


def optimizer_of(text: str, *, strict: bool = False) -> Dict[str, Any]:
    """Name and settings: ``Use adamw_torch with betas=(0.9,0.999) and epsilon=1e-08 and optimizer_args=…``,
    ``AdamW (weight decay: 0.01)``. `strict`: a generator printed it, so that any name is one. Empty for none.
    """
    if text.lstrip().startswith("{"):
        config = literal(text)
        return keras_optimizer(config) if isinstance(config, dict) else {}
    words = _BEFORE.sub("", text.strip())
    end = _END.search(words)
    name = re.sub(r"\s+optimi[sz]er$", "", words[: end.start()] if end else words, flags=re.IGNORECASE).strip()
    if not name or len(name) > _LONGEST:
        return {}
    if not strict and (_KNOWN.search(name) is None or len(name.split()) > _MOST_WORDS):
        return {}
    optimizer: Dict[str, Any] = {"name": _name(name), "betas": _betas(text)}
    for key, pattern in _SETTINGS:
        found = pattern.search(text)
        optimizer[key] = _float(found.group(1)) if found else None
    optimizer = {key: value for key, value in optimizer.items() if value is not None}
    arguments = _ARGUMENTS.search(text)
    if arguments:
        said = arguments.group(1).strip()
        optimizer["args"] = None if is_absent(said) or said.lower().startswith("no additional") else said
    return optimizer


def keras_optimizer(config: Dict[str, Any], depth: int = 0) -> Dict[str, Any]:
    """What a Keras optimizer's configuration says; a wrapper (loss scaling) is opened, what is off left out."""
    inner = config.get("inner_optimizer") or config.get("optimizer")
    if isinstance(inner, dict) and depth < _NESTED:
        return keras_optimizer({"name": inner.get("class_name"), **_mapping(inner.get("config") or inner)}, depth + 1)
    found: Dict[str, Any] = {}
    name = config.get("name") or config.get("class_name")
    if isinstance(name, str):
        found["name"] = name.lower()
    betas = [config.get("beta_1"), config.get("beta_2")]
    if None not in betas:
        found["betas"] = betas
    for key, value in config.items():
        off = value is None or value is False or (key == "decay" and value == 0)
        if off or key in {"name", "class_name", "beta_1", "beta_2", "module", "registered_name"}:
            continue
        found[key] = _schedule(value) if key == "learning_rate" and isinstance(value, dict) else value
    return found


def _schedule(value: Dict[str, Any]) -> Dict[str, Any]:
    schedule = {"class_name": value.get("class_name"), **_mapping(value.get("config"))}
    return {key: said for key, said in schedule.items() if said is not None}


def _name(text: str) -> str:
    name = enum_value(text)
    return _ENUMS.get(name, name) if name != text.strip() else re.sub(r"[\s-]+", "_", text.strip(" ._").lower())


def _betas(text: str) -> Optional[List[Optional[float]]]:
    both = _BETAS.search(text)
    if both:
        return [_float(one) for one in both.groups()]
    single = {one.group(1).translate(str.maketrans("₁₂", "12")): _float(one.group(2)) for one in _BETA.finditer(text)}
    return [single["1"], single["2"]] if len(single) == 2 else None


def _float(text: str) -> Optional[float]:
    try:
        return float(text.rstrip(".,-+eE"))
    except ValueError:
        return None


def _mapping(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}
