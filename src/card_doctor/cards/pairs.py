"""A label and its value, from a list, a table or a line: which fact of a card they are, if any."""

from __future__ import annotations

import re
from typing import Any, List, Literal, NamedTuple, Optional, Tuple

import msgspec

from card_doctor.cards import hardware, hyperparameters, metrics, precision, prose
from card_doctor.cards.names import DISTRIBUTIONS, normal
from card_doctor.cards.optimizer import optimizer_of
from card_doctor.cards.sections import Section
from card_doctor.cards.statements import CODE, GENERATED, LIST, METADATA, PAIR, SENTENCE, TABLE, Statements
from card_doctor.cards.values import is_absent, is_nan, literal, number_at_start, scalar
from card_doctor.cards.versions import plain_version
from card_doctor.cards.vocabulary import BASE_MODEL, HYPERPARAMETERS, LORA, WARMUP

Run = Literal["hyperparameters", "evaluation", "versions"]

_PAIR = re.compile(r"(?P<label>[^:=|]{1,80}?)\s{0,20}(?::|=|\s[-–—]\s)\s{0,20}(?P<value>.*)", re.DOTALL)
# Labels that split a line of several pairs; the longest first: no label is cut in two.
_SPLITTING = sorted(
    {name for name in HYPERPARAMETERS if name.isascii() and "_" in name}
    | {"epochs", "seed", "optimizer", "loss", "accuracy", "f1", "recall", "precision", "scheduler"},
    key=len,
    reverse=True,
)
_SPLIT = re.compile(
    r"(?<![\w-])(?:(?:train|training|validation|val|eval|evaluation|test)[ _])?(?:"
    + "|".join(name.replace("_", "[ _-]") for name in _SPLITTING)
    + r")(?:\s\([^()]{1,20}\))?\s{0,3}[:=](?!=)",
    re.IGNORECASE,
)
_QUANTIZATION = re.compile(r"_?load_in_[48]bit|llm_int8_\w+|bnb_4bit_\w+|quant_method|quant_type")
_SPACY = re.compile(r"[A-Z]+(?:_[A-Z]+)+")
_SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+|[a-z]{2,20}")
_INFERRED = re.compile(r"\b(?:inferred|e\.g\.|assumed)\b")
_HALVES = re.compile(r"(?P<one>train\w*|micro)\s?/\s?(?P<other>eval\w*|val\w*|test\w*)", re.IGNORECASE)
_TWO = re.compile(r"(?P<one>\d{1,6})\s?/\s?(?P<other>\d{1,6})\s{0,3}$")
_NEAR = 3  # lines between a metric's name and its value, in YAML
_LONGEST_LABEL, _LONGEST_WORD = 80, 60


class Pair(NamedTuple):
    """`raw` is the whole of what was printed, `trust` the list, table or line that it stands in."""

    printed: str
    value: str
    raw: str
    number: int
    trust: int
    section: Section

    def generated(self, kind: str) -> bool:
        """Did a generator write it, in its list of this kind?"""
        return self.trust == LIST and self.section.generated and self.section.kind == kind


def pair_of(text: str, number: int, trust: int, section: Section) -> Optional[Pair]:
    """``label: value``, ``label = value``"""
    found = _PAIR.match(text)
    if found is None:
        return None
    value = found.group("value").strip()
    if value.endswith(",") and text.lstrip()[:1] in "\"'":  # a member of a mapping
        value = value[:-1]
    return Pair(found.group("label").strip().strip("\"'"), value, text, number, trust, section)


def pieces(text: str) -> List[str]:
    """A line of several pairs (``learning_rate: 5e-05 train_batch_size: 42``) by pair; brackets are not opened."""
    if text.count(":") + text.count("=") < 2:
        return [text]
    starts, depth, position = [], 0, 0
    for found in _SPLIT.finditer(text):
        between = text[position : found.start()]
        depth, position = depth + between.count("(") - between.count(")"), found.start()
        if depth <= 0:
            starts.append(found.start())
    if not any(starts):
        return [text]
    cuts = [*([0] if starts[0] else []), *starts, len(text)]
    return [text[begin:end].strip(" ,;|") for begin, end in zip(cuts, cuts[1:])]


