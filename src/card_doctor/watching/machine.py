"""The machine while a command runs, from psutil: each sample costs well under a millisecond, whatever else runs."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import psutil

from card_doctor.model import Capacity, GpuSample, Sample, WatchedGpu

SHARED = "/dev/shm"  # noqa: S108  where Linux keeps shared memory, and PyTorch's DataLoader its batches
# What a container may take: version 2 of control groups, then version 1
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
USED = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")


class Machine:
    """Takes samples; rates are since the last one."""

    def __init__(self) -> None:
        self._limit = _limit()
        self._started = time.monotonic()
        self._last: Dict[str, float] = {}
        self._then = self._started
        psutil.cpu_times_percent()  # the first answer is about nothing
        self._rates()

    def capacity(self, gpus: Tuple[WatchedGpu, ...]) -> Capacity:
        with suppress(OSError):
            shared = psutil.disk_usage(SHARED).total if Path(SHARED).is_dir() else None
            return Capacity(
                processors=psutil.cpu_count(),
                memory_bytes=self._limit or psutil.virtual_memory().total,
                shared_bytes=shared,
                disk_bytes=psutil.disk_usage(".").total,
                gpus=gpus,
            )
        return Capacity(gpus=gpus)

    def sample(self, gpus: Tuple[GpuSample, ...]) -> Sample:
        times = psutil.cpu_times_percent()
        rates = self._rates()
        memory = psutil.virtual_memory()
        limited = _number(USED) if self._limit else None
        shared = free = None
        with suppress(OSError):
            free = psutil.disk_usage(".").free
            shared = psutil.disk_usage(SHARED).used
        waiting = getattr(times, "iowait", None)
        return Sample(
            at=round(time.monotonic() - self._started, 2),
            processor=round(max(0.0, 100 - times.idle - (waiting or 0.0)), 1),
            waiting=waiting,
            memory_bytes=limited if limited is not None else memory.total - memory.available,
            shared_bytes=shared,
            disk_free_bytes=free,
            gpus=gpus,
            **rates,
        )

    def _rates(self) -> Dict[str, Any]:
        now = time.monotonic()
        counters = _counters()
        seconds = max(now - self._then, 0.001)
        rates = {name: round((value - self._last.get(name, value)) / seconds) for name, value in counters.items()}
        self._last, self._then = counters, now
        return rates


def killed_for_memory() -> Optional[int]:
    """How often the kernel has killed a process for lack of memory; None where it does not tell."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return None


def _counters() -> Dict[str, float]:
    counters: Dict[str, float] = {}
    with suppress(OSError, RuntimeError, AttributeError):
        swap = psutil.swap_memory()
        counters.update(swapped_in=swap.sin, swapped_out=swap.sout)
    with suppress(OSError, RuntimeError, AttributeError):
        disk = psutil.disk_io_counters(nowrap=False)
        if disk is not None:
            counters.update(disk_read=disk.read_bytes, disk_written=disk.write_bytes)
    return counters


def _limit() -> Optional[int]:
    """The container's, where it has one below the machine's memory."""
    limit = _number(LIMITS)
    return limit if limit is not None and limit < psutil.virtual_memory().total else None


def _number(paths: Tuple[str, ...]) -> Optional[int]:
    for path in paths:
        with suppress(OSError, ValueError):
            return int(Path(path).read_text(encoding="ascii"))
    return None


def own_processor_seconds() -> float:
    """What this process itself has taken."""
    times = os.times()
    return times.user + times.system
