"""What is compared of a snapshot, each fact as one text; and sizes, which are equal when they are nearly so."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from card_doctor.model import Accelerator, Host, Snapshot

PACKAGE = "package "  # how the name of a fact begins that is a distribution's version
VARIABLE = "variable "  # and one of the environment
VARIABLES = "environment variables"  # the fact that they were not read
NEARLY = 1.05  # two nodes of one kind differ by what firmware and kernel keep for themselves
SIZES = ("GPU memory", "memory", "shared memory")
OF_GPUS = ("GPU models", "compute capability", "GPU memory")  # a node without a GPU has none, and `GPUs` says so
NOT_KNOWN = "not known"
LOST = re.compile(r"gpu \d+")  # the gap of a whole GPU
MOST_BYTES = 2**60  # more is nobody's memory, but a damaged snapshot

Facts = Mapping[str, Optional[str]]
Sizes = Tuple[Optional[int], ...]


def facts_of(snapshot: Snapshot) -> Facts:
    """Names and values; None is absent, `NOT_KNOWN` is what could not be read."""
    python, platform, torch, gpus = snapshot.python, snapshot.platform, snapshot.torch, snapshot.accelerators
    facts: Dict[str, Optional[str]] = {
        "Python": f"{python.version}{'t' if python.free_threaded else ''}" if python else NOT_KNOWN,
        "platform": f"{platform.system} {platform.machine}" if platform else NOT_KNOWN,
        "libc": " ".join(platform.libc) if platform and platform.libc else NOT_KNOWN,
        "torch build": (torch.build or torch.cuda or torch.hip) if torch else None,
        "driver": snapshot.driver or _unread(snapshot, "driver"),
        "GPUs": _unread(snapshot, "accelerators") or NOT_KNOWN if gpus is None else str(len(gpus)),
        "lost GPUs": _lost(snapshot),
        "GPU models": " + ".join(sorted({gpu.name for gpu in gpus})) if gpus else None,
        "compute capability": _capabilities(gpus) if gpus else None,
    }
    for name, package in snapshot.packages.items():
        facts[PACKAGE + name] = package.version
    if snapshot.variables is None:
        facts[VARIABLES] = NOT_KNOWN
    for name, value in (snapshot.variables or {}).items():
        facts[VARIABLE + name] = _devices(value) if name.endswith("_VISIBLE_DEVICES") else value
    return facts


def _devices(value: str) -> str:
    """How many it names: which ones is each rank's own, and what it leaves is compared."""
    number = len(value.split(",")) if value.strip() else 0
    return f"of {number} device{'' if number == 1 else 's'}"


def sizes_of(snapshot: Snapshot) -> Sizes:
    """Bytes in the order of `SIZES`; the GPU's is that of the smallest."""
    gpus, host = snapshot.accelerators or (), snapshot.host or Host()
    memory = min((gpu.memory_bytes for gpu in gpus if gpu.memory_bytes is not None), default=None)
    sizes = (memory, host.memory_bytes, host.shared_memory_bytes)
    return tuple(size if size is not None and 0 < size < MOST_BYTES else None for size in sizes)


def levels(sizes: Sequence[Optional[int]]) -> Dict[Optional[int], Optional[str]]:
    """The text for each of them: those within 5 % of the smallest of their kind share one."""
    found: Dict[Optional[int], Optional[str]] = {None: None}
    least, text = 0, ""
    for size in sorted({size for size in sizes if size is not None}):
        if not text or size > least * NEARLY:
            least, text = size, f"{size / 2**30:.3g} GiB" if size < 2**30 * 100 else f"{size / 2**30:.0f} GiB"
        found[size] = text
    return found


def _unread(snapshot: Snapshot, fact: str) -> Optional[str]:
    """`NOT_KNOWN`, with why, where reading it went wrong."""
    gap = next((gap for gap in snapshot.gaps if gap.fact == fact and gap.reason in {"failed", "timeout"}), None)
    return f"{NOT_KNOWN} ({gap.reason})" if gap else None


def _lost(snapshot: Snapshot) -> Optional[str]:
    """GPUs that the driver has, and that do not answer."""
    lost = [f"{gap.fact}: {gap.detail}" for gap in snapshot.gaps if LOST.fullmatch(gap.fact) and gap.reason == "failed"]
    return "; ".join(lost) or None


def _capabilities(gpus: Sequence[Accelerator]) -> str:
    found: List[str] = sorted({gpu.capability or NOT_KNOWN for gpu in gpus})
    return ", ".join(found)
