"""What a shared library of Linux says of itself (ELF, https://gabi.xinuos.com): what it needs and what it offers.

A library for this was measured first: for the headers, needs and versions of the 130 files of an environment,
pyelftools 0.33 takes 0.8 s of processor time, 0.25 s of them to be imported; this reader, which decodes no more
than is asked, 0.03 s. The tests hold it against pyelftools.
"""

from __future__ import annotations

import struct
from mmap import mmap
from typing import Dict, Iterator, List, Match, NamedTuple, Optional, Pattern, Tuple, Union

Data = Union[bytes, mmap]

MAGIC = b"\x7fELF"
X86_64 = 62
_LOAD, _DYNAMIC = 1, 2
_WRITABLE = 2
_PROGRAM_BITS, _DYNAMIC_SYMBOLS = 1, 11
_NEEDED, _STRTAB, _SYMTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH, _HASH = 1, 5, 6, 10, 14, 15, 29, 4
_GNU_HASH, _VERDEF, _VERNEED = 0x6FFFFEF5, 0x6FFFFFFC, 0x6FFFFFFE
_ADDRESSES = frozenset({_STRTAB, _SYMTAB, _HASH, _GNU_HASH, _VERDEF, _VERNEED})
_SYMBOL = struct.Struct("<IBBHQQ")  # name, info, other, section, value, size
_WEAK = 2
# What real files stay far below (libtorch_cuda.so: 0.1 MB of undefined symbols, 30 versions); a forged one could
# otherwise keep the reader busy.
_TABLE_LIMIT = 1 << 25
_VERSIONS_LIMIT = 10_000
_NAME_LIMIT = 1 << 16
_SEARCH_LIMIT = 1 << 28
_OUTSIDE = "it refers to what lies outside of it"
_CUT = "it ends before what its header promises"


class ElfError(ValueError):
    """The file is no ELF file that can be read: the text says why."""


class Segment(NamedTuple):
    """A part of the file that is mapped when it is loaded."""

    address: int
    offset: int
    size: int
    flags: int


