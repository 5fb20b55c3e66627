from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading

import msgspec
import pytest

from card_doctor.environment import read_interpreter
from card_doctor.model import Snapshot
from card_doctor.surfaces import cache as store
from card_doctor.surfaces.derive import read_installed_files
from installed import environment, install

BROKEN = {"torch==1.0": {"torch/__init__.py": "import lib\nx = lib.gone"}, "lib==2.0": {"lib/__init__.py": ""}}


def broken(tmp_path) -> Snapshot:
    return environment(tmp_path / "site", BROKEN)


def derive(snapshot, script=None):
    files = read_installed_files(snapshot, script)
    return files and files.derived


def names(snapshot):
    return [need.name for need in derive(snapshot).needs]


def forbid_walking(monkeypatch):
    monkeypatch.setitem(sys.modules, "card_doctor.surfaces.walk", None)


def test_an_answer_is_kept(tmp_path, monkeypatch):
    first = derive(broken(tmp_path))
    assert [need.name for need in first.needs] == ["gone"]
    assert first.installed == {"torch": "1.0", "lib": "2.0"}
    forbid_walking(monkeypatch)
    assert derive(environment_again(tmp_path)) == first


def environment_again(tmp_path):
    """The same snapshot without writing its files anew."""
    other = environment(tmp_path / "other", BROKEN)
    return msgspec.json.decode(
        msgspec.json.encode(other).replace(str(tmp_path / "other").encode(), str(tmp_path / "site").encode()),
        type=Snapshot,
    )


@pytest.mark.parametrize("change", ["a file", "a new module", "a new folder that hides one"])
def test_what_changed_is_derived_anew(tmp_path, change):
    snapshot = broken(tmp_path)
    assert names(snapshot) == ["gone"]
    library = tmp_path / "site" / "lib"
    if change == "a file":
        (library / "__init__.py").write_text("gone = 1\n")
    elif change == "a new module":
        (library / "gone.py").write_text("")
        (library / "__init__.py").write_text("from lib import gone\n")
    else:
        shutil.rmtree(library)
        (tmp_path / "site" / "lib.py").write_text("gone = 1\n")
    assert names(snapshot) == []


def test_a_distribution_is_read_once_for_all_environments(tmp_path, monkeypatch):
    assert names(environment(tmp_path / "one", BROKEN)) == ["gone"]
    monkeypatch.setattr("card_doctor.surfaces.files.read_module", lambda *_: pytest.fail("it was read again"))
    assert names(environment(tmp_path / "two", BROKEN)) == ["gone"]


def test_a_file_that_was_edited_by_hand_is_read_again(tmp_path):
    assert names(environment(tmp_path / "one", BROKEN)) == ["gone"]
    snapshot = environment(tmp_path / "two", BROKEN)
    edited = tmp_path / "two" / "lib" / "__init__.py"
    edited.write_text("gone = 1\n")
    later = edited.stat().st_mtime + 3600
    os.utime(edited, (later, later))
    assert names(snapshot) == []


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 100, b"\x92\x80\x90", b"[1, 2]"])
def test_a_corrupt_cache_costs_time_alone(tmp_path, cache, content):
    snapshot = broken(tmp_path)
    assert names(snapshot) == ["gone"]
    for file in cache.iterdir():
        file.write_bytes(content)
    assert names(snapshot) == ["gone"]


def test_a_cache_that_can_not_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CARD_DOCTOR_CACHE", str(tmp_path / "file" / "folder"))
    assert names(broken(tmp_path)) == ["gone"]
    monkeypatch.setenv("CARD_DOCTOR_CACHE", "")
    assert names(environment(tmp_path / "other", BROKEN)) == ["gone"]


def test_the_oldest_are_dropped(cache, monkeypatch):
    monkeypatch.setattr(store, "SIZE_LIMIT", 1000)
    for index in range(5):
        store.store(f"key{index}", "x" * 300)
        os.utime(cache / f"key{index}", (index, index))
    assert sorted(path.name for path in cache.iterdir()) == ["key2", "key3", "key4"]
    assert store.load("key4", str) == "x" * 300


def test_nothing_half_written_is_seen(cache):
    def write():
        for _ in range(50):
            store.store("key", list(range(2000)))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen = store.load("key", list)
        assert seen is None or len(seen) == 2000
    assert [path.name for path in cache.iterdir()] == ["key"]
    assert stat.S_IMODE((cache / "key").stat().st_mode) == 0o600


def test_the_folder_is_the_users(tmp_path, monkeypatch):
    monkeypatch.delenv("CARD_DOCTOR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert store.folder() == tmp_path / "xdg" / "card-doctor" / "surfaces"


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms have other places")
def test_without_a_setting_it_is_in_the_home(tmp_path, monkeypatch):
    monkeypatch.delenv("CARD_DOCTOR_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.folder() == tmp_path / ".cache" / "card-doctor" / "surfaces"


def test_an_environment_without_files_is_not_derived(tmp_path):
    snapshot = broken(tmp_path)
    assert derive(msgspec.structs.replace(snapshot, source="requirements")) is None


def test_the_limits_of_the_process_are_left_as_they_were(tmp_path):
    before = sys.getrecursionlimit(), threading.stack_size()
    derive(broken(tmp_path))
    assert (sys.getrecursionlimit(), threading.stack_size()) == before


def test_a_script_is_followed_too(tmp_path):
    snapshot = environment(tmp_path / "site", {"lib==2.0": {"lib/__init__.py": ""}})
    script = tmp_path / "train.py"
    script.write_text("import lib\nfrom lib import gone\nimport absent\n")
    found = derive(snapshot, str(script)).needs
    assert sorted((need.kind, need.at.line, need.importer) for need in found) == [
        ("missing-module", 3, "train.py"),
        ("missing-name", 2, "train.py"),
    ]


def test_the_environment_that_runs_this_test_is_healthy():
    """Whatever of the entry points is installed here works, so that nothing is found."""
    snapshot = read_interpreter(None)
    derived = derive(snapshot)
    assert [need for need in derived.needs if need.sure] == []


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        (["datasets==2.1.0", "pyarrow==21.0.0", "numpy<2"], [("datasets", "pyarrow", "PyExtensionType")]),
        (["datasets==2.1.0", "pyarrow<15", "numpy<2", "huggingface-hub<0.20", "fsspec<2023"], []),
    ],
    ids=["pyarrow too new", "of its time"],
)
def test_real_packages(tmp_path, pins, expected):
    """Built with uv from the index; torch plays no part."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not there")
    environment_folder = tmp_path / "env"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(environment_folder)], check=True)
    python = environment_folder / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", str(python), *pins], check=True)
    found = {
        (need.importer, need.provider, need.name) for need in derive(read_interpreter(str(python))).needs if need.sure
    }
    assert {row for row in found if row[2]} >= set(expected)
    if not expected:
        assert found == set()


def test_install_writes_what_an_installer_would(tmp_path):
    package = install(tmp_path, "a-b", "1.0", {"a_b/__init__.py": "x = 1"})
    assert (tmp_path / package.info / "RECORD").read_text().startswith("a_b/__init__.py,sha256=")
