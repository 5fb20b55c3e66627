from __future__ import annotations

from pathlib import Path
from typing import Callable, Union

import pytest


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Writes a file and tells its path."""

    def write(content: Union[str, bytes], name: str = "some.file") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write
