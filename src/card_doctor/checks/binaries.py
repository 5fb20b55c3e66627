"""`packages/`: do compiled files stand beside what they were compiled for?"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from packaging.version import Version

from card_doctor.checks.registry import check
from card_doctor.checks.requirements import Declared, holds, readable, required_by, requirements_of
from card_doctor.model import (
    Binaries,
    BinarySurface,
    Breaks,
    Case,
    Finding,
    Linked,
    NotApplicable,
    NumpyApi,
    Package,
    Python,
    Remedy,
    Snapshot,
    Unknown,
)

# What the standard loop imports where that was not followed: torch by itself, the others through datasets.
_STANDARD: Mapping[str, Tuple[str, ...]] = {"torch": ("torch",), "datasets": ("pandas", "pyarrow")}
# They come with NVIDIA's driver, and CUDA does without them where there is none. Whether the interpreter is a
# library is its own affair.
_NOT_OURS = re.compile(r"lib(?:cuda|nvcuvid|nvidia-[\w-]+|python[\w.]+)\.so")
_STDCXX = "libstdc++.so.6"

# Beside what a check of compiled files looks at.
_PROVIDERS: Mapping[str, Tuple[str, ...]] = {"packages/numpy-abi": ("numpy",), "packages/torch-abi": ("torch",)}

_NUMPY_EVIDENCE = (
    "https://numpy.org/doc/2.0/dev/depending_on_numpy.html#numpy-2-abi-handling",
    "https://numpy.org/devdocs/user/troubleshooting-importerror.html#c-api-incompatibility",
)


class Misfit(NamedTuple):
    """Compiled files of `importer` that do not fit what they stand beside: `needs` is what they want, `details` say
    where that was read. `every` tells whether all that matter are concerned, so that its import meets one.
    """

    importer: Package
    needs: Tuple[str, ...]
    details: Tuple[str, ...]
    every: bool = True


@check("packages/numpy-abi", severity="error")
def numpy_abi(case: Case) -> Iterator[Finding]:
    """Was every installed distribution compiled for the installed NumPy?

    Its compiled files say so themselves: they hold the message for a NumPy that they can't use. What was compiled
    with the headers of NumPy 1 refuses NumPy 2; what was compiled with those of NumPy 2 runs on NumPy 1 too, back
    to the release that the message names. Nothing is loaded, and the distribution need not be known. Where the files
    are not at hand, the wheels of its release speak for them.

    Example: torch 1.9.1 was compiled for NumPy 1 and cannot use numpy 2.0.2.
    Remedy: a numpy that all of them can use, or the nearest release that was compiled for this one.
    """
    surfaces, unknown = _compiled_for(case)
    if not surfaces and not unknown:
        case.needs_binaries()
    for misfit in numpy_misfits(case.snapshot, surfaces):
        importer, needs = misfit.importer, misfit.needs[0]
        numpy = case.snapshot.packages["numpy"].version
        what = "NumPy 1" if needs == "<2" else f"NumPy {needs.partition(',')[0][2:]} or newer"
        yield _finding(
            "packages/numpy-abi",
            case,
            misfit,
            subject="numpy",
            found=numpy,
            needs=needs,
            message=f"{importer.name} {importer.version} was compiled for {what} and cannot use numpy {numpy}",
            because="NumPy 2 changed its binary interface: what was compiled with the headers of NumPy 1 does not "
            "run on it."
            if needs == "<2"
            else "Compiled files run on the NumPy that they were compiled for or newer, never on an older one.",
            evidence=_NUMPY_EVIDENCE,
            remedies=(Remedy("pin", f"numpy{needs}"), *_nearest(case, importer)),
        )
    if unknown and "numpy" in case.snapshot.packages:
        raise Unknown(f"which NumPy {' and '.join(unknown)} {'was' if len(unknown) == 1 else 'were'} compiled for")


def _compiled_for(case: Case) -> Tuple[Dict[str, Tuple[BinarySurface, ...]], List[str]]:
    """By distribution, what its installed files say; where these are not at hand, what the wheels of its release are
    known to say. And what is not known of those that training imports.
    """
    binaries, snapshot = case.binaries, case.snapshot
    surfaces: Dict[str, Tuple[BinarySurface, ...]] = {}
    if binaries is not None:
        surfaces.update((package.name, (surface,)) for package, surface in _installed(snapshot, binaries.surfaces))
    unknown: List[str] = []
    for name, package in snapshot.packages.items() if _from_wheels(snapshot) else ():
        told = case.knowledge.compiled_for(package, snapshot.python) if name not in surfaces else None
        if told and not package.editable:
            surfaces[name] = told
        elif told is not None and _is_imported(case, name):
            unknown.append(f"{name} {package.version}")
    return surfaces, unknown


def _nearest(case: Case, importer: Package) -> Iterator[Remedy]:
    """Its next release whose wheels can use the installed numpy; else the last one before it."""
    here, numpy = readable(importer.version), readable(case.snapshot.packages["numpy"].version)
    if here is None or numpy is None or not _from_wheels(case.snapshot):
        return
    fitting: List[Version] = []
    for release in case.knowledge.releases(importer.name).values():
        version = readable(release.version)
        if version is not None and not version.is_prerelease and not release.yanked:
            told = case.knowledge.compiled_for(Package(importer.name, release.version), case.snapshot.python)
            if told and not any(_numpy_misfit(importer, surface, numpy) for surface in told):
                fitting.append(version)
    newer = min((version for version in fitting if version > here), default=None)
    older = max((version for version in fitting if version < here), default=None)
    if newer is not None:
        yield Remedy("pin", f"{importer.name}>={newer}")
    elif older is not None:
        yield Remedy("pin", f"{importer.name}<={older}")


def _from_wheels(snapshot: Snapshot) -> bool:
    """Are these the wheels whose files were read, as far as is known?"""
    platform = snapshot.platform
    on_linux = platform is None or (platform.system, platform.machine) == ("Linux", "x86_64")
    return on_linux and snapshot.source != "conda"


def numpy_range(surface: BinarySurface) -> str:
    """The releases of numpy that most of this distribution's compiled files run on, as a specifier."""
    since = max((api for api in surface.numpy if api.since), key=lambda api: api.count, default=None)
    parts = [f">={since.since}"] if since else []
    return ",".join([*parts, "<2"] if any(api.major == 1 for api in surface.numpy) else parts)


