"""What was read, each with its place and how far it is trusted; settled into a card without choosing between equals."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import msgspec

from card_doctor.cards.text import printable
from card_doctor.model import Card, Conflict, Fact, Precision, Source, TroubleshootingCase
from card_doctor.model.card import Confidence

# How far a statement is trusted. A generator's list is more than a hand's, a list more than a sentence.
GENERATED, LIST, TABLE, PAIR, FILE, SENTENCE, METADATA, CODE = 8, 7, 6, 5, 4, 3, 2, 1
_CONFIDENCE: Dict[int, Confidence] = {
    GENERATED: "list", LIST: "list", TABLE: "table", PAIR: "list", FILE: "file", SENTENCE: "sentence",
    METADATA: "metadata", CODE: "metadata",
}  # fmt: skip
MAX_STATEMENTS = 20_000  # a card with more states nothing
MAX_RAW = 300
# What the Trainer's list has no line for: a recipe is the only place of it.
_UNLISTED = tuple(f"hyperparameters.{key}" for key in ("lora_", "max_seq_length", "weight_decay"))
_FLAG = re.compile(r"[bf]p?f?16: ")
NOISE = 1e-6  # what float32 makes of a number: 0.8999999761581421


class Statement(NamedTuple):
    """`key` as in `Fact`; `value` as the card will have it; `digits` after the point, where a number was printed."""

    key: str
    value: Any
    raw: str
    line: Optional[int]
    trust: int
    confidence: Confidence
    digits: Optional[int] = None


class Statements:
    """Everything that was read of one card, in the order of reading."""

    def __init__(self) -> None:
        self._all: List[Statement] = []
        self.precision_backend: Optional[str] = None  # what an argument of its own says of a precision

    def __iter__(self) -> Iterator[Statement]:
        return iter(self._all)

    def add(self, key: str, value: Any, raw: str, line: Optional[int], trust: int) -> None:
        if len(self._all) < MAX_STATEMENTS and len(key) < MAX_RAW:
            raw, value = printable(raw.strip()[:MAX_RAW]), _printable(value)
            self._all.append(Statement(key, value, raw, line, trust, _CONFIDENCE[trust], _digits(value, raw)))

    @property
    def full(self) -> bool:
        """Is there no room for another? Then the rest need not be read."""
        return len(self._all) >= MAX_STATEMENTS

    def has(self, prefix: str, trust: int) -> bool:
        return any(one.key.startswith(prefix) and one.trust >= trust for one in self._all)

    def card(
        self,
        name: str,
        source: Source,
        *,
        results: Tuple[Dict[str, Any], ...] = (),
        troubleshooting: Tuple[TroubleshootingCase, ...] = (),
    ) -> Card:
        """What is stated, each key once: of several statements the one of most trust, and none where equals differ."""
        by_key: Dict[str, List[Statement]] = {}
        for statement in self._kept():
            by_key.setdefault(statement.key, []).append(statement)
        values: Dict[str, Any] = {}
        facts: List[Fact] = []
        conflicts: List[Conflict] = []
        for key, stated in by_key.items():
            stated.sort(key=lambda one: -one.trust)  # stable: of equals, what was read first
            best = [one for one in stated if one.trust == stated[0].trust]
            chosen = _agreed(best)
            if chosen is not None:
                values[key] = chosen.value
            # Beside a list, what a sentence or a snippet says is an explanation; it contradicts only its like.
            against = [one for one in stated if one.trust in (best[0].trust, LIST, TABLE, FILE, METADATA)]
            if best[0].trust <= SENTENCE:
                against = best
            different = _different(against)
            if len(different) > 1:
                lines = tuple(one.line for one in different if one.line is not None)
                conflicts.append(Conflict(key, tuple(map(_shown, different)), lines))
            facts += [Fact(one.key, one.raw, one.line, one.confidence) for one in stated]
        parts = _parts(values)
        precision: Optional[Precision] = parts["card"].get("precision")
        if precision and precision.backend is None and _FLAG.match(precision.raw):
            precision = msgspec.structs.replace(precision, backend=self.precision_backend)
        return Card(
            name=printable(name),
            source=source,
            date=parts["card"].get("date"),
            base_model=parts["card"].get("base_model"),
            model_type=parts["card"].get("model_type"),
            versions=parts["versions"],
            precision=precision,
            hyperparameters=parts["hyperparameters"],
            metrics=parts["metrics"],
            results=results,
            hardware=parts["hardware"],
            dataset=parts["dataset"],
            architecture=parts["architecture"],
            troubleshooting=troubleshooting,
            facts=tuple(facts),
            conflicts=tuple(conflicts),
        )

    def _kept(self) -> Iterable[Statement]:
        """Without what only repeats: a recipe's pairs beside the list of what was used, code beside a statement."""
        listed = self.has("hyperparameters.", LIST)
        scored = self.has("metrics.", METADATA)
        return [
            one
            for one in self._all
            if not (listed and one.key.startswith("hyperparameters.") and _repeats(one))
            and not (scored and one.trust == CODE and one.key.startswith("metrics."))
        ]


def _repeats(one: Statement) -> bool:
    return one.trust in (PAIR, CODE) or (one.trust == METADATA and not one.key.startswith(_UNLISTED))


