"""A model's folder: its README beside the small files that training leaves, each fact from its best place.

Regular files inside the folder alone, each up to a size; nothing is imported, unpickled or downloaded. The pickle
`training_args.bin` is reported as present, and never read.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from card_doctor.cards.metrics import is_bookkeeping, is_metric, label_of, metric_key
from card_doctor.cards.names import DISTRIBUTIONS, normal
from card_doctor.cards.readme import Reader
from card_doctor.cards.statements import CODE, FILE, Statements
from card_doctor.cards.tables import Rows
from card_doctor.cards.text import decode, read_bytes
from card_doctor.cards.values import LARGEST
from card_doctor.errors import CardError
from card_doctor.knowledge.models import KEYS
from card_doctor.model import Card, Source

READMES = (
    "README.md",
    "README.MD",
    "readme.md",
    "Readme.md",
    "README.markdown",
    "README.txt",
    "README",
    "MODEL_CARD.md",
)
PICKLES = ("training_args.bin",)
_DIGITS = 18  # of a whole number: longer ones cost quadratic time, and are none

Json = Mapping[str, Any]


class _Folder:
    """What may be read of a folder, and what could not be."""

    def __init__(self, path: Path, inside: Path, stated: Statements) -> None:
        self._path = path
        self._inside = Path(os.path.realpath(inside))
        self._stated = stated

    def has(self, name: str) -> bool:
        return os.path.lexists(self._path / name)

    def bytes(self, name: str) -> Optional[bytes]:
        """The content of the file, None where there is none or it may not be read: then the card says why."""
        path = self._path / name
        if not self.has(name):
            return None
        target = Path(os.path.realpath(path))
        if path.is_symlink() and self._inside not in target.parents:
            self.skip(name, "a link that leads out of the folder")
            return None
        try:
            return read_bytes(target)
        except CardError as error:
            self.skip(name, error.message.rpartition(": ")[2])
            return None

    def text(self, name: str) -> Optional[str]:
        data = self.bytes(name)
        try:
            return None if data is None else decode(data, name)
        except CardError as error:
            self.skip(name, error.message.rpartition(": ")[2])
            return None

    def json(self, name: str) -> Json:
        """The object of a JSON file, empty where it has none."""
        text = self.text(name)
        if text is None:
            return {}
        try:
            value = json.loads(text, parse_int=_whole, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            self.skip(name, "not JSON")
            return {}
        return value if isinstance(value, dict) else {}

    def skip(self, name: str, why: str) -> None:
        self._stated.add(f"files.{name}", None, f"{name}: not read: {why}", None, FILE)


def read_folder(path: Path, *, inside: Optional[Path] = None, source: Optional[Source] = None) -> Card:
    """The card of a model's folder. Links may lead to files in `inside` (the folder itself), as the hub's cache has
    them; CardError where it holds nothing that a card is read from.
    """
    text, skipped = _readme(path, inside or path)
    reader = Reader(text)
    stated = reader.stated
    folder = _Folder(path, inside or path, stated)
    for name, why in skipped:
        folder.skip(name, why)
    results: Rows = ()
    known = bool(text)
    for name, read in _READERS.items():
        if folder.has(name):
            known = True
            value = folder.json(name)
            for key, one, raw in read(value):
                # Where the steps were set, the Trainer computed the epochs from them.
                if key != "hyperparameters.num_epochs" or not stated.has("hyperparameters.training_steps", CODE):
                    stated.add(key, one, f"{name}: {raw}", None, FILE)
            if name == "trainer_state.json":
                results = _history(value)
    for requirement, version in _requirements(folder.text("requirements.txt") or ""):
        stated.add(f"versions.{requirement}", version, f"requirements.txt: {requirement}{version}", None, CODE)
    for name in PICKLES:
        if folder.has(name):
            stated.add(f"files.{name}", None, f"{name}: present, not read: it is a pickle", None, FILE)
    if not known:
        raise CardError(*_nothing(path, skipped))
    return reader.card(path.resolve().name or "/", source or Source("folder", str(path)), results)


def _readme(path: Path, inside: Path) -> Tuple[str, List[Tuple[str, str]]]:
    """The README's text, and why one that is there could not be read."""
    unread = Statements()
    folder = _Folder(path, inside, unread)
    for name in READMES:
        if folder.has(name):
            text = folder.text(name)
            if text is not None:
                return text, []
    return "", [(one.raw.partition(":")[0], one.raw.rpartition(": ")[2]) for one in unread][:1]


def _nothing(path: Path, skipped: List[Tuple[str, str]]) -> Tuple[str, str]:
    if skipped:
        return f"{path / skipped[0][0]}: can't be read: {skipped[0][1]}", "Name another file, or mend this one."
    return f"{path}: no model's folder: no README, no config.json", "Name a card, or the folder that holds one."


def _whole(digits: str) -> Union[int, float, None]:
    value = int(digits) if len(digits) <= _DIGITS else LARGEST
    return value if abs(value) < LARGEST else None


