from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from card_doctor.checks import binaries as checks
from card_doctor.environment import read_interpreter
from card_doctor.model import (
    Binaries,
    BinarySurface,
    Linked,
    Loader,
    NotApplicable,
    NumpyApi,
    Platform,
    TorchUse,
    Unknown,
)
from card_doctor.surfaces.loader import read_binaries
from made import PYTHON, Known, case, package, releases

NUMPY_1 = NumpyApi(1, "1.16", "torch/lib/libtorch_python.so")
TORCH = BinarySurface("torch", "1.9.1", numpy=(NUMPY_1,))


def judged(check, *installed, surfaces=(), loader=None, reached=None, known=None, **facts: Any):
    """What `check` finds; what has no surface of its own was read and has no compiled file."""
    read = {one.name: BinarySurface(one.name, one.version) for one in installed}
    read.update({one.distribution: one for one in surfaces})
    binaries = Binaries(read, loader, None if reached is None else frozenset(reached))
    return list(check(msgspec.structs.replace(case(*installed, known=known, **facts), binaries=binaries)))


@pytest.mark.parametrize("check", [checks.numpy_abi, checks.python_abi, checks.library_missing, checks.torch_abi])
def test_where_no_compiled_file_was_read_nothing_is_asked(check):
    with pytest.raises(NotApplicable):
        list(check(case(package("torch", "1.9.1"), package("numpy", "2.0.2"), source="pip-inspect")))


# --- numpy --------------------------------------------------------------------------------------------------------


def numpy_abi(numpy, *surfaces, **facts):
    installed = [package("numpy", numpy), *(package(one.distribution, one.version) for one in surfaces)]
    return judged(checks.numpy_abi, *installed, surfaces=surfaces, **facts)


def test_what_was_compiled_for_numpy_1_cannot_use_numpy_2():
    (finding,) = numpy_abi("2.0.2", TORCH)
    assert finding.message == "torch 1.9.1 was compiled for NumPy 1 and cannot use numpy 2.0.2"
    assert (finding.subject, finding.found, finding.needs) == ("numpy", "2.0.2", "<2")
    assert (finding.severity, finding.breaks) == ("error", "yes")
    assert finding.remedies[0].requirement == "numpy<2"
    assert finding.details == (
        "torch/lib/libtorch_python.so was compiled with the headers of NumPy 1, for 1.16 or newer",
    )


@pytest.mark.parametrize("numpy", ["1.16.0", "1.26.4", "1.19.5+mkl", "2.0.0.dev0+git20230726"])
def test_it_runs_on_any_other_numpy_1(numpy):
    assert bool(numpy_abi(numpy, TORCH)) == numpy.startswith("2")


@pytest.mark.parametrize("numpy", ["2.0.0rc1", "2.5.5", "3.0.0"])
def test_every_numpy_from_2_on_refuses_it(numpy):
    assert numpy_abi(numpy, TORCH)


@pytest.mark.parametrize(
    ("api", "numpy", "needs", "what"),
    [
        (NumpyApi(2, "2.0", "pyarrow/libarrow_python.so"), "1.26.4", ">=2.0", "NumPy 2.0 or newer"),
        (NumpyApi(2, "1.20", "a.so"), "1.19.5", ">=1.20", "NumPy 1.20 or newer"),
        (NumpyApi(1, "1.23", "a.so"), "1.22.4", ">=1.23,<2", "NumPy 1.23 or newer"),
        (NumpyApi(2, "2.1", "a.so"), "2.0.2", ">=2.1", "NumPy 2.1 or newer"),
    ],
)
def test_what_was_compiled_for_a_newer_numpy_needs_it(api, numpy, needs, what):
    (finding,) = numpy_abi(numpy, BinarySurface("pyarrow", "26.0.1", numpy=(api,)))
    assert finding.message == f"pyarrow 26.0.1 was compiled for {what} and cannot use numpy {numpy}"
    assert (finding.needs, finding.remedies[0].requirement) == (needs, f"numpy{needs}")


@pytest.mark.parametrize("numpy", ["1.20.0", "1.26.4", "2.0.2", "2.5.5"])
def test_what_was_compiled_with_numpy_2_runs_on_all_from_its_target_on(numpy):
    assert not numpy_abi(numpy, BinarySurface("a", "1", numpy=(NumpyApi(2, "1.20", "a.so", 30),)))


