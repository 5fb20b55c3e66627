"""One distribution's compiled files → what they were compiled for. Nothing is loaded: the files are only read."""

from __future__ import annotations

import mmap
import posixpath
import re
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from card_doctor.model import Package
from card_doctor.model.binary import BinarySurface, Linked, NumpyApi, TorchUse
from card_doctor.surfaces.elf import MAGIC, X86_64, Data, Elf, ElfError

# What a compiled file is called; in a RECORD
# (https://packaging.python.org/en/latest/specifications/recording-installed-packages/) a comma follows.
_COMPILED = re.compile(r"\.(?:so(?:\.\d[\w.-]*)?|pyd|dll|dylib)(?=[,\"\r\n]|\Z)")
# spam.cpython-39-x86_64-linux-gnu.so, spam.cpython-313t-…, spam.abi3.so, spam.pypy39-pp73-…, spam.so
_MODULE = re.compile(r"([^.]+)(?:\.(cpython-\d+[a-z]*|pypy\d+-pp\d+|abi3t?)(?:-[^.]*)?)?\.so\Z")
_VERSION = re.compile(r"(GLIBC|GLIBCXX|CXXABI)_(\d+(?:\.\d+)*)\Z")
TORCH_LIBRARY = re.compile(r"lib(?:torch|c10)\w*\.so\Z")
# Names in the namespaces at, c10, torch and caffe2 as the Itanium C++ ABI writes them: functions, variables, and the
# tables of classes; and the functions of torch's Python side.
_TORCH_SYMBOL = re.compile(r"_Z(?:(?:NK?|T[IVST]N)(?:2at|3c10|5torch|6caffe2)\d|\d+THP)")
# glibc's own libraries are there wherever glibc is; their versions are looked at instead.
_GLIBC = re.compile(r"(?:ld-linux[\w-]*|lib(?:c|m|dl|rt|pthread|util|resolv|anl|mvec))\.so\.\d\Z")
_ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})")
_MACH_O = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")

# What `import_array()` of NumPy's headers leaves in the file that it is compiled into: the message for a NumPy that
# is too old (numpy/_core/include/numpy/__multiarray_api.c). NumPy 2 names its target in it, "also to allow grepping
# the binaries" (numpyconfig.h).
_NUMPY = re.compile(
    rb"module (?:compiled against API version |was compiled against NumPy C-API version 0x%x \(NumPy (\d+\.\d+)\))"
)
# NumPy 1 has its C-API version in the code alone: the call of PyArray_GetNDArrayCFeatureVersion, number 211 of its
# table of functions, and on x86-64 a comparison of what it returned with a constant.
_NUMPY_1_CHECK = re.compile(rb"\x98\x06\x00\x00\x83\xf8([\x06-\x11])(.{13})", re.DOTALL)
# Cython's modules compare the size of NumPy's types with that in the headers: `__Pyx_ImportType(module, "numpy",
# "dtype", sizeof(PyArray_Descr), ...)`. It was 96 bytes in NumPy 1 and is less in NumPy 2, which such a module refuses.
_CYTHON = re.compile(rb"size changed, may indicate binary incompatibility")
_DTYPE_1 = re.compile(rb"\xb9\x60\x00\x00\x00")  # mov $96,%ecx: the fourth argument
_THIRD = re.compile(rb"\x48\x8d\x15(.{4})", re.DOTALL)  # lea …(%rip),%rdx
_NEARBY = 32  # bytes between the instructions that set the arguments of one call
# The first NumPy with each version of the C-API (NPY_1_7_API_VERSION and following in numpyconfig.h).
_FEATURES = {
    0x7: "1.7",
    0x8: "1.8",
    0x9: "1.9",
    0xA: "1.10",
    0xB: "1.13",
    0xC: "1.14",
    0xD: "1.16",
    0xE: "1.20",
    0xF: "1.22",
    0x10: "1.23",
    0x11: "1.25",
}


