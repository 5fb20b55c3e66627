"""What training will compute on: the installed torch's build, the device that it can drive, and what becomes of half
precision there. The families `accelerator/` and `amp/` both ask.
"""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from card_doctor.knowledge.hardware import Capability, Device, Hardware, Rule, at_least, kernels, pair
from card_doctor.knowledge.releases import find_release, has_wheel
from card_doctor.model import Accelerator, Case, NotApplicable, Package, Remedy, TorchBuild, Unknown

HALF = ("fp16", "bf16")
WHEELS = "https://download.pytorch.org/whl"


def needs_torch(case: Case) -> Package:
    torch = case.package("torch")
    if torch is None:
        raise NotApplicable("torch is not installed")
    return torch


def version_of(package: Package) -> Version:
    try:
        return Version(package.version)
    except InvalidVersion:
        raise Unknown(f"version of {package.name}") from None


def torch_build(case: Case) -> TorchBuild:
    """As read; what was not read is as in the index's wheel of that release."""
    version = version_of(needs_torch(case))
    read = case.snapshot.torch or TorchBuild(version.public)
    cuda, build = series(read.cuda), read.build
    if build is None and version.local:  # a wheel of some other index
        raise Unknown(f"build of torch {version}")
    architectures = read.architectures
    if build is None or architectures is None:
        wheel = _default_wheel(case, version, needed=build is None)
        if build is None and wheel:
            cuda, build = wheel.cuda, wheel.build
        if architectures is None and build and wheel and wheel.build == build:
            architectures = wheel.architectures
        if architectures is None and build and _on_linux(case):
            architectures = case.knowledge.hardware().builds(f"{version.major}.{version.minor}").get(build)
    return TorchBuild(version.public, build, cuda, read.hip, architectures)


def _default_wheel(case: Case, version: Version, *, needed: bool) -> Optional[TorchBuild]:
    """The wheel that the index gives to Linux on x86_64: what is known of builds is of it."""
    if needed:
        case.needs_platform()
    release = find_release(case.knowledge.releases("torch"), version)
    if not _on_linux(case) or release is None or release.build is None:
        if needed:
            raise Unknown(f"build of torch {version}")
        return None
    cuda = series(release.build.cuda)
    return TorchBuild(version.public, tag(cuda), cuda, None, release.build.architectures or None)


def _on_linux(case: Case) -> bool:
    platform = case.snapshot.platform
    return platform is not None and (platform.system, platform.machine) == ("Linux", "x86_64")


def series(version: Optional[str]) -> Optional[str]:
    """``10.1.243`` is 10.1."""
    return ".".join(version.split(".")[:2]) if version else None


def tag(cuda: Optional[str]) -> str:
    return "cu" + cuda.replace(".", "") if cuda else "cpu"


def spelled(build: TorchBuild) -> str:
    """``torch 1.9.1 (CUDA 10.2)``"""
    kind = f"CUDA {build.cuda}" if build.cuda else f"ROCm {build.hip}" if build.hip else "CPU"
    return f"torch {build.version} ({kind})"


def drives(build: TorchBuild, accelerator: Accelerator) -> bool:
    """Is this a build for that kind of device?"""
    if accelerator.kind == "cuda":
        return bool(build.cuda)
    if accelerator.kind == "rocm":
        return bool(build.hip)
    return accelerator.kind != "xpu" or build.build == "xpu"  # Apple's wheels all hold MPS


def driver_runs(case: Case, build: TorchBuild) -> Optional[bool]:
    """Does the driver run what this build's CUDA compiled? None where no driver or nothing of it is known."""
    if not build.cuda:
        return None
    told = None if {"gpu", "driver"} & set(case.machine.assumed) else case.snapshot.driver_cuda
    if told and Version(told) >= Version(build.cuda):  # also so with NVIDIA's forward compatibility package
        return True
    needed = oldest_driver(case, build.cuda)
    return at_least(case.machine.driver, needed) if case.machine.driver and needed else None


def oldest_driver(case: Case, cuda: str) -> Optional[str]:
    hardware: Hardware = case.knowledge.hardware()
    return hardware.oldest_driver(cuda, windows=_on_windows(case))


def toolkit_driver(case: Case, cuda: str) -> Optional[str]:
    hardware: Hardware = case.knowledge.hardware()
    return hardware.toolkit_driver(cuda, windows=_on_windows(case))


def first_driver(case: Case, capability: Capability) -> Optional[str]:
    hardware: Hardware = case.knowledge.hardware()
    return hardware.first_driver(capability, windows=_on_windows(case))


def _on_windows(case: Case) -> bool:
    platform = case.snapshot.platform
    return platform is not None and platform.system == "Windows"


class Built(NamedTuple):
    """A build of torch that can be installed; `is_default` where the index gives it."""

    version: Version
    build: str
    cuda: str
    architectures: Tuple[str, ...]
    is_default: bool


