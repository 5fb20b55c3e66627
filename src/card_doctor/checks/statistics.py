"""How far numbers may lie apart by chance, and what classes of unequal size do to the averages of a score.

Shares are parts of one; scores are parts of one. All formulas hold for classification with one label a row.
"""

from __future__ import annotations

import math
from typing import Optional, Sequence

NORMAL_95 = 1.96  # two-sided, of the normal distribution
MEASURE = "1.96 * sqrt(2 p (1 - p) / n)"


def tolerance(first: float, second: float, rows: int) -> float:
    """How far two accuracies, each measured on `rows` rows, differ by chance in 19 of 20 cases, where the models are
    equally good: 1.96 standard errors of the difference of two binomial shares with their mean as `p`.
    """
    p = min(1.0, max(0.0, (first + second) / 2))
    p = min(max(p, 1 / (rows + 2)), 1 - 1 / (rows + 2))  # a share of 0 or 1 in a sample is not one in the whole
    return NORMAL_95 * math.sqrt(2 * p * (1 - p) / rows)


def entropy(shares: Sequence[float]) -> float:
    """Shannon's, in parts of what equal classes have: 1 is balanced, 0 is one class alone."""
    if len(shares) < 2:
        return 0.0
    return -sum(share * math.log(share) for share in shares if share > 0) / math.log(len(shares))


def spread(shares: Sequence[float]) -> float:
    """The most that the weighted and the macro average of a per-class score can differ: both average the same values
    in [0, 1], by `shares` and equally, so it is half of the summed differences of the weights.
    """
    return sum(abs(share - 1 / len(shares)) for share in shares) / 2 if shares else 0.0


def majority_macro_f1(accuracy: float, classes: int) -> float:
    """The macro F1 of a model that only ever says one class, of which it is right with `accuracy`."""
    return 2 * accuracy / (1 + accuracy) / classes


def majority_weighted_f1(accuracy: float) -> float:
    """The weighted F1 of such a model."""
    return accuracy * 2 * accuracy / (1 + accuracy)


def guessing_loss(classes: Optional[int]) -> Optional[float]:
    """The cross-entropy of a model that holds all classes for equally likely."""
    return math.log(classes) if classes and classes > 1 else None
