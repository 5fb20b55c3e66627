from __future__ import annotations

import math

import pytest

from card_doctor.model import Point
from card_doctor.runs.schedule import schedule_of


def logged(rate, steps):
    return [Point(step, learning_rate=rate(step)) for step in steps]


def linear(peak, warmup, total):
    return lambda step: peak * step / warmup if step < warmup else peak * (total - step) / (total - warmup)


@pytest.mark.parametrize("peak", [5e-4, 3e-5, 2e-4, 1.5e-5, 5e-3])
@pytest.mark.parametrize("warmup", [0, 16, 500])
def test_a_linear_schedule_is_known_by_its_log(peak, warmup):
    found = schedule_of(logged(linear(peak, warmup, 10_000), range(100, 10_001, 100)), 10_000)
    assert found is not None
    assert found.kind == "linear"
    assert found.peak == pytest.approx(peak, rel=1e-6)
    assert found.warmup == warmup


def test_cosine_and_constant():
    cosine = schedule_of(logged(lambda s: 1e-4 * (1 + math.cos(math.pi * s / 1000)) / 2, range(10, 1001, 10)), 1000)
    assert cosine is not None
    assert (cosine.kind, cosine.peak) == ("cosine", pytest.approx(1e-4))
    constant = schedule_of(logged(lambda _: 1e-4, range(10, 100, 10)), 1000)
    assert constant is not None
    assert (constant.kind, constant.peak, constant.warmup) == ("constant", 1e-4, 0)


@pytest.mark.parametrize("rates", [[], [1e-3], [0.0, 0.0], [1e-3, 5e-4, 9e-4, 1e-5], [math.nan, math.inf]])
def test_what_none_explains_is_not_guessed(rates):
    assert schedule_of([Point(step, learning_rate=rate) for step, rate in enumerate(rates, 1)], 100) is None


def test_a_schedule_planned_for_another_length_is_not_taken_for_this_one():
    assert schedule_of(logged(linear(1e-3, 0, 500), range(10, 400, 10)), 1000) is None
