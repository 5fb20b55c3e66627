"""What samples mean: what of the machine was over- or under-used."""

from __future__ import annotations

from typing import Callable, Iterator, List, Optional, Sequence, Tuple

from card_doctor.model import Capacity, GpuSample, Observation, Sample

FEWEST = 5  # samples: of a shorter run nothing can be said
WARM_UP = 0.1  # share of the samples at the start that belong to loading, not to training
GIB = 2**30


def observe(samples: Sequence[Sample], capacity: Capacity) -> Tuple[Observation, ...]:
    """Warnings first. Averages leave the start out, extremes do not."""
    if len(samples) < FEWEST:
        return ()
    steady = samples[int(len(samples) * WARM_UP) :]
    found = [*_gpus(samples, steady, capacity), *_memory(samples, capacity), *_disks(samples, capacity)]
    return tuple(sorted(found, key=lambda one: one.severity != "warning"))


def _gpus(samples: Sequence[Sample], steady: Sequence[Sample], capacity: Capacity) -> Iterator[Observation]:
    seen = [sample for sample in steady if sample.gpus]
    if len(seen) < FEWEST:
        return
    for index, gpu in enumerate(capacity.gpus):
        here = [sample.gpus[index] for sample in seen if index < len(sample.gpus)]
        called = f"GPU {index} ({gpu.name})" if len(capacity.gpus) > 1 else f"the GPU ({gpu.name})"
        yield from _busy(called, here, seen)
        yield from _slowed(called, here)
        most = max((one.gpus[index].memory_bytes or 0 for one in samples if index < len(one.gpus)), default=0)
        yield from _gpu_memory(called, most, gpu.memory_bytes)


def _busy(called: str, here: Sequence[GpuSample], steady: Sequence[Sample]) -> Iterator[Observation]:
    busy = _mean([one.busy for one in here])
    if busy is None or busy >= 50:
        return
    processor = _mean([sample.processor for sample in steady]) or 0.0
    waiting = _mean([sample.waiting for sample in steady]) or 0.0
    numbers = f"a kernel ran in {busy:.0f} % of the time, processors were {processor:.0f} % busy"
    if max(one.busy or 0 for one in here) <= 5:
        yield Observation(
            "gpu/unused",
            "warning",
            f"{called} was not used",
            f"it was never more than 5 % busy; {numbers}",
            "see that the model and the batches are moved to it, and that CUDA_VISIBLE_DEVICES does not hide it",
        )
    elif processor >= 85:
        yield Observation(
            "gpu/starved-by-processor",
            "warning",
            f"{called} waited for data that the processors could not prepare in time",
            numbers,
            "tokenize or decode once beforehand (datasets.map), or give the job more processors",
        )
    elif waiting >= 20:
        yield Observation(
            "gpu/starved-by-disk",
            "warning",
            f"{called} waited for data from the disk",
            f"{numbers}, and waited for a disk in {waiting:.0f} % of it",
            "copy the data to a local disk, or keep it in memory",
        )
    else:
        yield Observation(
            "gpu/starved",
            "warning",
            f"{called} was idle most of the time, and processors were free",
            numbers,
            "let more workers load the data (dataloader_num_workers=4), or enlarge the batch",
        )


def _slowed(called: str, here: Sequence[GpuSample]) -> Iterator[Observation]:
    hot = _share(here, lambda one: "thermal" in one.slowed)
    if hot >= 0.1:
        warmest = max((one.temperature or 0.0 for one in here), default=0.0)
        yield Observation(
            "gpu/thermal-limit",
            "warning",
            f"{called} slowed down because it was too hot",
            f"in {hot:.0%} of the samples, at up to {warmest:.0f} degrees Celsius",
            "see to its cooling, or lower its power limit (nvidia-smi -pl), which costs less speed than throttling",
        )
    capped = _share(here, lambda one: "power" in one.slowed)
    if capped >= 0.5:
        yield Observation(
            "gpu/power-limit",
            "note",
            f"{called} ran at its power limit",
            f"in {capped:.0%} of the samples: it gives what it may take",
            "nothing, unless the limit was lowered by hand: nvidia-smi -q -d POWER shows both",
        )


def _gpu_memory(called: str, most: int, total: Optional[int]) -> Iterator[Observation]:
    if not total or not most:
        return
    share = most / total
    numbers = f"{most / GIB:.1f} of {total / GIB:.1f} GiB at most"
    if share >= 0.95:
        yield Observation(
            "gpu/memory-nearly-full",
            "warning",
            f"{called} had nearly no memory left",
            numbers,
            "a longer batch may not fit: halve per_device_train_batch_size and double gradient_accumulation_steps",
        )
    elif share <= 0.4:
        yield Observation(
            "gpu/memory-unused",
            "note",
            f"{called} had most of its memory free",
            numbers,
            "a larger batch would fit; with the card's effective batch, take fewer accumulation steps",
        )


def _memory(samples: Sequence[Sample], capacity: Capacity) -> Iterator[Observation]:
    most = max((one.memory_bytes or 0 for one in samples), default=0)
    if capacity.memory_bytes and most / capacity.memory_bytes >= 0.92:
        yield Observation(
            "memory/nearly-full",
            "warning",
            "memory was nearly full",
            f"{most / GIB:.1f} of {capacity.memory_bytes / GIB:.1f} GiB at most",
            "fewer DataLoader workers, or data that is read from disk (datasets does so unless keep_in_memory)",
        )
    swapped = _share(samples, lambda one: (one.swapped_in or 0) + (one.swapped_out or 0) > 2**20)
    if swapped >= 0.05:
        yield Observation(
            "memory/swapping",
            "warning",
            "memory was moved to disk and back",
            f"more than 1 MiB a second in {swapped:.0%} of the samples",
            "take less memory: fewer workers, a smaller batch, no other programs",
        )
    shared = max((one.shared_bytes or 0 for one in samples), default=0)
    if capacity.shared_bytes and shared / capacity.shared_bytes >= 0.9:
        yield Observation(
            "memory/shared-nearly-full",
            "warning",
            "shared memory was nearly full",
            f"{shared / GIB:.2f} of {capacity.shared_bytes / GIB:.2f} GiB of /dev/shm at most",
            "docker run --shm-size=8g (or --ipc=host), or fewer DataLoader workers",
        )


def _disks(samples: Sequence[Sample], capacity: Capacity) -> Iterator[Observation]:
    free = [one.disk_free_bytes for one in samples if one.disk_free_bytes is not None]
    if free and capacity.disk_bytes and (min(free) < GIB or min(free) / capacity.disk_bytes < 0.01):
        yield Observation(
            "disk/nearly-full",
            "warning",
            "the disk of the working directory was nearly full",
            f"{min(free) / GIB:.1f} of {capacity.disk_bytes / GIB:.1f} GiB free at least",
            "keep fewer checkpoints (save_total_limit=1), or write them elsewhere (output_dir)",
        )


def _mean(values: Sequence[Optional[float]]) -> Optional[float]:
    known: List[float] = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _share(samples: Sequence[object], holds: Callable[..., bool]) -> float:
    return sum(map(holds, samples)) / len(samples) if samples else 0.0
