from __future__ import annotations

import msgspec
import pytest

from card_doctor.model import BinarySurface, Derived, Package, Platform
from card_doctor.surfaces.derive import Files
from card_doctor.surfaces.loader import read_binaries
from compiled import compiled, distribution, on_linux
from made import LINUX, PYTHON, snapshot

pytestmark = on_linux

DEFINES = 'int function(void) __asm__("{}"); int function(void) {{ return 0; }}'


def environment(*packages, **facts):
    return snapshot(*packages, **facts)


def test_every_distribution_is_read_and_a_reader_of_ones_own_may_remember():
    asked = []

    def read(package):
        asked.append(package.name)
        return BinarySurface(package.name, package.version)

    binaries = read_binaries(environment(Package("a", "1"), Package("b", "2")), ["a"], read)
    assert asked == ["a", "b"]
    assert binaries.surfaces["b"].version == "2"
    assert binaries.reached == frozenset({"a"})
    assert read_binaries(environment()).reached is None


def test_the_loader_finds_what_this_system_has():
    loader = read_binaries(environment()).loader
    assert "libstdc++.so.6" in loader.libraries
    assert loader.versions is not None
    assert "GLIBCXX_3.4" in loader.versions
    assert "libno_such_thing.so.1" not in loader.libraries


def test_it_looks_where_the_environment_the_interpreter_and_the_files_say(tmp_path, monkeypatch):
    compiled(tmp_path / "told/liba.so.1")
    compiled(tmp_path / "conda/lib/libb.so.2")
    (tmp_path / "conda/lib/python3.9").mkdir()
    (tmp_path / "conda/lib/python3.9/os.py").touch()
    compiled(tmp_path / "elsewhere/libc3.so.3")
    compiled(tmp_path / "site/spam/m.abi3.so", "", "-Wl,-rpath,$ORIGIN/../../elsewhere")
    spam = distribution(tmp_path / "site", "spam")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}/gone:{tmp_path}/told")
    python = msgspec.structs.replace(PYTHON, search_path=(str(tmp_path / "conda/lib/python3.9"),))
    loader = read_binaries(environment(spam, python=python)).loader
    assert {"liba.so.1", "libb.so.2", "libc3.so.3"} <= loader.libraries


def gaps_of(binaries):
    return list(Files(Derived(), binaries).gaps())


@pytest.mark.parametrize("platform", [None, Platform("Darwin", "arm64"), Platform("Linux", "x86_64", ("musl", "1.2"))])
def test_another_loader_is_not_known_and_that_is_said(platform):
    binaries = read_binaries(environment(platform=platform))
    assert binaries.loader is None
    assert [gap.fact for gap in gaps_of(binaries)] == ["shared libraries"]


@pytest.fixture
def torch(tmp_path):
    """A torch that defines at::zeros."""
    zeros = DEFINES.format("_ZN2at4_ops5zeros4callEv")
    compiled(tmp_path / "torch/lib/libc10.so", "", "-Wl,-soname,libc10.so")
    compiled(tmp_path / "torch/lib/libtorch_cpu.so", zeros, "-Wl,-soname,libtorch_cpu.so")
    return distribution(tmp_path, "torch", "1.9.1")


def extension(site, *symbols, name="vision"):
    source = "".join(f'extern int f{i}(void) __asm__("{symbol}");' for i, symbol in enumerate(symbols))
    calls = " + ".join(f"f{i}()" for i in range(len(symbols)))
    torch_libraries = [str(path) for path in (site / "torch/lib").glob("*.so")]
    compiled(site / name / "_C.so", f"{source} int use(void) {{ return {calls}; }}", *torch_libraries)
    return distribution(site, name)


def test_what_torch_defines_is_there(tmp_path, torch):
    vision = extension(tmp_path, "_ZN2at4_ops5zeros4callEv")
    assert read_binaries(environment(torch, vision)).loader.unresolved == ()


def test_what_torch_does_not_define_is_named(tmp_path, torch):
    vision = extension(tmp_path, "_ZN2at4_ops5zeros4callEv", "_ZN2at4_ops4ones4callEv")
    ((name, use),) = read_binaries(environment(torch, vision)).loader.unresolved
    assert (name, use.file, use.symbols) == ("vision", "vision/_C.so", ("_ZN2at4_ops4ones4callEv",))


def test_without_torch_or_with_a_torch_that_can_not_be_read_nothing_is_said(tmp_path, torch):
    vision = extension(tmp_path, "_ZN2at4_ops4ones4callEv")
    assert read_binaries(environment(vision)).loader.unresolved == ()
    (tmp_path / "torch/lib/libtorch_cpu.so").write_bytes(b"\x7fELF")
    binaries = read_binaries(environment(torch, vision))
    assert binaries.loader.unresolved == ()
    assert [(gap.fact, gap.reason) for gap in gaps_of(binaries)] == [("compiled files of torch", "failed")]


def test_gaps_are_one_a_distribution(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / "spam").mkdir(exist_ok=True)
        (tmp_path / f"spam/{name}.pyd").write_bytes(b"MZ")
    (gap,) = gaps_of(read_binaries(environment(distribution(tmp_path, "spam"), platform=LINUX)))
    assert (gap.fact, gap.detail) == (
        "compiled files of spam",
        "spam/a.pyd (and 2 more): it is a PE file: these are not read",
    )
