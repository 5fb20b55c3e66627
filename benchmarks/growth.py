"""Does a check cost more with more hazards, and how does it grow with packages?

usage: growth.py [RUNS]

Two questions, both in processor time of a fresh process that judges a snapshot (no card, no GPU), from the first
line of card-doctor's own code to the report. The matrices are laid out as a wheel has them, with JSON beside the TOML.

- The first seed's environment of 41 packages, resolved today, with all hazards and with 25 of them: the ones it meets,
  and others. With fewer hazards less is read and compared; what an environment does not meet should cost next to
  nothing.
- Made-up environments of up to 2,000 packages, each of which requires five others and has the core's names among them.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Sequence
from unittest import mock

import msgspec

import card_doctor

SIZES = (125, 250, 500, 1000, 2000)
FEW = 25
FIRST_SEED = {
    "torch": "1.9.1",
    "transformers": "4.18.0",
    "datasets": "2.1.0",
    "tokenizers": "0.11.6",
    "numpy": "2.0.2",
    "pyarrow": "21.0.0",
    "pandas": "2.3.3",
    "huggingface-hub": "0.36.2",
    "fsspec": "2025.10.0",
    "dill": "0.4.1",
    "multiprocess": "0.70.19",
}
CORE = ("torch", "transformers", "datasets", "tokenizers", "numpy")


def judge_once(matrices: Path, snapshot: Path) -> None:
    """In a process of its own: the processor seconds of one check."""
    import time  # noqa: PLC0415

    from card_doctor import checkup  # noqa: PLC0415

    with mock.patch("card_doctor.knowledge.shipped", return_value=matrices):
        started = time.process_time()
        document = checkup.run([None], environment=str(snapshot), gpus=["none"])
        print(json.dumps([time.process_time() - started, len(document.reports[0].findings)]))


def snapshot_of(packages: Dict[str, Dict[str, Any]]) -> Dict[str, Any]:
    markers = {"python_version": "3.9", "python_full_version": "3.9.18", "sys_platform": "linux"}
    markers.update(platform_system="Linux", platform_machine="x86_64", os_name="posix", implementation_name="cpython")
    return {
        "schema": "card-doctor/snapshot/1",
        "source": "interpreter",
        "python": {"version": "3.9.18", "markers": markers},
        "platform": {"system": "Linux", "machine": "x86_64", "libc": ["glibc", "2.36"]},
        "packages": packages,
    }


def first_seed() -> Dict[str, Any]:
    filled = {f"companion-{number}": "1.0" for number in range(41 - len(FIRST_SEED))}
    return snapshot_of({name: {"name": name, "version": one} for name, one in {**FIRST_SEED, **filled}.items()})


def made_up(size: int) -> Dict[str, Any]:
    drawn = random.Random(size)
    names = [*CORE, *(f"package-{number}" for number in range(size - len(CORE)))]
    packages: Dict[str, Dict[str, Any]] = {}
    for name in names:
        requires = [f"{other}>=1.0,<{drawn.randint(3, 9)}" for other in drawn.sample(names[len(CORE) :], 5)]
        requires.append(f'{drawn.choice(names)}>=1; extra == "dev"')
        packages[name] = {"name": name, "version": FIRST_SEED.get(name, "2.1"), "requires": requires}
    return snapshot_of(packages)


def as_in_a_wheel(folder: Path, keep: int) -> int:
    """Our matrices with JSON beside the TOML, and of the hazards the first `keep`: those that the first seed meets
    stand in front. How many there are.
    """
    from packaging.version import Version  # noqa: PLC0415

    from card_doctor.knowledge import Matrices  # noqa: PLC0415
    from card_doctor.knowledge.files import shipped  # noqa: PLC0415
    from card_doctor.knowledge.hardware import SHAPES  # noqa: PLC0415
    from card_doctor.knowledge.hazards import HazardFile  # noqa: PLC0415
    from card_doctor.toml import read_toml  # noqa: PLC0415

    knowledge = Matrices()
    met = {one.id for one in knowledge.hazards({name: Version(one) for name, one in FIRST_SEED.items()})}
    kept = {one.id for one in sorted(knowledge.hazards(), key=lambda one: one.id not in met)[:keep]}
    for path in shipped().glob("*/*.toml"):
        place = folder / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.name == "hazards":
            file = read_toml(path, HazardFile)
            chosen = tuple(one for one in file.hazard if one.id in kept)
            place.with_suffix(".json").write_bytes(msgspec.json.encode(HazardFile(chosen, file.enforced)))
            place.write_text("")
        elif path.parent.name == "hardware":
            place.with_suffix(".json").write_bytes(msgspec.json.encode(read_toml(path, SHAPES[path.name])))
            place.write_text("")
    (folder / "releases").symlink_to(shipped() / "releases")
    return len(kept)


def milliseconds(pairs: Dict[str, Sequence[str]], runs: int) -> Dict[str, List[float]]:
    """Of each command, in turn, so that a machine whose speed drifts is unfair to none; sorted."""
    taken: Dict[str, List[float]] = {label: [] for label in pairs}
    for run in range(runs + 1):
        for label, arguments in pairs.items():
            done = subprocess.run(
                [sys.executable, __file__, "--one", *arguments], stdout=subprocess.PIPE, text=True, check=True
            )
            seconds, _ = json.loads(done.stdout)
            if run:  # the first round only warms caches
                taken[label].append(1000 * seconds)
    return {label: sorted(found) for label, found in taken.items()}


def told(found: Sequence[float]) -> str:
    return f"{found[0]:7.1f} {statistics.median(found):7.1f} {found[-1]:7.1f}"


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        judge_once(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        every, few = folder / "every", folder / "few"
        count = as_in_a_wheel(every, sys.maxsize)
        as_in_a_wheel(few, FEW)
        seed = folder / "seed.json"
        seed.write_text(json.dumps(first_seed()))
        print(f"card-doctor {card_doctor.__version__}, {runs} runs in turn: processor milliseconds (min median max)")
        found = milliseconds({"all": (str(every), str(seed)), "few": (str(few), str(seed))}, runs)
        print(f"  {FEW} hazards, 41 packages    {told(found['few'])}")
        print(f"  {count} hazards, 41 packages    {told(found['all'])}")
        commands = {}
        for size in SIZES:
            path = folder / f"{size}.json"
            path.write_text(json.dumps(made_up(size)))
            commands[str(size)] = (str(every), str(path))
        for size, one in milliseconds(commands, runs).items():
            print(f"  {size:>5} packages             {told(one)}   {one[0] / int(size):.3f} a package")


if __name__ == "__main__":
    main()
