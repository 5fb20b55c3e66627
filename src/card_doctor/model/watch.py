"""What was seen of a command while it ran: samples of the machine, and what they mean."""

from __future__ import annotations

from typing import Literal, Optional, Tuple

import msgspec


class GpuSample(msgspec.Struct, frozen=True, omit_defaults=True):
    """One GPU at one time. `busy` is the share of time in which a kernel ran (percent), `power` in watts,
    `temperature` in degrees Celsius; `slowed` are the limits that hold its clocks down.
    """

    busy: Optional[float] = None
    memory_bytes: Optional[int] = None
    power: Optional[float] = None
    temperature: Optional[float] = None
    slowed: Tuple[Literal["thermal", "power"], ...] = ()


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """The machine at one time: seconds since the command started, processors in percent of all of them, memory in
    bytes, transfers in bytes a second. None where it could not be read.
    """

    at: float
    processor: Optional[float] = None
    waiting: Optional[float] = None  # percent of processor time that waited for a disk
    memory_bytes: Optional[int] = None
    swapped_in: Optional[float] = None
    swapped_out: Optional[float] = None
    shared_bytes: Optional[int] = None  # of /dev/shm
    disk_free_bytes: Optional[int] = None
    disk_read: Optional[float] = None
    disk_written: Optional[float] = None
    gpus: Tuple[GpuSample, ...] = ()


class WatchedGpu(msgspec.Struct, frozen=True):
    """A GPU that was sampled; `power_limit` in watts."""

    name: str
    memory_bytes: Optional[int] = None
    power_limit: Optional[float] = None


class Capacity(msgspec.Struct, frozen=True):
    """What there is of each; `memory_bytes` is the container's limit where that is less than the machine's."""

    processors: Optional[int] = None
    memory_bytes: Optional[int] = None
    shared_bytes: Optional[int] = None
    disk_bytes: Optional[int] = None
    gpus: Tuple[WatchedGpu, ...] = ()


class Observation(msgspec.Struct, frozen=True):
    """What was over- or under-used: one line, the numbers that say so, and what to try."""

    id: str
    severity: Literal["warning", "note"]
    message: str
    because: str
    remedy: str


class Ended(msgspec.Struct, frozen=True):
    """How the command ended: an exit code, or a signal's name; `killed_for_memory` where the kernel says so."""

    code: Optional[int]
    signal: Optional[str]
    seconds: float
    processor_seconds: float
    largest_memory_bytes: Optional[int]
    killed_for_memory: bool = False

    @property
    def failed(self) -> bool:
        return self.code != 0
