"""The reader's answers, in this process: what is on a search path, and what of it could not be read."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.markers import default_environment
from packaging.requirements import Requirement

from card_doctor.environment.payload import reader
from card_doctor.model import Snapshot, TorchBuild


def read(*path):
    return msgspec.convert(reader.read([str(entry) for entry in path]), Snapshot)


def gaps(snapshot, fact):
    return [gap.detail for gap in snapshot.gaps if gap.fact == fact]


class TestPackages:
    def test_a_wheel_is_read_as_it_states_itself(self, site):
        site.wheel(
            "Ruamel.Yaml_Clib",
            "1.0+cu111",
            "Requires-Python: >=3.6,<4",
            "Requires-Dist: numpy (>=1.17)",
            'Requires-Dist: torch>=1.0; extra == "torch"',
            "Provides-Extra: torch",
        )
        snapshot = read(site)
        assert list(snapshot.packages) == ["ruamel-yaml-clib"]
        package = snapshot.packages["ruamel-yaml-clib"]
        assert (package.name, package.version) == ("ruamel-yaml-clib", "1.0+cu111")
        assert package.requires == ("numpy (>=1.17)", 'torch>=1.0; extra == "torch"')
        assert package.extras == ("torch",)
        assert package.requires_python == ">=3.6,<4"
        assert (package.location, package.info) == (str(site), "Ruamel.Yaml_Clib-1.0+cu111.dist-info")
        assert (package.editable, package.url) == (False, None)
        assert [gap.fact for gap in snapshot.gaps] == ["accelerators"]
        assert snapshot.complete

    def test_the_name_in_the_metadata_wins_over_the_folders(self, site):
        site.write("nvidia_pyindex-1.0.dist-info/METADATA", "Name: NVIDIA.PyIndex\nVersion: 1.0.9\n")
        assert read(site).packages["nvidia-pyindex"].version == "1.0.9"

    def test_what_the_description_says_is_no_metadata(self, site):
        info = site.wheel("a", "1")
        with (info / "METADATA").open("a") as file:
            file.write("\nRequires-Dist: numpy\nVersion: 9\n")
        assert read(site).packages["a"].requires == ()

    def test_a_folded_field_is_one_line(self, site):
        site.wheel(
            "a", "1", "Requires-Dist: numpy\n  >=1.17;\n\tpython_version < '3.9'", "Summary: folded\n        Version: 2"
        )
        package = read(site).packages["a"]
        assert package.requires == ("numpy >=1.17; python_version < '3.9'",)
        assert package.version == "1"

    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_line_ends_of_any_system(self, site, line_end):
        lines = [
            "Metadata-Version: 2.1",
            "NAME: a",
            "version:1",
            "Requires-Dist: b",
            "  >1",
            "",
            "Requires-Dist: c",
            "",
        ]
        site.write("a-1.dist-info/METADATA", line_end.join(lines))
        package = read(site).packages["a"]
        assert (package.version, package.requires) == ("1", ("b >1",))

    def test_metadata_of_any_length(self, site):
        requires = [f"Requires-Dist: package{number}>={number}" for number in range(20_000)]
        info = site.wheel("a", "1", *requires)
        assert (info / "METADATA").stat().st_size > 3 * reader.CHUNK
        assert len(read(site).packages["a"].requires) == 20_000

    def test_nothing_of_the_environment_is_imported(self, site):
        site.write("torch/__init__.py", "raise SystemExit('imported')")
        site.write("torch/version.py", "__version__ = '1.9.1'\nraise SystemExit('imported')")
        site.wheel("torch", "1.9.1")
        assert read(site).torch.version == "1.9.1"

    def test_the_same_as_importlib_metadata_says(self):
        """Of this very environment."""
        expected = {}
        for distribution in importlib.metadata.distributions():
            name = reader.normalised(distribution.metadata["Name"])
            requires = tuple(" ".join(line.split("\n")) for line in distribution.requires or ())
            extras = tuple(distribution.metadata.get_all("Provides-Extra") or ())
            python = distribution.metadata.get_all("Requires-Python") or [None]
            expected.setdefault(name, (distribution.version, requires, extras, python[0]))
        packages = msgspec.convert(reader.read(), Snapshot).packages
        assert len(packages) > 10
        assert {
            name: (package.version, package.requires, package.extras, package.requires_python)
            for name, package in packages.items()
        } == expected


class TestCopies:
    def test_the_first_on_the_path_wins_and_the_other_is_named(self, site_at, tmp_path, site):
        user = site_at(tmp_path / "user")
        user.wheel("numpy", "1.26.4")
        site.wheel("numpy", "2.0.2")
        snapshot = read(user, site)
        assert snapshot.packages["numpy"].version == "1.26.4"
        (detail,) = gaps(snapshot, "package numpy")
        assert str(user.path / "numpy-1.26.4.dist-info") in detail
        assert str(site.path / "numpy-2.0.2.dist-info") in detail

    def test_two_in_one_folder_are_both_named(self, site):
        site.wheel("numpy", "1.26.4")
        site.wheel("numpy", "2.0.2")
        snapshot = read(site)
        (detail,) = gaps(snapshot, "package numpy")
        assert "numpy-1.26.4.dist-info" in detail
        assert "numpy-2.0.2.dist-info" in detail
        assert snapshot.packages["numpy"].version == next(importlib.metadata.distributions(path=[str(site)])).version

    @pytest.mark.parametrize("broken", ["1.26.4", "2.0.2"])
    def test_one_that_can_be_read_wins_over_one_that_cannot(self, site, broken):
        for version in ("1.26.4", "2.0.2"):
            info = site.wheel("numpy", version)
            if version == broken:
                (info / "METADATA").write_bytes(b"")
        snapshot = read(site)
        assert snapshot.packages["numpy"].version != broken
        assert any(broken in detail for detail in gaps(snapshot, "package numpy"))

    def test_a_folder_that_is_on_the_path_twice_holds_one_copy(self, tmp_path, site):
        site.wheel("numpy", "1.26.4")
        (tmp_path / "lib64").symlink_to(site.path)
        assert gaps(read(site, tmp_path / "lib64", site), "package numpy") == []

    @pytest.mark.parametrize(
        "name", ["~umpy-1.26.4.dist-info", "-umpy-1.26.4.dist-info", "~umpy", "~umpy-1.26.4-py3.9.egg-info"]
    )
    def test_what_pip_left_behind_is_no_package(self, site, name):
        site.write(f"{name}/METADATA", "Name: numpy\nVersion: 1.26.4\n")
        snapshot = read(site)
        assert snapshot.packages == {}
        (detail,) = gaps(snapshot, "leftovers")
        assert detail.startswith(f"{name} in {site}")

    def test_a_file_that_begins_so_is_no_leftover(self, site):
        site.write("~$thesis.docx", "")
        assert gaps(read(site), "leftovers") == []


class TestDamage:
    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"", "empty"),
            (b"\n", "empty"),
            (b"Metadata-Version: 2.1\nSummary: x\n\nDescription", "no name"),
            (b"Metadata-Version: 2.1\nName: pyarrow\nVersion: 17.0.0\nRequires-Dist: nu", "middle of a line"),
            (b"Metadata-Version: 2.1\nName: pyarrow\nVers", "middle of a line"),
            (b"Name: pyarrow\nVersion: 17.0.0\nAuthor: Jos\xe9\n\n", "not UTF-8"),
            ("Name: pyarrow\nVersion: 17.0.0\n".encode("utf-16"), "not UTF-8"),
            (None, "No such file"),
        ],
    )
    def test_damaged_metadata_is_a_gap_and_the_folders_name_still_tells(self, site, content, complaint):
        info = site.wheel("pyarrow", "17.0.0")
        (info / "METADATA").unlink()
        if content is not None:
            (info / "METADATA").write_bytes(content)
        snapshot = read(site)
        assert snapshot.packages["pyarrow"].version == "17.0.0"
        details = gaps(snapshot, "package pyarrow")
        assert all(detail.startswith("pyarrow-17.0.0.dist-info: ") for detail in details)
        assert any(complaint in detail for detail in details)

    def test_other_bytes_in_an_authors_name_lose_no_requirement(self, site):
        info = site.wheel("a", "1", "Author: @", "Requires-Dist: numpy<2")
        (info / "METADATA").write_bytes((info / "METADATA").read_bytes().replace(b"@", b"Jos\xe9"))
        assert read(site).packages["a"].requires == ("numpy<2",)

    def test_other_bytes_in_the_description_are_nobodys_trouble(self, site):
        site.write("a-1.dist-info/METADATA", b"Name: a\nVersion: 1\n\nJos\xe9")
        assert gaps(read(site), "package a") == []

    @pytest.mark.parametrize("end", [b"", b"\n", b"\nUNKNOWN", b"\nText\n\nwithout a last line end"])
    def test_metadata_with_any_description_is_whole(self, site, end):
        site.write("a-1.dist-info/METADATA", b"Name: a\nVersion: 1\n" + end)
        assert gaps(read(site), "package a") == []

    def test_a_file_where_a_folder_should_be(self, site):
        site.write("a-1.dist-info", "")
        snapshot = read(site)
        assert snapshot.packages["a"].version == "1"
        assert len(gaps(snapshot, "package a")) >= 1

    def test_a_version_that_nothing_tells_is_empty(self, site):
        site.write("a.egg-info/PKG-INFO", "")
        assert read(site).packages["a"].version == ""

    @pytest.mark.parametrize(
        "content", ["", "[]", "{}", '{"url": 1}', '{"url": "\\ud800"}', "\ud800".encode("utf-8", "surrogatepass")]
    )
    def test_a_damaged_direct_url(self, site, content):
        info = site.wheel("a", "1")
        site.write(f"{info.name}/direct_url.json", content)
        snapshot = read(site)
        assert snapshot.packages["a"].url is None
        assert "direct_url.json" in gaps(snapshot, "package a")[0]

    def test_names_and_paths_of_any_bytes(self, tmp_path):
        folder = tmp_path / b"caf\xe9".decode("utf-8", "surrogateescape")
        try:
            (folder / "a-1.dist-info").mkdir(parents=True)
        except OSError:
            pytest.skip("this file system holds no such name")
        snapshot = read(folder)
        assert snapshot.packages["a"].location == f"{tmp_path}/caf�"
        assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


class TestSearchPath:
    def test_what_import_passes_over(self, tmp_path, site):
        site.wheel("a", "1")
        (tmp_path / "file").write_text("no archive")
        (tmp_path / "damaged.zip").write_bytes(b"PK\x05\x06")
        snapshot = msgspec.convert(
            reader.read(
                [str(tmp_path / "gone"), str(tmp_path / "file"), str(tmp_path / "damaged.zip"), site.path, 1, str(site)]
            ),
            Snapshot,
        )
        assert list(snapshot.packages) == ["a"]
        assert snapshot.complete
        assert [gap.fact for gap in snapshot.gaps] == ["accelerators"]

    @pytest.mark.parametrize("entry", ["loop", "a\0b"])
    def test_a_folder_that_cannot_be_read_leaves_the_answer_incomplete(self, tmp_path, site, entry):
        (tmp_path / "loop").symlink_to("loop")
        site.wheel("a", "1")
        snapshot = read(tmp_path / entry, site)
        assert not snapshot.complete
        assert entry in gaps(snapshot, "search path")[0]
        assert "a" in snapshot.packages

    def test_it_is_listed_as_it_is(self, site):
        assert read(site, "/nowhere", site).python.search_path == (str(site), "/nowhere", str(site))

    def test_the_current_folder(self, site, monkeypatch):
        site.wheel("a", "1")
        monkeypatch.chdir(site.path)
        assert read("").packages["a"].location == str(site)


class TestEggs:
    PKG_INFO = "Metadata-Version: 1.2\nName: Old.Package\nVersion: 1.0\nRequires-Python: >=3.5\n"
    REQUIRES = """\
