"""Shared libraries and distributions made for a test, by this machine's C compiler."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from card_doctor.model import Package

# What `import_array()` is in the headers of NumPy 1 (numpy/core/include/numpy/__multiarray_api.h), in short: the table
# of functions, the comparison of its version, the message.
NUMPY_1 = """
extern void *PyCapsule_GetPointer(void *, const char *);
extern void PyErr_Format(void *, const char *, ...);
static void **PyArray_API;
int FUNCTION(void) {
    PyArray_API = PyCapsule_GetPointer(0, 0);
    if (0x1000009 != ((unsigned (*)(void)) PyArray_API[0])()) {
        PyErr_Format(0, "module compiled against ABI version 0x%x but this version of numpy is 0x%x", 0x1000009, 0);
        return -1;
    }
    if (FEATURE > ((unsigned (*)(void)) PyArray_API[211])()) {
        PyErr_Format(0, "module compiled against API version 0x%x but this version of numpy is 0x%x", FEATURE,
                     ((unsigned (*)(void)) PyArray_API[211])());
        return -1;
    }
    return ((int (*)(void)) PyArray_API[210])();
}
"""
NUMPY_2 = """
extern void *PyCapsule_GetPointer(void *, const char *);
extern void PyErr_Format(void *, const char *, ...);
int FUNCTION(void) {
    if (PyCapsule_GetPointer(0, 0))
        PyErr_Format(0, "module was compiled against NumPy C-API version 0x%x (NumPy TARGET) "
                     "but the running NumPy has C-API version 0x%x.", 1, 2);
    return 0;
}
"""
# How a module of Cython compares the size of a type, with the size in the headers it was compiled with.
CYTHON = """
extern void *PyImport_ImportModule(const char *);
extern void *PyObject_GetAttrString(void *, const char *);
extern void PyErr_Format(void *, const char *, ...);
__attribute__((noipa)) static void *import_type(void *module, const char *name, const char *type,
                                                   unsigned long size, unsigned long alignment) {
    if (!PyObject_GetAttrString(module, type))
        PyErr_Format(0, "%.200s.%.200s size changed, may indicate binary incompatibility. "
                     "Expected %zd from C header, got %zd from PyObject", name, type, size, alignment);
    return module;
}
int FUNCTION(void) {
    void *numpy = PyImport_ImportModule("numpy");
    return numpy && import_type(numpy, "numpy", "dtype", DTYPE, 2)
        && import_type(numpy, "numpy", "flatiter", FLATITER, 8);
}
"""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="shared libraries of Linux")
on_x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86-64")


def compiled(path: Path, source: str = "", *flags: str, **values: str) -> Path:
    """A shared library at `path`; `FUNCTION` and the like in its source are replaced."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    for name, value in {"FUNCTION": "import_array", **values}.items():
        source = source.replace(name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [
        compiler,
        "-shared",
        "-fPIC",
        "-O2",
        "-nostdlib",
        "-Wl,--no-as-needed",
        "-x",
        "c",
        "-",
        "-x",
        "none",
        "-o",
        str(path),
        *flags,
    ]
    subprocess.run(command, input=source, text=True, check=True)
    return path


def distribution(site: Path, name: str, version: str = "1.0", *, record: bool = True) -> Package:
    """What stands below `site` and belongs to no other distribution becomes one."""
    taken = {
        line.partition(",")[0] for file in site.glob("*.dist-info/RECORD") for line in file.read_text().splitlines()
    }
    files = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*")) if not path.is_dir()]
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    if record:
        lines = [f"{file},sha256=x,1" for file in files if ".dist-info" not in file and file not in taken]
        (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,"]) + "\n")
    return Package(name, version, location=str(site), info=info.name)
