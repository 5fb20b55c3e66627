"""Tables: of results by epoch, of names and values, of one row under its names."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Sequence, Tuple

from card_doctor.cards import results
from card_doctor.cards.blocks import Table
from card_doctor.cards.hyperparameters import OPTIMIZER_PARTS, canonical, label_of
from card_doctor.cards.metrics import is_metric, metric_key
from card_doctor.cards.pairs import Pair, Pairs
from card_doctor.cards.sections import Section
from card_doctor.cards.statements import TABLE, Statements
from card_doctor.cards.values import number_at_start, scalar
from card_doctor.cards.vocabulary import NAME_HEADERS, VALUE_HEADERS

Rows = Tuple[Dict[str, Any], ...]
_OPTIMIZER = {"beta_1", "beta_2", "epsilon", "weight_decay", "weight_decay_rate"}
_PLAIN = {"decay", "amsgrad"}


def read_table(table: Table, section: Section, pairs: Pairs, stated: Statements) -> Tuple[Rows, List[Tuple[str, int]]]:
    """The rows of a table of results; of another, what no fact was read from: text, and its line."""
    if results.is_results(table):
        stated.add("results", None, " | ".join(table.rows[0]), table.numbers[0], TABLE)
        return results.rows_of(table, comma=pairs.comma), []
    header = [label_of(cell) for cell in table.rows[0]]
    if table.header and len(table.rows) == 2 and len(header) > 2 and _known(header) * 2 >= len(header):
        _across(table.rows[0], table.rows[1], (table.numbers[1], section), pairs, stated)
        return (), []
    if table.header and header[0] == "label" and _known(header):  # SetFit: the scores of all labels
        for cells, number in zip(table.rows[1:], table.numbers[1:]):
            if cells[0].lower() in {"all", "overall"}:
                _across(table.rows[0][1:], cells[1:], (number, section), pairs, stated)
        return (), []
    narrow = all(len(cells) <= 2 for cells in table.rows)
    named = table.header and len(header) > 1 and (header[1] in VALUE_HEADERS or header[0] in NAME_HEADERS)
    keras = narrow and any(label_of(cells[0]) in OPTIMIZER_PARTS for cells in table.rows)
    columns = _columns(table) if named and header[1] not in VALUE_HEADERS else [1]
    left = []
    for cells, number in zip(table.rows, table.numbers):
        if len(cells) < 2:
            continue
        for column in columns:  # where they differ it is a conflict: none of several models is the card's
            value = cells[column] if column < len(cells) else ""
            pair = Pair(cells[0], value, f"{cells[0]} | {value}", number, TABLE, section)
            if not (narrow or named) or not ((keras and _keras(pair, stated)) or pairs.read(pair)):
                left.append((pair.raw, number))
    return (), left


def _columns(table: Table) -> List[int]:
    """Those of values; what only stands behind them is a remark."""
    body = [cells for cells in table.rows[1:] if len(cells) > 1 and number_at_start(cells[1])]
    width = max((len(cells) for cells in table.rows), default=0)
    return [1] + [
        column
        for column in range(2, width)
        if body and all(column < len(cells) and _is_number(cells[column]) for cells in body)
    ]


def _is_number(cell: str) -> bool:
    found = number_at_start(cell)
    return found is not None and not re.sub(r"^\s*(?:%|\([^()]*\))", "", found[1]).strip()


def _across(
    names: Sequence[str], cells: Sequence[str], place: Tuple[int, Section], pairs: Pairs, stated: Statements
) -> None:
    """One row of values under their names."""
    number, section = place
    for name, cell in zip(names, cells):
        pair = Pair(name, cell, f"{name} | {cell}", number, TABLE, section)
        if not _keras(pair, stated):
            pairs.read(pair)


def _known(header: Sequence[str]) -> int:
    return sum(bool(canonical(one) or one in OPTIMIZER_PARTS or is_metric(metric_key(one))) for one in header)


def _keras(pair: Pair, stated: Statements) -> bool:
    """A setting of the optimizer in the table of a Keras card (huggingface_hub below 1)."""
    key = pair.printed.strip().lower()
    outer, _, inner = key.partition(".")
    value = scalar(pair.value)
    if key == "name" and isinstance(value, str):
        key, value = "optimizer.name", value.lower()
    elif key in _OPTIMIZER:
        key = f"optimizer.{key}"
    elif inner and outer in {"learning_rate", "optimizer"}:
        key = f"optimizer.{outer}.{inner.rpartition('.')[2]}"
    elif key in _PLAIN:
        key = f"hyperparameters.{key}"
    else:
        return value is None
    if value is not None:
        stated.add(key, value, pair.raw, pair.number, pair.trust)
    return True
