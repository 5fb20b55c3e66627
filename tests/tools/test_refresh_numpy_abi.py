from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from card_doctor.knowledge.numpy_abi import CompiledFor
from card_doctor.model import NumpyApi
from compiled import NUMPY_1, NUMPY_2, compiled, on_x86_64
from local_index import File, serve


@pytest.fixture
def tool(load_tool):
    return load_tool("refresh_numpy_abi")


def wheel(version: str, tag: str, *libraries: Path) -> File:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path in libraries:
            archive.writestr(f"spam/{path.name}", path.read_bytes())
        archive.writestr("spam/libdata.so", b"what a library of no concern holds: not even ELF")
    name = f"spam-{version}-{tag}-manylinux_2_17_x86_64.whl"
    return File("spam", name, written.getvalue(), "2024-01-01")


@on_x86_64
def test_of_each_series_the_ends_and_where_these_differ_what_lies_between(tool, tmp_path, monkeypatch):
    old = compiled(tmp_path / "a.cpython-39-x86_64-linux-gnu.so", NUMPY_1, "-O2", FEATURE="0xe")
    new = compiled(tmp_path / "libspam_python.so.1", NUMPY_2, TARGET="1.22")
    files = [wheel(f"1.0.{patch}", "cp39-cp39", old) for patch in range(4)]
    files += [wheel(f"2.0.{patch}", "cp39-cp39", new if patch > 2 else old) for patch in range(5)]
    files += [wheel("2.0.4", "cp313-cp313t", new), wheel("2.1.0", "cp39-cp39")]
    monkeypatch.setattr(sys, "argv", ["refresh", "--work", str(tmp_path), "--to", str(tmp_path / "to.json"), "spam"])
    with serve(*files, ranges=True) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        assert tool.main() == 0
    told = msgspec.json.decode((tmp_path / "to.json").read_bytes(), type=dict[str, list[CompiledFor]])
    one, two = (NumpyApi(1, "1.20", ""),), (NumpyApi(2, "1.22", ""),)
    read = ("1.0.0", "1.0.3", "2.0.0", "2.0.2")
    assert told == {
        "spam": [
            CompiledFor(one, ("3.9",), read, ("1.0.1", "1.0.2", "2.0.1")),
            CompiledFor(two, ("3.9",), ("2.0.3",)),
            CompiledFor((), ("3.9",), ("2.1.0",)),
            CompiledFor(two, ("3.9", "3.13t"), ("2.0.4",)),
        ]
    }
    # What was read is not asked again: only the pages are, and these wheels are gone.
    before = (tmp_path / "to.json").read_bytes()
    with serve(*(file._replace(content=b"") for file in files), ranges=True) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        assert tool.main() == 0
    assert (tmp_path / "to.json").read_bytes() == before


def test_a_wheel_that_can_not_be_read_is_named_and_left_out(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["refresh", "--work", str(tmp_path), "--to", str(tmp_path / "to.json"), "spam"])
    with serve(
        wheel("1.0", "cp39-cp39")._replace(content=b"no archive"), wheel("1.1", "cp39-cp39"), ranges=True
    ) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        assert tool.main() == 1
    assert "spam 1.0 for Python 3.9: " in capsys.readouterr().err
    told = msgspec.json.decode((tmp_path / "to.json").read_bytes(), type=dict[str, list[CompiledFor]])
    assert told == {"spam": [CompiledFor((), ("3.9",), ("1.1",))]}


def test_what_the_files_say_together(tool):
    silent, old, new = NumpyApi(1, None, "a", 6), NumpyApi(1, "1.20", "b", 32), NumpyApi(2, "2.0", "c")
    assert tool.what_counts([old, silent]) == (NumpyApi(1, "1.20", ""),)
    assert tool.what_counts([silent]) == (NumpyApi(1, None, ""),)
    assert tool.what_counts([silent, new]) == (NumpyApi(1, None, "", 6), NumpyApi(2, "2.0", ""))
