"""The table of results: what training logged, one row an evaluation."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Tuple

from card_doctor.cards.blocks import Table
from card_doctor.cards.metrics import is_metric, label_of, metric_key
from card_doctor.cards.values import is_nan, number_at_start

MAX_ROWS = 20_000
_COLUMNS = {"epochs": "epoch", "steps": "step", "global_step": "step", "eval_loss": "validation_loss"}
_COUNTERS = {"epoch", "epochs", "step", "steps", "iteration", "global_step", "num_epochs", "train_epoch"}


def column_key(header: str) -> str:
    """A column as `Card.results` has it: ``Validation Loss`` is ``validation_loss``, ``Acc`` is ``accuracy``."""
    label = label_of(header)
    key = _COLUMNS.get(label) or metric_key(label, generated=True)
    return "training_loss" if key == "train_loss" else key


def is_results(table: Table) -> bool:
    """Has it a counter (epoch, step) and something that was measured?"""
    if not table.header:
        return False
    labels = [label_of(cell) for cell in table.rows[0]]
    counters = sum(label in _COUNTERS for label in labels)
    return (
        counters > 0 and len(labels) > counters and any(is_metric(metric_key(one)) or "loss" in one for one in labels)
    )


def rows_of(table: Table, *, comma: bool) -> Tuple[Dict[str, Any], ...]:
    """The rows by column; a cell without a value (``No log``, ``-``) is left out, ``nan`` is None."""
    columns = [column_key(cell) for cell in table.rows[0]]
    found: List[Dict[str, Any]] = []
    for cells in table.rows[1 : MAX_ROWS + 1]:
        row = {}
        for column, cell in zip(columns, cells):
            if column and column not in row:
                value = _cell(cell, comma=comma)
                if value is not None or is_nan(cell):
                    row[column] = value
        if row:
            found.append(row)
    return tuple(found)


def _cell(text: str, *, comma: bool) -> Optional[Any]:
    number = number_at_start(text, comma=comma)
    return number[0] if number and re.fullmatch(r"\s*(?:%|\(.{0,40}\)|←.*|[*✅⭐🏆].*)?\s*", number[1]) else None