def _config(value: Json) -> Iterator[Tuple[str, Any, str]]:
    yield from _version("transformers", value, "transformers_version")
    kind = value.get("model_type")
    if isinstance(kind, str) and kind:
        yield "model_type", kind, f"model_type = {kind}"
    for key in sorted(KEYS & value.keys()):
        if isinstance(value[key], (bool, int, str)):
            yield f"architecture.{key}", value[key], f"{key} = {value[key]}"
    quantization = value.get("quantization_config")
    for key, one in quantization.items() if isinstance(quantization, dict) else ():
        if isinstance(one, (bool, int, float, str)):
            yield f"quantization.{key}", one, f"quantization_config.{key} = {one}"


def _sentence_transformers(value: Json) -> Iterator[Tuple[str, Any, str]]:
    versions = value.get("__version__")
    for called, version in versions.items() if isinstance(versions, dict) else ():
        name = DISTRIBUTIONS.get(normal(str(called)))
        if name and isinstance(version, str):
            yield f"versions.{name}", version, f"{called} = {version}"


def _adapter(value: Json) -> Iterator[Tuple[str, Any, str]]:
    yield from _version("peft", value, "peft_version")
    for key, called in (("lora_r", "r"), ("lora_alpha", "lora_alpha"), ("lora_dropout", "lora_dropout")):
        one = value.get(called)
        if isinstance(one, (int, float)) and not isinstance(one, bool):
            yield f"hyperparameters.{key}", one, f"{called} = {one}"
    base = value.get("base_model_name_or_path")
    if isinstance(base, str) and base:
        yield "base_model", base, f"base_model_name_or_path = {base}"


def _diffusers(value: Json) -> Iterator[Tuple[str, Any, str]]:
    yield from _version("diffusers", value, "_diffusers_version")


def _spacy(value: Json) -> Iterator[Tuple[str, Any, str]]:
    yield from _version("spacy", value, "spacy_version")


def _keras(value: Json) -> Iterator[Tuple[str, Any, str]]:
    yield from _version("keras", value, "keras_version")


def _state(value: Json) -> Iterator[Tuple[str, Any, str]]:
    """Of the Trainer; its `max_steps` is set where the card's `training_steps` is not, so it states none."""
    for key, called in (("num_epochs", "num_train_epochs"), ("train_batch_size", "train_batch_size")):
        one = value.get(called)
        if isinstance(one, (int, float)) and not isinstance(one, bool) and one > 0:
            yield f"hyperparameters.{key}", one, f"{called} = {one}"


def _scores(value: Json) -> Iterator[Tuple[str, Any, str]]:
    """All scores of one part: of the evaluation if it has any, else of the test."""
    part = next((part for part in ("eval_", "test_", "predict_") if any(key.startswith(part) for key in value)), "")
    for called, one in value.items():
        key = metric_key(label_of(called))
        if not called.startswith((part, "train_")) or is_bookkeeping(key) or isinstance(one, (bool, str)):
            continue
        if isinstance(one, (int, float)) and (part or is_metric(key)):
            yield f"metrics.{key}", float(one), f"{called} = {one}"


def _version(name: str, value: Json, key: str) -> Iterator[Tuple[str, Any, str]]:
    version = value.get(key)
    if isinstance(version, str) and re.match(r"[<>=~!]*\d", version):
        yield f"versions.{name}", version, f"{key} = {version}"


_READERS: Dict[str, Callable[[Json], Iterator[Tuple[str, Any, str]]]] = {
    "config_sentence_transformers.json": _sentence_transformers,
    "config.json": _config,
    "adapter_config.json": _adapter,
    "model_index.json": _diffusers,
    "meta.json": _spacy,
    "metadata.json": _keras,
    "trainer_state.json": _state,
    "all_results.json": _scores,
    "eval_results.json": _scores,
    "train_results.json": _scores,
    "test_results.json": _scores,
    "predict_results.json": _scores,
}


# All that a card is read from.
FILES = ("README.md", *_READERS, "requirements.txt")


def _history(value: Json) -> Rows:
    """The evaluations of the Trainer's log, each with the training loss before it."""
    rows: List[Dict[str, Any]] = []
    loss: Optional[float] = None
    entries = value.get("log_history")
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        if isinstance(entry.get("loss"), (int, float)):
            loss = entry["loss"]
        if any(str(key).startswith("eval_") for key in entry):
            rows.append({**({} if loss is None else {"training_loss": loss}), **_row(entry)})
    return tuple(rows)


def _row(entry: Json) -> Dict[str, Any]:
    row = {key: entry[key] for key in ("epoch", "step") if isinstance(entry.get(key), (int, float))}
    for called, value in entry.items():
        key = metric_key(label_of(called))
        if called.startswith("eval_") and not is_bookkeeping(key) and isinstance(value, (int, float)):
            row["validation_loss" if key == "loss" else key] = value
    return row


def _requirements(text: str) -> Iterator[Tuple[str, str]]:
    """The distributions of a requirements file with their specifiers; an exact one as the version alone."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415  only for a folder that has one

    for line in text.split("\n")[:2000]:
        stripped = line.partition(" #")[0].strip()
        if not stripped or stripped.startswith(("#", "-")) or len(stripped) > 500:
            continue
        try:
            requirement = Requirement(stripped)
        except InvalidRequirement:
            continue
        name = DISTRIBUTIONS.get(normal(requirement.name))
        specifier = str(requirement.specifier)
        if name and specifier:
            exact = len(requirement.specifier) == 1 and specifier.startswith("==") and "*" not in specifier
            yield name, specifier.lstrip("=") if exact else specifier