def test_a_file_that_does_not_tell_its_oldest_numpy_is_not_judged_by_it():
    surface = BinarySurface("a", "1", numpy=(NumpyApi(1, None, "a.so"),))
    assert not numpy_abi("1.7.0", surface)
    (finding,) = numpy_abi("2.0.2", surface)
    assert finding.details == ("a.so was compiled with the headers of NumPy 1",)


def test_a_single_module_for_a_newer_numpy_is_imported_only_there():
    """h5py 3.14 brings one of 25 for what NumPy 2 added."""
    apis = (NumpyApi(2, "1.16", "h5py/_conv.so", 24), NumpyApi(2, "2.0", "h5py/_npystrings.so"))
    assert not numpy_abi("1.26.4", BinarySurface("h5py", "3.14.0", numpy=apis))
    assert checks.numpy_range(BinarySurface("h5py", "3.14.0", numpy=apis)) == ">=1.16"


def test_where_some_files_fit_it_only_may_break():
    apis = (NumpyApi(1, "1.16", "a.so", 3), NumpyApi(2, "1.16", "b.so"))
    (finding,) = numpy_abi("2.0.2", BinarySurface("a", "1", numpy=apis), reached=["a"])
    assert (finding.breaks, finding.severity) == ("maybe", "warning")


def test_files_that_do_not_tell_their_oldest_numpy_do_not_speak_for_it():
    apis = (NumpyApi(1, "1.20", "a.so", 3), NumpyApi(1, None, "b.so", 9))
    (finding,) = numpy_abi("1.19.5", BinarySurface("a", "1", numpy=apis), reached=["a"])
    assert (finding.breaks, finding.needs) == ("yes", ">=1.20,<2")


# --- numpy, where the files are not at hand ------------------------------------------------------------------------


def of_wheels(*told: BinarySurface, installed, reached=(), **facts: Any):
    """What the wheels say of these packages, in an environment that is known from a file."""
    known = Known(told_compiled=told, told_reached=tuple(reached))
    here = case(*(package(name, version) for name, version in installed.items()), known=known, **facts)
    return list(checks.numpy_abi(here))


WHEEL = BinarySurface("torch", "1.9.1", numpy=(NumpyApi(1, "1.16", ""),))
FROM_FILE = {"source": "pip-inspect"}


def test_the_wheels_of_a_release_speak_for_it_with_the_same_words():
    (finding,) = of_wheels(WHEEL, installed={"torch": "1.9.1", "numpy": "2.0.2"}, **FROM_FILE)
    (live,) = numpy_abi("2.0.2", TORCH)
    assert finding == msgspec.structs.replace(live, details=finding.details)
    assert finding.breaks == "yes"
    assert finding.details == (
        "files in the wheels of torch 1.9.1 were compiled with the headers of NumPy 1, for 1.16 or newer",
    )
    assert of_wheels(WHEEL, installed={"torch": "1.9.1", "numpy": "1.26.4"}, **FROM_FILE) == []


@pytest.mark.parametrize(("reached", "breaks"), [((), "no"), (("a",), "yes")])
def test_what_training_does_not_import_breaks_nothing(reached, breaks):
    told = BinarySurface("a", "1", numpy=WHEEL.numpy)
    (finding,) = of_wheels(told, installed={"a": "1", "numpy": "2.0.2"}, reached=reached, **FROM_FILE)
    assert finding.breaks == breaks


def test_every_release_of_datasets_imports_pandas():
    told = BinarySurface("pandas", "1.5.3", numpy=WHEEL.numpy)
    (finding,) = of_wheels(told, installed={"pandas": "1.5.3", "datasets": "9", "numpy": "2.0.2"}, **FROM_FILE)
    assert finding.breaks == "yes"


def test_a_release_that_is_not_known_is_unknown_where_training_imports_it():
    with pytest.raises(Unknown, match=r"which NumPy torch 3\.0 was compiled for"):
        of_wheels(WHEEL, installed={"torch": "3.0", "numpy": "2.0.2"}, **FROM_FILE)
    told = BinarySurface("a", "1", numpy=WHEEL.numpy)
    assert of_wheels(WHEEL, told, installed={"torch": "1.9.1", "a": "2", "numpy": "1.26.4"}, **FROM_FILE) == []


