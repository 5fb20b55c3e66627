from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from card_doctor.model import BinarySurface, Package
from card_doctor.surfaces.binary import compiled_files, read_binary
from compiled import CYTHON, NUMPY_1, NUMPY_2, compiled, distribution, on_linux, on_x86_64

pytestmark = on_linux

TAG = ".cpython-39-x86_64-linux-gnu.so"


def read(site, name="spam"):
    return read_binary(distribution(site, name))


def apis(surface):
    return {(api.major, api.since, api.count) for api in surface.numpy}


# --- NumPy --------------------------------------------------------------------------------------------------------


@on_x86_64
@pytest.mark.parametrize("optimise", ["-O0", "-O1", "-O2", "-O3", "-Os"])
@pytest.mark.parametrize(("feature", "since"), [("0xd", "1.16"), ("0xe", "1.20"), ("0x10", "1.23"), ("0x11", "1.25")])
def test_the_headers_of_numpy_1_and_the_oldest_release_that_a_file_runs_on(tmp_path, feature, since, optimise):
    compiled(tmp_path / f"spam/a{TAG}", NUMPY_1, optimise, FEATURE=feature)
    (api,) = read(tmp_path).numpy
    assert (api.major, api.file, api.count) == (1, f"spam/a{TAG}", 1)
    # Without optimisation the version goes through memory: then it is not told, never told wrong.
    assert api.since == since or (optimise == "-O0" and api.since is None)


@pytest.mark.parametrize("flags", [(), ("-s",)], ids=["whole", "stripped"])
def test_the_headers_of_numpy_2_name_the_oldest_release(tmp_path, flags):
    compiled(tmp_path / f"spam/a{TAG}", NUMPY_2, *flags, TARGET="1.20")
    compiled(tmp_path / f"spam/deep/b{TAG}", NUMPY_2, *flags, TARGET="1.20")
    compiled(tmp_path / f"spam/c{TAG}", NUMPY_2, *flags, TARGET="2.1")
    surface = read(tmp_path)
    assert apis(surface) == {(2, "1.20", 2), (2, "2.1", 1)}
    assert surface.numpy[0].file == f"spam/a{TAG}", "the most frequent first, by its least deep file"


@on_x86_64
def test_a_module_of_cython_that_checks_the_size_of_numpys_types_alone(tmp_path):
    compiled(tmp_path / f"spam/a{TAG}", CYTHON, DTYPE="96", FLATITER="2632")
    assert apis(read(tmp_path)) == {(1, None, 1)}


@on_x86_64
@pytest.mark.parametrize("other", ["2632", "96"])
def test_a_module_of_cython_that_was_compiled_for_numpy_2_says_nothing(tmp_path, other):
    compiled(tmp_path / f"spam/a{TAG}", CYTHON, DTYPE="40", FLATITER=other)
    assert read(tmp_path).numpy == ()


def test_what_does_not_call_python_says_nothing_of_numpy_whatever_it_contains(tmp_path):
    message = "module compiled against API version 0x%x but this version of numpy is 0x%x"
    compiled(tmp_path / "spam/libdata.so", f'const char *text(void) {{ return "{message}"; }}')
    assert read(tmp_path).numpy == ()


# --- Python -------------------------------------------------------------------------------------------------------


def test_the_tags_of_each_module_together(tmp_path):
    for name in ("a.cpython-39-x86_64-linux-gnu.so", "a.cpython-310-x86_64-linux-gnu.so", "b.abi3.so"):
        compiled(tmp_path / "spam" / name)
    compiled(tmp_path / "spam/c.cpython-313t-x86_64-linux-gnu.so")
    assert read(tmp_path).abis == (("abi3",), ("cpython-310", "cpython-39"), ("cpython-313t",))


def test_a_file_without_a_tag_is_a_module_where_it_can_be_imported(tmp_path):
    compiled(tmp_path / "spam/a.so", "int PyInit_a(void) { return 0; }")
    compiled(tmp_path / "spam/libb.so", "int PyInit_other(void) { return 0; }")
    surface = read(tmp_path)
    assert surface.abis == (("",),)
    assert surface.libraries == ("libb.so",)


# --- libraries ----------------------------------------------------------------------------------------------------