class Elf:
    """A 64-bit little-endian ELF file: what every platform is that wheels of torch exist for."""

    def __init__(self, data: Data) -> None:
        self.data = data
        try:
            self._read()
        except (struct.error, OverflowError) as error:
            raise ElfError(_CUT) from error

    def _read(self) -> None:
        header = bytes(self.data[:64])
        if header[:4] != MAGIC:
            raise ElfError("it is no ELF file")
        if len(header) < 64:
            raise ElfError(_CUT)
        if header[4:6] != b"\2\1":
            raise ElfError("it is not a 64-bit little-endian ELF file")
        (self.machine,) = struct.unpack_from("<H", header, 18)
        (start, self._sections) = struct.unpack_from("<QQ", header, 32)
        size, count, self._section_size, self._section_count, self._section_names = struct.unpack_from(
            "<5H", header, 54
        )
        self.segments: List[Segment] = []
        dynamic = None
        for index in range(count):
            kind, flags, offset, address, _, length = struct.unpack_from("<IIQQQQ", self.data, start + index * size)
            if kind == _LOAD:
                self.segments.append(Segment(address, offset, length, flags))
            elif kind == _DYNAMIC:
                dynamic = offset, length
        if any(one.offset + one.size > len(self.data) for one in self.segments):
            raise ElfError(_CUT)
        self.tags: Dict[int, int] = {}
        needed: List[int] = []
        if dynamic:
            for tag, value in struct.iter_unpack("<QQ", self._slice(dynamic[0], dynamic[1] // 16 * 16)):
                if tag == 0:
                    break
                if tag == _NEEDED:
                    needed.append(value)
                else:
                    self.tags[tag] = self._offset(value) if tag in _ADDRESSES else value
        self.needed = [self._string(value) for value in needed]
        self.soname = self._string(self.tags[_SONAME]) if _SONAME in self.tags else ""
        # https://man7.org/linux/man-pages/man8/ld.so.8.html: the older RPATH does not count beside a RUNPATH
        path = self.tags.get(_RUNPATH, self.tags.get(_RPATH))
        self.run_path = [one for one in self._string(path).split(":") if one] if path is not None else []

    def _slice(self, offset: int, size: int) -> bytes:
        if size > _TABLE_LIMIT:
            raise ElfError("it has a table larger than any real file's")
        data = bytes(self.data[offset : offset + size])
        if len(data) < size:
            raise ElfError(_CUT)
        return data

    def _offset(self, address: int) -> int:
        for segment in self.segments:
            if segment.address <= address < segment.address + segment.size:
                return address - segment.address + segment.offset
        raise ElfError(_OUTSIDE)

    def _string(self, index: int) -> str:
        return self._text(index).decode("utf-8", "replace")

    def _text(self, index: int) -> bytes:
        start = self.tags.get(_STRTAB, 0) + index
        end = self.data.find(b"\0", start, start + _NAME_LIMIT) if start < len(self.data) else -1
        if end < 0:
            raise ElfError("a name in it does not end")
        return bytes(self.data[start:end])

    def search(self, pattern: Pattern[bytes], section: bytes) -> Iterator[Match[bytes]]:
        """The matches in that section; in all that is mapped read-only, where a file has no table of sections."""
        found = self._section(section)
        parts = [found] if found else [(one.offset, one.size) for one in self.segments if not one.flags & _WRITABLE]
        for offset, size in parts:
            if offset + size > len(self.data):
                raise ElfError(_CUT)
            if size > _SEARCH_LIMIT:
                raise ElfError("it is too large to be searched")
            yield from pattern.finditer(self.data, offset, offset + size)

    def address(self, offset: int) -> int:
        """Where what stands at this offset of the file is mapped, relative to the whole."""
        for segment in self.segments:
            if segment.offset <= offset < segment.offset + segment.size:
                return offset - segment.offset + segment.address
        raise ElfError(_OUTSIDE)

    def mapped_at(self, address: int, size: int) -> bytes:
        offset = self._offset(address)
        return bytes(self.data[offset : offset + size])

    def _section(self, name: bytes, kind: int = _PROGRAM_BITS) -> Optional[Tuple[int, int]]:
        try:
            table = self._slice(self._sections, self._section_count * self._section_size)
            sections = [
                struct.unpack_from("<II16xQQ", table, index * self._section_size)
                for index in range(self._section_count)
            ]
            names = self._slice(*sections[self._section_names][2:]) if sections else b""
        except (struct.error, IndexError, ElfError):
            return None
        for index, of_kind, offset, size in sections:
            if of_kind == kind and names[index : index + len(name) + 1] == name + b"\0":
                return offset, size
        return None

    def undefined(self) -> Iterator[str]:
        """The symbols that must come from elsewhere; those that may stay without (weak ones) are left out."""
        start = self.tags.get(_SYMTAB)
        if start is None:
            return
        for fields in _SYMBOL.iter_unpack(self._slice(start, self._symbols() * _SYMBOL.size)):
            if fields[3] == 0 and fields[0] and fields[1] >> 4 != _WEAK:
                yield self._string(fields[0])

    def names(self, text: str) -> bool:
        """Does the name of one of its symbols end so? It takes no look at each."""
        start, size = self.tags.get(_STRTAB, 0), self.tags.get(_STRSZ, 0)
        return self.data.find(text.encode() + b"\0", start, start + size) >= 0

    def _symbols(self) -> int:
        """How many symbols there are, or how many come before the first that is defined."""
        first = self._unpack("<4xI", self.tags[_GNU_HASH])[0] if _GNU_HASH in self.tags else 0
        if first > 1:
            return first
        if _HASH in self.tags:
            return self._unpack("<4xI", self.tags[_HASH])[0]
        # Where nothing is defined, ld leaves the count out.
        found = self._section(b".dynsym", _DYNAMIC_SYMBOLS)
        return found[1] // _SYMBOL.size if found else first

    def versions_needed(self) -> Iterator[str]:
        """Symbol versions that it needs from others: `GLIBC_2.17`, `GLIBCXX_3.4.21`."""
        return self._versions(_VERNEED, "<2xH4xII", "<8xII")

    def versions_offered(self) -> Iterator[str]:
        return self._versions(_VERDEF, "<6xH4xII", "<II")

    def _versions(self, tag: int, entry_format: str, name_format: str) -> Iterator[str]:
        entry, after = self.tags.get(tag, 0), self.tags.get(tag, 0)
        left = _VERSIONS_LIMIT
        while after:
            count, first, after = self._unpack(entry_format, entry)
            name = entry + first
            for _ in range(count):
                index, step = self._unpack(name_format, name)
                yield self._string(index)
                name += step
                left -= 1
            entry += after
            left -= 1
            if left < 0:
                raise ElfError("it names more versions than any real file")

    def defines(self, name: str) -> bool:
        """Does it offer this symbol to others? Looked up in its own hash table, as the loader does
        (https://flapenguin.me/elf-dt-gnu-hash). ElfError where it has no such table.
        """
        table, symbols = self.tags.get(_GNU_HASH), self.tags.get(_SYMTAB)
        if table is None or symbols is None:
            raise ElfError("it has no table of its symbols")
        buckets, first, blooms = self._unpack("<III", table)
        hashed = 5381
        for character in name.encode():
            hashed = (hashed * 33 + character) & 0xFFFFFFFF
        at = table + 16 + 8 * blooms
        (index,) = self._unpack("<I", at + 4 * (hashed % buckets)) if buckets else (0,)
        while index >= first > 0:
            (chained,) = self._unpack("<I", at + 4 * (buckets + index - first))
            if chained | 1 == hashed | 1:
                (text,) = self._unpack("<I", symbols + _SYMBOL.size * index)
                if self._string(text) == name:
                    return True
            if chained & 1:
                break
            index += 1
        return False

    def _unpack(self, layout: str, offset: int) -> Tuple[int, ...]:
        try:
            return struct.unpack_from(layout, self.data, offset)
        except (struct.error, OverflowError) as error:
            raise ElfError(_CUT) from error