def test_where_the_python_is_not_known_all_wheels_have_to_say_it():
    both = (WHEEL, BinarySurface("torch", "1.9.1", numpy=(NumpyApi(2, "1.20", ""),)))
    installed = {"torch": "1.9.1", "numpy": "2.0.2"}
    assert of_wheels(*both, installed=installed, python=None, **FROM_FILE) == []
    (finding,) = of_wheels(WHEEL, WHEEL, installed=installed, python=None, **FROM_FILE)
    assert finding.breaks == "yes"


@pytest.mark.parametrize(
    "facts",
    [
        {"source": "conda"},
        {"source": "pip-inspect", "platform": Platform("Darwin", "arm64")},
        {"source": "pip-inspect", "platform": Platform("Linux", "aarch64", ("glibc", "2.36"))},
    ],
)
def test_what_did_not_come_from_wheels_for_linux_is_not_judged_by_them(facts):
    with pytest.raises(NotApplicable):
        of_wheels(WHEEL, installed={"torch": "1.9.1", "numpy": "2.0.2"}, **facts)


def test_what_was_built_here_is_not_judged_by_a_wheel():
    known = Known(told_compiled=(WHEEL,))
    built = msgspec.structs.replace(package("torch", "1.9.1"), editable=True)
    with pytest.raises(Unknown):
        list(checks.numpy_abi(case(built, package("numpy", "2.0.2"), known=known, **FROM_FILE)))


@pytest.mark.parametrize(
    ("installed", "numpy", "remedies"),
    [
        ("2.0", "2.0.2", ["numpy<2", "a>=3.0"]),
        ("5.0", "2.0.2", ["numpy>=2.1", "a<=4.0"]),
        ("5.0", "1.26.4", ["numpy>=2.1", "a<=4.0"]),
        ("2.0", "1.15.4", ["numpy>=1.16,<2"]),
    ],
)
def test_the_nearest_release_for_the_installed_numpy_is_a_remedy_too(installed, numpy, remedies):
    apis = {"1.0": (1, "1.16"), "2.0": (1, "1.16"), "3.0": (2, "1.20"), "4.0": (2, "1.20"), "5.0": (2, "2.1")}
    told = [BinarySurface("a", version, numpy=(NumpyApi(*api, ""),)) for version, api in apis.items()]
    known = Known(told_compiled=tuple(told), told_releases={"a": releases(*apis, "3.5rc1", "6.0")})
    (finding,) = checks.numpy_abi(case(package("a", installed), package("numpy", numpy), known=known, **FROM_FILE))
    assert [remedy.requirement for remedy in finding.remedies] == remedies


def test_what_was_read_itself_needs_no_wheel_and_what_is_planned_beside_it_does():
    read = {"torch": BinarySurface("torch", "2.3.0"), "numpy": BinarySurface("numpy", "2.0.2")}
    binaries = Binaries(read, None, frozenset({"torch"}))
    known = Known(told_compiled=(WHEEL, BinarySurface("torch", "2.3.0", numpy=WHEEL.numpy)))
    for version, found in (("2.3.0", 0), ("1.9.1", 1)):
        here = case(package("torch", version), package("numpy", "2.0.2"), known=known)
        assert len(list(checks.numpy_abi(msgspec.structs.replace(here, binaries=binaries)))) == found


def test_one_finding_for_each_that_can_not_use_it():
    pandas = BinarySurface("pandas", "1.5.3", numpy=(NumpyApi(1, "1.20", "pandas/_libs/lib.so", 32),))
    assert [finding.message.split()[0] for finding in numpy_abi("2.0.2", TORCH, pandas)] == ["torch", "pandas"]


def test_numpy_itself_is_no_importer_of_numpy():
    own = BinarySurface("numpy", "2.0.2", numpy=(NumpyApi(2, "2.5", "numpy/_core/_multiarray_tests.so"),))
    assert not judged(checks.numpy_abi, package("numpy", "2.0.2"), surfaces=[own])