def numpy_misfits(snapshot: Snapshot, surfaces: Mapping[str, Sequence[BinarySurface]]) -> Iterator[Misfit]:
    """The distributions that were compiled for another NumPy than the installed one: in each of the ways that they may
    have been compiled.
    """
    numpy = snapshot.packages.get("numpy")
    installed = readable(numpy.version) if numpy else None
    if installed is None:
        return
    for name, ways in surfaces.items():
        if name != "numpy":
            misfits = [_numpy_misfit(snapshot.packages[name], surface, installed) for surface in ways]
            if all(misfits):
                yield from filter(None, misfits[:1])


def _numpy_misfit(importer: Package, surface: BinarySurface, installed: Version) -> Optional[Misfit]:
    wrong = [api for api in surface.numpy if not _runs_on(api, installed)]
    told = [api for api in surface.numpy if api in wrong or api.since]
    concerned, all_files = (sum(api.count for api in apis) for apis in (wrong, told))
    # A single module may be for what newer releases add, and be imported only there (h5py 3.14: one of 25).
    if concerned * 2 <= all_files:
        return None
    needs = "<2" if installed.major > 1 and wrong[0].major == 1 else numpy_range(surface)
    details = tuple(_says(importer, api) for api in wrong)
    return Misfit(importer, (needs,), details, every=concerned == all_files)


def _runs_on(api: NumpyApi, installed: Version) -> bool:
    if api.major == 1 and installed.major > 1:
        return False
    return api.since is None or installed.release[:2] >= Version(api.since).release


