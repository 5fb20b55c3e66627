"""Prove the hazards: build what breaks, see it break, apply the remedy, see it pass.

    python tools/reproduce.py [--bounds] [--matrices DIR] [--work DIR] [ID...]

Of every hazard that has a reproduction (or of those that are named), both sides are built with uv, from the package
index that it is set up with: the pins as of the reproduction's day, and the same environment with the remedy
installed. The line must fail with the hazard's symptom before, and pass after.

With --bounds, the edges of the hazard's ranges are proven instead: for each bound, the nearest releases on its two
sides are put into the pins, without what they require where that rules the rest out. The one inside must break; the
one outside must pass, or break as another hazard says that holds there.

What was proven is remembered in DIR/proven.jsonl, and not built again until the entry changes; interrupted, the next
run goes on from there. Exit code: 0 all proven, 1 something was not, 2 it could not start.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

import msgspec
from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from card_doctor.environment import choose
from card_doctor.errors import CardDoctorError
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.files import shipped
from card_doctor.knowledge.hazard_files import read_checked
from card_doctor.knowledge.releases import has_wheel
from card_doctor.model import Hazard, Platform, Python, Reproduction

SECONDS = 900  # for one command: a line that takes longer hangs
SHOWN = 1500  # characters of what a command said
# The line sees no GPU, asks no hub, and finds nothing of the user's.
QUIET = {
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "WANDB_DISABLED": "true",
}
LINUX = Platform("Linux", "x86_64")


class Unproven(Exception):  # noqa: N818  an outcome
    """What did not happen as the entry says, and what was printed instead."""

    def __init__(self, what: str, said: str = "") -> None:
        super().__init__(what)
        self.said = said[-SHOWN:].strip()


class Said(NamedTuple):
    code: int
    text: str


class Proof(msgspec.Struct):
    """One line of proven.jsonl. `key` is made of all that was tried: another entry has another one."""

    key: str
    id: str
    seconds: float


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--bounds", action="store_true", help="prove the edges of the ranges instead")
    parser.add_argument("--matrices", type=Path, default=shipped(), metavar="DIR")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir(), "card-doctor-reproduce"), metavar="DIR"
    )
    options = parser.parse_args(arguments)
    try:
        known = read_checked(options.matrices)[0]
        hazards = chosen(known, options.ids)
    except CardDoctorError as error:
        print(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return 2
    options.work.mkdir(parents=True, exist_ok=True)
    if options.bounds:
        return prove_all(
            hazards, options.work, lambda hazard: prove_bounds(hazard, options.work, known), edges_too=True
        )
    return prove_all(hazards, options.work, lambda hazard: prove(hazard, options.work))


def chosen(known: Sequence[Hazard], ids: Sequence[str]) -> List[Hazard]:
    if shutil.which("uv") is None:
        raise CardDoctorError("there is no uv on PATH", "pip install uv")
    reproducible = {one.id: one for one in known if one.reproduction}
    for wanted in ids:
        if wanted not in reproducible:
            raise CardDoctorError(f"{wanted}: no hazard with a reproduction is called so")
    return [reproducible[wanted] for wanted in ids] or list(reproducible.values())


def prove_all(hazards: Sequence[Hazard], work: Path, proof: Callable[[Hazard], str], *, edges_too: bool = False) -> int:
    record = work / "proven.jsonl"
    proven = {one.key: one for one in read(record)}
    seconds = 0.0
    before, failed = 0, []
    for hazard in hazards:
        key = key_of(hazard, edges_too=edges_too)
        if key in proven:
            before += 1
            seconds += proven[key].seconds
            continue
        started = time.monotonic()
        try:
            told = proof(hazard)
        except (Unproven, CardDoctorError) as error:
            failed.append(hazard.id)
            print(f"{hazard.id}: FAILED: {error}", flush=True)
            print("".join(f"    {line}\n" for line in getattr(error, "said", "").splitlines()), end="", flush=True)
        else:
            taken = time.monotonic() - started
            seconds += taken
            with record.open("ab") as out:
                out.write(msgspec.json.encode(Proof(key, hazard.id, round(taken, 1))) + b"\n")
            print(f"{hazard.id}: {told} ({taken:.0f} s)", flush=True)
    print(
        f"{len(hazards) - len(failed)} of {len(hazards)} hazards proven"
        + (f" ({before} of them before)" if before else "")
        + f" in {seconds / 60:.1f} min"
        + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


def read(record: Path) -> List[Proof]:
    return msgspec.json.Decoder(Proof).decode_lines(record.read_bytes()) if record.exists() else []


def key_of(hazard: Hazard, *, edges_too: bool) -> str:
    tried = (hazard.reproduction, hazard.symptom, hazard.when if edges_too else None)
    return hashlib.blake2b(msgspec.json.encode(tried), digest_size=8).hexdigest()


def prove(hazard: Hazard, work: Path) -> str:
    reproduction = hazard.reproduction
    assert reproduction is not None
    with tempfile.TemporaryDirectory(dir=work) as folder:
        environment = Environment(Path(folder), reproduction)
        said = environment.build(reproduction.pins)
        if said.code:
            raise Unproven("the pins can't be installed", said.text)
        said = environment.run()
        if said.code == 0:
            raise Unproven("it does not break", said.text)
        if hazard.symptom not in said.text:
            raise Unproven(f"it breaks in another way than `{hazard.symptom}`", said.text)
        said = environment.change(reproduction.remedy)
        if said.code:
            raise Unproven(f"the remedy {', '.join(reproduction.remedy)} can't be installed", said.text)
        said = environment.run()
        if said.code:
            raise Unproven(f"it still breaks after {', '.join(reproduction.remedy)}", said.text)
    return f"breaks, and passes after {', '.join(reproduction.remedy)}"


def prove_bounds(hazard: Hazard, work: Path, others: Sequence[Hazard]) -> str:
    assert hazard.reproduction is not None
    told: List[str] = []
    wrong: List[Tuple[str, str]] = []
    for name, version, inside in edges(hazard):
        with tempfile.TemporaryDirectory(dir=work) as folder:
            said = at_edge(Environment(Path(folder), hazard.reproduction), name, version)
        if inside:
            good = said.code != 0 and hazard.symptom in said.text
            outcome = "breaks" if good else "passes" if said.code == 0 else "fails otherwise"
        else:
            other = next((one.id for one in others if explains(one, name, version, said.text)), None)
            good = said.code == 0 or other is not None
            outcome = "passes" if said.code == 0 else f"breaks as {other}" if other else "fails"
        told.append(f"{name} {version} {outcome}")
        if not good:
            wrong.append((told[-1], said.text))
    if wrong:
        raise Unproven("; ".join(told), "\n".join(f"{what}:\n{text[-SHOWN // 2 :]}" for what, text in wrong))
    return "; ".join(told)


def at_edge(environment: Environment, name: str, version: str) -> Said:
    """What the line says with that release among the pins, beside or in spite of what it requires."""
    said = environment.build(environment.reproduction.pins, {name: version})
    if said.code:
        said = environment.build(environment.reproduction.pins)
        said = said if said.code else environment.change([f"{name}=={version}"], "--no-deps")
    return said if said.code else environment.run()


def explains(other: Hazard, name: str, version: str, text: str) -> bool:
    """Is it a hazard of that release, and the break its own?"""
    return name in other.when and other.symptom in text and version in SpecifierSet(other.when[name])


def edges(hazard: Hazard) -> Iterator[Tuple[str, str, bool]]:
    """Of each bound, the nearest known release inside the range and the nearest one outside of it; with whether it is
    inside. Both must have wheels for the reproduction's Python.
    """
    assert hazard.reproduction is not None
    knowledge = Matrices()
    python = Python(version=f"{hazard.reproduction.python}.99")
    seen: Set[Tuple[str, str]] = set()
    for name, specifier in hazard.when.items():
        releases = {
            Version(version): has_wheel(release, python, LINUX)
            for version, release in knowledge.releases(name).items()
            if release.wheels and not release.yanked and not Version(version).is_prerelease
        }
        for bound in SpecifierSet(specifier):
            if not releases:
                raise Unproven(f"the releases of {name} are not known")
            below = [one for one in releases if one < edge_of(bound)]
            above = [one for one in releases if one >= edge_of(bound)]
            for side in (*sorted(below)[-1:], *sorted(above)[:1]):
                if not releases[side]:
                    raise Unproven(f"{name} {side} has no wheel for Python {hazard.reproduction.python}")
                if (name, str(side)) not in seen:
                    seen.add((name, str(side)))
                    yield name, str(side), side in SpecifierSet(specifier)


def edge_of(bound: Specifier) -> Version:
    if bound.operator not in {">=", "<"}:
        raise Unproven(f"the bound {bound} is neither >= nor <")
    return Version(bound.version)


class Environment:
    """The environment of one reproduction, in a folder of its own."""

    def __init__(self, folder: Path, reproduction: Reproduction) -> None:
        self._folder = folder
        self.reproduction = reproduction
        self._python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def build(self, pins: Sequence[str], instead: Optional[Dict[str, str]] = None) -> Said:
        """Install the pins, with other versions of some, and then what is changed without its requirements."""
        instead = instead or {}
        interpreter = choose(self.reproduction.python, started_with_m=False) or sys.executable
        made = self._call(["uv", "venv", "-q", "--clear", "--python", interpreter, str(self._folder / "venv")])
        if made.code:
            return made
        installed = self._install([exactly(pin, instead) for pin in pins])
        if installed.code or not self.reproduction.then:
            return installed
        return self.change([exactly(one, instead) for one in self.reproduction.then], "--no-deps")

    def change(self, remedies: Sequence[str], *more: str) -> Said:
        """Install requirements, remove what is written ``-name``."""
        said = Said(0, "")
        removed = [one[1:] for one in remedies if one.startswith("-")]
        wanted = [one for one in remedies if not one.startswith("-")]
        if removed:
            said = self._call(["uv", "pip", "uninstall", "-q", "--python", str(self._python), *removed])
        if wanted and said.code == 0:
            said = self._install(wanted, *more)
        return said

    def run(self) -> Said:
        """The reproduction's line, in an empty folder."""
        with tempfile.TemporaryDirectory(dir=self._folder) as empty:
            return self._call([str(self._python), "-W", "ignore", "-c", self.reproduction.run], Path(empty))

    def _install(self, requirements: Sequence[str], *more: str) -> Said:
        date = ["--exclude-newer", self.reproduction.date] if self.reproduction.date else []
        return self._call(["uv", "pip", "install", "-q", "--python", str(self._python), *date, *more, *requirements])

    def _call(self, command: Sequence[str], folder: Optional[Path] = None) -> Said:
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env={**variables, **QUIET, "HF_HOME": str(self._folder / "hub")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Said(-1, f"stopped after {SECONDS} s")
        return Said(done.returncode, done.stdout)


def exactly(pin: str, instead: Dict[str, str]) -> str:
    if pin.startswith("-"):
        return pin
    name = Requirement(pin).name
    return f"{name}=={instead[name]}" if name in instead else pin


if __name__ == "__main__":
    sys.exit(main())
