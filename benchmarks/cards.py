"""How much of what cards say is read: `python benchmarks/cards.py EXAMPLES.jsonl`

Each line of the file is one example: the quoted `lines` of a real card and the parse that a person `expected`
(versions, hyperparameters, precision, metrics). A fact counts where it is exact; one that nobody expected is listed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from card_doctor.cards.readme import read_card
from card_doctor.model import Card, Source

PARTS = ("versions", "hyperparameters", "metrics")
# What the examples call a mode for which a card names no type, and other names of the same.
MODES = {"float32": "fp32", "mixed_float16": "fp16", "amp": None, "mixed": None}
NOISE = 1e-6  # float32


def main(path: str) -> int:
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    right = wrong = beyond = 0
    for number, row in enumerate(rows):
        card = read_card("\n".join(row["lines"]), row["kind"], Source("file", path))
        for part, key, expected, read in compared(row["expected"], card):
            if expected is ABSENT:
                beyond += 1
            elif same(expected, read):
                right += 1
                continue
            else:
                wrong += 1
            print(f"{number} {row['kind']}: {part}.{key}: expected {show(expected)}, read {show(read)}")
    total = right + wrong
    print(f"{right} of {total} facts ({right / total:.2%}) in {len(rows)} cards; {beyond} that nobody expected")
    return 0 if wrong == 0 else 1


ABSENT = object()


def compared(expected: Dict[str, Any], card: Card) -> Iterator[Tuple[str, str, Any, Any]]:
    """Every fact that is expected or read: part, key, and both values."""
    for part in PARTS:
        wanted, read = dict(expected.get(part) or {}), dict(getattr(card, part))
        if part == "metrics":
            runs: List[Dict[str, Any]] = wanted.pop("_runs", [])
            conflicts = {one.key for one in card.conflicts}
            for key in runs[0] if runs else ():
                if key != "label":
                    yield part, key, True, f"metrics.{key}" in conflicts
            wanted = {key.removeprefix("eval_"): one for key, one in wanted.items()}
        for key in [*wanted, *(key for key in read if key not in wanted)]:
            yield part, key, wanted.get(key, ABSENT), read.get(key, ABSENT)
    precision = expected.get("precision")
    stated = card.precision
    yield (
        "precision",
        "",
        precision and [MODES.get(precision["mode"], precision["mode"]), kebab(precision["backend"]), precision["raw"]],
        stated and [stated.mode, kebab(stated.backend), stated.raw],
    )


def kebab(name: Any) -> str:
    return (name or "").replace("_", "-")


def same(expected: Any, read: Any) -> bool:
    if isinstance(expected, dict) and isinstance(read, dict):
        return all(same(expected.get(key), read.get(key)) for key in {*expected, *read})
    if isinstance(expected, list) and isinstance(read, list):
        return len(expected) == len(read) and all(map(same, expected, read))
    numbers = [one for one in (expected, read) if isinstance(one, (int, float)) and not isinstance(one, bool)]
    if len(numbers) == 2:
        return bool(abs(expected - read) <= NOISE * abs(expected))
    return type(expected) is type(read) and bool(expected == read)


def show(value: Any) -> str:
    return "nothing" if value is ABSENT else json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