def _says(importer: Package, api: NumpyApi) -> str:
    others = f" (and {api.count - 1} more)" if api.count > 1 else ""
    oldest = f", for {api.since} or newer" if api.since else ""
    file = f"{api.file}{others} was" if api.file else f"files in the wheels of {importer.name} {importer.version} were"
    return f"{file} compiled with the headers of NumPy {api.major}{oldest}"


@check("packages/python-abi", severity="error")
def python_abi(case: Case) -> Iterator[Finding]:
    """Was every installed distribution compiled for this Python?

    An extension module names the Python that it was compiled for, and no other imports it. Installers see to that;
    a folder of packages that another Python installed, on PYTHONPATH or copied, does not.

    Example: numpy 1.22.3 was compiled for CPython 3.9, and this is CPython 3.11.
    Remedy: install it with this interpreter.
    """
    binaries = case.needs_binaries()
    python = case.needs_python()
    for misfit in python_misfits(case.snapshot, binaries.surfaces, python):
        importer = misfit.importer
        compiled_for = " and ".join(map(_spoken, misfit.needs))
        here = _spoken(_tag(python))
        yield _finding(
            "packages/python-abi",
            case,
            misfit,
            subject=importer.name,
            found=importer.version,
            needs=here,
            message=f"{importer.name} {importer.version} was compiled for {compiled_for}, and this is {here}",
            because="Python imports only extension modules that are named for it; these came from another one.",
            remedies=(Remedy("python", text=f"install {importer.name} {importer.version} with this interpreter"),),
        )


def python_misfits(snapshot: Snapshot, surfaces: Mapping[str, BinarySurface], python: Python) -> Iterator[Misfit]:
    """The distributions that were compiled for other Pythons alone."""
    if python.implementation != "cpython":
        return
    fitting = {_tag(python), "", *(() if python.free_threaded else ("abi3",))}
    for importer, surface in _installed(snapshot, surfaces):
        if surface.abis and not any(fitting.intersection(tags) for tags in surface.abis):
            tags = tuple(sorted({tag for tags in surface.abis for tag in tags}))
            yield Misfit(importer, tags, ())


def _tag(python: Python) -> str:
    return "cpython-" + "".join(python.version.split(".")[:2]) + ("t" if python.free_threaded else "")


def _spoken(tag: str) -> str:
    """`cpython-39` as people write it."""
    match = re.fullmatch(r"cpython-(\d)(\d+)(t?)", tag)
    return f"CPython {match.group(1)}.{match.group(2)}{match.group(3)}" if match else tag


@check("packages/library-missing", severity="error")
def library_missing(case: Case) -> Iterator[Finding]:
    """Are the shared libraries there that extension modules need, and as new as they need them?

    CUDA's come from the nvidia-* distributions, those of C and C++ from the system or conda. A library counts as
    found wherever the loader, an installed distribution or the files' own search path has one of that name.

    Example: torch 2.1.2 needs libcudnn.so.8, and neither an installed distribution nor this system has it.
    Remedy: the distribution that it declares for it; on an older system, an older release.
    """
    binaries = case.needs_binaries()
    if binaries.loader is None:
        raise NotApplicable("what the loader of this machine finds is not known")
    for misfit in library_misfits(case.snapshot, binaries):
        importer, needs = misfit.importer, misfit.needs
        yield _missing(
            case,
            misfit,
            lacks="neither an installed distribution nor this system has it",
            because="The loader looks for it when the distribution is imported, and finds nothing of that name.",
            remedies=tuple(Remedy("install", text) for text in _declared_for(case, importer, needs))
            or (Remedy("setting", text=f"install the library, or {importer.name} anew with what it requires"),),
        )
    for misfit in system_misfits(case.snapshot, binaries):
        yield _missing(
            case,
            misfit,
            lacks="this system's is older",
            because="It was compiled on a newer system: the C and C++ libraries of this one lack what it calls.",
            remedies=(Remedy("setting", text=f"use a release of {misfit.importer.name} for older systems"),),
        )


