"""Samples the GPUs as the NVIDIA driver tells of them, in a process of its own, as `environment/hardware/nvml.py`, and
for the same reason. A line of JSON a sample, at once, until standard input ends. Arguments: the folder of nvidia-ml-py,
and the seconds between two samples.
"""

from __future__ import annotations

import json
import os
import select
import sys
from typing import Any, Callable, Dict, List, Optional

# https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksThrottleReasons.html
POWER = 0x4 | 0x80  # by its power cap in software, and by the power brake in hardware
THERMAL = 0x20 | 0x40  # in software, in hardware


def asked(question: Callable[..., Any], *about: Any) -> Any:
    """None where it is not told: this GPU has no such sensor, or this driver no such function."""
    try:
        return question(*about)
    except Exception:  # noqa: BLE001
        return None


def described(nvml: Any, handle: Any) -> Dict[str, Any]:
    memory = asked(nvml.nvmlDeviceGetMemoryInfo, handle)
    limit = asked(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    name = asked(nvml.nvmlDeviceGetName, handle)
    return {
        "name": name.decode("utf-8", "replace") if isinstance(name, bytes) else name or "NVIDIA GPU",
        "memory_bytes": memory.total if memory else None,
        "power_limit": limit / 1000 if limit else None,
    }


def sample(nvml: Any, handle: Any) -> Dict[str, Any]:
    busy = asked(nvml.nvmlDeviceGetUtilizationRates, handle)
    memory = asked(nvml.nvmlDeviceGetMemoryInfo, handle)
    power = asked(nvml.nvmlDeviceGetPowerUsage, handle)
    reasons = asked(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
    return {
        "busy": busy.gpu if busy else None,
        "memory_bytes": memory.used if memory else None,
        "power": power / 1000 if power is not None else None,
        "temperature": asked(nvml.nvmlDeviceGetTemperature, handle, 0),
        "slowed": [name for name, mask in (("thermal", THERMAL), ("power", POWER)) if reasons & mask],
    }


def handles_of(nvml: Any) -> List[Any]:
    found: List[Optional[Any]] = [
        asked(nvml.nvmlDeviceGetHandleByIndex, index) for index in range(asked(nvml.nvmlDeviceGetCount) or 0)
    ]
    return [one for one in found if one is not None]


def main() -> None:
    out = os.fdopen(os.dup(1), "w")  # the driver's library may print what it likes
    os.dup2(2, 1)
    sys.path.append(sys.argv[1])
    import pynvml  # noqa: PLC0415

    pynvml.nvmlInit()
    handles = handles_of(pynvml)
    out.write(json.dumps([described(pynvml, one) for one in handles]) + "\n")
    while handles:
        out.write(json.dumps([sample(pynvml, one) for one in handles]) + "\n")
        out.flush()
        if select.select([0], [], [], float(sys.argv[2]))[0]:
            return
    out.flush()


if __name__ == "__main__":
    main()