def compiled_files(package: Package) -> Optional[List[str]]:
    """The compiled files of a distribution, relative to its location: those that its own list names, or, where it
    has none (as conda and Debian install), those in its folders. None where it has neither.
    """
    if not package.location or not package.info:
        return None
    info = Path(package.location, package.info)
    for name, base in (("RECORD", ""), ("installed-files.txt", package.info)):
        with suppress(OSError):
            listed = (info / name).read_text(encoding="utf-8", errors="replace")
            return [posixpath.normpath(posixpath.join(base, path)) for path in _listed(listed)]
    names = [package.name.replace("-", "_")]
    with suppress(OSError):
        names = (info / "top_level.txt").read_text(encoding="utf-8", errors="replace").split()
    folders = [folder for folder in (Path(package.location, name) for name in names) if folder.is_dir()]
    if not folders:
        return None
    paths = (path.relative_to(package.location).as_posix() for folder in folders for path in folder.rglob("*.*"))
    return sorted(path for path in paths if _COMPILED.search(path))


def _listed(listed: str) -> Iterator[str]:
    for ending in _COMPILED.finditer(listed):
        start = listed.rfind("\n", 0, ending.start()) + 1
        path = listed[start : ending.end()].lstrip('"')
        if "," not in path:
            yield path


def read_binary(package: Package) -> BinarySurface:
    """What the compiled files of `package` say. Those that can't be read are its gaps; the others are read."""
    files = compiled_files(package)
    reader = _Reader(package, is_torch=any(posixpath.basename(file) == "libc10.so" for file in files or ()))
    if files is None or (package.editable and not files):
        reader.gaps.append((package.info or package.name, "it keeps no list of its files"))
    for file in files or ():
        reader.read(file)
    return reader.surface()


class _File(NamedTuple):
    """`needed` are libraries by name, `versions` symbol versions."""

    needed: Tuple[str, ...]
    versions: Tuple[str, ...]


class _Reader:
    def __init__(self, package: Package, *, is_torch: bool) -> None:
        self.package = package
        self.is_torch = is_torch  # whose own libraries find each other
        self.location = package.location or ""
        self.files: Dict[str, _File] = {}
        self.modules: Dict[str, Set[str]] = {}  # by their path without tag and suffix
        self.module_files: List[str] = []
        self.libraries: Dict[str, str] = {}  # the file, by the names that others may need it by
        self.numpy: Dict[Tuple[int, Optional[str]], List[str]] = {}
        self.torch: List[TorchUse] = []
        self.search: Set[str] = set()
        self.gaps: List[Tuple[str, str]] = []

    def read(self, file: str) -> None:
        base = posixpath.basename(file)
        self.libraries.setdefault(base, file)
        match = _MODULE.match(base)
        if match and match.group(2):
            self.module(file, match)
        try:
            with mapped(Path(self.location, file)) as data:
                elf = Elf(data)
                self.elf(file, elf)
                if match and not match.group(2) and elf.defines("PyInit_" + match.group(1)):
                    self.module(file, match)
        except (OSError, ValueError) as error:
            self.gaps.append((file, getattr(error, "strerror", None) or str(error)))

    def module(self, file: str, match: re.Match[str]) -> None:
        name = posixpath.join(posixpath.dirname(file), match.group(1))
        self.modules.setdefault(name, set()).add(match.group(2) or "")
        self.module_files.append(file)

    def elf(self, file: str, elf: Elf) -> None:
        versions = tuple(version for version in elf.versions_needed() if _VERSION.match(version))
        self.files[file] = _File(tuple(elf.needed), versions)
        if elf.soname:
            self.libraries.setdefault(elf.soname, file)
        folder = posixpath.dirname(file)
        for path in elf.run_path:
            self.search.add(posixpath.normpath(_ORIGIN.sub(lambda _: folder or ".", path)))
        if elf.names("PyErr_Format"):  # what reports a NumPy that does not fit
            self.numpy_api(file, elf)
        if any(map(TORCH_LIBRARY.match, elf.needed)) and not self.is_torch:
            symbols = tuple(sorted(set(filter(_TORCH_SYMBOL.match, elf.undefined()))))
            if symbols:
                self.torch.append(TorchUse(file, symbols))

    def numpy_api(self, file: str, elf: Elf) -> None:
        match = next(elf.search(_NUMPY, b".rodata"), None)
        if match:
            target = match.group(1)
            api = (2, target.decode()) if target else (1, _since(elf))
        elif _refuses_numpy_2(elf):
            api = (1, None)
        else:
            return
        self.numpy.setdefault(api, []).append(file)

    def surface(self) -> BinarySurface:
        numpy = [
            NumpyApi(major, since, self.example(files), len(files)) for (major, since), files in self.numpy.items()
        ]
        return BinarySurface(
            distribution=self.package.name,
            version=self.package.version,
            numpy=tuple(sorted(numpy, key=lambda api: (-api.count, api.file))),
            abis=tuple(sorted({tuple(sorted(tags)) for tags in self.modules.values()})),
            links=tuple(self.links()),
            torch=tuple(self.torch),
            libraries=tuple(sorted(set(self.libraries) - set(map(posixpath.basename, self.module_files)))),
            search=tuple(sorted(self.search - set(map(posixpath.dirname, self.files)))),
            gaps=tuple(self.gaps),
        )

    def example(self, files: List[str]) -> str:
        """One file for all: of the package that is called like the distribution, and no deeper than needed."""
        own = self.package.name.replace("-", "_") + "/"
        return min(files, key=lambda file: (not file.startswith(own), file.count("/"), file))

    def links(self) -> Iterator[Linked]:
        found: Dict[Tuple[Tuple[str, ...], Tuple[str, ...]], List[str]] = {}
        for file in self.module_files:
            if file in self.files:
                found.setdefault(self.needs(file), []).append(file)
        for (libraries, versions), files in found.items():
            yield Linked(self.example(files), libraries, versions, len(files))

    def needs(self, file: str) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
        """What that file and the libraries of its own distribution that it needs want from outside."""
        outside: Set[str] = set()
        highest: Dict[str, Tuple[int, ...]] = {}
        todo, seen = [file], {file}
        while todo:
            one = self.files[todo.pop()]
            for version in one.versions:
                name, _, number = version.partition("_")
                highest[name] = max(highest.get(name, ()), tuple(map(int, number.split("."))))
            for needed in one.needed:
                inside = self.libraries.get(needed)
                if inside is None:
                    if "/" not in needed and not _GLIBC.match(needed):  # a path is no matter of searching
                        outside.add(needed)
                elif inside not in seen and inside in self.files:
                    seen.add(inside)
                    todo.append(inside)
        versions = tuple(f"{name}_{'.'.join(map(str, number))}" for name, number in sorted(highest.items()))
        return tuple(sorted(outside)), versions


