"""Memory and disk of this machine, as far as this process may use them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterator, Optional, Tuple

from card_doctor.environment.hardware import read
from card_doctor.model import Host

# What decides how fast a CPU trains; of more than a hundred flags
CPU_FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16", "bf16")
UNLIMITED = 2**60  # cgroup v1 writes a number near 2**63 where nothing is limited


def read_host(root: Path = Path("/"), folder: Path = Path()) -> Host:
    total, free = _of_meminfo(root, "MemTotal"), _of_meminfo(root, "MemAvailable")
    for limit, used in _limits(root):
        total = min(limit, total or limit)
        free = min(max(0, limit - used), limit if free is None else free)
    return Host(total or _of_sysconf(), free, _of_disk(folder, free=True), _of_disk(root / "dev/shm"), _features(root))


def _features(root: Path) -> Optional[Tuple[str, ...]]:
    """As the kernel writes them: "flags" on x86, "Features" on Arm."""
    found = re.search(rb"^(?:flags|Features)[ \t]*:(.*)$", read(root / "proc/cpuinfo"), re.MULTILINE)
    if found is None:
        return None
    flags = set(found[1].decode("ascii", "replace").split())
    return tuple(one for one in CPU_FEATURES if one in flags)


def _of_meminfo(root: Path, name: str) -> Optional[int]:
    found = re.search(rb"^%s:\s+(\d+) kB" % name.encode(), read(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _limits(root: Path) -> Iterator[Tuple[int, int]]:
    """What a container may use, and uses: https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.max), and v1."""
    groups = root / "sys/fs/cgroup"
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        told, taken = read(groups / limit).strip(), read(groups / used).strip()
        if told.isdigit() and taken.isdigit() and int(told) < UNLIMITED:
            yield int(told), int(taken)


def _of_sysconf() -> Optional[int]:
    """Where there is no /proc."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _of_disk(folder: Path, *, free: bool = False) -> Optional[int]:
    try:
        import shutil  # noqa: PLC0415

        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free if free else usage.total
