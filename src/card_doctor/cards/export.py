"""A card as a matrix: its facts as TOML that `read_matrix` reads back as they are."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from card_doctor.cards.matrix import refused
from card_doctor.model import Card

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_TABLES = ("versions", "precision", "hyperparameters", "metrics", "hardware", "dataset")


def to_toml(card: Card, source: Optional[str] = None) -> str:
    """What `card` states, with the address that it was read from (its own, else `source`). TOML has no null, so what
    states nothing is left out; what a matrix can't say (a seed that is no number) and what the card states in several
    ways stand in comments.
    """
    facts, left = _facts(card)
    blocks: List[str] = []
    head = [
        f"{key} = {value}"
        for key, value in (
            ("source", _value(card.source.url or source)),
            ("date", card.date),  # TOML has days of its own
            ("base_model", _value(card.base_model)),
        )
        if value
    ]
    blocks.append("\n".join([*_comments(card, left), *head]))
    if card.results:
        rows = "".join(f"  {_value(row)},\n" for row in card.results)
        blocks.append(f"results = [\n{rows}]")
    blocks += ["\n".join([f"[{table}]", *_pairs(facts[table])]) for table in _TABLES if facts[table]]
    for case in card.troubleshooting:
        advice = {"case": case.case, "advice": case.advice, "answers": list(case.answers)}
        blocks.append("\n".join(["[[troubleshooting]]", *_pairs(advice)]))
    return "\n\n".join(filter(None, blocks)) + "\n"


def _facts(card: Card) -> Tuple[Dict[str, Mapping[str, Any]], List[Tuple[str, Any]]]:
    """What a matrix can say of each table, and what it can't."""
    facts: Dict[str, Mapping[str, Any]] = {
        table: dict(getattr(card, table)) for table in _TABLES if table != "precision"
    }
    stated = card.precision
    facts["precision"] = {"mode": stated.mode, "backend": stated.backend, "raw": stated.raw} if stated else {}
    facts["metrics"] = {key: math.nan if value is None else value for key, value in card.metrics.items()}
    left = [(table, key) for table in ("versions", "hyperparameters") for key in refused(table, facts[table])]
    kept: Dict[str, Mapping[str, Any]] = {
        table: {key: one for key, one in of.items() if (table, key) not in left} for table, of in facts.items()
    }
    return kept, [(f"{table}.{key}", facts[table][key]) for table, key in left]


def _comments(card: Card, left: List[Tuple[str, Any]]) -> Iterator[str]:
    for key, value in left:
        yield f"# {key} is no value of a matrix: {_value(value)}"
    for conflict in card.conflicts:
        yield f"# {conflict.key} is stated in {len(conflict.values)} ways: {_value(list(conflict.values))}"


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if value is not None:
            yield f"{_key(key)} = {_value(value)}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)  # nan and inf are TOML's words too
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        inner = ", ".join(_pairs(value))
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(one) for one in value if one is not None)}]"
    return _string(str(value))


def _string(text: str) -> str:
    """JSON's escapes are among TOML's, but for the one character that JSON leaves as it is."""
    lone = text.encode("utf-8", "backslashreplace").decode()
    return json.dumps(lone, ensure_ascii=False).replace("\x7f", "\\u007f")
