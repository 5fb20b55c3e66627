"""What the NVIDIA driver tells of its GPUs, and a gap for each thing that it does not tell."""

from __future__ import annotations

import os
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import msgspec

from card_doctor.environment.hardware import WITH_GPU, Found, Surroundings, read, surroundings
from card_doctor.environment.hardware.visible import Device, visible
from card_doctor.environment.process import kill, signal_name
from card_doctor.model import Accelerator, Gap

PROGRAM = Path(__file__).with_name("nvml.py")
WSL_LIBRARIES = "/usr/lib/wsl/lib"  # a distribution's own library may be found first, and knows no driver
MOST_MEMORY = 2**44  # bytes; 16 TiB is no GPU's memory
VERSION = re.compile(r"\b\d{2,4}\.\d{1,4}(?:\.\d{1,4})?\b")
# What to do about the errors that people meet, by NVML's numbers.
ADVICE = {
    4: "no permission to ask the driver",
    9: "the driver is not loaded",
    12: "libnvidia-ml.so.1 is not found",
    15: "the GPU fell off the bus: reboot",
    18: "the driver's library and the loaded kernel module are of different versions: reboot after an update of it",
}
# The driver is on the host of a container; that of WSL is Windows's: https://docs.nvidia.com/cuda/wsl-user-guide
ON_WINDOWS = "install or update NVIDIA's driver on Windows, never one in WSL, and then `wsl --shutdown`"
WAYS_OUT: Dict[Tuple[int, Surroundings], str] = {
    (9, "machine"): "`sudo modprobe nvidia`, or reboot after an update of it",
    (9, "WSL"): ON_WINDOWS,
    (9, "container"): f"load it on the host (`nvidia-smi` there), {WITH_GPU}",
    (12, "machine"): "install the driver",
    (12, "WSL"): ON_WINDOWS,
    (12, "container"): WITH_GPU,
}
FACTS = {"name": "name", "uuid": "UUID", "memory": "memory", "capability": "compute capability"}


class Slice(msgspec.Struct, tag="instance"):
    """A part of a GPU that is a device of its own (MIG)."""

    index: int
    failed: Dict[str, str]
    lacking: Dict[str, str]
    name: Optional[str] = None
    uuid: Optional[str] = None
    memory: Optional[Tuple[int, int]] = None  # total, free


class Gpu(Slice, tag="gpu"):
    capability: Optional[Tuple[int, int]] = None
    ecc: Optional[bool] = None
    mig: bool = False


class System(msgspec.Struct, tag="system"):
    failed: Dict[str, str]
    driver: Optional[str] = None
    cuda: Optional[int] = None
    count: Optional[int] = None


class Lost(msgspec.Struct, tag="lost"):
    index: int
    code: int
    text: str


class Failed(msgspec.Struct, tag="failed"):
    code: int
    text: str


class End(msgspec.Struct, tag="end"):
    pass


Line = Union[System, Gpu, Slice, Lost, Failed, End]


class Said(NamedTuple):
    """What `nvml.py` said until it ended with `code`, or was stopped after `limit` seconds (None)."""

    lines: bytes
    code: Optional[int]
    limit: float


def read_nvidia(timeout: float) -> Found:
    said = ask_driver(timeout)
    if isinstance(said, Gap):
        driver, _ = driver_of(None, [], Path("/"))
        return driver, None, None, (said,)
    return understand(said, Path("/"), os.environ)


def understand(said: Said, root: Path, environment: Mapping[str, str]) -> Found:
    """What a driver told of the machine with these files and variables."""
    lines = understood(said.lines)
    system = next((one for one in lines if isinstance(one, System)), None)
    gaps: List[Gap] = []
    driver, driver_cuda = driver_of(system, gaps, root)
    broken = broken_off(said, lines, root)
    if broken:
        return driver, driver_cuda, None, (*gaps, broken)
    if system is None or system.count is None:
        told = system.failed.get("count", "") if system else "no answer"
        gaps.append(Gap("accelerators", "failed", f"the driver does not tell how many GPUs it has: {told}"))
        return driver, driver_cuda, None, tuple(gaps)
    slices = [one for one in lines if type(one) is Slice]
    devices = [device_of(one, slices, gaps, root) for one in lines if isinstance(one, (Gpu, Lost))]
    if not devices:
        told = "the NVIDIA driver is loaded and has no GPU: was it passed to this container or virtual machine?"
        gaps.append(Gap("accelerators", "absent", told))
    if devices and not any(device.accelerator for device in devices):
        return driver, driver_cuda, None, tuple(gaps)
    accelerators, hidden = visible(devices, environment)
    return driver, driver_cuda, accelerators, (*gaps, *hidden)


def ask_driver(timeout: float) -> Union[Said, Gap]:
    """What `nvml.py` says in a process of its own, or why it can't be started."""
    from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired  # noqa: PLC0415

    found = PathFinder.find_spec("pynvml")
    if found is None or found.origin is None:
        return Gap("accelerators", "failed", "nvidia-ml-py is not installed: `pip install nvidia-ml-py`")
    folder = Path(found.origin).parents[1 if found.submodule_search_locations else 0]
    # Without site (-S), to start quickly: it imports one module of one folder.
    command = [sys.executable, "-I", "-S", str(PROGRAM), str(folder)]
    try:
        process = Popen(
            command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=loader_environment(), start_new_session=True
        )
    except OSError as error:
        return Gap("accelerators", "failed", f"no process can be started to ask the driver: {error.strerror}")
    assert process.stdout is not None  # noqa: S101  for the type checker
    with process.stdout:
        try:
            said, _ = process.communicate(timeout=timeout)
        except TimeoutExpired as expired:
            kill(process)
            return Said(expired.output or b"", None, timeout)
    return Said(said, process.returncode, timeout)


