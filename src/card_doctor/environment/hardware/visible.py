"""CUDA_VISIBLE_DEVICES and MIG: which of the driver's GPUs a program sees, and in which order."""

from __future__ import annotations

import re
from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

from card_doctor.model import Accelerator, Gap

UUIDS = ("GPU-", "MIG-")
INDEX = re.compile(r"\s*\+?(\d{1,9})")


class Device(NamedTuple):
    """A GPU in the driver's order, None where it could not be read; with MIG on, its `slices` are what CUDA sees."""

    accelerator: Optional[Accelerator]
    slices: Optional[Tuple[Accelerator, ...]] = None


def visible(
    devices: Sequence[Device], environment: Mapping[str, str]
) -> Tuple[Optional[Tuple[Accelerator, ...]], Tuple[Gap, ...]]:
    """What CUDA_VISIBLE_DEVICES leaves, in its order; None where that can't be told.
    https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#cuda-environment-variables
    """
    asked = environment.get("CUDA_VISIBLE_DEVICES")
    if asked is None:
        return as_cuda_sees(devices), ()
    if asked.startswith(UUIDS):
        return as_cuda_sees(by_uuid(asked, devices)), ()
    chosen = by_index(asked, devices)
    several = len({one.accelerator.name for one in devices if one.accelerator}) > 1
    if several and 0 < len(chosen) < len(devices) and environment.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        told = f"CUDA_VISIBLE_DEVICES={asked} counts the fastest GPU first, and which one that is only CUDA knows"
        return None, (Gap("accelerators", "failed", f"{told}: set CUDA_DEVICE_ORDER=PCI_BUS_ID"),)
    return as_cuda_sees(chosen), ()


def as_cuda_sees(devices: Sequence[Device]) -> Tuple[Accelerator, ...]:
    """Where there is a MIG instance, the first one is all that CUDA sees.
    https://docs.nvidia.com/datacenter/tesla/mig-user-guide/ (CUDA device enumeration)
    """
    slices = [one for device in devices for one in device.slices or ()]
    if slices:
        return (slices[0],)
    return tuple(one.accelerator for one in devices if one.accelerator and one.slices is None)


def by_index(asked: str, devices: Sequence[Device]) -> List[Device]:
    """As strtoul reads numbers: ``1gpu`` is 1. What is no device's hides all that follow; one named twice, all."""
    indices: List[int] = []
    for one in asked.split(","):
        number = INDEX.match(one)
        index = int(number.group(1)) if number else len(devices)
        if index in indices:
            return []
        if index >= len(devices):
            break
        indices.append(index)
    return [devices[index] for index in indices]


def by_uuid(asked: str, devices: Sequence[Device]) -> List[Device]:
    """The beginning of a UUID is enough where one device alone has it. As above, a wrong one hides all that follow."""
    every = [Device(one.accelerator, one.slices) for one in devices]
    every += [Device(part, (part,)) for one in devices for part in one.slices or ()]
    chosen: List[Device] = []
    for one in asked.split(","):
        wanted = one.strip()
        found = [device for device in every if has_uuid(device.accelerator, wanted)]
        if len(found) == 1 and found[0] in chosen:
            return []
        if len(found) != 1 or not wanted.startswith(asked[:4]):
            break
        chosen += found
    return chosen


def has_uuid(accelerator: Optional[Accelerator], wanted: str) -> bool:
    return bool(accelerator and accelerator.uuid and accelerator.uuid.startswith(wanted))