def test_what_a_module_needs_from_outside_through_libraries_of_its_own(tmp_path):
    site = tmp_path / "site"
    outside = compiled(tmp_path / "libcudnn.so", "", "-Wl,-soname,libcudnn.so.8")
    inner = compiled(site / "spam.libs/libspam-1a2b.so.1.0.2k", "", str(outside), "-Wl,-soname,libspam-1a2b.so.1.0.2k")
    compiled(site / f"spam/a{TAG}", "", str(inner), "-lc", "-Wl,-rpath,$ORIGIN/../spam.libs")
    compiled(site / f"spam/b{TAG}")
    surface = read(site)
    assert {(link.file, link.libraries) for link in surface.links} == {
        (f"spam/a{TAG}", ("libcudnn.so.8",)),
        (f"spam/b{TAG}", ()),
    }, "glibc's own are judged by its version"
    assert surface.libraries == ("libspam-1a2b.so.1.0.2k",)
    assert surface.search == (), "a folder of its own is no place to look for others"


def test_the_folders_outside_that_its_files_search(tmp_path):
    compiled(tmp_path / f"spam/a{TAG}", "", "-Wl,-rpath,$ORIGIN/../nvidia/cudnn/lib:/opt/cuda/lib64:$ORIGIN")
    assert read(tmp_path).search == ("/opt/cuda/lib64", "nvidia/cudnn/lib")


def test_libraries_that_need_each_other_end(tmp_path):
    compiled(tmp_path / "spam/libb.so", "", "-Wl,-soname,libb.so")
    compiled(tmp_path / "spam/liba.so", "", str(tmp_path / "spam/libb.so"), "-Wl,-soname,liba.so")
    compiled(tmp_path / "spam/libb.so", "", str(tmp_path / "spam/liba.so"), "-Wl,-soname,libb.so")
    compiled(tmp_path / f"spam/m{TAG}", "", str(tmp_path / "spam/liba.so"))
    (link,) = read(tmp_path).links
    assert link.libraries == ()


def test_a_library_that_is_needed_by_its_path_is_not_searched_for(tmp_path):
    nameless = compiled(tmp_path / "opt/libnameless.so")
    compiled(tmp_path / f"site/spam/a{TAG}", "", str(nameless))
    (link,) = read(tmp_path / "site").links
    assert link.libraries == ()


@on_x86_64
def test_the_highest_version_that_is_needed_of_each_library(tmp_path):
    """memcpy is of glibc 2.14 on x86-64, malloc of 2.2.5 and getrandom of 2.25."""
    functions = ("memcpy", "malloc", "getrandom")
    source = "".join(f"extern void *{name}();" for name in functions)
    calls = " + ".join(f"(long) {name}()" for name in functions)
    compiled(tmp_path / f"spam/a{TAG}", f"{source} long use(void) {{ return {calls}; }}", "-fno-builtin", "-lc")
    (link,) = read(tmp_path).links
    assert link.versions == ("GLIBC_2.25",)


# --- torch --------------------------------------------------------------------------------------------------------

TORCH_USER = """
extern int zeros(void) __asm__("_ZN2at4_ops5zeros4callEv");
extern int table __asm__("_ZTVN5torch8autograd4NodeE");
extern int wrap(void) __asm__("_Z16THPVariable_WrapN2at6TensorE");
extern int other(void) __asm__("_ZN8elephant5zerosEv");
extern int own(void) __asm__("_ZN2at9elsewhereEv") __attribute__((weak));
int use(void) { return zeros() + table + wrap() + other() + (own ? own() : 0); }
"""


def test_the_symbols_that_are_expected_of_torch(tmp_path):
    c10 = compiled(tmp_path / "torch/libc10.so", "", "-Wl,-soname,libc10.so")
    compiled(tmp_path / "site/spam/_C.so", TORCH_USER, str(c10))
    compiled(tmp_path / "site/spam/other.so", TORCH_USER)
    (use,) = read(tmp_path / "site").torch
    assert use.file == "spam/_C.so"
    assert use.symbols == (
        "_Z16THPVariable_WrapN2at6TensorE",
        "_ZN2at4_ops5zeros4callEv",
        "_ZTVN5torch8autograd4NodeE",
    ), "what is no name of torch's, or may be missing, is left out"


def test_torch_expects_nothing_of_itself(tmp_path):
    c10 = compiled(tmp_path / "torch/lib/libc10.so", "", "-Wl,-soname,libc10.so")
    compiled(tmp_path / "torch/lib/libtorch.so", TORCH_USER, str(c10))
    assert read(tmp_path, "torch").torch == ()


# --- the list of files --------------------------------------------------------------------------------------------


def test_compiled_files_of_a_record(tmp_path):
    info = tmp_path / "spam-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(
        '"spam/with space.abi3.so",sha256=x,1\n'
        "spam/a.cpython-39-darwin.so,sha256=x,1\r\n"
        "spam/libssl-1a.so.1.0.1e,sha256=x,1\n"
        "spam/b.pyd,,\nspam/c.dylib,,\n../../../lib/libout.so,,\n"
        "spam/v0.7.1.some-index.parquet,sha256=x,1\nspam/notes.so.txt,sha256=x,1\nspam/source.py,sha256=x,1\n"
        '"spam/a,b.so",sha256=x,1\n'
    )
    assert compiled_files(Package("spam", "1.0", location=str(tmp_path), info=info.name)) == [
        "spam/with space.abi3.so",
        "spam/a.cpython-39-darwin.so",
        "spam/libssl-1a.so.1.0.1e",
        "spam/b.pyd",
        "spam/c.dylib",
        "../../../lib/libout.so",
    ]


