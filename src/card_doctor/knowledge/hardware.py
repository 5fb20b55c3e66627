"""GPUs, CUDA toolkits, torch's builds and half precision: what matrices/hardware/ says of them."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Dict, Iterator, List, Literal, Mapping, NamedTuple, Optional, Sequence, Tuple, Type, TypeVar, Union

import msgspec
from packaging.specifiers import InvalidSpecifier, Specifier
from packaging.version import InvalidVersion, Version

from card_doctor.compiled import compiled
from card_doctor.errors import MatrixError
from card_doctor.model import Accelerator

KIND = "hardware"
GIB = 2**30

T = TypeVar("T")
# A compute capability as a pair that compares: (7, 5)
Capability = Tuple[int, int]
Device = Literal["cuda", "mps", "cpu"]
Outcome = Literal["refused", "setting", "ignored", "emulated", "untried"]

_CAPABILITY = re.compile(r"\d{1,2}\.\d")
_ARCHITECTURE = re.compile(r"(sm|compute)_(\d{1,2})(\d)([af]?)")
# What a product's name holds beside the product: vendor, brand, form factor, the kind of its memory.
_NOISE = re.compile(
    r"nvidia|tesla|geforce|grid|gpu|generation|edition|workstation|server|sff|oem|active|ac|lc|with|max|q|design"
    r"|sxm\d*|pcie|fhhl|dgxs|hbm\d*e?"
    r"|\d+[abcq]",  # a slice of a virtual GPU: T4-16Q
)
_SIZE = re.compile(r"\b(\d{1,5}(?:\.\d+)?)\s*(?:gb|gib|g)\b")


class Product(NamedTuple):
    """A GPU as sold; `memory_gib` has every size of it, smallest first."""

    name: str
    capability: str
    memory_gib: Tuple[float, ...]
    tensor_cores: Optional[bool]  # None: what the capability promises


class Generation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`last_driver` is the last branch of drivers that knows it; None where there is no end in sight."""

    name: str
    capabilities: Tuple[str, ...]
    last_driver: Optional[int] = None


