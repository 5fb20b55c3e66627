"""The training log as a curve of bounded length: where it is longer, neighbours become their mean."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from card_doctor.cards.metrics import is_bookkeeping, label_of, metric_key
from card_doctor.model import Evaluation, Point

POINTS = 4096  # of training, at most: finer than any plot, and what the checks ask is of larger parts
EVALUATIONS = 8192


class Curve:
    """Collects the entries of a `log_history`, in their order."""

    def __init__(self) -> None:
        self._points: List[Point] = []
        self._pending: List[Point] = []
        self._stride = 1
        self._evaluations: List[Evaluation] = []
        self._skip = self._seen = 0
        self._loss: Optional[float] = None
        self.last: Dict[str, Any] = {}  # the last entry of each kind: "train", "eval"

    def add(self, entry: Any) -> None:
        """One entry of the log; what is none is passed over."""
        if not isinstance(entry, dict):
            return
        if "loss" in entry or "learning_rate" in entry:
            self._point(entry)
        elif "train_runtime" in entry:
            self.last["train"] = entry
        elif any(key.startswith("eval_") for key in entry):
            self.last["eval"] = entry
            self._evaluation(entry)

    @property
    def points(self) -> Tuple[Point, ...]:
        pending = [_mean(self._pending)] if self._pending else []
        return (*self._points, *pending)

    @property
    def evaluations(self) -> Tuple[Evaluation, ...]:
        return tuple(self._evaluations)

    def _point(self, entry: Mapping[str, Any]) -> None:
        loss = number(entry.get("loss"))
        if loss is not None:
            self._loss = loss
        point = Point(
            whole(entry.get("step")) or 0,
            number(entry.get("epoch")),
            loss,
            number(entry.get("learning_rate")),
            number(entry.get("grad_norm")),
        )
        self._pending.append(point)
        if len(self._pending) < self._stride:
            return
        self._points.append(_mean(self._pending))
        self._pending = []
        if len(self._points) > POINTS:
            self._points = [_mean(self._points[at : at + 2]) for at in range(0, len(self._points), 2)]
            self._stride *= 2

    def _evaluation(self, entry: Mapping[str, Any]) -> None:
        step, epoch = whole(entry.get("step")), number(entry.get("epoch"))
        one = Evaluation(step, epoch, number(entry.get("eval_loss")), self._loss, scores_of(entry))
        if self._evaluations and step is not None and self._evaluations[-1].step == step:
            self._evaluations[-1] = one  # the same state evaluated once more
            return
        self._seen += 1
        if self._skip and self._seen % (self._skip + 1):
            return
        self._evaluations.append(one)
        if len(self._evaluations) > EVALUATIONS:
            self._evaluations = self._evaluations[1::2]
            self._skip = 2 * self._skip + 1


def scores_of(entry: Mapping[str, Any], prefix: str = "eval_") -> Dict[str, float]:
    """The scores of an evaluation under a card's names; bookkeeping left out."""
    scores = {}
    for called, value in entry.items():
        key = metric_key(label_of(called))
        read = number(value)
        if called.startswith(prefix) and not is_bookkeeping(key) and read is not None:
            scores[key] = read
    return scores


def number(value: Any) -> Optional[float]:
    """A JSON number, NaN and the infinities included; None for anything else."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def whole(value: Any) -> Optional[int]:
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _mean(points: Sequence[Point]) -> Point:
    if len(points) == 1:
        return points[0]
    last = points[-1]
    rates = [point.learning_rate for point in points if point.learning_rate is not None]
    losses = [point.loss for point in points if point.loss is not None]
    norms = [point.grad_norm for point in points if point.grad_norm is not None]
    broken = next((norm for norm in norms if not math.isfinite(norm)), None)
    return Point(
        last.step,
        last.epoch,
        sum(losses) / len(losses) if losses else None,
        rates[-1] if rates else None,
        broken if broken is not None else max(norms, default=None),
    )