def _missing(case: Case, misfit: Misfit, *, lacks: str, because: str, remedies: Tuple[Remedy, ...]) -> Finding:
    importer, needs = misfit.importer, misfit.needs
    return _finding(
        "packages/library-missing",
        case,
        misfit,
        subject=importer.name,
        found=importer.version,
        needs=", ".join(needs),
        message=f"{importer.name} {importer.version} needs {_and_more(needs)}, and {lacks}",
        because=because,
        remedies=remedies,
    )


def library_misfits(snapshot: Snapshot, binaries: Binaries) -> Iterator[Misfit]:
    """The distributions whose extension modules need libraries that the loader would not find."""
    loader = binaries.loader
    installed = list(_installed(snapshot, binaries.surfaces))
    # What a release brings along that was not read is not known.
    if loader is None or len(installed) < len(snapshot.packages):
        return
    found = loader.libraries.union(*(surface.libraries for _, surface in installed))
    for importer, surface in installed:
        lacking = {
            link: tuple(name for name in link.libraries if name not in found and not _NOT_OURS.match(name))
            for link in surface.links
            if link.libraries
        }
        concerned = sum(link.count for link, missing in lacking.items() if missing)
        # Modules for hardware or formats that are not here are imported only where they are asked for.
        if concerned * 2 > sum(link.count for link in lacking):
            yield _lacks(importer, lacking)


def system_misfits(snapshot: Snapshot, binaries: Binaries) -> Iterator[Misfit]:
    """The distributions whose extension modules need a newer C or C++ library than the loader would find."""
    loader, libc = binaries.loader, snapshot.platform.libc if snapshot.platform else None
    if loader is None or libc is None:
        return
    glibc = tuple(map(int, re.findall(r"\d+", libc[1])))
    bundled = any(_STDCXX in surface.libraries for _, surface in _installed(snapshot, binaries.surfaces))

    def is_there(needed: str) -> bool:
        name, _, version = needed.partition("_")
        if name == "GLIBC":
            return tuple(map(int, version.split("."))) <= glibc
        return bundled or loader is None or loader.versions is None or needed in loader.versions

    for importer, surface in _installed(snapshot, binaries.surfaces):
        lacking = {
            link: tuple(needed for needed in link.versions if not is_there(needed))
            for link in surface.links
            if link.versions
        }
        if any(lacking.values()):
            yield _lacks(importer, lacking)


def _lacks(importer: Package, lacking: Mapping[Linked, Tuple[str, ...]]) -> Misfit:
    return Misfit(
        importer,
        tuple(sorted({name for missing in lacking.values() for name in missing})),
        tuple(f"{link.file} needs {', '.join(missing)}" for link, missing in lacking.items() if missing),
        every=all(lacking.values()),
    )


def _declared_for(case: Case, importer: Package, libraries: Tuple[str, ...]) -> Iterator[str]:
    """What `importer` requires, does not find, and is named like one of these libraries: nvidia-cudnn-cu12==8.9.2.26
    for libcudnn.so.8.
    """
    for declared in requirements_of(importer, case.snapshot.python):
        package = case.snapshot.packages.get(declared.name)
        words = [word for word in declared.name.split("-") if len(word) > 3]
        named = any(name.lower().startswith("lib" + word) for name in libraries for word in words)
        if named and (package is None or not holds(declared, package.version)):
            yield declared.text


