"""Asks the NVIDIA driver about its GPUs. Runs in a process of its own (`nvidia.py` starts it): a driver may hang where
no signal reaches it, or crash whoever asks. Standard library and nvidia-ml-py alone; each answer is a line of JSON,
said at once, so that what came before a GPU that hangs is known.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Callable, Dict, List, TextIO

# NVML's "not supported" by this GPU (3) and "no such function" in this driver (13): answers, not failures
LACKING = (3, 13)


class Voice:
    """Standard output, taken from the driver's library, which may print what it likes."""

    def __init__(self) -> None:
        self.out: TextIO = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, kind: str, **facts: Any) -> None:
        self.out.write(json.dumps({"type": kind, **facts}) + "\n")
        self.out.flush()


class Answers:
    """The facts that were given, and why others were not: one that fails costs itself alone."""

    def __init__(self) -> None:
        self.facts: Dict[str, Any] = {}
        self.failed: Dict[str, str] = {}
        self.lacking: Dict[str, str] = {}

    def ask(self, fact: str, question: Callable[..., Any], *about: Any) -> Any:
        try:
            self.facts[fact] = question(*about)
        except Exception as error:  # noqa: BLE001  a name that is not UTF-8 is no NVMLError
            what = self.lacking if getattr(error, "value", None) in LACKING else self.failed
            what[fact] = str(error)
        return self.facts.get(fact)

    def tell(self, voice: Voice, kind: str, **more: Any) -> None:
        voice.say(kind, **self.facts, failed=self.failed, lacking=self.lacking, **more)


def look(nvml: Any, voice: Voice) -> None:
    system = Answers()
    system.ask("driver", nvml.nvmlSystemGetDriverVersion)
    system.ask("cuda", nvml.nvmlSystemGetCudaDriverVersion_v2)
    count = system.ask("count", nvml.nvmlDeviceGetCount)
    system.tell(voice, "system")
    for index in range(count or 0):
        look_at(nvml, voice, index)


def look_at(nvml: Any, voice: Voice, index: int) -> None:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError as error:
        voice.say("lost", index=index, code=error.value, text=str(error))
        return
    gpu = described(nvml, handle)
    gpu.ask("capability", nvml.nvmlDeviceGetCudaComputeCapability, handle)
    modes = Answers()  # most GPUs have neither: not worth a word
    ecc = modes.ask("ecc", nvml.nvmlDeviceGetEccMode, handle)  # now, and after the next reset
    mig = modes.ask("mig", nvml.nvmlDeviceGetMigMode, handle)
    gpu.tell(voice, "gpu", index=index, ecc=bool(ecc[0]) if ecc else None, mig=bool(mig and mig[0]))
    if mig and mig[0]:
        for place in range(modes.ask("places", nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
            instance = Answers().ask("instance", nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place)
            if instance:  # places are not filled in order
                described(nvml, instance).tell(voice, "instance", index=index)


def described(nvml: Any, handle: Any) -> Answers:
    gpu = Answers()
    gpu.ask("name", nvml.nvmlDeviceGetName, handle)
    gpu.ask("uuid", nvml.nvmlDeviceGetUUID, handle)
    gpu.ask("memory", memory, nvml, handle)
    return gpu


def memory(nvml: Any, handle: Any) -> List[int]:
    told = nvml.nvmlDeviceGetMemoryInfo(handle)
    return [told.total, told.free]


def main() -> None:
    voice = Voice()
    sys.path.append(sys.argv[1])
    import pynvml  # noqa: PLC0415

    try:
        pynvml.nvmlInit()
        look(pynvml, voice)
    except pynvml.NVMLError as error:
        voice.say("failed", code=error.value, text=str(error))
    voice.say("end")


if __name__ == "__main__":
    main()
