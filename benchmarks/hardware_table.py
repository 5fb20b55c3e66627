"""Which release of torch runs on which GPU under which driver: the checks of `accelerator/`, on every combination.

python benchmarks/hardware_table.py   the default wheels of the index, on Linux and x86_64
"""

from __future__ import annotations

import sys
from typing import Dict, List, Tuple

from packaging.version import Version

from card_doctor.checks import engine
from card_doctor.checks.registry import all_checks
from card_doctor.environment.whatif import parse_gpu
from card_doctor.knowledge import Matrices
from card_doctor.model import Case, Machine, Package, Platform, Policy, Snapshot

GPUS = ("K80", "P100", "V100", "T4", "A100", "RTX 3090", "RTX 4090", "L4", "H100", "B200")
# The oldest of each branch that reached a datacentre: https://docs.nvidia.com/datacenter/tesla/index.html
DRIVERS = (
    "418.40.04", "440.33.01", "450.80.02", "460.32.03", "470.57.02", "515.43.04", "525.60.13", "535.54.03",
    "550.54.14", "570.124.06", "580.65.06",
)  # fmt: skip
LINUX = Platform("Linux", "x86_64", ("glibc", "2.36"))
WORDS = {
    "accelerator/driver-too-old": "driver",
    "accelerator/driver-without-gpu": "driver",
    "accelerator/gpu-too-old": "gpu",
    "accelerator/no-kernels": "code",
}


def releases(knowledge: Matrices) -> List[str]:
    """The newest of each series from 1.7 on that has a wheel for Linux."""
    newest: Dict[Tuple[int, int], Version] = {}
    for text, release in knowledge.releases("torch").items():
        version = Version(text)
        if release.build and not version.is_prerelease and version.release >= (1, 7):
            series = (version.major, version.minor)
            newest[series] = max(version, newest.get(series, version))
    return [str(newest[series]) for series in sorted(newest)]


def cell(knowledge: Matrices, torch: str, gpu: str, driver: str) -> Tuple[str, str]:
    """``runs``, or what stands in the way (the ``driver``, the ``gpu`` that is too old, no ``code``), and why."""
    accelerators = parse_gpu(gpu, knowledge.hardware())
    snapshot = Snapshot("interpreter", platform=LINUX, packages={"torch": Package("torch", torch)})
    machine = Machine(driver, accelerators, "fp32", ("gpu", "driver"))
    checks = [check for check in all_checks() if check.id in WORDS]
    found, results = engine.run(checks, Case(snapshot, machine, Policy(), knowledge))
    if found:
        return WORDS[found[0].id], found[0].message
    unknown = [result.reason or "" for result in results if result.outcome in {"unknown", "crashed"}]
    return ("?", unknown[0]) if unknown else ("runs", "")


def main() -> None:
    knowledge = Matrices()
    number = 0
    for torch in releases(knowledge):
        build = knowledge.releases("torch")[torch].build
        print(f"\ntorch {torch}, CUDA {build.cuda if build else '?'}")
        print(" " * 12 + "".join(f"{gpu:>10}" for gpu in GPUS))
        for driver in DRIVERS:
            cells = [cell(knowledge, torch, gpu, driver)[0] for gpu in GPUS]
            number += len(cells)
            print(f"{driver:<12}" + "".join(f"{'-' if one == 'runs' else one:>10}" for one in cells))
    print(
        f"\n{number} combinations. -: runs; driver: it is too old, or too new for the GPU; gpu: too old for this build;"
    )
    print("code: the build holds none for this GPU; ?: not known.")


if __name__ == "__main__":
    sys.exit(main())
