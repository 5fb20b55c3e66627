"""Where the modules of an interpreter are: its search path, as import looks through it."""

from __future__ import annotations

import os
import re
import sys
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from card_doctor.model import Package

# Modules of the standard library that may be compiled into an interpreter, so that no file shows them
# (Modules/Setup and PC/config.c of CPython 3.6 to 3.14), beside those of our own.
_BUILT_IN = frozenset(sys.builtin_module_names) | frozenset(
    """__main__ _abc _ast _asyncio _bisect _blake2 _bz2 _codecs _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp
    _codecs_kr _codecs_tw _collections _contextvars _csv _ctypes _curses _curses_panel _datetime _dbm _decimal
    _elementtree _functools _gdbm _hashlib _heapq _imp _interpchannels _interpqueues _interpreters _io _json
    _locale _lsprof _lzma _markupbase _md5 _msi _multibytecodec _multiprocessing _opcode _operator _overlapped
    _peg_parser _pickle _posixshmem _posixsubprocess _queue _random _remote_debugging _scproxy _sha1 _sha2
    _sha256 _sha3 _sha512 _signal _socket _sqlite3 _sre _ssl _stat _statistics _string _struct _suggestions
    _symtable _sysconfig _thread _tkinter _tokenize _tracemalloc _types _typing _uuid _warnings _weakref _winapi
    _wmi _xxsubinterpreters _zoneinfo _zstd array atexit audioop binascii builtins cmath errno faulthandler
    fcntl gc grp itertools marshal math mmap msvcrt nis nt ossaudiodev parser posix pwd pyexpat readline
    resource select spwd sys syslog termios time unicodedata winreg winsound xxsubtype zlib""".split()  # noqa: SIM905  a column of a hundred lines reads worse
)
# Of those, the ones of one platform alone.
_WINDOWS = frozenset(("_msi", "_overlapped", "_winapi", "_wmi", "msvcrt", "nt", "winreg", "winsound"))
_POSIX = frozenset(
    """_curses _curses_panel _dbm _gdbm _posixshmem _posixsubprocess fcntl grp nis ossaudiodev posix pwd readline
    resource spwd syslog termios""".split()  # noqa: SIM905
)
_EXTENSION = re.compile(r"\.(?:so|pyd)\Z")
# Editable projects (https://setuptools.pypa.io/en/latest/userguide/development_mode.html) name their packages
# in a literal: {'package': '/folder/package'}
_MAPPING = re.compile(r"^MAPPING(?:\s*:[^=]*)?\s*=\s*(\{[^}]*\})", re.MULTILINE)
# Hooks that every virtual environment has, and that provide `distutils` alone.
_DISTUTILS_HOOKS = ("_distutils_hack", "_virtualenv")


class Found(NamedTuple):
    """A module: `path` of its file (None for a namespace or a built-in one), `folders` of its submodules."""

    path: Optional[str]
    folders: Tuple[str, ...] = ()
    root: str = ""  # the entry of the search path
    compiled: bool = False

    @property
    def is_package(self) -> bool:
        return bool(self.folders)