@check("packages/torch-abi", severity="warning")
def torch_abi(case: Case) -> Iterator[Finding]:
    """Does the installed torch define what extensions to it were compiled to use?

    torchvision, torchaudio, flash-attn, xformers and the like call into torch's C++ libraries, which change with
    every minor release. The symbols that they expect are looked up in the libraries of the installed torch.

    Example: torchvision 0.11.1 expects 52 C++ symbols that torch 1.9.1 does not define.
    Remedy: the release that was compiled for this torch, or the torch that it declares.
    """
    binaries = case.needs_binaries()
    for misfit in torch_misfits(case.snapshot, binaries):
        importer, count, torch = misfit.importer, len(misfit.needs), case.snapshot.packages["torch"]
        yield _finding(
            "packages/torch-abi",
            case,
            misfit,
            subject=importer.name,
            found=importer.version,
            needs=next((one.text for one in _on_torch(importer, case.snapshot.python)), None),
            message=f"{importer.name} {importer.version} expects {count} C++ symbol{'s' * (count > 1)} that torch "
            f"{torch.version} does not define",
            because="It was compiled for another torch: its libraries can't be loaded beside this one.",
            remedies=tuple(_for_torch(case, importer, torch)),
        )


def torch_misfits(snapshot: Snapshot, binaries: Binaries) -> Iterator[Misfit]:
    """The extensions to torch that expect what the installed torch does not define."""
    loader, torch = binaries.loader, snapshot.packages.get("torch")
    installed = [package for package, _ in _installed(snapshot, binaries.surfaces)]
    if loader is None or torch not in installed:
        return
    for importer in installed:
        uses = [use for name, use in loader.unresolved if name == importer.name]
        if uses:
            needs = tuple(sorted({symbol for use in uses for symbol in use.symbols}))
            details = tuple(f"{use.file} expects {_and_more(use.symbols)}" for use in uses)
            # Some load their libraries by themselves, and go on without.
            yield Misfit(importer, needs, details, every=False)


def _on_torch(importer: Package, python: Optional[Python]) -> Iterator[Declared]:
    return (declared for declared in requirements_of(importer, python) if declared.name == "torch")


def _for_torch(case: Case, importer: Package, torch: Package) -> Iterator[Remedy]:
    """The newest release of `importer` that declares this very torch; the torch that the installed one declares."""
    fitting = [
        version
        for release in case.knowledge.releases(importer.name).values()
        for version in [readable(release.version)]
        if version
        and any(
            "==" in str(declared.specifier) and holds(declared, torch.version)
            for declared in _on_torch(Package(importer.name, release.version, release.requires), case.snapshot.python)
        )
    ]
    if fitting:
        yield Remedy("pin", f"{importer.name}=={max(fitting)}")
    for declared in _on_torch(importer, case.snapshot.python):
        if not holds(declared, torch.version):
            yield Remedy("pin", declared.text)


def _installed(snapshot: Snapshot, surfaces: Mapping[str, BinarySurface]) -> Iterator[Tuple[Package, BinarySurface]]:
    """What is installed and was read: a plan may hold another release than the one that was."""
    for name, package in snapshot.packages.items():
        surface = surfaces.get(name)
        if surface is not None and surface.version == package.version:
            yield package, surface


def _is_imported(case: Case, name: str) -> Optional[bool]:
    """Does training import that distribution for sure? None where it is not known what it imports."""
    binaries, packages = case.binaries, case.snapshot.packages
    standard = {one for by, names in _STANDARD.items() if by in packages for one in names}
    if binaries is None:
        return name in standard or name in case.knowledge.reached(
            packages, lambda package: required_by(package, case.snapshot.python)
        )
    if binaries.reached is None:
        return True if name in standard else None
    return name in binaries.reached


def _breaks(case: Case, misfit: Misfit) -> Breaks:
    imported = _is_imported(case, misfit.importer.name)
    if imported is False:
        return "no"
    return "yes" if imported and misfit.every else "maybe"


def _finding(check_id: str, case: Case, misfit: Misfit, **facts: Any) -> Finding:
    breaks = _breaks(case, misfit)
    return Finding(
        id=check_id,
        severity="error" if breaks == "yes" else "warning",
        breaks=breaks,
        details=misfit.details,
        between=(misfit.importer.name, *_PROVIDERS.get(check_id, ())),
        **facts,
    )


def _and_more(names: Tuple[str, ...]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
