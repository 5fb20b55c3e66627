from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def load_tool(monkeypatch):
    """A tool that reads wheels from the index, by its name."""
    pytest.importorskip("tomllib", reason="the tool is for Python 3.11 and newer")
    pytest.importorskip("pypi_simple", reason="the tool's own requirements are not installed")
    pytest.importorskip("remotezip", reason="the tool's own requirements are not installed")

    def load(name):
        monkeypatch.syspath_prepend(str(TOOLS))
        spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)  # its processes look for it there
        spec.loader.exec_module(module)
        return module

    return load