class Finder:
    """Finds modules by name; remembers every folder that it lists."""

    def __init__(self, search_path: Sequence[str], packages: Mapping[str, Package], platform: str = "linux") -> None:
        self._built_in = _BUILT_IN - (_POSIX if platform == "win32" else _WINDOWS)
        self.search_path = [entry for entry in search_path if entry]
        self.locations = {os.path.realpath(package.location) for package in packages.values() if package.location}
        self.gaps: List[Tuple[str, str]] = []
        # Whether a module that is found nowhere may still be there: an archive or an import hook may provide it.
        self.open_ended = False
        self._names: Dict[str, FrozenSet[str]] = {}
        self._found: Dict[str, Optional[Found]] = {}
        self._mapped: Dict[str, str] = {}
        self._standard: Dict[str, bool] = {}
        self._suffix_cache: Dict[FrozenSet[str], Tuple[str, ...]] = {}
        self.distutils_shim = False
        for entry in self.search_path:
            if os.path.isfile(entry):
                self.open_ended = True
                self.gaps.append((entry, "an archive on the search path is not read"))
            else:
                self._read_hooks(entry)

    @property
    def folders(self) -> List[str]:
        """Those that were listed."""
        return list(self._names)

    def is_standard(self, root: str) -> bool:
        """Is this entry of the search path a part of the interpreter?"""
        if root not in self._standard:
            names = self.names(root)
            base = os.path.basename(root)
            self._standard[root] = root == "" or "os.py" in names or base in {"lib-dynload", "DLLs"}
        return self._standard[root]

    def names(self, folder: str) -> FrozenSet[str]:
        names = self._names.get(folder)
        if names is None:
            try:
                names = frozenset(os.listdir(folder))
            except FileNotFoundError:
                names = frozenset()
            except (OSError, ValueError) as error:
                names = frozenset()
                self.open_ended = True
                self.gaps.append((folder, f"{type(error).__name__}: {getattr(error, 'strerror', error)}"))
            self._names[folder] = names
        return names

    def find(self, name: str) -> Optional[Found]:
        """The module of that dotted name; None where import would not find it."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> Optional[Found]:
        parent, _, last = name.rpartition(".")
        if parent:
            package = self.find(parent)
            return self._in(package.folders, last, package.root) if package else None
        if name in self._built_in and not any(name + ".py" in self.names(entry) for entry in self.search_path):
            found = self._in(self.search_path, name, None)
            return found or Found(None, compiled=True)
        mapped = self._mapped.get(name)
        if mapped is not None:
            return self._in((os.path.dirname(mapped),), os.path.basename(mapped), None)
        found = self._in(self.search_path, name, None)
        if found is None and name == "distutils" and self.distutils_shim:
            return self.find("setuptools._distutils")
        return found

    def _in(self, folders: Sequence[str], name: str, root: Optional[str]) -> Optional[Found]:
        portions: List[str] = []
        for folder in folders:
            names = self.names(folder)
            path = os.path.join(folder, name)
            if name in names:
                inner = self.names(path) if os.path.isdir(path) else frozenset()
                init = self._file(inner, "__init__")
                if init:
                    file = os.path.join(path, init)
                    return Found(file, (path,), folder if root is None else root, not init.endswith(".py"))
                if os.path.isdir(path):
                    portions.append(path)
            module = self._file(names, name)
            if module:
                file = os.path.join(folder, module)
                return Found(file, (), folder if root is None else root, not module.endswith(".py"))
        if portions:
            return Found(None, tuple(portions), os.path.dirname(portions[0]) if root is None else root)
        return None

    def _file(self, names: FrozenSet[str], name: str) -> Optional[str]:
        """The file that import would take: an extension before a source before bytecode."""
        for file in (self._extension(names, name), name + ".py", name + ".pyc"):
            if file is not None and file in names:
                return file
        return None

    def _extension(self, names: FrozenSet[str], name: str) -> Optional[str]:
        for suffix in self._suffixes(names):
            if name + suffix in names:
                return name + suffix
        return None

    def _suffixes(self, names: FrozenSet[str]) -> Tuple[str, ...]:
        suffixes = self._suffix_cache.get(names)
        if suffixes is None:
            seen: Set[str] = set()
            for name in names:
                if _EXTENSION.search(name):
                    seen.add(name[name.index(".") :])
            suffixes = self._suffix_cache[names] = tuple(sorted(seen))
        return suffixes

    def _read_hooks(self, entry: str) -> None:
        for name in sorted(self.names(entry)):
            if not name.endswith(".pth"):
                continue
            try:
                with open(os.path.join(entry, name), encoding="utf-8", errors="replace") as file:
                    text = file.read(1 << 16)
            except OSError:
                continue
            for line in text.splitlines():
                if line.startswith(("import ", "import\t")):
                    self._read_hook(entry, line)

    def _read_hook(self, entry: str, line: str) -> None:
        if any(hook in line for hook in _DISTUTILS_HOOKS):
            if "_distutils_hack" in line and "_distutils_hack" in self.names(entry):
                self.distutils_shim = True
            return
        if "types" in line and "__path__" in line:
            return  # a namespace package of old setuptools: its folder is on the path as well
        imported = re.match(r"import\s+([\w.]+)", line)
        name = imported.group(1).partition(".")[0] if imported else ""
        try:
            with open(os.path.join(entry, name + ".py"), encoding="utf-8", errors="replace") as file:
                source = file.read(1 << 20)
        except OSError:
            source = ""
        mapping = _MAPPING.search(source)
        if mapping:
            import ast  # noqa: PLC0415

            try:
                mapped = ast.literal_eval(mapping.group(1))
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                mapped = None
            if isinstance(mapped, dict):
                self._mapped.update({str(key): str(value) for key, value in mapped.items() if "." not in str(key)})
                return
        if "meta_path" in source or "meta_path" in line or "path_hooks" in source + line:
            self.open_ended = True
