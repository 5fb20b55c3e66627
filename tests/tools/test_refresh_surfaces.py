from __future__ import annotations

import io
import sys
import zipfile

import msgspec
import pytest

from card_doctor.knowledge.takes import Read, Unasked
from card_doctor.model import Take
from local_index import File, serve


@pytest.fixture
def tool(load_tool, monkeypatch):
    module = load_tool("refresh_surfaces")
    # Of those that are known, the wheels that are made here.
    there = {"evaluate": ["0.4.2"], "huggingface-hub": ["0.36.0", "1.2.3"]}
    monkeypatch.setattr(module, "releases_of", lambda knowledge, name: there[name])
    return module


def wheel(project: str, version: str, files: dict) -> File:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    name = f"{project.replace('-', '_')}-{version}-py3-none-any.whl"
    return File(project, name, written.getvalue(), "2024-01-01")


IMPORTER = """
import pkg_resources
from huggingface_hub import HfFolder, HfApi
try:
    from huggingface_hub import lost
except ImportError:
    lost = None
"""
FILES = [
    wheel("evaluate", "0.4.2", {"evaluate/__init__.py": IMPORTER}),
    wheel("huggingface-hub", "0.36.0", {"huggingface_hub/__init__.py": "class HfFolder: ...\nclass HfApi: ..."}),
    wheel("huggingface-hub", "1.2.3", {"huggingface_hub/__init__.py": "class HfApi: ..."}),
]


def test_what_one_release_takes_and_another_lacks(tool, tmp_path, monkeypatch):
    arguments = ["--work", str(tmp_path / "work"), "--to", str(tmp_path / "to"), "--processes", "1"]
    arguments += ["--importers", "evaluate", "--providers", "huggingface-hub"]
    monkeypatch.setattr(sys, "argv", ["refresh_surfaces.py", *arguments])
    (tmp_path / "to").mkdir()
    with serve(*FILES) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        assert tool.main() == 0
    lines = (tmp_path / "to/huggingface-hub.jsonl").read_bytes().splitlines()
    where = {"evaluate/__init__.py": ["0.4.2:3"]}
    assert [msgspec.json.decode(line, type=Take) for line in lines] == [
        Take("evaluate", "huggingface_hub", "", (), where, where),
        Take("evaluate", "huggingface_hub", "HfFolder", ("1.2.3",), where, where),
    ]
    read = msgspec.json.decode((tmp_path / "to/read.json").read_bytes(), type=Read)
    assert {"evaluate", "huggingface-hub", "setuptools"} < set(read.sought)
    assert read.importers == {"evaluate": {"0.4.2": ("huggingface-hub", "setuptools")}}
    assert read.providers == {"huggingface-hub": ("0.36.0", "1.2.3")}
    unasked = Unasked("setuptools", "pkg_resources", "evaluate/__init__.py", 2)
    assert read.unasked == {"evaluate": {"0.4.2": (unasked,)}}
    # What was read is not asked again: there is no index any more.
    before = (tmp_path / "to/read.json").read_bytes()
    assert tool.main() == 0
    assert (tmp_path / "to/read.json").read_bytes() == before