class Toolkit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A CUDA toolkit: the drivers that came with it, and the capabilities that it builds for."""

    version: str
    oldest: str
    newest: str
    linux: Optional[str] = None
    windows: Optional[str] = None


class MinorCompatible(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The oldest drivers that run what any toolkit of a major compiled."""

    major: int
    linux: str
    windows: str


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of a half precision where the GPU or a release does not do it; precision.toml explains the keys."""

    precision: Literal["fp16", "bf16"]
    outcome: Outcome
    device: Optional[Device] = None
    backend: Optional[str] = None
    below: Optional[str] = None
    transformers: str = ""
    torch: str = ""
    accelerate: str = ""
    missing: Tuple[str, ...] = ()
    setting: Optional[str] = None
    symptom: str = ""
    because: str = ""
    evidence: Tuple[str, ...] = ()


class _Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    capability: str
    memory: Dict[str, Union[float, Tuple[float, ...]]]
    tensor_cores: Optional[bool] = None


class _Gpus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: Dict[str, str] = {}
    names: Dict[str, str] = {}
    gpus: Tuple[_Group, ...] = ()


class _Cuda(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: Dict[str, str] = {}
    generation: Tuple[Generation, ...] = ()
    minor_compatible: Tuple[MinorCompatible, ...] = ()
    toolkit: Tuple[Toolkit, ...] = ()


class _Build(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    of: Tuple[str, ...]
    architectures: Tuple[str, ...]


class _Builds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: Dict[str, str] = {}
    build: Tuple[_Build, ...] = ()


class _Precision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: Dict[str, str] = {}
    native: Dict[str, str] = {}
    cpu: Dict[str, Tuple[str, ...]] = {}
    tf32: Dict[str, str] = {}
    rule: Tuple[Rule, ...] = ()


SHAPES: Mapping[str, Type[msgspec.Struct]] = {
    "gpus.toml": _Gpus,
    "cuda.toml": _Cuda,
    "torch-builds.toml": _Builds,
    "precision.toml": _Precision,
}


def load_hardware(dirs: Sequence[Path]) -> Hardware:
    """From directories laid out as matrices/; a later one adds to the earlier and overrides what it names again.
    Our own, the first, is read when it is asked for; what a user wrote is read and validated here.
    """
    for directory in dirs[1:]:
        check_directory(directory)
    return Hardware(dirs)


class Hardware:
    """What is known of hardware. Nothing is read from disk before it is asked for."""

    def __init__(self, dirs: Sequence[Path]) -> None:
        self._dirs = tuple(dirs)

    def _read(self, shape: Type[T]) -> List[T]:
        name = next(name for name, one in SHAPES.items() if one is shape)
        paths = (directory / KIND / name for directory in self._dirs)
        return [_read(path, shape) for path in paths if path.is_file()]

    @cached_property
    def _sold(self) -> Dict[str, Product]:
        """By name as we write it."""
        found: Dict[str, Product] = {}
        for file in self._read(_Gpus):
            for group in file.gpus:
                for name, memory in group.memory.items():
                    sizes = memory if isinstance(memory, tuple) else (memory,)
                    found[name] = Product(name, group.capability, sizes, group.tensor_cores)
            found.update((other, found[name]) for other, name in file.names.items())
        return found

    @cached_property
    def products(self) -> Dict[str, Product]:
        """By `key_of` their names."""
        return {key_of(name): product for name, product in self._sold.items()}

    def product(self, name: str) -> Optional[Product]:
        """By a name as a driver prints it, or a person writes it."""
        return self.products.get(key_of(name)) or self.products.get(key_of(name, without_size=True))

    @cached_property
    def _cuda(self) -> List[_Cuda]:
        return self._read(_Cuda)

    @cached_property
    def generations(self) -> Dict[str, Generation]:
        return {one.name: one for file in self._cuda for one in file.generation}

    @cached_property
    def toolkits(self) -> Dict[str, Toolkit]:
        """By version: ``11.7``."""
        return {one.version: one for file in self._cuda for one in file.toolkit}

    @cached_property
    def _minor_compatible(self) -> Dict[int, MinorCompatible]:
        return {one.major: one for file in self._cuda for one in file.minor_compatible}

    @cached_property
    def _precision(self) -> List[_Precision]:
        return self._read(_Precision)

    @cached_property
    def rules(self) -> Tuple[Rule, ...]:
        """A user's before ours: the first that fits decides."""
        return tuple(rule for file in reversed(self._precision) for rule in file.rule)

    @cached_property
    def _native(self) -> Dict[str, Capability]:
        return {name: pair(first) for file in self._precision for name, first in file.native.items()}

    @cached_property
    def cpu_flags(self) -> Dict[str, Tuple[str, ...]]:
        """By precision: the flags of a CPU any of which stands for arithmetic in it."""
        return {name: flags for file in self._precision for name, flags in file.cpu.items()}

    @cached_property
    def multiplies_in_tf32(self) -> str:
        """The releases of torch that multiply fp32 matrices in TF32 by default, as a specifier; empty is none."""
        return next((file.tf32["torch"] for file in reversed(self._precision) if "torch" in file.tf32), "")

    @cached_property
    def _builds(self) -> Dict[str, Dict[str, Tuple[str, ...]]]:
        found: Dict[str, Dict[str, Tuple[str, ...]]] = {}
        for file in self._read(_Builds):
            for one in file.build:
                for name in one.of:
                    series, _, build = name.partition("+")
                    found.setdefault(series, {})[build] = one.architectures
        return found

    def capability(self, accelerator: Accelerator) -> Optional[Capability]:
        """As the driver told it, else by the name."""
        if accelerator.kind != "cuda":
            return None
        if accelerator.capability:
            return pair(accelerator.capability)
        product = self.product(accelerator.name)
        return pair(product.capability) if product else None

    def generation(self, compute_capability: Capability) -> Optional[Generation]:
        spelled = "{}.{}".format(*compute_capability)
        return next((one for one in self.generations.values() if spelled in one.capabilities), None)

    def toolkit(self, cuda: str) -> Optional[Toolkit]:
        """By a version of CUDA, its patch aside."""
        return self.toolkits.get(".".join(cuda.split(".")[:2]))

    def oldest_driver(self, cuda: str, *, windows: bool = False) -> Optional[str]:
        """The oldest driver that runs what this toolkit compiled for a GPU; its PTX needs the `toolkit_driver`."""
        major = self._minor_compatible.get(int(cuda.partition(".")[0]))
        if major:
            return major.windows if windows else major.linux
        return self.toolkit_driver(cuda, windows=windows)

    def toolkit_driver(self, cuda: str, *, windows: bool = False) -> Optional[str]:
        """The driver that came with a toolkit: it and newer ones run all that the toolkit compiled."""
        toolkit = self.toolkit(cuda)
        if toolkit is None:
            return None
        return toolkit.windows if windows else toolkit.linux

    def first_driver(self, device: Capability, *, windows: bool = False) -> Optional[str]:
        """The driver that came with the first toolkit that builds for a capability: older branches don't know it."""
        able = [one for one in self.toolkits.values() if pair(one.oldest) <= device <= pair(one.newest)]
        first = min(able, key=lambda one: Version(one.version), default=None)
        return self.toolkit_driver(first.version, windows=windows) if first else None

    def builds(self, series: str) -> Dict[str, Tuple[str, ...]]:
        """What the Linux wheels of a series of torch ("1.9") are compiled for, by build ("cu111")."""
        return self._builds.get(series, {})

    def multiplies(self, precision: str, accelerator: Accelerator) -> Optional[bool]:
        """Does this GPU have fast arithmetic in "fp16", "bf16", "tf32", "fp8"? None where that is not known."""
        here = self.capability(accelerator)
        if here is None or precision not in self._native:
            return None
        if here < self._native[precision]:
            return False
        if here != (7, 5):  # only Turing was also sold without tensor cores: the names are looked at for it alone
            return True
        product = self.product(accelerator.name)
        return product is None or product.tensor_cores is not False


