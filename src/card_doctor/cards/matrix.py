"""A matrix: one card as a person writes it down, in TOML, read strictly."""

from __future__ import annotations

import datetime as dt
import re
from math import isnan
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

import msgspec

from card_doctor import toml
from card_doctor.model import Card, Fact, Precision, Source, TroubleshootingCase

# The families of checks that a troubleshooting case may name (those of later versions too).
FAMILIES = ("versions", "packages", "python", "accelerator", "amp", "resources", "training", "data", "results", "card")
# What cards call a distribution that the package index has under another name.
DISTRIBUTIONS = {"pytorch": "torch", "pytorch-cuda": "torch", "sklearn": "scikit-learn"}
NO_FACTS = ("name", "source", "precision", "results", "troubleshooting")
NEAR = 0.9  # "lerning_rate" is that near to "learning_rate"; two real names never are


class CardMatrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of ``matrices/cards/``: what a `Card` says, but for where it was read. `source` is the card's address;
    `name` is the file's own where it is left out.
    """

    name: Optional[str] = None
    source: Optional[str] = None
    date: Optional[dt.date] = None
    base_model: Optional[str] = None
    versions: Dict[str, str] = {}
    precision: Optional[Precision] = None
    hyperparameters: Dict[str, Any] = {}
    metrics: Dict[str, float] = {}
    results: Tuple[Dict[str, Any], ...] = ()
    hardware: Dict[str, Any] = {}
    dataset: Dict[str, Any] = {}
    troubleshooting: Tuple[TroubleshootingCase, ...] = ()


class Hyperparameters(msgspec.Struct, frozen=True):
    """The names under which the Trainer writes them, with their types; a card may state others."""

    learning_rate: Optional[float] = None
    train_batch_size: Optional[int] = None
    eval_batch_size: Optional[int] = None
    seed: Optional[int] = None
    distributed_type: Optional[str] = None
    num_devices: Optional[int] = None
    gradient_accumulation_steps: Optional[int] = None
    total_train_batch_size: Optional[int] = None
    total_eval_batch_size: Optional[int] = None
    optimizer: Union[str, Dict[str, Any], None] = None
    lr_scheduler_type: Optional[str] = None
    lr_scheduler_warmup_ratio: Optional[float] = None
    lr_scheduler_warmup_steps: Optional[float] = None  # below 1 it is a ratio, since transformers 5
    training_steps: Optional[int] = None
    num_epochs: Union[float, List[float], None] = None  # SetFit: one for the body, one for the head
    label_smoothing_factor: Optional[float] = None
    weight_decay: Optional[float] = None


class _Typed(msgspec.Struct, frozen=True):
    hyperparameters: Hyperparameters = Hyperparameters()


def read_matrix(path: Path) -> Card:
    """The card that a TOML file states; MatrixError for a wrong key or type, with its line."""
    return parse_matrix(toml.read_text(path), path)


def parse_matrix(text: str, path: Path) -> Card:
    """The card that the text of a TOML file states; `path` is what errors and places name."""
    document = toml.parse(text, path)
    matrix = toml.convert(document, CardMatrix, text, path)
    toml.convert(document, _Typed, text, path)
    for steps, message in _problems(matrix):
        raise toml.wrong_key(path, text, steps, message)
    return Card(
        name=matrix.name or path.stem,
        source=Source("matrix", str(path), matrix.source),
        date=matrix.date.isoformat() if matrix.date else None,
        base_model=matrix.base_model,
        versions=matrix.versions,
        precision=matrix.precision,
        hyperparameters=matrix.hyperparameters,
        metrics={key: None if isnan(value) else value for key, value in matrix.metrics.items()},
        results=matrix.results,
        hardware=matrix.hardware,
        dataset=matrix.dataset,
        troubleshooting=matrix.troubleshooting,
        facts=tuple(_facts(text, matrix.precision)),
    )


def _problems(matrix: CardMatrix) -> Iterator[Tuple[Tuple[Union[str, int], ...], str]]:
    """What is wrong beyond keys and types."""
    for name in matrix.versions:
        if name != _distribution(name):
            yield ("versions", name), f"expected the name of a distribution, `{_distribution(name)}`"
    for name in matrix.hyperparameters:
        near = _near(name) if name not in Hyperparameters.__struct_fields__ else None
        if near:
            yield ("hyperparameters", name), f"unknown key, did you mean `{near}`?"
    for index, case in enumerate(matrix.troubleshooting):
        for family in case.answers:
            if family not in FAMILIES:
                yield (
                    ("troubleshooting", index, "answers"),
                    f"`{family}` is no family of checks: expected of {', '.join(FAMILIES)}",
                )


def refused(table: str, values: Mapping[str, Any]) -> List[str]:
    """The keys of ``versions`` or ``hyperparameters`` that a matrix can't have, or not with that value."""
    if table == "versions":
        return [name for name in values if name != _distribution(name)]
    return [name for name, value in values.items() if not _is_typed(name, value)]


def _distribution(name: str) -> str:
    normal = re.sub(r"[-_.]+", "-", name).lower()  # PEP 503
    return DISTRIBUTIONS.get(normal, normal)


def _is_typed(name: str, value: Any) -> bool:
    if name not in Hyperparameters.__struct_fields__:
        return _near(name) is None
    try:
        msgspec.convert({name: value}, Hyperparameters)
    except msgspec.ValidationError:
        return False
    return True


def _near(name: str) -> Optional[str]:
    """The Trainer's name that this one is a slip of the pen for, if any."""
    from difflib import get_close_matches  # noqa: PLC0415  only for a name of the card's own

    return next(iter(get_close_matches(name, Hyperparameters.__struct_fields__, n=1, cutoff=NEAR)), None)


def _facts(text: str, precision: Optional[Precision]) -> Iterator[Fact]:
    """What the file states about the training, each on its line."""
    lines = text.split("\n")
    numbers = toml.key_lines(text)
    for key, number in numbers.items():
        _, equals, raw = lines[number - 1].partition("=")
        if equals and not key.startswith(NO_FACTS):
            yield Fact(key, raw.strip().strip('"'), number, "file")
    if precision is not None:
        yield Fact("precision", precision.raw or precision.mode or "", numbers.get("precision"), "file")