six
numpy>=1.17

# a comment
[:python_version < "3.8"]
importlib_metadata

[Torch]
torch>=1.0
apex@ https://example.org/apex.zip

[dev:sys_platform == "win32" or python_version < "3.7"]
colorama
"""
    EXPECTED = (
        "six",
        "numpy>=1.17",
        'importlib_metadata; python_version < "3.8"',
        'torch>=1.0; extra == "Torch"',
        'apex@ https://example.org/apex.zip ; extra == "Torch"',
        'colorama; (sys_platform == "win32" or python_version < "3.7") and extra == "dev"',
    )

    def package(self, *path):
        return read(*path).packages["old-package"]

    def test_a_folder_with_its_requirements(self, site):
        site.write("Old.Package-1.0-py3.9.egg-info/PKG-INFO", self.PKG_INFO)
        site.write("Old.Package-1.0-py3.9.egg-info/requires.txt", self.REQUIRES)
        package = self.package(site)
        assert package.requires == self.EXPECTED
        assert package.extras == ("Torch", "dev")
        assert package.requires_python == ">=3.5"
        assert package.info == "Old.Package-1.0-py3.9.egg-info"
        assert [Requirement(line).name for line in package.requires][-2:] == ["apex", "colorama"]

    def test_newer_setuptools_states_them_in_the_metadata(self, site):
        site.write("Old.Package.egg-info/PKG-INFO", self.PKG_INFO + "Requires-Dist: only-this\n")
        site.write("Old.Package.egg-info/requires.txt", self.REQUIRES)
        assert self.package(site).requires == ("only-this",)

    def test_a_single_file_as_distutils_wrote_it(self, site):
        site.write("Old.Package-1.0-py3.9.egg-info", self.PKG_INFO)
        package = self.package(site)
        assert (package.version, package.requires) == ("1.0", ())

    def test_a_file_without_a_version_takes_it_from_its_name(self, site):
        site.write("old_package-1.2-py3.9.egg-info", "Name: old_package\n")
        assert self.package(site).version == "1.2"

    def test_an_egg_that_is_a_folder(self, site):
        site.write("Old.Package-1.0-py3.9.egg/EGG-INFO/PKG-INFO", "Name: Old.Package\n")
        site.write("Old.Package-1.0-py3.9.egg/EGG-INFO/requires.txt", "six\n")
        package = self.package(site.path / "Old.Package-1.0-py3.9.egg")
        assert (package.version, package.requires) == ("1.0", ("six",))

    def test_an_egg_that_is_an_archive(self, tmp_path):
        egg = tmp_path / "Old.Package-1.0-py3.9.egg"
        with zipfile.ZipFile(egg, "w") as archive:
            archive.writestr("EGG-INFO/PKG-INFO", self.PKG_INFO)
            archive.writestr("EGG-INFO/requires.txt", "six\n")
            archive.writestr("new-2.dist-info/METADATA", "Name: new\nVersion: 2\n")
        snapshot = read(egg)
        assert snapshot.packages["old-package"].requires == ("six",)
        assert snapshot.packages["new"].version == "2"
        assert [gap.fact for gap in snapshot.gaps] == ["accelerators"]

    def test_the_metadata_of_a_damaged_archive(self, tmp_path):
        egg = tmp_path / "a.zip"
        with zipfile.ZipFile(egg, "w") as archive:
            archive.writestr("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n")
        egg.write_bytes(egg.read_bytes().replace(b"Version: 1", b"Version: 2"))
        snapshot = read(egg)
        assert "Bad CRC" in gaps(snapshot, "package a")[0]


class TestEditable:
    def test_by_its_direct_url(self, site):
        url = {"url": "file:///home/me/project", "dir_info": {"editable": True}}
        site.wheel("a", "1", direct_url=json.dumps(url))
        package = read(site).packages["a"]
        assert (package.editable, package.url) == (True, "file:///home/me/project")

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("https://user:p@ss@example.org/a.whl?sig=secret#sha256=1", "https://example.org/a.whl"),
            ("https://token@example.org/a.git", "https://example.org/a.git"),
            ("ssh://git@example.org/a.git", "ssh://example.org/a.git"),
            ("file:///home/me@work/a", "file:///home/me@work/a"),
        ],
    )
    def test_no_credentials(self, site, url, shown):
        site.wheel("a", "1", direct_url=json.dumps({"url": url, "vcs_info": {"vcs": "git"}}))
        package = read(site).packages["a"]
        assert (package.editable, package.url) == (False, shown)

    def test_by_an_egg_link(self, site_at, tmp_path, site):
        project = site_at(tmp_path / "project" / "src")
        project.write("A.egg-info/PKG-INFO", "Name: A\nVersion: 1\n")
        site.write("a.egg-link", f"{project}\n../")
        site.write("easy-install.pth", f"{project}\n")
        snapshot = read(site, project)
        assert snapshot.packages["a"].editable
        assert snapshot.packages["a"].location == str(project)
        assert gaps(snapshot, "package a") == []

    @pytest.mark.parametrize("content", ["/nowhere/else\n.", "", b"\xff"])
    def test_an_egg_link_that_leads_nowhere(self, site, content):
        site.write("a.egg-link", content)
        snapshot = read(site)
        assert snapshot.packages == {}
        assert gaps(snapshot, "package a")[0].startswith("a.egg-link")

    def test_what_its_build_left_in_the_project_is_no_second_copy(self, site_at, tmp_path, site):
        url = {"url": f"file://{tmp_path}/project", "dir_info": {"editable": True}}
        site.wheel("a", "1", direct_url=json.dumps(url))
        project = site_at(tmp_path / "project")
        project.write("a.egg-info/PKG-INFO", "Name: a\nVersion: 1\n")
        assert gaps(read(site, project), "package a") == []
        project.write("a.egg-info/PKG-INFO", "Name: a\nVersion: 0\n")
        assert len(gaps(read(site, project), "package a")) == 1


class TestTorch:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("__version__ = '1.9.1+cu102'\ncuda = '10.2'\nhip = None", ("1.9.1", "cu102", "10.2", None)),
            ("__version__ = '1.9.1+cpu'\ncuda = None\nhip = None", ("1.9.1", "cpu", None, None)),
            (
                "__version__ = '2.4.0'\ncuda: Optional[str] = '12.1'\nhip: Optional[str] = None",
                ("2.4.0", "cu121", "12.1", None),
            ),
            ("__version__ = '2.4.0'\ncuda: Optional[str] = None", ("2.4.0", "cpu", None, None)),
            ('__version__ = "2.0.1+rocm5.4.2"\nhip = "5.4.22803"', ("2.0.1", "rocm5.4.2", None, "5.4.22803")),
            (
                "__version__ = '2.0.1'\ncuda = None\nhip = '5.4.22803-474e8620'",
                ("2.0.1", "rocm5.4", None, "5.4.22803-474e8620"),
            ),
            ("__version__ = '2.1.0a0+32f93b1'\ncuda = '12.2'", ("2.1.0a0+32f93b1", "cu122", "12.2", None)),
            ("__version__ = '2.1.0a0+git1'", ("2.1.0a0+git1", None, None, None)),
        ],
    )
    def test_its_build(self, site, source, expected):
        site.wheel("torch", expected[0])
        site.write("torch/version.py", source)
        snapshot = read(site)
        version, build, cuda, hip = expected
        assert snapshot.torch == TorchBuild(version=version, build=build, cuda=cuda, hip=hip, architectures=None)
        assert gaps(snapshot, "torch") == []

    def test_none_is_no_gap(self, site):
        snapshot = read(site)
        assert snapshot.torch is None
        assert gaps(snapshot, "torch") == []

    @pytest.mark.parametrize("content", [None, "", "__version__ = compute()", b"\xff"])
    def test_one_that_does_not_say(self, site, content):
        site.wheel("torch", "1.9.1")
        if content is not None:
            site.write("torch/version.py", content)
        snapshot = read(site)
        assert snapshot.torch is None
        assert "1.9.1" in gaps(snapshot, "torch")[0]

    def test_files_of_another_release_than_the_metadata(self, site):
        site.wheel("torch", "1.9.1")
        site.write("torch/version.py", "__version__ = '1.10.0+cu102'\ncuda = '10.2'")
        snapshot = read(site)
        assert snapshot.torch.version == "1.10.0"
        (detail,) = gaps(snapshot, "torch")
        assert "1.9.1" in detail
        assert "1.10.0" in detail

    def test_one_that_is_worked_on(self, site_at, tmp_path, site):
        sources = site_at(tmp_path / "my sources")
        sources.write("torch/version.py", "__version__ = '2.5.0a0+gitabc'\ncuda = '12.4'")
        url = {"url": (tmp_path / "my sources").as_uri(), "dir_info": {"editable": True}}
        site.wheel("torch", "2.5.0a0+gitabc", direct_url=json.dumps(url))
        assert read(site).torch.build == "cu124"

    def test_one_without_metadata(self, site):
        site.write("torch/version.py", "__version__ = '1.9.1'\ncuda = None")
        assert read(site).torch.build == "cpu"


class TestPlatform:
    def test_markers_are_those_of_packaging(self):
        assert read().python.markers == default_environment()

    def test_this_interpreter(self):
        python = read().python
        assert python.version.startswith(".".join(map(str, sys.version_info[:3])))
        assert python.executable == sys.executable
        assert python.implementation == sys.implementation.name
        assert not python.free_threaded or hasattr(sys, "_is_gil_enabled")

    @pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")
    def test_the_loader_of_an_elf_program(self):
        program = str(Path(sys.executable).resolve())
        if shutil.which("readelf") is None:
            assert Path(reader.elf_loader(program)).exists()
        else:
            listing = subprocess.run(["readelf", "-l", program], stdout=subprocess.PIPE, check=True).stdout.decode()
            assert reader.elf_loader(program) == re.search(r"interpreter: (.*)\]", listing)[1]

    @pytest.mark.parametrize("wide", [True, False])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_the_loader_of_a_foreign_elf_program(self, tmp_path, wide, order):
        program = tmp_path / "python"
        program.write_bytes(elf("/lib/ld-musl-x.so.1", wide, order))
        assert reader.elf_loader(str(program)) == "/lib/ld-musl-x.so.1"

    @given(st.binary(max_size=200))
    def test_no_file_is_too_damaged_for_it(self, rest):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"\x7fELF" + rest)
            file.flush()
            assert isinstance(reader.elf_loader(file.name), str)

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("echo 'musl libc (x86_64)' >&2; echo 'Version 1.2.3' >&2; exit 1", ["musl", "1.2.3"]),
            ("echo 'something else' >&2; exit 1", None),
        ],
    )
    def test_musl_says_its_version_through_its_loader(self, script, tmp_path, monkeypatch, body, expected):
        def musl_knows_no_such_name(_name):
            raise ValueError

        loader = script("ld-musl-x86_64.so.1", f"#!/bin/sh\n{body}\n")
        (tmp_path / "python").write_bytes(elf(loader, True, "<"))
        monkeypatch.setattr("os.confstr", musl_knows_no_such_name)
        assert reader.libc(str(tmp_path / "python")) == expected

    def test_no_program_at_all(self, monkeypatch, tmp_path):
        monkeypatch.setattr("os.confstr", lambda _name: None)
        assert reader.libc(None) is None
        assert reader.libc(str(tmp_path / "gone")) is None
        assert reader.libc(__file__) is None


def elf(loader, wide, order):
    """The head of a program that names its loader: two program headers, the second a PT_INTERP."""
    name = loader.encode() + b"\0"
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2]) + b"\1" + bytes(9)
    if wide:
        head = struct.pack(order + "HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
        first = struct.pack(order + "IIQQQQQQ", 6, 0, 0, 0, 0, 0, 0, 0)
        second = struct.pack(order + "IIQQQQQQ", 3, 0, 64 + 112, 0, 0, len(name), 0, 0)
    else:
        head = struct.pack(order + "HHIIIIIHHHHHH", 2, 3, 1, 0, 52, 0, 0, 52, 32, 2, 0, 0, 0)
        first = struct.pack(order + "IIIIIIII", 6, 0, 0, 0, 0, 0, 0, 0)
        second = struct.pack(order + "IIIIIIII", 3, 52 + 64, 0, 0, len(name), 0, 0, 0)
    return ident + head + first + second + name


class TestSource:
    """The payload runs where nothing but an old standard library is."""

    SOURCE = Path(reader.__file__).read_text(encoding="utf-8")

    def test_it_is_python_3_6(self):
        ast.parse(self.SOURCE, feature_version=(3, 6))

    def test_it_imports_what_python_3_6_has(self):
        names = set()
        for node in ast.walk(ast.parse(self.SOURCE)):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module)
        assert names == {
            "json",
            "os",
            "platform",
            "re",
            "struct",
            "subprocess",
            "sys",
            "typing",
            "urllib.request",
            "zipfile",
        }

    @pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "ksh"])
    def test_a_shell_leaves_at_its_first_line(self, shell, tmp_path):
        if shutil.which(shell) is None:
            pytest.skip(f"no {shell} here")
        done = subprocess.run(
            [shell, reader.__file__, str(tmp_path / "output")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.stdout == b""


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)
fields = st.sampled_from(
    ["Name", "Version", "Requires-Dist", "Provides-Extra", "requires-python", "Summary", "Author", "X"]
)
folds = st.lists(words, min_size=1, max_size=3).map("\n  ".join)
headers = st.lists(st.tuples(fields, folds).map(": ".join), max_size=8)


@given(headers, st.sampled_from(["", "\n", "\n\nName: body\n", "\nno header\nRequires-Dist: x\n"]))
@example(["Name: a", "Version: 1", "Summary:"], "")
def test_headers_are_read_as_the_email_package_reads_them(lines, rest):
    """importlib.metadata, pip and uv go by it."""
    with tempfile.TemporaryDirectory() as folder:
        info = Path(folder, "folder-9.dist-info")
        info.mkdir()
        text = "\n".join(["Metadata-Version: 2.1", *lines]) + rest
        (info / "METADATA").write_bytes(text.encode())
        package = next(iter(read(folder).packages.values()))
        message = importlib.metadata.PathDistribution(info).metadata

    def stated(field):
        values = (
            " ".join(part.strip() for part in str(value).strip().split("\n")) for value in message.get_all(field) or ()
        )
        return tuple(filter(None, values))

    assert package.version == (stated("Version") or ("9",))[0]
    assert package.name == reader.normalised((stated("Name") or ("folder",))[0])
    assert package.requires == stated("Requires-Dist")
    assert package.extras == stated("Provides-Extra")
    assert package.requires_python == (stated("Requires-Python") or (None,))[0]


requirements = st.sampled_from(["numpy", "torch>=1.0,<2", "a[b]", "apex @ https://example.org/a.zip"])
sections = st.sampled_from(["[tests]", "[GPU]", '[:python_version<"3.8"]', '[gpu:sys_platform=="linux"]', ""])


@settings(max_examples=50)
@given(st.lists(st.one_of(requirements, sections), max_size=10))
def test_requires_txt_is_read_as_importlib_metadata_reads_it(lines):
    with tempfile.TemporaryDirectory() as folder:
        info = Path(folder, "a-1-py3.9.egg-info")
        info.mkdir()
        (info / "PKG-INFO").write_text("Name: a\nVersion: 1\n")
        (info / "requires.txt").write_text("\n".join(lines))
        mine = read(folder).packages["a"].requires
        theirs = importlib.metadata.PathDistribution(info).requires or []
    # Python 3.9's reads a section that comes twice once
    assert {str(Requirement(line)) for line in mine} == {str(Requirement(line)) for line in theirs}


def test_variables_that_ranks_depend_on_are_told_and_no_secret():
    told = reader.variables(
        {
            "NCCL_DEBUG": "INFO",
            "TORCH_NCCL_BLOCKING_WAIT": "1",
            "CUDA_VISIBLE_DEVICES": "0,1",
            "GLOO_SOCKET_IFNAME": "eth0",
            "NCCL_CONF": "https://user:pw@host/x",
            "NCCL_AUTH_TOKEN": "secret",
            "HF_TOKEN": "secret",
            "HOME": "/home/me",
            "NCCL_TOPO_FILE": "x" * 9000,
        }
    )
    assert sorted(told) == [
        "CUDA_VISIBLE_DEVICES",
        "GLOO_SOCKET_IFNAME",
        "NCCL_CONF",
        "NCCL_DEBUG",
        "NCCL_TOPO_FILE",
        "TORCH_NCCL_BLOCKING_WAIT",
    ]
    assert told["NCCL_CONF"] == "https://host/x"
    assert len(told["NCCL_TOPO_FILE"]) < 9000
