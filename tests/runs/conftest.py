"""What a Trainer wrote in real runs (tools/train_runs.py), without weights."""

from __future__ import annotations

from pathlib import Path

import pytest

TRAINED = Path(__file__).parent / "trained"


@pytest.fixture
def trained() -> Path:
    return TRAINED