def broken_off(said: Said, lines: Sequence[Line], root: Path) -> Optional[Gap]:
    """Why it did not answer in full."""
    if said.code is None:
        gpus = [one.index for one in lines if isinstance(one, Gpu)]
        after = f" after it told of GPU {gpus[-1]}" if gpus else ""
        told = f"the NVIDIA driver did not answer within {said.limit:g} seconds{after}"
        return Gap("accelerators", "timeout", told)
    failed = next((one for one in lines if isinstance(one, Failed)), None)
    if failed:
        return Gap("accelerators", "failed", error_of(failed, root))
    if not any(isinstance(one, End) for one in lines):
        code = said.code
        ended = f"crashed with {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        return Gap("accelerators", "failed", f"asking the NVIDIA driver {ended}")
    return None


def loader_environment() -> Dict[str, str]:
    environment = dict(os.environ)
    if Path("/dev/dxg").exists():
        told = environment.get("LD_LIBRARY_PATH")
        environment["LD_LIBRARY_PATH"] = f"{WSL_LIBRARIES}:{told}" if told else WSL_LIBRARIES
    return environment


def understood(said: bytes) -> List[Line]:
    """What it was killed in the middle of is no line."""
    return [msgspec.json.decode(line, type=Line) for line in said.split(b"\n")[:-1]]


def error_of(failure: Union[Failed, Lost], root: Path = Path("/")) -> str:
    way_out = WAYS_OUT.get((failure.code, surroundings(root)))
    told = f"NVML error {failure.code}: {ADVICE.get(failure.code, failure.text)}"
    return f"{told}: {way_out}" if way_out else told


def driver_of(system: Optional[System], gaps: List[Gap], root: Path) -> Tuple[Optional[str], Optional[str]]:
    """The driver's version, by the kernel where its library does not tell, and the newest CUDA that it runs."""
    told = system.driver if system else None
    driver: Optional[str] = told if told and VERSION.fullmatch(told) else None
    if driver is None:
        by_kernel = VERSION.search(read(root / "proc/driver/nvidia/version").decode("ascii", "replace"))
        driver = by_kernel.group() if by_kernel else None
        if driver is None and system is not None:
            gaps.append(Gap("driver", "failed", system.failed.get("driver") or f"{told!r} is no version"))
    if system is None or system.cuda is None:
        return driver, None
    if not 1000 <= system.cuda < 100_000:  # 1000 * major + 10 * minor
        gaps.append(Gap("CUDA of the driver", "failed", f"{system.cuda} is no version"))
        return driver, None
    return driver, f"{system.cuda // 1000}.{system.cuda % 1000 // 10}"


def device_of(gpu: Union[Gpu, Lost], slices: Sequence[Slice], gaps: List[Gap], root: Path) -> Device:
    if isinstance(gpu, Lost):
        gaps.append(Gap(f"gpu {gpu.index}", "failed", error_of(gpu, root)))
        return Device(None)
    whole = accelerator_of(gpu, "NVIDIA GPU", gaps)
    capability = gpu.capability
    if capability and not (1 <= capability[0] < 100 and 0 <= capability[1] < 10):
        told = "{}.{} is none".format(*capability)
        gaps.append(Gap(f"gpu {gpu.index} {FACTS['capability']}", "failed", told))
        capability = None
    facts = {"capability": "{}.{}".format(*capability) if capability else None, "ecc": gpu.ecc}
    whole = msgspec.structs.replace(whole, **facts)
    if not gpu.mig:
        return Device(whole)
    parts = [accelerator_of(one, f"{whole.name} MIG", gaps) for one in slices if one.index == gpu.index]
    return Device(whole, tuple(msgspec.structs.replace(part, **facts, mig=True) for part in parts))


def accelerator_of(gpu: Slice, unnamed: str, gaps: List[Gap]) -> Accelerator:
    """What a whole GPU and a slice of one have in common."""

    def gap(fact: str, told: str) -> None:
        gaps.append(Gap(f"gpu {gpu.index} {fact}", "failed", told))

    for fact, told in gpu.failed.items():
        gap(FACTS[fact], told)
    gaps += [Gap(f"gpu {gpu.index} {FACTS[fact]}", "absent", told) for fact, told in gpu.lacking.items()]
    name = plain(gpu.name)
    if gpu.name is not None and not name:
        gap("name", f"{gpu.name!r} is none")
    total, free = gpu.memory or (None, None)
    if total is not None and not 0 < total < MOST_MEMORY:
        gap("memory", f"{total} bytes")
        total = free = None
    if total is not None and free is not None and free > total:
        gap("free memory", f"{free} of {total} bytes")
        free = None
    return Accelerator(name or unnamed, memory_bytes=total, memory_free_bytes=free, uuid=plain(gpu.uuid) or None)


def plain(told: Optional[str]) -> str:
    return "".join(filter(str.isprintable, told or "")).strip()
