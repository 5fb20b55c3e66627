"""The settings of a training under a card's names: TrainingArguments (JSON, YAML, TOML, an object), axolotl's YAML."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

from card_doctor.errors import RunError
from card_doctor.runs.curve import number
from card_doctor.runs.files import read_text

# transformers' TrainingArguments and axolotl's configuration, by what a card calls it.
_NAMES: Mapping[str, Tuple[str, ...]] = {
    "learning_rate": ("learning_rate",),
    "train_batch_size": ("per_device_train_batch_size", "per_gpu_train_batch_size", "micro_batch_size"),
    "eval_batch_size": ("per_device_eval_batch_size", "per_gpu_eval_batch_size", "eval_batch_size"),
    "gradient_accumulation_steps": ("gradient_accumulation_steps",),
    "num_epochs": ("num_train_epochs", "num_epochs"),
    "training_steps": ("max_steps",),
    "seed": ("seed",),
    "lr_scheduler_type": ("lr_scheduler_type", "lr_scheduler"),
    "lr_scheduler_warmup_steps": ("warmup_steps",),
    "lr_scheduler_warmup_ratio": ("warmup_ratio",),
    "label_smoothing_factor": ("label_smoothing_factor",),
    "weight_decay": ("weight_decay",),
    "num_devices": ("num_devices", "num_processes"),
}
_TEXTUAL = {"lr_scheduler_type"}
# TrainingArguments' own, the same in transformers 4.6 and 5.
DEFAULTS: Mapping[str, Any] = {
    "learning_rate": 5e-5, "train_batch_size": 8, "eval_batch_size": 8, "gradient_accumulation_steps": 1,
    "num_epochs": 3.0, "seed": 42, "lr_scheduler_type": "linear", "label_smoothing_factor": 0.0, "weight_decay": 0.0,
}  # fmt: skip
_OPTIMIZER_DEFAULTS = {"name": "adamw", "betas": [0.9, 0.999], "epsilon": 1e-08}
_TRAINER = {"per_device_train_batch_size", "num_train_epochs", "output_dir", "per_gpu_train_batch_size"}
_AXOLOTL = {"micro_batch_size", "base_model"}


class Settings(NamedTuple):
    """`stated` are the keys of `hyperparameters` that the file has; the others are the Trainer's defaults. `texts` are
    numbers that the file holds as text, by the name that it calls them.
    """

    hyperparameters: Dict[str, Any]
    stated: Tuple[str, ...]
    precision: Optional[str]
    texts: Dict[str, str]


def read_settings(path: Path) -> Settings:
    """The settings in a file; RunError where it can't be read, or holds none."""
    values = _parsed(path)
    found = settings_of(values)
    if found is None:
        raise RunError(
            f"{path}: holds no training settings that are known",
            "expected TrainingArguments (learning_rate, per_device_train_batch_size, ...) or axolotl's configuration",
        )
    return found


def settings_of(values: Mapping[str, Any]) -> Optional[Settings]:
    """The settings in a mapping, or in the one that it has under a name of its own; None where there are none."""
    known = {name for names in _NAMES.values() for name in names} | _TRAINER
    if len(known & values.keys()) < 2:
        inner = [value for value in values.values() if isinstance(value, Mapping) and len(known & value.keys()) > 1]
        return settings_of(inner[0]) if inner else None
    axolotl = bool(_AXOLOTL & values.keys()) and not _TRAINER & values.keys()
    hyperparameters: Dict[str, Any] = {}
    texts: Dict[str, str] = {}
    for key, names in _NAMES.items():
        called = next((name for name in names if values.get(name) is not None), None)
        value = _value(key, values.get(called)) if called else None
        if called is None or value is None:
            continue
        if isinstance(values[called], str) and key not in _TEXTUAL:
            texts[called] = values[called]
        off = key in {"training_steps", "lr_scheduler_warmup_steps", "lr_scheduler_warmup_ratio"} and value <= 0
        if not off:
            hyperparameters[key] = value
    steps = hyperparameters.get("lr_scheduler_warmup_steps")
    if steps is not None and steps < 1:  # transformers 5: a part of the steps
        hyperparameters["lr_scheduler_warmup_ratio"] = hyperparameters.pop("lr_scheduler_warmup_steps")
    optimizer = _optimizer(values)
    if optimizer:
        hyperparameters["optimizer"] = optimizer
    stated = tuple(hyperparameters)
    if not axolotl:
        hyperparameters = {**DEFAULTS, **hyperparameters}
        hyperparameters["optimizer"] = {**_OPTIMIZER_DEFAULTS, **optimizer}
    return Settings(hyperparameters, stated, _precision(values, axolotl=axolotl), texts)


def _value(key: str, value: Any) -> Any:
    if key in _TEXTUAL:
        return str(getattr(value, "value", value)).rpartition(".")[2].lower()[:80]
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return number(value) if isinstance(value, float) else value if number(value) is not None else None


def _optimizer(values: Mapping[str, Any]) -> Dict[str, Any]:
    name = values.get("optim", values.get("optimizer"))
    optimizer: Dict[str, Any] = {}
    if name is not None:
        optimizer["name"] = str(getattr(name, "value", name)).rpartition(".")[2].lower()[:80]
    betas = [number(_value("", values.get(f"adam_beta{which}"))) for which in (1, 2)]
    if betas != [None, None]:
        optimizer["betas"] = [beta if beta is not None else (0.9, 0.999)[at] for at, beta in enumerate(betas)]
    epsilon = number(_value("", values.get("adam_epsilon")))
    if epsilon is not None:
        optimizer["epsilon"] = epsilon
    return optimizer


def _precision(values: Mapping[str, Any], *, axolotl: bool) -> Optional[str]:
    if values.get("bf16") in (True, "true", "full"):
        return "bf16"
    if values.get("fp16") in (True, "true"):
        return "fp16"
    return None if axolotl and "auto" in (values.get("bf16"), values.get("fp16")) else "fp32"


def _parsed(path: Path) -> Mapping[str, Any]:
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        raise RunError(f"{path}: not a settings file that is known", f"expected one of {', '.join(_PARSERS)}")
    try:
        value = parse(read_text(path))
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())[:200]
        raise RunError(f"{path}: can't be read: {problem}") from None
    if not isinstance(value, Mapping):
        raise RunError(f"{path}: holds no training settings: expected names with values")
    return {str(key): one for key, one in value.items()}


def _json(text: str) -> Any:
    import json  # noqa: PLC0415

    return json.loads(text)


def _yaml(text: str) -> Any:
    import yaml  # noqa: PLC0415

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _toml(text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415

    return tomllib.loads(text)


_PARSERS = {".json": _json, ".yaml": _yaml, ".yml": _yaml, ".toml": _toml}
SUFFIXES = tuple(_PARSERS)