def _refuses_numpy_2(elf: Elf) -> bool:
    if elf.machine != X86_64 or not any(elf.search(_CYTHON, b".rodata")):
        return False
    for size in elf.search(_DTYPE_1, b".text"):
        around = _THIRD.finditer(elf.data, max(size.start() - _NEARBY, 0), size.end() + _NEARBY)
        # Of several calls in a row, the arguments of each stand nearest to each other.
        nearest = min(((abs(one.start() - size.start()), one.end(), one.group(1)) for one in around), default=None)
        if nearest is not None:
            _, end, distance = nearest
            target = elf.address(end) + int.from_bytes(distance, "little", signed=True)
            if elf.mapped_at(target, 6) == b"dtype\0":
                return True
    return False


def _since(elf: Elf) -> Optional[str]:
    """The oldest NumPy 1 that this file, compiled with the headers of NumPy 1, runs on."""
    check = next(elf.search(_NUMPY_1_CHECK, b".text"), None) if elf.machine == X86_64 else None
    if check is None:
        return None
    compared, following = check.group(1)[0], check.group(2)
    if following[0] & 0xF0 == 0x40 and following[1] == 0x8B:  # a mov of 64 bits stands between: step over it
        mode, base = following[2] >> 6, following[2] & 7
        wide = mode == 2 or (mode == 0 and base == 5)
        following = following[3 + (base == 4) + (4 if wide else mode) :]
    jump = following[1] - 0x10 if following[0] == 0x0F else following[0]
    if jump in {0x76, 0x77}:  # "below 0xe" is written as "not above 0xd"
        return _FEATURES.get(compared + 1)
    return _FEATURES.get(compared) if jump in {0x72, 0x73} else None


@contextmanager
def mapped(path: Path) -> Iterator[Data]:
    """The file's content, mapped. What is no regular file is not opened: a pipe would wait for its other end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ElfError("it is no regular file")
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            kind = "a Mach-O file" if magic in _MACH_O else "a PE file" if magic[:2] == b"MZ" else None
            raise ElfError(f"it is {kind}: these are not read" if kind else "it is no ELF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
