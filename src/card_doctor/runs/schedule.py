"""What the logged learning rates say of the schedule: its kind, the highest rate, the warmup.

As transformers' optimization.py has them: after `step` of `total` steps, `warmup` of them at the start, the rate is
`peak * (total - step) / (total - warmup)` (linear) or `peak / 2 * (1 + cos(pi * (step - warmup) / (total - warmup)))`.
"""

from __future__ import annotations

import math
from typing import List, NamedTuple, Optional, Sequence, Tuple

from card_doctor.model import Point

_EXACT = 1e-3  # relative; the log has the rates in full
Rate = Tuple[int, float]


class Schedule(NamedTuple):
    """`peak` is the rate that was asked for; `warmup` the steps until it was reached, None where that is not known."""

    kind: str
    peak: float
    warmup: Optional[int]


def schedule_of(points: Sequence[Point], total: Optional[int]) -> Optional[Schedule]:
    """The schedule that explains every logged rate; None where none of the common ones does."""
    rates = [(point.step, point.learning_rate) for point in points if point.learning_rate is not None]
    rates = [(step, rate) for step, rate in rates if math.isfinite(rate) and rate >= 0]
    if len(rates) < 2:
        return None
    top = max(rate for _, rate in rates)
    at = next(number for number, (_, rate) in enumerate(rates) if rate == top)
    falling: List[Rate] = rates[at:]
    warming = at > 0
    if top <= 0:
        return None
    if all(abs(rate - top) <= _EXACT * top for _, rate in falling):
        warmup = None if warming else 0
        return Schedule("constant_with_warmup" if warming else "constant", top, warmup) if len(falling) > 1 else None
    if total is None or len(falling) < 3:
        return None
    return _linear(falling, total, warming=warming) or _cosine(falling, total, top)


def _linear(falling: Sequence[Rate], total: int, *, warming: bool) -> Optional[Schedule]:
    (first, high), (last, low) = falling[0], falling[-1]
    slope = (high - low) / (last - first) if last > first else 0.0
    if slope <= 0 or any(abs(high - slope * (step - first) - rate) > _EXACT * high for step, rate in falling):
        return None
    end = first + high / slope
    if abs(end - total) > max(1.5, 2 * _EXACT * total):
        return None
    # The log tells peak / (total - warmup) alone. Warmup ended at or before the first falling rate, and of the peaks
    # that this leaves, people choose the roundest.
    peak = _roundest(slope * (total - first), slope * total)
    warmup = round(total - peak / slope)
    return Schedule("linear", peak, max(0, warmup) if abs(warmup) < total else None if warming else 0)


def _cosine(falling: Sequence[Rate], total: int, top: float) -> Optional[Schedule]:
    for warmup in dict.fromkeys((0, falling[0][0])):
        span = max(1, total - warmup)
        shape = [(1 + math.cos(math.pi * min(1.0, (step - warmup) / span))) / 2 for step, _ in falling]
        peak = falling[0][1] / shape[0] if shape[0] > 0 else 0.0
        if all(abs(peak * part - rate) <= 5 * _EXACT * top for part, (_, rate) in zip(shape, falling)):
            return Schedule("cosine", _roundest(peak * (1 - _EXACT), peak * (1 + _EXACT)), warmup or None)
    return None


def _roundest(low: float, high: float) -> float:
    """The number between both (each included) that has the fewest digits."""
    for digits in range(1, 8):
        for number in (float(f"{high:.{digits - 1}e}"), float(f"{low:.{digits - 1}e}")):
            if low * (1 - 1e-6) <= number <= high * (1 + 1e-6):
                return number
    return high
