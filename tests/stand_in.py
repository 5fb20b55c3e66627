"""A driver's library to ask: compiled from environment/hardware/stand_in.c, which says what its variables mean."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Union

import pytest

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
LIBRARY = "libnvidia-ml.so.1"


def build(folder: Path) -> Path:
    """`folder`, with the library in it: to be put on LD_LIBRARY_PATH."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    source = Path(__file__).parent / "environment" / "hardware" / "stand_in.c"
    command = [COMPILER, "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}", "-o", str(folder / LIBRARY), str(source)]
    subprocess.run(command, check=True)
    return folder


def h100(index: int, **facts: Union[int, str]) -> str:
    """One GPU of NVML_GPUS."""
    told = {"name": "NVIDIA H100 80GB HBM3", "uuid": f"GPU-{index}", "cc": 90, "total": 85520809984, **facts}
    return ";".join(f"{key}={value}" for key, value in told.items())