def _printable(value: Any) -> Any:
    """A string of YAML, JSON or Python may have written a terminal's escape with its own."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_printable(one) for one in value]
    if isinstance(value, dict):
        return {printable(key): _printable(one) for key, one in value.items()}
    return value


def _shown(one: Statement) -> str:
    """What of the raw text tells it from the others; a file beside the card is named."""
    shown = str(one.value) if isinstance(one.value, (str, int, float)) else one.raw
    return f"{shown} ({one.raw.partition(':')[0]})" if one.trust == FILE else shown


def _agreed(statements: Sequence[Statement]) -> Optional[Statement]:
    """The one that says most, if none contradicts another."""
    chosen = statements[0]
    for one in statements[1:]:
        if not agree(chosen, one):
            return None
        if chosen.key.startswith("versions.") and len(str(one.value)) > len(str(chosen.value)):
            chosen = one
    return chosen


def _different(statements: Sequence[Statement]) -> List[Statement]:
    kept: List[Statement] = []
    for one in statements:
        if not any(agree(one, other) for other in kept) and len(kept) < 8:
            kept.append(one)
    return kept


def agree(one: Statement, other: Statement) -> bool:
    """Do both say the same, at the precision that each was printed with?"""
    if one.key.startswith("versions."):
        return _same_version(one.value, other.value)
    if one.key == "hyperparameters.optimizer":
        return _same_optimizer(one.value, other.value)
    if one.key == "base_model":
        return _same_model(one.value, other.value)
    if isinstance(one.value, Precision) and isinstance(other.value, Precision):
        return None in (one.value.mode, other.value.mode) or one.value.mode == other.value.mode
    if one.digits is not None and other.digits is not None:
        if not one.key.startswith("metrics."):
            return bool(abs(one.value - other.value) <= NOISE * abs(other.value))
        return any(_near(one.value * 10.0**shift, one.digits - shift, other) for shift in (0, 2, -2))
    if isinstance(one.value, str) and isinstance(other.value, str):
        return one.value.casefold() == other.value.casefold()
    return bool(one.value == other.value)


def _near(value: float, digits: int, other: Statement) -> bool:
    """A score is printed as a fraction or as a percentage, with four digits or with all."""
    unit = 10.0 ** -min(digits, other.digits or 0)
    return bool(abs(value - other.value) <= 0.5 * unit + NOISE * abs(other.value))


def _digits(value: Any, raw: str) -> Optional[int]:
    """How many digits after the point the number was printed with."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    text = repr(value)
    mantissa, _, exponent = text.partition("e")
    digits = len(mantissa.partition(".")[2]) if not mantissa.endswith(".0") else 0
    digits -= int(exponent or 0)
    printed = re.search(r"[.,](\d+)", raw)  # 0.5100 says more than 0.51
    return max(digits, len(printed.group(1))) if printed and not exponent else digits


def _same_version(one: str, other: str) -> bool:
    if one == other:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415

    ranges = [text for text in (one, other) if text[:1] in "<>=!~"]
    exact = [text for text in (one, other) if text[:1] not in "<>=!~"]
    try:
        if ranges and exact:
            return SpecifierSet(ranges[0]).contains(Version(exact[0]), prereleases=True)
        if ranges:
            return False
        first, second = Version(one), Version(other)
    except (InvalidSpecifier, InvalidVersion):
        return False
    local = first.local is None or second.local is None
    return first.public == second.public and local


def _same_model(one: str, other: str) -> bool:
    """A path may hold any model; names of the hub are the same without their organisation."""
    if any(name.startswith((".", "/", "~")) or name.count("/") > 1 for name in (one, other)):
        return True
    return one.rpartition("/")[2].casefold() == other.rpartition("/")[2].casefold()


def _same_optimizer(one: Dict[str, Any], other: Dict[str, Any]) -> bool:
    first, second = str(one.get("name", "")), str(other.get("name", ""))
    # Before transformers 4.46 the Trainer printed "Adam" whatever the optimizer was.
    same_name = first == second or ("adam" in (first, second) and "adam" in first and "adam" in second)
    return same_name and all(one[key] == other[key] for key in ("betas", "epsilon") if key in one and key in other)


PARTS = ("card", "versions", "hyperparameters", "metrics", "hardware", "dataset", "architecture", "optimizer")


def _parts(values: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    """The values by the part of the card that they belong to; what has no part stands under "card"."""
    parts: Dict[str, Dict[str, Any]] = {part: {} for part in PARTS}
    for key, value in values.items():
        part, _, rest = key.partition(".")
        if not rest:
            parts["card"][part] = value
        elif part in parts:
            parts[part][rest] = value
    optimizer = {**_optimizer(parts["optimizer"]), **parts["hyperparameters"].get("optimizer", {})}
    if optimizer:
        parts["hyperparameters"]["optimizer"] = optimizer
    return parts


def _optimizer(parts: Dict[str, Any]) -> Dict[str, Any]:
    """What Keras lists one by one: both betas as the Trainer has them, the parts of a schedule together."""
    found: Dict[str, Any] = {}
    for key in sorted(parts):
        outer, _, inner = key.partition(".")
        if inner:
            schedule = found.setdefault(outer, {})
            if isinstance(schedule, dict):
                schedule[inner] = parts[key]
        elif outer not in ("beta_1", "beta_2"):
            found[outer] = parts[key]
    if "beta_1" in parts and "beta_2" in parts:
        found["betas"] = [parts["beta_1"], parts["beta_2"]]
    return found
