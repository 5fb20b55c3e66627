"""The surfaces of the files of an environment, by distribution: those that were read before are kept."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Dict, List, NamedTuple, Optional, Set, Tuple, TypeVar

import msgspec

from card_doctor.model import Package
from card_doctor.model.surface import Function, FunctionSurface, ModuleSurface
from card_doctor.surfaces import cache
from card_doctor.surfaces.distributions import Distributions
from card_doctor.surfaces.shortening import shown_names
from card_doctor.surfaces.source import SIZE_LIMIT, Unreadable, read_function, read_module

T = TypeVar("T")
_MODULE = msgspec.msgpack.Decoder(ModuleSurface)
# `torch/nn/functional.py,sha256=…,155281`
_SIZE = re.compile(r"^([^,\n]+\.py),sha256=[^,\n]*,(\d+)\s*$", re.MULTILINE)
_FUNCTION = msgspec.msgpack.Decoder(FunctionSurface)


def _decoded(decoder: msgspec.msgpack.Decoder[T], kept: Optional[msgspec.Raw]) -> Optional[T]:
    """What is kept, if it can be read."""
    try:
        return None if kept is None else decoder.decode(kept)
    except (msgspec.DecodeError, RecursionError):
        return None


class _Shelf(msgspec.Struct, array_like=True):
    """The surfaces of one distribution: modules by their path inside of it, functions by that and their line."""

    modules: Dict[str, msgspec.Raw] = {}
    functions: Dict[str, msgspec.Raw] = {}


class _Opened(NamedTuple):
    """A shelf in use: under which key it is kept, when the RECORD was written, and the sizes that it gives sources."""

    key: str
    shelf: _Shelf
    written: int
    sizes: Dict[str, str]


class Surfaces:
    """Reads surfaces. A distribution's are kept under the digest of its RECORD, which holds those of its files:
    the same distribution in another environment needs no reading.
    """

    def __init__(self, python: Tuple[int, int], distributions: Distributions) -> None:
        self._python = python
        self._distributions = distributions
        self._sources: Dict[str, bytes] = {}
        self._shown: Dict[str, Set[str]] = {}
        self._functions: Dict[Tuple[str, int], Optional[FunctionSurface]] = {}
        self._shelves: Dict[str, _Opened] = {}
        self._grown: Dict[str, None] = {}
        self.paths: List[str] = []

    def module(self, path: str, package: Optional[Package]) -> ModuleSurface:
        """Raises Unreadable, DoesNotParse and OSError."""
        self.paths.append(path)
        shelf, place = self._place(path, package)
        known = _decoded(_MODULE, shelf.modules.get(place)) if shelf is not None else None
        if known is not None:
            return known
        surface = read_module(self._source(path), self._python)
        if shelf is not None and package is not None:
            shelf.modules[place] = msgspec.Raw(msgspec.msgpack.encode(surface))
            self._grown[package.name] = None
        return surface

    def function(self, path: str, package: Optional[Package], stmt: Function) -> Optional[FunctionSurface]:
        """The function that begins on this line; raises Unreadable and OSError."""
        key = (path, stmt.first)
        if key not in self._functions:
            self._functions[key] = None
            shelf, place = self._place(path, package)
            place = f"{place}:{stmt.first}"
            known = _decoded(_FUNCTION, shelf.functions.get(place)) if shelf is not None else None
            if known is not None:
                self._functions[key] = known
            else:
                surface = self._functions[key] = read_function(self._source(path), stmt.first, stmt.last)
                if shelf is not None and package is not None:
                    shelf.functions[place] = msgspec.Raw(msgspec.msgpack.encode(surface))
                    self._grown[package.name] = None
        return self._functions[key]

    def shows(self, path: str, name: str) -> bool:
        """Does a line of its text define this name at the outermost level, or import it there?"""
        names = self._shown.get(path)
        if names is None:
            names = self._shown[path] = set()
            with suppress(Unreadable, OSError):
                names.update(shown_names(self._source(path)))
        return name in names

    def store(self) -> None:
        """Keep what was read."""
        for name in self._grown:
            opened = self._shelves[name]
            cache.store(opened.key, opened.shelf)

    def _place(self, path: str, package: Optional[Package]) -> Tuple[Optional[_Shelf], str]:
        """The shelf that this file's surfaces belong on, if any, and its place there."""
        if package is None or package.editable or not package.location or not package.info:
            return None, ""
        opened = self._shelves.get(package.name)
        if opened is None:
            opened = self._shelves[package.name] = self._open(package)
        place = os.path.relpath(path, package.location).replace(os.sep, "/")
        status = os.stat(path)
        # The RECORD is written last: what is newer, or of another size, was changed by hand.
        if str(status.st_size) != opened.sizes.get(place) or status.st_mtime_ns > opened.written + 60 * 10**9:
            return None, ""
        return opened.shelf, place

    def _open(self, package: Package) -> _Opened:
        record = self._distributions.record(package)
        try:
            written = os.stat(os.path.join(package.location or "", package.info or "", "RECORD")).st_mtime_ns
        except OSError:
            written = 0
        key = cache.digest((package.name, package.version, self._python, record))
        if not written:
            return _Opened(key, _Shelf(), written, {})
        return _Opened(key, cache.load(key, _Shelf) or _Shelf(), written, dict(_SIZE.findall(record)))

    def _source(self, path: str) -> bytes:
        source = self._sources.get(path)
        if source is None:
            size = os.stat(path).st_size
            if size > SIZE_LIMIT:
                raise Unreadable(f"{size / 1e6:.0f} MB of source")
            with open(path, "rb") as file:
                source = file.read(SIZE_LIMIT + 1)
            self._sources[path] = source
        return source
