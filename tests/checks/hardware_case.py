"""Cases for the checks that ask about hardware: shipped knowledge, made machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterable, List, Optional, Type

from card_doctor.environment.whatif import parse_gpu
from card_doctor.knowledge.hardware import load_hardware
from card_doctor.knowledge.models import Models
from card_doctor.knowledge.releases import load_releases
from card_doctor.model import Card, Case, Finding, Machine, Package, TorchBuild
from made import Known, case, package

MATRICES = Path(__file__).parents[2] / "matrices"
HARDWARE = load_hardware([MATRICES])
MODELS = Models([MATRICES])


class Shipped(Known):
    """The facts that are shipped, of releases and of hardware."""

    def releases(self, distribution: str) -> Any:
        return load_releases(distribution, [MATRICES])

    def model(self, name: str) -> Any:
        return MODELS.config(name)

    def hardware(self) -> Any:
        return HARDWARE


def on(
    gpu: str,
    *more: Package,
    torch: str = "1.9.1",
    build: Optional[TorchBuild] = None,
    transformers: Optional[str] = "4.18.0",
    driver: Optional[str] = "580.95.05",
    precision: str = "fp32",
    of: Optional[Card] = None,
    **facts: Any,
) -> Case:
    """Training with these releases on a machine as `--gpu` describes it; without `build` torch is the index's wheel."""
    machine = Machine(driver, parse_gpu(gpu, HARDWARE), precision, ("gpu", "driver"))
    installed = [package("torch", torch), *more]
    if transformers:
        installed.append(package("transformers", transformers))
    return case(*installed, machine=machine, known=Shipped(), of=of, torch=build, **facts)


def asked(check: Callable[[Case], Iterable[Finding]], made: Case, *silent: Type[Exception]) -> List[Finding]:
    """What a check finds; nothing where it ends in one of `silent`."""
    try:
        return list(check(made))
    except silent:
        return []
