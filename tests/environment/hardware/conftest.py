"""A driver's library to ask: compiled from stand_in.c, found by the loader, asked through the real nvidia-ml-py."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from stand_in import build


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


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