@pytest.mark.parametrize("numpy", [None, "not a version"])
def test_without_a_numpy_that_can_be_compared_nothing_is_said(numpy):
    installed = [package("torch", "1.9.1"), *([package("numpy", numpy)] if numpy else [])]
    assert not judged(checks.numpy_abi, *installed, surfaces=[TORCH])


def test_another_release_than_the_one_that_was_read_is_not_judged_by_it():
    """A remedy is tried on a changed snapshot: neither the old release nor the old numpy counts there."""
    assert not judged(checks.numpy_abi, package("torch", "2.3.0"), package("numpy", "2.0.2"), surfaces=[TORCH])


@pytest.mark.parametrize(
    ("name", "beside", "reached", "breaks"),
    [
        ("torch", (), None, "yes"),
        ("pandas", ("datasets",), None, "yes"),
        ("pyarrow", ("datasets",), None, "yes"),
        ("pandas", (), None, "maybe"),
        ("scikit-learn", ("datasets",), None, "maybe"),
        ("scikit-learn", (), ["torch", "scikit-learn"], "yes"),
        ("scikit-learn", ("datasets",), ["torch", "datasets"], "no"),
    ],
)
def test_it_breaks_training_where_training_imports_it(name, beside, reached, breaks):
    surface = BinarySurface(name, "1", numpy=(NUMPY_1,))
    installed = [package("numpy", "2.0.2"), package(name, "1"), *(package(other, "1") for other in beside)]
    (finding,) = judged(checks.numpy_abi, *installed, surfaces=[surface], reached=reached)
    assert (finding.breaks, finding.severity) == (breaks, "error" if breaks == "yes" else "warning")


# --- Python -------------------------------------------------------------------------------------------------------


def python_abi(*abis, python=PYTHON):
    surface = BinarySurface("spam", "1.0", abis=abis)
    return judged(checks.python_abi, package("spam", "1.0"), surfaces=[surface], reached=["spam"], python=python)


def python(version, implementation="cpython", *, free_threaded=False):
    return msgspec.structs.replace(PYTHON, version=version, implementation=implementation, free_threaded=free_threaded)


def test_what_another_python_installed_can_not_be_imported():
    (finding,) = python_abi(("cpython-310", "cpython-39"), python=python("3.11.7"))
    assert finding.message == ("spam 1.0 was compiled for CPython 3.10 and CPython 3.9, and this is CPython 3.11")
    assert (finding.subject, finding.breaks, finding.remedies[0].kind) == ("spam", "yes", "python")


@pytest.mark.parametrize("tags", [("cpython-39",), ("abi3",), ("",), ("cpython-310", "cpython-39")])
def test_what_was_compiled_for_it_or_for_all_can(tags):
    assert not python_abi(tags)


def test_one_module_that_can_be_imported_is_enough_not_to_judge():
    assert not python_abi(("cpython-310",), ("cpython-39",))


def test_without_the_lock_another_tag_counts_and_the_stable_one_does_not():
    assert not python_abi(("cpython-313t",), python=python("3.13.0", free_threaded=True))
    assert python_abi(("abi3",), python=python("3.13.0", free_threaded=True))
    (finding,) = python_abi(("cpython-313",), python=python("3.13.0", free_threaded=True))
    assert finding.message == "spam 1.0 was compiled for CPython 3.13, and this is CPython 3.13t"


def test_another_implementation_is_not_judged_and_an_unknown_one_is_unknown():
    assert not python_abi(("cpython-310",), python=python("3.9.18", "pypy"))
    with pytest.raises(Unknown):
        python_abi(("cpython-39",), python=None)


# --- libraries ----------------------------------------------------------------------------------------------------

CUDNN = Linked("torch/_C.cpython-39-x86_64-linux-gnu.so", ("libcudnn.so.8", "libstdc++.so.6"), ("GLIBC_2.17",))
SYSTEM = Loader(frozenset({"libstdc++.so.6", "libz.so.1"}), frozenset({"GLIBCXX_3.4", "GLIBCXX_3.4.29"}))


def library_missing(*links, beside=(), loader=SYSTEM, requires=(), libraries=(), **facts):
    surfaces = [BinarySurface("torch", "2.1.2", links=links), *beside]
    installed = [package("torch", "2.1.2", *requires), *(package(one.distribution, one.version) for one in beside)]
    return judged(checks.library_missing, *installed, surfaces=surfaces, loader=loader, **facts)


