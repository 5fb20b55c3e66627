from __future__ import annotations

import io
import sys
import zipfile

import msgspec
import pytest

from card_doctor.knowledge.enforced import Insists, Stop
from local_index import File, serve


@pytest.fixture
def tool(load_tool, monkeypatch):
    module = load_tool("refresh_enforced")
    monkeypatch.setattr(module, "releases_of", lambda knowledge, name: ["0.4.1", "0.4.2"])
    return module


def wheel(version: str, source: str) -> File:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("evaluate/__init__.py", source)
    return File("evaluate", f"evaluate-{version}-py3-none-any.whl", written.getvalue(), "2024-01-01")


# By the module's own version, by the metadata, both bounds in one text; and what it catches, looks at alone, or does
# not declare.
SOURCE = """
import numpy as np
import importlib.metadata
from packaging.version import Version

if Version(np.__version__) < Version("1.17.3"):
    raise ImportError("too old")
if Version(importlib.metadata.version("pandas")) >= Version("3"):
    raise ImportError("too new")
installed = importlib.metadata.version("dill")
if not Version("0.3.1") <= Version(installed) < Version("0.4"):
    raise ImportError(f"dill>=0.3.1,<0.4 is required, but found dill=={installed}")
try:
    if Version(importlib.metadata.version("tqdm")) < Version("4.62"):
        raise ImportError("caught")
except ImportError:
    pass
if Version(importlib.metadata.version("fsspec")) < Version("2021"):
    OLD = True
if Version(importlib.metadata.version("safetensors")) < Version("9000"):
    raise ImportError("of its day, it is older")
"""


def test_what_a_release_insists_on(tool, tmp_path, monkeypatch):
    arguments = ["--work", str(tmp_path), "--to", str(tmp_path / "to.json"), "--processes", "1", "evaluate"]
    monkeypatch.setattr(sys, "argv", ["refresh_enforced.py", *arguments])
    with serve(wheel("0.4.1", ""), wheel("0.4.2", SOURCE)) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        assert tool.main() == 0
    told = msgspec.json.decode((tmp_path / "to.json").read_bytes(), type=dict[str, list[Insists]])
    file = "evaluate/__init__.py"
    asked = ((7, "numpy>=1.17.3"), (9, "pandas<3"), (12, "dill>=0.3.1,<0.4"))
    stops = tuple(Stop(file, line, (text,)) for line, text in asked)
    assert told == {"evaluate": [Insists((), ("0.4.1",)), Insists(stops, ("0.4.2",))]}
    # What was read is not asked again: there is no index any more.
    before = (tmp_path / "to.json").read_bytes()
    assert tool.main() == 0
    assert (tmp_path / "to.json").read_bytes() == before