def pair(spelled: str) -> Capability:
    """``"7.5"`` as a pair."""
    major, _, minor = spelled.partition(".")
    return int(major), int(minor)


def kernels(architectures: Sequence[str], device: Capability) -> Optional[Literal["binary", "ptx"]]:
    """How code compiled for these architectures runs on a device: as it is, compiled by the driver at the start,
    or (None) not at all.
    https://docs.nvidia.com/cuda/blackwell-compatibility-guide (binary and PTX compatibility)
    """
    parts = [match.groups() for match in map(_ARCHITECTURE.fullmatch, architectures) if match]
    running = {kind for kind, major, minor, suffix in parts if _runs(kind, (int(major), int(minor)), suffix, device)}
    if not running:
        return None
    return "binary" if "sm" in running else "ptx"


# Integrated GPUs (Jetson): they run no binary for another one of their major.
# DEVICE_REQUIREMENT in torch/cuda/__init__.py since 2.9
_INTEGRATED = {(5, 3), (6, 2), (7, 2), (8, 7), (10, 1)}
_THOR = {(10, 1), (11, 0)}  # CUDA 13.0 renamed 10.1


def _runs(kind: str, target: Capability, suffix: str, device: Capability) -> bool:
    if target == device or {target, device} == _THOR:
        return True
    if suffix == "a":  # for that device alone
        return False
    if kind == "compute" and not suffix:
        return target < device
    return target[0] == device[0] and target[1] < device[1] and device not in _INTEGRATED


def lowest(architectures: Sequence[str]) -> Optional[Capability]:
    """The oldest device that any of these architectures is for."""
    found = [match for match in map(_ARCHITECTURE.fullmatch, architectures) if match]
    return min(((int(one.group(2)), int(one.group(3))) for one in found), default=None)


def at_least(driver: str, needed: str) -> Optional[bool]:
    """Compares versions of drivers; None where one can't be read."""
    try:
        return Version(driver) >= Version(needed)
    except InvalidVersion:
        return None


def key_of(name: str, *, without_size: bool = False) -> str:
    """What tells products apart in a name: ``NVIDIA A100-SXM4-80GB`` is ``a100`` without its size."""
    text = name.lower().partition(" mig ")[0]
    text = re.sub(r"\((?:r|tm)\)|[-_/(),]", " ", text)
    if without_size:
        text = _SIZE.sub(" ", text)
    text = re.sub(r"\b(rtx|gtx|gt|mx)(?=\d)", r"\1 ", text)  # rtx4090
    text = re.sub(r"\b(\d{3,4})(?=(?:ti|super)\b)", r"\1 ", text)  # 3050Ti
    text = re.sub(r"\bquadro (?!rtx\b|t\d)", " ", text)
    text = re.sub(r"\b(?:mobile|embedded)\b", "laptop", text)  # the same chips and memory
    return " ".join(word for word in text.split() if not _NOISE.fullmatch(word))