def test_a_library_that_nobody_has_is_missing():
    requires = ["nvidia-cudnn-cu12==8.9.2.26", "nvidia-cublas-cu12==12.1.3.1", "sympy"]
    (finding,) = library_missing(CUDNN, requires=requires)
    assert finding.message == (
        "torch 2.1.2 needs libcudnn.so.8, and neither an installed distribution nor this system has it"
    )
    assert (finding.subject, finding.needs, finding.breaks) == ("torch", "libcudnn.so.8", "yes")
    assert [(one.kind, one.requirement) for one in finding.remedies] == [("install", "nvidia-cudnn-cu12==8.9.2.26")]


def test_what_an_installed_distribution_brings_is_there():
    cudnn = BinarySurface("nvidia-cudnn-cu12", "8.9.2.26", libraries=("libcudnn.so.8",))
    assert not library_missing(CUDNN, beside=[cudnn])


def test_what_the_system_has_is_there():
    assert not library_missing(Linked("a.so", ("libz.so.1",)))


@pytest.mark.parametrize("name", ["libcuda.so.1", "libnvidia-ml.so.1", "libpython3.9.so.1.0"])
def test_the_drivers_and_the_interpreters_libraries_are_not_missed(name):
    assert not library_missing(Linked("a.so", (name,)))


def test_a_module_for_what_is_not_here_is_not_judged_and_most_of_them_may_break():
    plain = Linked("torch/_C.so", ("libz.so.1",), count=9)
    assert not library_missing(plain, Linked("torch/_mpi.so", ("libmpi.so.40",)))
    (finding,) = library_missing(plain, Linked("torch/_mpi.so", ("libmpi.so.40",), count=10))
    assert finding.breaks == "maybe"


def test_modules_that_need_no_library_say_nothing_of_those_that_do():
    """torch/_dl.so is empty."""
    (finding,) = library_missing(CUDNN, Linked("torch/_dl.so", ()))
    assert finding.breaks == "yes"


def test_what_was_not_read_may_bring_any_library():
    installed = [package("torch", "2.1.2"), package("nvidia-cudnn-cu12", "8.9.2.26")]
    binaries = Binaries({"torch": BinarySurface("torch", "2.1.2", links=(CUDNN,))}, SYSTEM)
    assert not list(checks.library_missing(msgspec.structs.replace(case(*installed), binaries=binaries)))


def test_where_the_loader_is_not_known_it_is_not_asked():
    with pytest.raises(NotApplicable, match="loader"):
        library_missing(CUDNN, loader=None)


@pytest.mark.parametrize(
    ("needed", "libc", "found"),
    [
        ("GLIBC_2.34", ("glibc", "2.31"), True),
        ("GLIBC_2.4", ("glibc", "2.31"), False),
        ("GLIBC_2.31", ("glibc", "2.31"), False),
        ("GLIBC_2.34", ("glibc", "2.34-ubuntu3"), False),
        ("GLIBCXX_3.4.30", ("glibc", "2.31"), True),
        ("GLIBCXX_3.4.29", ("glibc", "2.31"), False),
    ],
)
def test_a_newer_c_library_is_needed(needed, libc, found):
    platform = Platform("Linux", "x86_64", libc)
    findings = library_missing(Linked("torch/_C.so", (), (needed,)), platform=platform)
    assert bool(findings) == found
    if findings:
        assert findings[0].message == f"torch 2.1.2 needs {needed}, and this system's is older"
        assert findings[0].breaks == "yes"


def test_a_c_plus_plus_library_that_is_not_known_is_not_judged():
    needs = Linked("torch/_C.so", (), ("GLIBCXX_3.4.30",))
    assert not library_missing(needs, loader=Loader())
    bundled = BinarySurface("libstdcxx", "1", libraries=("libstdc++.so.6",))
    assert not library_missing(needs, beside=[bundled])


# --- torch --------------------------------------------------------------------------------------------------------


def torch_abi(torch="1.9.1", read="1.9.1", requires=("torch==1.10.0",), known=None, **facts):
    loader = Loader(unresolved=(("torchvision", TorchUse("torchvision/_C.so", ("_ZN2at3oneEv", "_ZN2at3twoEv"))),))
    installed = [package("torch", torch), package("torchvision", "0.11.1", *requires)]
    surfaces = [BinarySurface("torch", read), BinarySurface("torchvision", "0.11.1")]
    return judged(checks.torch_abi, *installed, surfaces=surfaces, loader=loader, known=known, **facts)


