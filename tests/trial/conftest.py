from __future__ import annotations

import pytest


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Puts modules of those sources on the path of every interpreter that the test starts."""

    def write(**sources: str) -> None:
        folder = tmp_path / "packages"
        folder.mkdir(exist_ok=True)
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return write


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Where temporary folders are made; none is left."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    assert list(folder.glob("card-doctor-*")) == []
