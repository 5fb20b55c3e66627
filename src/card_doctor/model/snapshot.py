"""What an environment is: packages, interpreter, platform, torch build, hardware, and what could not be read."""

from __future__ import annotations

from typing import Dict, Literal, Optional, Tuple

import msgspec

GapReason = Literal["absent", "failed", "timeout", "not-asked"]
SourceKind = Literal[
    "interpreter", "snapshot", "pip-inspect", "pylock", "uv-lock", "requirements", "conda", "cyclonedx"
]


class Gap(msgspec.Struct, frozen=True):
    """A fact that could not be read, and why."""

    fact: str
    reason: GapReason
    detail: str = ""


class Python(msgspec.Struct, frozen=True):
    """An interpreter. `markers` are the PEP 508 environment markers as it computes them."""

    version: str
    implementation: str = "cpython"
    executable: Optional[str] = None
    markers: Dict[str, str] = {}
    search_path: Tuple[str, ...] = ()  # its sys.path, in order
    free_threaded: bool = False


class Platform(msgspec.Struct, frozen=True):
    """`system` as platform.system(), `machine` as platform.machine(); `libc` like ("glibc", "2.36")."""

    system: str
    machine: str
    libc: Optional[Tuple[str, str]] = None


class Package(msgspec.Struct, frozen=True, omit_defaults=True):
    """An installed distribution; `name` is PEP 503 normalised, `requires` is Requires-Dist as written."""

    name: str
    version: str
    requires: Tuple[str, ...] = ()
    extras: Tuple[str, ...] = ()
    requires_python: Optional[str] = None
    location: Optional[str] = None  # the folder on the search path that holds it
    info: Optional[str] = None  # its .dist-info or .egg-info inside that folder
    editable: bool = False
    url: Optional[str] = None  # PEP 610 direct URL, without credentials
    locked: Optional[Tuple[str, ...]] = None  # of a lock file: names of the wheels and archives to choose from


class TorchBuild(msgspec.Struct, frozen=True):
    """torch as built: `cuda` "10.2", `build` "cu102" or "cpu"; `architectures` None where not read."""

    version: str
    build: Optional[str] = None
    cuda: Optional[str] = None
    hip: Optional[str] = None
    architectures: Optional[Tuple[str, ...]] = None


class Accelerator(msgspec.Struct, frozen=True, omit_defaults=True):
    """One GPU. `capability` is CUDA's ("7.5"), None where it could not be read; `memory_bytes` is the total."""

    name: str
    kind: Literal["cuda", "rocm", "mps", "xpu"] = "cuda"
    capability: Optional[str] = None
    memory_bytes: Optional[int] = None
    memory_free_bytes: Optional[int] = None
    uuid: Optional[str] = None
    mig: bool = False
    ecc: Optional[bool] = None


class Host(msgspec.Struct, frozen=True, omit_defaults=True):
    """The machine around the GPU, in bytes, as far as this process may use it; None is not known. `disk_free_bytes` is
    of the current folder's file system, `shared_memory_bytes` the size of /dev/shm; `cpu_features` are the kernel's
    names of what its CPU can do for half precision ("avx512_bf16", "amx_bf16"), empty where it has none of them.
    """

    memory_bytes: Optional[int] = None
    memory_free_bytes: Optional[int] = None
    disk_free_bytes: Optional[int] = None
    shared_memory_bytes: Optional[int] = None
    cpu_features: Optional[Tuple[str, ...]] = None


class TriedStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step of training that was really done, in one precision on one device ("cuda:0", "cpu"). `difference` is the
    larger of the relative errors of loss and gradients against the same step in fp32; `seconds` are of one step.
    """

    device: str
    precision: str
    error: Optional[str] = None
    difference: Optional[float] = None
    tolerance: Optional[float] = None
    seconds: Optional[float] = None
    fp32_seconds: Optional[float] = None


class TorchAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """What torch says of itself when it is imported (`check --deep`); None is what it did not tell. `failed` is what
    the import ended in, `numpy` what handing a tensor to NumPy did; `warnings` are torch's own.
    """

    version: Optional[str] = None
    cuda: Optional[str] = None
    hip: Optional[str] = None
    architectures: Optional[Tuple[str, ...]] = None
    cudnn: Optional[str] = None
    nccl: Optional[str] = None
    cuda_available: Optional[bool] = None
    bf16_supported: Optional[bool] = None
    devices: Optional[Tuple[Accelerator, ...]] = None
    numpy: Optional[str] = None
    warnings: Tuple[str, ...] = ()
    seconds: Optional[float] = None  # that the import took
    failed: Optional[str] = None
    steps: Tuple[TriedStep, ...] = ()


class Snapshot(msgspec.Struct, frozen=True):
    """An environment at one moment. `complete` is False where a package not named may still be there
    (a requirements file). `accelerators` None means unknown; empty means that there is none. `variables` are those of
    its environment that a run over several machines depends on (NCCL_DEBUG, CUDA_VISIBLE_DEVICES); None: not read.
    """

    source: SourceKind
    schema: str = "card-doctor/snapshot/1"
    path: Optional[str] = None
    complete: bool = True
    python: Optional[Python] = None
    platform: Optional[Platform] = None
    packages: Dict[str, Package] = {}
    torch: Optional[TorchBuild] = None
    driver: Optional[str] = None
    driver_cuda: Optional[str] = None
    accelerators: Optional[Tuple[Accelerator, ...]] = None
    host: Optional[Host] = None
    account: Optional[TorchAccount] = None  # None: torch was not imported
    variables: Optional[Dict[str, str]] = None
    gaps: Tuple[Gap, ...] = ()
