"""Where matrices are."""

from __future__ import annotations

from pathlib import Path
from typing import List


def shipped() -> Path:
    """Our own: inside the package where it was installed from a wheel, else at the top of the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "matrices"
    return installed if installed.is_dir() else package.parents[1] / "matrices"


def toml_files(directory: Path, kind: str) -> List[Path]:
    """The files of one kind ("hazards") in a directory of matrices, in a stable order."""
    return sorted((directory / kind).glob("*.toml"))
