"""GPUs of this machine, without torch: NVIDIA's through NVML, AMD's from sysfs, as CUDA_VISIBLE_DEVICES leaves them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Literal, Optional, Tuple

from card_doctor.model import Accelerator, Gap

__all__ = ["read_hardware"]

Found = Tuple[Optional[str], Optional[str], Optional[Tuple[Accelerator, ...]], Tuple[Gap, ...]]

LIBRARY = "libnvidia-ml.so.1"
# The driver's module, its device, WSL's device, Jetson's system.
SIGNS = ("proc/driver/nvidia/version", "dev/nvidiactl", "dev/dxg", "etc/nv_tegra_release")
Surroundings = Literal["container", "WSL", "machine"]

# What Docker, Podman, Kubernetes and systemd-nspawn leave in a container, and the names of its cgroups (v1).
CONTAINER_SIGNS = (
    ".dockerenv", "run/.containerenv", "run/systemd/container", "var/run/secrets/kubernetes.io/serviceaccount",
)  # fmt: skip
CONTAINER_GROUPS = re.compile(rb"/(?:docker|kubepods|containerd|libpod|lxc)\b")
# What else is read of a Linux, here and in host.py and amd.py: what another machine is asked for.
FILES = (
    "dev/kfd", "proc/1/cgroup", "proc/bus/pci/devices", "proc/cpuinfo", "proc/meminfo", "proc/sys/kernel/osrelease",
    "sys/fs/cgroup/memory.*", "sys/fs/cgroup/memory/memory.*_in_bytes",
    "sys/class/kfd/kfd/topology/nodes/[0-9]*/properties",
    "sys/class/kfd/kfd/topology/nodes/[0-9]*/mem_banks/*/properties",
)  # fmt: skip
WITH_GPU = "install the NVIDIA Container Toolkit on the host, and start it with `docker run --gpus all`"
NVIDIA_ON_PCI = re.compile(rb"^[0-9a-f]{4}\t10de", re.MULTILINE)  # bus and device, then the vendor's number


def read_hardware(timeout: float) -> Found:
    """Driver, the newest CUDA that it runs, the GPUs that training will see (None: unknown, empty: none), and gaps.
    `timeout` in seconds is for a driver that hangs; a machine without one is not asked.
    """
    if sys.platform == "darwin":
        has_mps = os.uname().machine == "arm64"
        return None, None, (Accelerator("Apple GPU", kind="mps"),) if has_mps else (), ()
    if may_have_driver():
        from card_doctor.environment.hardware.nvidia import read_nvidia  # noqa: PLC0415

        return read_nvidia(timeout)
    from card_doctor.environment.hardware.amd import read_amd  # noqa: PLC0415

    accelerators, gaps = read_amd()
    return None, None, accelerators, (*without_driver(), *gaps)


def may_have_driver(root: Path = Path("/")) -> bool:
    """A look at a few files: asking the driver costs a hundred times more."""
    if os.name == "nt":
        return (Path(os.environ.get("WINDIR", "C:/Windows")) / "System32" / "nvml.dll").exists()
    if any((root / sign).exists() for sign in SIGNS):
        return True
    told = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return any(Path(one, LIBRARY).exists() for one in told if one) or LIBRARY.encode() in read(root / "etc/ld.so.cache")


def without_driver(root: Path = Path("/")) -> Tuple[Gap, ...]:
    """A GPU that nothing here drives is none for training, but worth a word."""
    if NVIDIA_ON_PCI.search(read(root / "proc/bus/pci/devices")):
        told = "an NVIDIA GPU is on the PCI bus, but no driver of NVIDIA's is "
        told += f"in this container: {WITH_GPU}" if surroundings(root) == "container" else "installed"
        return (Gap("driver", "absent", told),)
    return ()


def surroundings(root: Path = Path("/")) -> Surroundings:
    """What this system runs in: a driver is got into each in another way. A container in WSL is a container."""
    groups = read(root / "proc/1/cgroup")
    if any((root / sign).exists() for sign in CONTAINER_SIGNS) or CONTAINER_GROUPS.search(groups):
        return "container"
    release = read(root / "proc/sys/kernel/osrelease").lower()
    return "WSL" if b"microsoft" in release else "machine"


def read(path: Path) -> bytes:
    """A file of the system, empty where it is not there."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
