from __future__ import annotations

import importlib.machinery
import mmap
import re
import struct
import sysconfig
from contextlib import suppress
from pathlib import Path

import msgspec._core
import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from card_doctor.surfaces.elf import Elf, ElfError
from compiled import compiled, on_linux

pytestmark = on_linux

GNU_HASH, VERNEED = 0x6FFFFEF5, 0x6FFFFFFE  # tags of a dynamic section
REAL = Path(msgspec._core.__file__)


def real_files():
    """Extension modules of this interpreter, and the C++ library of this system."""
    folder = Path(sysconfig.get_path("stdlib"), "lib-dynload")
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    files = [REAL, *sorted(path for path in folder.glob("*.so") if path.name.endswith(suffixes))[::4]]
    for system in ("/lib/x86_64-linux-gnu", "/usr/lib64", "/lib/aarch64-linux-gnu"):
        files += [path for path in (Path(system, "libstdc++.so.6"), Path(system, "libc.so.6")) if path.exists()]
    return files


def everything(elf):
    """Ask it all that can be asked."""
    return (
        [elf.needed, elf.soname, elf.run_path, elf.machine],
        list(elf.undefined()),
        list(elf.versions_needed()),
        list(elf.versions_offered()),
        [match.span() for match in elf.search(re.compile(rb"version"), b".rodata")],
    )


@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_it_reads_what_pyelftools_reads(path):
    ours = Elf(path.read_bytes())
    with path.open("rb") as file:
        theirs = ELFFile(file)
        tags = list(next(one for one in theirs.iter_sections() if isinstance(one, DynamicSection)).iter_tags())
        assert ours.needed == [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"]
        assert [ours.soname] == [tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"] or not ours.soname
        needs, offers = theirs.get_section_by_name(".gnu.version_r"), theirs.get_section_by_name(".gnu.version_d")
        assert list(ours.versions_needed()) == [
            one.name for _, names in (needs.iter_versions() if needs else ()) for one in names
        ]
        assert list(ours.versions_offered()) == [
            one.name for _, names in (offers.iter_versions() if offers else ()) for one in names
        ]
        symbols = list(theirs.get_section_by_name(".dynsym").iter_symbols())
        undefined = {one.name for one in symbols if one.entry.st_shndx == "SHN_UNDEF" and one.name}
        weak = {one.name for one in symbols if one.entry.st_info.bind == "STB_WEAK"}
        assert set(ours.undefined()) == undefined - weak
        assert all(map(ours.names, undefined))
        defined = {one.name for one in symbols if one.entry.st_shndx != "SHN_UNDEF" and one.name}
        assert all(ours.defines(name) for name in sorted(defined)[:200])
        assert not any(ours.defines(name) for name in sorted(undefined - defined)[:50])
        assert not ours.defines("no_such_function")
        assert not ours.names("no_such_function")


def test_a_search_path_and_the_symbols_of_a_library_that_defines_none(tmp_path):
    source = "extern int elsewhere(void); __attribute__((constructor)) static void start(void) { elsewhere(); }"
    flags = ["-Wl,-rpath,$ORIGIN/../a:/opt/b", "-Wl,-soname,libmade.so.3"]
    elf = Elf(compiled(tmp_path / "made.so", source, *flags).read_bytes())
    assert (elf.run_path, elf.soname) == (["$ORIGIN/../a", "/opt/b"], "libmade.so.3")
    assert list(elf.undefined()) == ["elsewhere"]
    assert not elf.defines("elsewhere")


def test_without_a_table_of_sections_all_that_is_read_only_is_searched(tmp_path):
    data = compiled(tmp_path / "made.so", 'const char *function(void) { return "the message"; }').read_bytes()
    bare = bytearray(data)
    bare[40:48] = bytes(8)  # e_shoff
    bare[58:64] = bytes(6)  # e_shentsize, e_shnum, e_shstrndx
    for content in (data, bytes(bare)):
        assert any(Elf(content).search(re.compile(rb"the message"), b".rodata"))
    assert not any(Elf(data).search(re.compile(rb"the message"), b".text"))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no ELF file"),
        (b"<html>404</html>", "no ELF file"),
        (b"\x7fELF", "it ends before"),
        (b"\x7fELF\1\1\1" + bytes(100), "not a 64-bit little-endian"),
        (b"\x7fELF\2\2\1" + bytes(100), "not a 64-bit little-endian"),
    ],
)
def test_what_is_no_such_file_is_told(data, why):
    with pytest.raises(ElfError, match=why):
        Elf(data)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_told(share):
    data = REAL.read_bytes()
    with pytest.raises(ElfError, match="it ends before"):
        everything(Elf(data[: int(len(data) * share)]))


CONTENT = REAL.read_bytes()


@settings(max_examples=300, deadline=2000)
@given(
    st.lists(
        st.tuples(st.integers(0, 2000) | st.integers(0, len(CONTENT) - 9), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=8,
    )
)
def test_a_forged_file_is_read_or_told_and_costs_no_time(changes):
    data = bytearray(CONTENT)
    for offset, change in changes:
        data[offset : offset + len(change)] = change
    with suppress(ElfError):
        elf = Elf(bytes(data))
        everything(elf)
        with suppress(ElfError):
            elf.defines("PyInit__core")


def forged(tag, *changes):
    """The real file with other bytes at offsets from where that tag of its dynamic section leads."""
    elf, data = Elf(CONTENT), bytearray(CONTENT)
    for offset, layout, *values in changes:
        struct.pack_into(layout, data, elf.tags[tag] + offset, *values)
    return bytes(data)


def test_a_table_larger_than_the_file_is_not_fetched():
    with pytest.raises(ElfError, match="larger than any real file"):
        list(Elf(forged(GNU_HASH, (4, "<I", 2**31))).undefined())


def test_versions_that_never_end_are_given_up():
    """65535 names that are all the first, in entries one byte apart."""
    (first,) = struct.unpack_from("<I", CONTENT, Elf(CONTENT).tags[VERNEED] + 8)
    data = forged(VERNEED, (2, "<H", 65535), (12, "<I", 1), (first + 12, "<I", 0))
    with pytest.raises(ElfError, match="more versions than any real file"):
        list(Elf(data).versions_needed())


@pytest.mark.parametrize("offset", [32, 40, 64 + 8, 64 + 56 + 8, "needed"])
@pytest.mark.parametrize("value", [2**63 - 1, 2**63, 2**64 - 1, 2**40])
def test_offsets_beyond_all_files_are_told_of_a_mapped_file_too(offset, value):
    if offset == "needed":  # of the first entry of the dynamic section, a name
        offset = CONTENT.index(struct.pack("<QQ", 1, 0)[:8], _dynamic_section()) + 8
    with mmap.mmap(-1, len(CONTENT)) as data:
        data[:] = CONTENT
        data[offset : offset + 8] = value.to_bytes(8, "little")
        if offset != 40:  # the table of sections, which is not needed
            with pytest.raises(ElfError):
                everything(Elf(data))
        else:
            everything(Elf(data))


def _dynamic_section():
    with REAL.open("rb") as file:
        return next(one for one in ELFFile(file).iter_sections() if isinstance(one, DynamicSection)).header.sh_offset
