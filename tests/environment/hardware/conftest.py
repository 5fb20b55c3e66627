"""A driver's library to ask: compiled from stand_in.c, found by the loader, asked through the real nvidia-ml-py."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Callable

import pytest

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if COMPILER is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    name = "libnvidia-ml.so.1"
    source = Path(__file__).with_name("stand_in.c")
    command = [COMPILER, "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), str(source)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def driver(library: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets up what the driver answers: its GPUs as in stand_in.c, and NVML_… by lower-case name."""
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library))

    def answers(*gpus: str, **settings: str) -> None:
        monkeypatch.setenv("NVML_GPUS", "|".join(gpus))
        for name, value in settings.items():
            monkeypatch.setenv(f"NVML_{name.upper()}", value)

    return answers