def test_an_extension_that_was_compiled_for_another_torch():
    known = Known(
        told_releases={
            "torchvision": {
                **releases("0.10.0", "0.10.1", requires=["torch==1.9.1"]),
                **releases("0.11.1", requires=["torch==1.10.0"]),
                **releases("0.99.0", requires=["torch>=1.0"]),
            }
        }
    )
    (finding,) = torch_abi(known=known)
    assert finding.message == "torchvision 0.11.1 expects 2 C++ symbols that torch 1.9.1 does not define"
    assert (finding.subject, finding.needs, finding.breaks) == ("torchvision", "torch==1.10.0", "maybe")
    assert [one.requirement for one in finding.remedies] == ["torchvision==0.10.1", "torch==1.10.0"]
    assert finding.details == ("torchvision/_C.so expects _ZN2at3oneEv and 1 more",)


def test_a_torch_that_was_not_looked_at_is_not_judged():
    assert not torch_abi("1.10.0")
    assert not judged(checks.torch_abi, package("torch", "1.9.1"), loader=None)


def test_some_go_on_without_their_libraries():
    (finding,) = torch_abi(reached=["torch", "torchvision"])
    assert (finding.breaks, finding.severity) == ("maybe", "warning")


def test_where_training_does_not_import_it_it_breaks_nothing():
    (finding,) = torch_abi(reached=["torch"])
    assert (finding.breaks, finding.severity) == ("no", "warning")


# --- real environments --------------------------------------------------------------------------------------------

# A distribution, what of it is imported, a numpy that breaks it and one that does not.
REAL = [
    ("pandas==2.0.3", "pandas", "2.0.2", "1.26.4"),
    ("pandas==2.2.2", "pandas", "1.19.5", "2.0.2"),
    ("pyarrow==14.0.2", "pyarrow.lib", "2.0.2", "1.26.4"),
    ("scipy==1.9.3", "scipy.sparse", "2.0.2", "1.22.4"),
    ("scipy==1.12.0", "scipy.sparse", "1.21.6", "1.26.4"),
    ("blis==0.7.11", "blis.py", "2.0.2", "1.26.4"),
    ("numexpr==2.10.1", "numexpr", "1.21.6", "2.0.2"),
    ("shapely==2.0.1", "shapely", "2.0.2", "1.19.5"),
]


@pytest.fixture(scope="module")
def python39(tmp_path_factory):
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    pythons = [*map(str, root.glob("3.9.*/bin/python")), shutil.which("python3.9")]
    uv = shutil.which("uv")
    if uv is None or not any(pythons) or sys.platform != "linux":
        pytest.skip("needs uv and a Python 3.9, on Linux")
    folder = tmp_path_factory.mktemp("real") / "env"
    subprocess.run([uv, "venv", "-q", "--python", next(filter(None, pythons)), str(folder)], check=True)
    python = str(folder / "bin/python")

    def install(*requirements):
        command = [uv, "pip", "install", "-q", "--only-binary", ":all:", "--python", python]
        subprocess.run([*command, requirements[0]], check=True)
        subprocess.run([*command, "--no-deps", *requirements], check=True)
        return python

    return install


@pytest.mark.heavy
@pytest.mark.parametrize(("requirement", "module", "breaking", "fitting"), REAL)
def test_what_it_says_is_what_an_import_does(python39, requirement, module, breaking, fitting):
    name = requirement.partition("=")[0]
    for numpy, breaks in ((breaking, True), (fitting, False)):
        python = python39(requirement, f"numpy=={numpy}")
        imported = subprocess.run([python, "-W", "ignore", "-c", f"import {module}"], capture_output=True, check=False)
        here = read_interpreter(python)
        found = {
            one.importer.name
            for one in checks.numpy_misfits(here, {name: (one,) for name, one in read_binaries(here).surfaces.items()})
        }
        assert (imported.returncode != 0) == breaks, imported.stderr.decode()[-300:]
        assert (name in found) == breaks
