from __future__ import annotations

import pytest

from card_doctor.model import Capacity, GpuSample, Sample, WatchedGpu
from card_doctor.watching.judge import observe
from card_doctor.watching.series import MOST, Series

GIB = 2**30
CAPACITY = Capacity(8, 64 * GIB, 8 * GIB, 500 * GIB, (WatchedGpu("NVIDIA T4", 16 * GIB, 70.0),))


def samples(count=50, gpu=None, **facts):
    gpus = {"busy": 95.0, "memory_bytes": 10 * GIB, "power": 60.0, "temperature": 60.0, **(gpu or {})}
    well = {
        "processor": 40.0,
        "waiting": 1.0,
        "memory_bytes": 20 * GIB,
        "shared_bytes": GIB,
        "disk_free_bytes": 99 * GIB,
    }
    return [Sample(at=float(at), gpus=(GpuSample(**gpus),), **{**well, **facts}) for at in range(count)]


def found(*args, capacity=CAPACITY, **kwargs):
    return [one.id for one in observe(samples(*args, **kwargs), capacity)]


def test_a_run_that_uses_the_machine_well_is_left_alone():
    assert found() == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"gpu": {"busy": 2.0}}, "gpu/unused"),
        ({"gpu": {"busy": 20.0}}, "gpu/starved"),
        ({"gpu": {"busy": 20.0}, "processor": 97.0}, "gpu/starved-by-processor"),
        ({"gpu": {"busy": 20.0}, "waiting": 35.0}, "gpu/starved-by-disk"),
        ({"gpu": {"memory_bytes": int(15.8 * GIB)}}, "gpu/memory-nearly-full"),
        ({"gpu": {"memory_bytes": 2 * GIB}}, "gpu/memory-unused"),
        ({"gpu": {"slowed": ("thermal",), "temperature": 91.0}}, "gpu/thermal-limit"),
        ({"gpu": {"slowed": ("power",)}}, "gpu/power-limit"),
        ({"memory_bytes": 63 * GIB}, "memory/nearly-full"),
        ({"swapped_out": 5e7}, "memory/swapping"),
        ({"shared_bytes": int(7.9 * GIB)}, "memory/shared-nearly-full"),
        ({"disk_free_bytes": GIB // 2}, "disk/nearly-full"),
    ],
)
def test_each_strain_is_named(facts, expected):
    assert found(**facts) == [expected]


def test_loading_at_the_start_does_not_count_as_starving():
    start, run = samples(4, gpu={"busy": 0.0}), samples(46)
    assert observe([*start, *run], CAPACITY) == ()


def test_a_short_run_says_nothing():
    assert found(4, memory_bytes=64 * GIB) == []


def test_what_could_not_be_read_is_not_judged():
    blank = [Sample(at=float(at)) for at in range(20)]
    assert observe(blank, Capacity()) == ()
    assert observe(blank, CAPACITY) == ()


def test_warnings_come_first():
    assert found(gpu={"slowed": ("power",)}, memory_bytes=63 * GIB) == ["memory/nearly-full", "gpu/power-limit"]


def test_a_long_run_is_kept_evenly_and_bounded():
    series = Series()
    for at in range(MOST * 9):
        series.add(Sample(at=float(at)))
    kept = [sample.at for sample in series.samples()]
    assert MOST // 3 < len(kept) <= MOST
    steps = {after - before for before, after in zip(kept, kept[1:])}
    assert len(steps) == 1
    assert kept[0] == 0
    assert kept[-1] > MOST * 8