def size_of(name: str) -> Optional[float]:
    """The memory in GiB that a name tells: 80 for ``A100 80GB``."""
    found = _SIZE.search(name.lower().replace("-", " "))
    return float(found.group(1)) if found else None


def _read(path: Path, shape: Type[T]) -> T:
    ready = compiled(path, shape)
    if ready is None:
        from card_doctor.toml import read_toml  # noqa: PLC0415

        ready = read_toml(path, shape)
    return ready


def check_directory(directory: Path) -> None:
    """Every statement about hardware in a directory of matrices; MatrixError for the first that is wrong."""
    from card_doctor.toml import read_text, read_toml, wrong_key  # noqa: PLC0415

    for path in sorted((directory / KIND).glob("*.toml")):
        if path.name not in SHAPES:
            raise MatrixError(f"{path}: no file of this name is known", "known here: " + ", ".join(SHAPES))
        value = read_toml(path, SHAPES[path.name])
        for steps, problem in _problems(value):
            raise wrong_key(path, read_text(path), steps, problem)


def _problems(file: object) -> Iterator[Tuple[Tuple[Union[str, int], ...], str]]:
    """What is wrong beyond the shape."""
    told: List[Tuple[Tuple[Union[str, int], ...], Optional[str]]] = []
    if isinstance(file, _Gpus):
        known = {key_of(name) for group in file.gpus for name in group.memory}
        for other, name in file.names.items():
            if key_of(name) not in known:
                yield ("names", other), f"no GPU of this file is called {name!r}"
        for index, group in enumerate(file.gpus):
            told.append((("gpus", index, "capability"), group.capability))
            for name, memory in group.memory.items():
                sizes = memory if isinstance(memory, tuple) else (memory,)
                if not sizes or list(sizes) != sorted(set(sizes)) or min(sizes) <= 0:
                    yield ("gpus", index, "memory", name), "expected GiB, a list with the smallest first"
    elif isinstance(file, _Cuda):
        for index, generation in enumerate(file.generation):
            told += [(("generation", index, "capabilities"), one) for one in generation.capabilities]
        for index, toolkit in enumerate(file.toolkit):
            told += [(("toolkit", index, "oldest"), toolkit.oldest), (("toolkit", index, "newest"), toolkit.newest)]
            if not re.fullmatch(r"\d+\.\d+", toolkit.version):
                yield ("toolkit", index, "version"), 'expected major.minor, like "11.7"'
            for driver in filter(None, (toolkit.linux, toolkit.windows)):
                if at_least(driver, driver) is None:
                    yield ("toolkit", index), f"{driver!r} is no version of a driver"
    elif isinstance(file, _Builds):
        for index, build in enumerate(file.build):
            for name in build.of:
                if not re.fullmatch(r"\d+\.\d+\+\w+", name):
                    yield ("build", index, "of"), f'expected series+build, like "1.9+cu111", found {name!r}'
            for architecture in build.architectures:
                if not _ARCHITECTURE.fullmatch(architecture):
                    yield ("build", index, "architectures"), f'expected "sm_70" or "compute_70", found {architecture!r}'
    elif isinstance(file, _Precision):
        told += [(("native", name), first) for name, first in file.native.items()]
        for name, specifier in file.tf32.items():
            if name != "torch" or not _is_specifier(specifier):
                yield ("tf32", name), "expected `torch`, a version specifier like `>=1.7,<1.12`"
        for index, rule in enumerate(file.rule):
            told.append((("rule", index, "below"), rule.below))
            for name in ("transformers", "torch", "accelerate"):
                if not _is_specifier(getattr(rule, name)):
                    yield ("rule", index, name), "expected a version specifier, like `>=4.20,<4.41`"
            if (rule.outcome == "setting") != (rule.setting is not None):
                yield ("rule", index, "setting"), "stands beside the outcome `setting`, and only there"
    for steps, spelled in told:
        if spelled is not None and not _CAPABILITY.fullmatch(spelled):
            yield steps, f'expected a compute capability, like "7.5", found {spelled!r}'


def _is_specifier(text: str) -> bool:
    try:  # packaging 21 takes any text for a SpecifierSet, but not for a Specifier
        return all(Specifier(one) for one in filter(None, text.split(",")))
    except InvalidSpecifier:
        return False
