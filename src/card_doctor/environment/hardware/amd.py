"""AMD's GPUs, from what the kernel's driver tells: https://docs.kernel.org/gpu/amdgpu/ (KFD topology)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Mapping, Tuple

from card_doctor.environment.hardware import read
from card_doctor.model import Accelerator, Gap

IN_GPU = {1, 2}  # heap_type of a bank of memory: public and private of the GPU's own
HIDING = ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def read_amd(
    root: Path = Path("/"), environment: Mapping[str, str] = os.environ
) -> Tuple[Tuple[Accelerator, ...], Tuple[Gap, ...]]:
    if not (root / "dev/kfd").exists():
        return (), ()
    found: List[Accelerator] = []
    nodes = (root / "sys/class/kfd/kfd/topology/nodes").glob("[0-9]*")
    for node in sorted(nodes, key=lambda path: int(path.name)):
        facts = numbers(node / "properties")
        if not facts.get("simd_count"):  # a CPU
            continue
        target = facts.get("gfx_target_version", 0)  # 90010 is gfx90a
        banks = [numbers(bank) for bank in node.glob("mem_banks/*/properties")]
        memory = sum(bank.get("size_in_bytes", 0) for bank in banks if bank.get("heap_type") in IN_GPU)
        name = f"AMD gfx{target // 10000}{target // 100 % 100:x}{target % 100:x}"
        found.append(Accelerator(name, kind="rocm", memory_bytes=memory or None))
    gaps = [
        Gap("accelerators", "not-asked", f"{one} is set, and not applied here") for one in HIDING if one in environment
    ]
    return tuple(found), tuple(gaps)


def numbers(path: Path) -> Dict[str, int]:
    """``name value`` lines."""
    pairs = (line.split() for line in read(path).decode("ascii", "replace").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