def test_without_a_record_the_list_of_an_egg_or_its_folders(tmp_path):
    compiled(tmp_path / f"spam/deep/a{TAG}")
    info = tmp_path / "Spam_eggs-1.0.egg-info"
    info.mkdir()
    package = Package("spam-eggs", "1.0", location=str(tmp_path), info=info.name)
    assert compiled_files(package) is None
    (info / "top_level.txt").write_text("spam\neggs\n")
    assert compiled_files(package) == [f"spam/deep/a{TAG}"]
    (info / "installed-files.txt").write_text("../spam/b.so\nPKG-INFO\n")
    assert compiled_files(package) == ["spam/b.so"]


def test_a_distribution_without_a_list_says_so(tmp_path):
    (gap,) = read_binary(distribution(tmp_path, "spam", record=False)).gaps
    assert gap[1] == "it keeps no list of its files"
    assert read_binary(Package("spam", "1.0")).gaps == (("spam", "it keeps no list of its files"),)
    assert read_binary(distribution(tmp_path, "pure")).gaps == (), "nothing compiled is nothing to read"


# --- what can't be read -------------------------------------------------------------------------------------------


def test_what_can_not_be_read_is_named_and_the_rest_is_read(tmp_path):
    good = compiled(tmp_path / f"spam/good{TAG}", NUMPY_2, TARGET="1.20").read_bytes()
    bad = {
        "truncated.so": good[: len(good) // 2],
        "page.so": b"<html>",
        "empty.so": b"",
        "mac.cpython-39-darwin.so": b"\xcf\xfa\xed\xfe" + bytes(100),
        "lib.dylib": b"\xca\xfe\xba\xbe" + bytes(100),
        "windows.cp39-win_amd64.pyd": b"MZ" + bytes(100),
        "arm.so": good[:4] + b"\1" + good[5:],
    }
    for name, content in bad.items():
        (tmp_path / "spam" / name).write_bytes(content)
    (tmp_path / "spam/loop.so").symlink_to("loop.so")
    os.mkfifo(tmp_path / "spam/pipe.so")
    package = distribution(tmp_path, "spam")
    (tmp_path / "spam/gone.so").touch()
    record = tmp_path / package.info / "RECORD"
    record.write_text(record.read_text() + "spam/gone.so,,\n")
    (tmp_path / "spam/gone.so").unlink()
    surface = read_binary(package)
    whys = {Path(file).name: why for file, why in surface.gaps}
    assert set(whys) == {*bad, "loop.so", "pipe.so", "gone.so"}
    assert whys["truncated.so"] == "it ends before what its header promises"
    assert whys["page.so"] == whys["empty.so"] == "it is no ELF file"
    assert whys["mac.cpython-39-darwin.so"] == whys["lib.dylib"] == "it is a Mach-O file: these are not read"
    assert whys["windows.cp39-win_amd64.pyd"] == "it is a PE file: these are not read"
    assert "link" in whys["loop.so"]
    assert whys["pipe.so"] == "it is no regular file"
    assert whys["gone.so"] == "No such file or directory"
    assert apis(surface) == {(2, "1.20", 1)}


def test_nothing_is_loaded(tmp_path):
    source = """
    extern long syscall(long, ...);
    __attribute__((constructor)) static void start(void) { syscall(NUMBER, "MARK", 64 | 1, 0600); }
    int PyInit_a(void) { return 0; }
    """
    mark = tmp_path / "mark"
    path = compiled(tmp_path / "spam/a.abi3.so", source, "-lc", NUMBER="2", MARK=str(mark))
    read(tmp_path)
    assert not mark.exists()
    if os.uname().machine == "x86_64":  # 2 is open(2) there: the mark is left where it is loaded
        subprocess.run([sys.executable, "-c", f"import ctypes; ctypes.CDLL({str(path)!r})"], check=True)
        assert mark.exists()


def test_a_surface_is_small_and_survives_being_stored(tmp_path):
    compiled(tmp_path / f"spam/a{TAG}", NUMPY_1, FEATURE="0xe")
    surface = read(tmp_path)
    stored = msgspec.msgpack.encode(surface)
    assert msgspec.msgpack.decode(stored, type=BinarySurface) == surface
    assert len(stored) < 300