def nearest_build(case: Case, gpus: Sequence[Accelerator]) -> Optional[Remedy]:
    """The build for all of these GPUs, under their driver and this Python, whose series is nearest to torch's here."""
    here = version_of(needs_torch(case))
    known = [one for one in _builds(case) if _serves(case, one, gpus)] if _on_linux(case) else []
    if not known:
        return None
    every = sorted({(one.major, one.minor) for one in (here, *map(Version, case.knowledge.releases("torch")))})
    place = every.index((here.major, here.minor))

    def distance(one: Built) -> Tuple[int, bool, bool, int]:
        away = abs(every.index((one.version.major, one.version.minor)) - place)
        return away, one.version.release != here.release, not one.is_default, -one.version.micro

    nearest = min(known, key=distance)
    if not nearest.is_default:
        requirement = f"torch=={nearest.version}+{nearest.build}"
        old = nearest.version.release < (1, 13)
        index = f"-f {WHEELS}/torch_stable.html" if old else f"--index-url {WHEELS}/{nearest.build}"
        return _by_command(requirement, f"pip install {requirement} {index}")
    requirement = f"torch=={nearest.version}"
    if nearest.version.release == here.release:  # pip takes an installed 1.9.1+cpu for what satisfies ==1.9.1
        return _by_command(requirement, f"pip uninstall -y torch && pip install {requirement}")
    return Remedy("pin", requirement)


def _by_command(requirement: str, command: str) -> Remedy:
    """A pin that takes more than its name to install."""
    return Remedy("pin", requirement, text=command, command=command)


def _builds(case: Case) -> Iterator[Built]:
    """Each release's default wheel, and of each series the other builds: of the installed release, else its newest."""
    hardware: Hardware = case.knowledge.hardware()
    here = version_of(needs_torch(case))
    python, platform = case.snapshot.python, case.needs_platform()
    releases = {
        Version(text): release
        for text, release in case.knowledge.releases("torch").items()
        if not release.yanked and (python is None or has_wheel(release, python, platform))
    }
    finals = sorted(version for version in releases if not version.is_prerelease)
    for version in finals:
        build = releases[version].build
        if build and build.cuda and build.architectures:
            cuda = series(build.cuda) or ""
            yield Built(version, tag(cuda), cuda, build.architectures, is_default=True)
    newest = {(one.major, one.minor): one for one in finals}
    newest.update({(one.major, one.minor): one for one in finals if one.release == here.release})
    for (major, minor), version in newest.items():
        for name, architectures in hardware.builds(f"{major}.{minor}").items():
            yield Built(version, name, f"{name[2:-1]}.{name[-1]}", architectures, is_default=False)


def _serves(case: Case, built: Built, gpus: Sequence[Accelerator]) -> bool:
    hardware: Hardware = case.knowledge.hardware()
    needed = oldest_driver(case, built.cuda)
    if needed is None or (case.machine.driver and not at_least(case.machine.driver, needed)):
        return False
    devices = [hardware.capability(gpu) for gpu in gpus]
    return all(device and kernels(built.architectures, device) == "binary" for device in devices)


def becomes(
    case: Case,
    precision: str,
    device: Device,
    capability: Optional[Capability] = None,
    backend: Optional[str] = None,
) -> Optional[Rule]:
    """What the installed releases make of a half precision on a device where it is not simply done. With `backend`
    what they make of that ("apex").
    """
    if precision not in HALF:
        return None
    hardware: Hardware = case.knowledge.hardware()
    if case.package("transformers") is None:
        raise NotApplicable("transformers is not installed")
    asked = (precision, backend)
    rules = (one for one in hardware.rules if (one.precision, one.backend) == asked and one.device in {None, device})
    return next((rule for rule in rules if _fits(case, rule, capability)), None)


def _fits(case: Case, rule: Rule, capability: Optional[Capability]) -> bool:
    ranges = {"transformers": rule.transformers, "torch": rule.torch, "accelerate": rule.accelerate}
    return (
        all(within(case.package(name), specifier) for name, specifier in ranges.items() if specifier)
        and all(case.package(name) is None for name in rule.missing)
        and (rule.below is None or (capability is not None and capability < pair(rule.below)))
    )


def within(package: Optional[Package], specifier: str) -> bool:
    """Is this release in the range? A source or dev build is the release that it is on its way to."""
    if package is None:
        return False
    return SpecifierSet(specifier).contains(Version(version_of(package).base_version), prereleases=True)


def counted(gpus: Sequence[Accelerator]) -> str:
    """``8 x NVIDIA H100, Tesla T4``"""
    names: List[str] = [gpu.name for gpu in gpus]
    told = ((names.count(name), name) for name in dict.fromkeys(names))
    return ", ".join(f"{count} x {name}" if count > 1 else name for count, name in told)