class Pairs:
    """Reads pairs in the order of the card, since a list goes on: an unknown label among metrics is a metric."""

    def __init__(self, stated: Statements, *, lora: bool, keras: bool, axolotl: bool, comma: bool) -> None:
        self._stated = stated
        self._lora = lora
        self._keras = keras
        self._axolotl = axolotl
        self.comma = comma
        self.run: Optional[Run] = None  # what the list before this pair was about
        self._backend: Optional[str] = None
        self._named: Optional[Tuple[str, int]] = None
        self._optimizer: Optional[Pair] = None

    def read(self, pair: Pair) -> bool:
        """Is the pair a fact, or known to be none? Then it is noted, and no words of it are read again."""
        halves = _halves(pair)
        if halves:
            return all(map(self.read, halves))
        label = precision.flag_of(hyperparameters.label_of(pair.printed))
        if not label or not pair.value or len(label) > _LONGEST_LABEL:
            return False
        if pair.trust == PAIR and prose.advises(pair.raw):
            return False
        if self._named_score(label, pair) or self._quantization(label, pair) or self._precision(label, pair):
            return True
        if pair.section.kind == "aside":
            return False
        if pair.section.kind == "usage":  # of how to run it: it counts where nothing else is said
            pair = pair._replace(trust=min(pair.trust, PAIR))
        return (
            self._base_model(label, pair)
            or self._hyperparameter(label, pair)
            or self.metric(pair)
            or self._hardware(label, pair)
            or self._unknown(label, pair)
        )

    def optimizer_goes_on(self, text: str, number: int, *, bullet: bool) -> bool:
        """``Use lion_8bit and the args are:`` has its arguments in the next line. Was this it?"""
        begun, self._optimizer = self._optimizer, None
        if begun is None:
            return False
        goes_on = not bullet and number == begun.number + 1
        whole = f"{begun.value} {text}" if goes_on else begun.value
        self._note("hyperparameters.optimizer", optimizer_of(whole, strict=True), begun)
        return goes_on

    def mapping(self, text: str, number: int) -> bool:
        """``{'exact_match': 81.18, 'f1': 88.67}``"""
        value = literal(text.rstrip(" ,."))
        scores = {
            metrics.metric_key(metrics.label_of(name)): float(one)
            for name, one in (value.items() if isinstance(value, dict) else ())
            if isinstance(one, (int, float))
        }
        if not any(map(metrics.is_metric, scores)):
            return False
        for key, one in scores.items():
            if not metrics.is_bookkeeping(key):
                self._stated.add(f"metrics.{key}", one, text, number, PAIR)
        return True

    def score(self, name: str, value: str, number: Optional[int], trust: int) -> bool:
        """A metric that something else than its label says to be one."""
        key = metrics.metric_key(metrics.label_of(name), generated=True)
        found = number_at_start(value, comma=self.comma)
        if not key or found is None or metrics.is_bookkeeping(key):
            return False
        self._stated.add(f"metrics.{key}", float(found[0]), f"{name}: {value}", number, trust)
        return True

    def finish(self) -> None:
        """At the card's end: what was begun, and what is stated apart from what it belongs to."""
        self.optimizer_goes_on("", 0, bullet=True)
        self._stated.precision_backend = self._backend

    def metric(self, pair: Pair) -> bool:
        generated = pair.generated("evaluation")
        key = metrics.metric_key(metrics.label_of(pair.printed), generated=generated)
        if metrics.is_bookkeeping(key):
            return self.run == "evaluation" or generated
        known = metrics.is_metric(key)
        goes_on = pair.trust == LIST and self.run == "evaluation"
        if not key or not (known or generated or goes_on):
            return False
        trust = GENERATED if generated else pair.trust
        if _SPACY.fullmatch(pair.printed.strip()):  # its model-index has the same scores under their names
            trust = CODE
        if is_nan(pair.value):
            value = None
        else:
            found = metrics.score(pair.value, comma=self.comma, generated=generated)
            if found is None or not (known or generated or not found[1].strip()):
                return False
            value = found[0]
        self._stated.add(f"metrics.{key}", value, pair.raw, pair.number, trust)
        self.run = "evaluation"
        return True

    def _named_score(self, label: str, pair: Pair) -> bool:
        """A score in YAML that stands outside of the front matter: its name, and its value some lines below."""
        if label == "name":
            self._named = (pair.value, pair.number)
        if label != "value" or self._named is None or pair.number - self._named[1] > _NEAR:
            return False
        return self.score(self._named[0], pair.value, pair.number, METADATA)

    def _quantization(self, label: str, pair: Pair) -> bool:
        if _QUANTIZATION.fullmatch(label):
            if not is_absent(pair.value):
                self._stated.add(f"quantization.{label}", scalar(pair.value), pair.raw, pair.number, pair.trust)
            return True
        return pair.section.kind == "quantization" and pair.section.generated

    def _precision(self, label: str, pair: Pair) -> bool:
        if label == "half_precision_backend":
            self._backend = pair.value.strip("'\" ")
            return True
        if not precision.is_label(label):
            return False
        if label == "use_amp" and pair.section.kind == "hyperparameters":  # SetFit lists it among its own
            self._note("hyperparameters.use_amp", scalar(pair.value), pair)
        stated = precision.of_label(label, pair.value, keras=self._keras)
        if stated is None:
            return precision.is_flag(label) or (label != "precision" and is_absent(pair.value))
        if self._axolotl and precision.is_flag(label) and pair.trust in (PAIR, METADATA):
            stated = msgspec.structs.replace(stated, backend="axolotl")
        trust = SENTENCE if _INFERRED.search(pair.value) else pair.trust
        self._stated.add("precision", stated, stated.raw, pair.number, trust)
        self.run = "hyperparameters"
        return True

    def _base_model(self, label: str, pair: Pair) -> bool:
        if label not in BASE_MODEL or not re.fullmatch(r"[\w./-]{3,150}", pair.value):
            return False
        self._stated.add("base_model", pair.value, pair.raw, pair.number, pair.trust)
        return True

    def _hyperparameter(self, label: str, pair: Pair) -> bool:
        if pair.generated("evaluation"):
            return False
        if label in LORA:
            return self._lora_parts(pair.value, pair)
        if label == "epoch" and (pair.trust == TABLE or "hyperparameters" in (pair.section.kind, self.run)):
            label = "epochs"  # beside a batch size it is how many, beside a score which
        if self._optimizer_part(label, pair):
            return True
        key = (
            hyperparameters.warmup_of(pair.value)
            if label in WARMUP
            else hyperparameters.canonical(label, lora=self._lora)
        )
        if key is None:
            return False
        self._lora = self._lora or key in {"lora_r", "lora_alpha"}
        strict = pair.generated("hyperparameters")
        if key == "optimizer" and pair.value.endswith("the args are:"):
            self._optimizer, self.run = pair, "hyperparameters"
            return True
        read = hyperparameters.value_of(key, pair.value, comma=self.comma, strict=strict)
        if read is None:
            return False
        value, rest = read
        if rest[1:2].isalpha() and prose.advises(rest):  # "2 is what you may try"
            return False
        if label == "maximum_sequence_length" and rest.strip() == "tokens":
            return True  # how Sentence-Transformers and SetFit describe the model, not the training
        if isinstance(value, list) and key != "num_epochs":
            key = label  # of SetFit: one value for each of its phases
        if key == "training_steps" and isinstance(value, (int, float)) and value <= 0:
            if pair.section.part == "all":
                return True
            key = label  # not set: no number of steps
        if key == "lr_scheduler_warmup_steps" and 0 < value < 1:
            key = "lr_scheduler_warmup_ratio"  # since transformers 5
        if key == "optimizer" and isinstance(value.get("learning_rate"), (int, float)):  # of Keras
            self._note("hyperparameters.learning_rate", value.pop("learning_rate"), pair)
        self._note(f"hyperparameters.{key}", value, pair)
        for said in prose.remarks_in(rest, key) if rest else ():
            self._note(f"hyperparameters.{said.key}", said.value, pair)
        for said in prose.schedules_in(rest) if key == "learning_rate" else ():
            self._note("hyperparameters.lr_scheduler_type", said.value, pair)
        if key in {"lora_r", "lora_alpha"}:
            self._lora_parts(rest, pair)
        return True

    def _lora_parts(self, text: str, pair: Pair) -> bool:
        found = list(prose.lora_in(text))
        for said in found:
            self._note(f"hyperparameters.{said.key}", said.value, pair)
        return bool(found)

    def _optimizer_part(self, label: str, pair: Pair) -> bool:
        part = hyperparameters.OPTIMIZER_PARTS.get(label)
        if part is None or not (self._keras or "hyperparameters" in (pair.section.kind, self.run)):
            return False
        if not self._keras and (part.startswith("learning_rate.") or part == "weight_decay_rate"):
            return False
        value = scalar(pair.value)
        if not isinstance(value, (int, float)):
            return False
        self._note(f"optimizer.{part}", value, pair)
        return True

    def _hardware(self, label: str, pair: Pair) -> bool:
        found = hardware.of_label(label, pair.value)
        for key, value in found.items():
            self._stated.add(f"hardware.{key}", value, pair.raw, pair.number, pair.trust)
        return bool(found)

    def _unknown(self, label: str, pair: Pair) -> bool:
        """A label that no vocabulary has counts in a list of hyperparameters, where it is written like one."""
        listed = pair.section.kind == "hyperparameters"
        if not (listed or (pair.section.kind == "other" and self.run == "hyperparameters")):
            return False
        if pair.trust not in (LIST, TABLE) or pair.section.part == "all":
            return False
        if normal(pair.printed) in DISTRIBUTIONS or hyperparameters.canonical(label):
            return False
        snake = _SNAKE.fullmatch(pair.printed.strip("`'\" ")) is not None
        value = scalar(pair.value, comma=self.comma)
        if value is None:
            return snake and pair.generated("hyperparameters")
        free = not snake or pair.trust == TABLE
        if isinstance(value, str) and (free or len(value) > _LONGEST_WORD or plain_version(value)):
            return False
        if not (snake or (listed and isinstance(value, (int, float)))):
            return False
        self._note(f"hyperparameters.{label}", value, pair)
        return True

    def _note(self, key: str, value: Any, pair: Pair) -> None:
        trust = GENERATED if pair.generated("hyperparameters") else pair.trust
        self._stated.add(key, value, pair.raw, pair.number, trust)
        self.run = "hyperparameters"


def _halves(pair: Pair) -> Tuple[Pair, ...]:
    """``Batch size (train / eval): 8 / 16`` as its two."""
    labels, values = _HALVES.search(pair.printed), _TWO.match(pair.value)
    if labels is None or values is None:
        return ()
    rest = re.sub(r"\(\s*\)", "", _HALVES.sub("", pair.printed)).strip()
    return tuple(
        pair._replace(printed=f"{labels.group(half)} {rest}", value=values.group(half)) for half in ("one", "other")
    )
