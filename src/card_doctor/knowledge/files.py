"""Where matrices are, and what stands in them."""

from __future__ import annotations

from pathlib import Path
from typing import List, Type, TypeVar

import msgspec

from card_doctor.errors import MatrixError

T = TypeVar("T")


def shipped() -> Path:
    """Our own: inside the package where it was installed from a wheel, else at the top of the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "matrices"
    return installed if installed.is_dir() else package.parents[1] / "matrices"


def toml_files(directory: Path, kind: str) -> List[Path]:
    """The files of one kind ("hazards") in a directory of matrices, in a stable order."""
    return sorted((directory / kind).glob("*.toml"))


def decoded(path: Path, content: bytes, kind: Type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise MatrixError(f"{path}: {error}") from None
