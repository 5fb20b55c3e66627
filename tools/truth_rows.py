"""Make rows of truth: environments that cards name, really built and trained in, for benchmarks/accuracy.py.

    python tools/truth_rows.py OUT.jsonl CARD... [--changes N] [--python VERSION] [--work DIR]

CARD is what `card-doctor check` takes, or pins in one argument: "transformers==4.18.0 torch==1.9.1 ...". Of each card
these environments are built with uv and tried with card-doctor's own trial, on the CPU:

    today      its pins, and the newest of everything else that they let in
    dated      its pins as of their day: the newest upload among them, plus a week
    dated+X    then X upgraded alone, without its requirements (dated-X: removed)
    dated^X    then X upgraded together with what it requires

N changes of each of the last two kinds are drawn for a card; the same ones in every run. The Python is the newest one
of this machine that has wheels of all the pins. A row is written as soon as it is known; what OUT has already is not
built again. Nothing of this machine but its platform is written down. A trial that ran out of time shows nothing: its
`ok` is null.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

import msgspec
from packaging.version import Version

from card_doctor.cards import find_card
from card_doctor.environment import choose, read_interpreter
from card_doctor.errors import CardDoctorError, EnvironmentReadError
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.releases import find_release, pythons
from card_doctor.model import Platform, Trial
from card_doctor.trial import run_trial

NAMED = ("transformers", "torch", "datasets", "tokenizers")
# What people change in an environment that works, together where one goes with the other.
UPGRADED = (
    *("numpy", "pyarrow", "huggingface-hub", "fsspec", "dill", "pandas", "accelerate", "datasets", "tokenizers"),
    *("setuptools", "requests urllib3", "transformers", "multiprocess", "safetensors", "packaging", "pyyaml"),
    *("numpy pyarrow", "protobuf tensorboard", "scikit-learn", "peft"),
)
REMOVED = ("setuptools", "accelerate")
LINUX = Platform("Linux", "x86_64", ("glibc", "2.36"))
# A stage of the trial that is no part of what `trains` promises.
BESIDE = {"datasets load parquet"}
OUT_OF_TIME = "did not end within"  # how a trial words it


class Variant(NamedTuple):
    name: str
    dated: bool
    upgraded: Tuple[str, ...] = ()
    removed: Tuple[str, ...] = ()
    alone: bool = False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT.jsonl")
    parser.add_argument("cards", nargs="+", metavar="CARD")
    parser.add_argument("--changes", type=int, default=4, metavar="N")
    parser.add_argument("--python", metavar="VERSION")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), metavar="DIR")
    options = parser.parse_args()
    knowledge = Matrices()
    done = known(options.out)
    for reference in options.cards:
        try:
            pins = pins_of(reference, knowledge)
            version, interpreter = (
                (options.python, str(choose(options.python, started_with_m=False)))
                if options.python
                else newest_python(pins, knowledge)
            )
        except CardDoctorError as error:
            print(f"{reference}: {error.message}", file=sys.stderr)
            return 2
        row = {"card": pins, "python": version, "date": day_of(pins, knowledge)}
        for variant in variants(reference, options.changes):
            if identity(pins, variant.name) in done:
                continue
            with tempfile.TemporaryDirectory(dir=options.work) as folder:
                made = {**row, "variant": variant.name, **seen(Path(folder), interpreter, row, variant)}
            with options.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(made) + "\n")
            print(" ".join(f"{name} {version}" for name, version in pins.items()), f"{variant.name}:", told(made))
    return 0


def known(out: Path) -> Set[Tuple[str, ...]]:
    rows = map(json.loads, out.read_text(encoding="utf-8").splitlines() if out.exists() else [])
    return {identity(row["card"], row["variant"]) for row in rows}


def identity(pins: Dict[str, str], variant: str) -> Tuple[str, ...]:
    return (*(f"{name}=={version}" for name, version in sorted(pins.items())), variant)


def pins_of(reference: str, knowledge: Matrices) -> Dict[str, str]:
    if "==" in reference:
        return dict(one.split("==") for one in reference.split())
    stated = find_card(reference, knowledge.directories).versions
    return {name: Version(stated[name]).public for name in NAMED if name in stated}


def newest_python(pins: Dict[str, str], knowledge: Matrices) -> Tuple[str, str]:
    """The newest that all pins have wheels for and that is on this machine: its version, and its path."""
    releases = [find_release(knowledge.releases(name), Version(version)) for name, version in pins.items()]
    minors = set.intersection(*(set(pythons(release, LINUX)) for release in releases if release))
    for minor in sorted(minors, reverse=True):
        with contextlib.suppress(EnvironmentReadError):
            return f"3.{minor}", str(choose(f"3.{minor}", started_with_m=False))
    raise EnvironmentReadError(f"no Python here has wheels of {', '.join(map('=='.join, pins.items()))}")


def day_of(pins: Dict[str, str], knowledge: Matrices) -> str:
    releases = [find_release(knowledge.releases(name), Version(version)) for name, version in pins.items()]
    newest = max(dt.date.fromisoformat(release.date) for release in releases if release)
    return (newest + dt.timedelta(days=7)).isoformat()


def variants(reference: str, changes: int) -> Iterator[Variant]:
    yield Variant("today", dated=False)
    yield Variant("dated", dated=True)
    drawn = random.Random(reference)
    for one in drawn.sample([*UPGRADED, *(f"-{name}" for name in REMOVED)], changes):
        if one.startswith("-"):
            yield Variant(f"dated{one}", dated=True, removed=(one[1:],))
        else:
            yield Variant(f"dated+{one}", dated=True, upgraded=tuple(one.split()), alone=True)
    for one in drawn.sample(UPGRADED, changes):
        yield Variant(f"dated^{one}", dated=True, upgraded=tuple(one.split()))


def seen(folder: Path, interpreter: str, row: Dict[str, Any], variant: Variant) -> Dict[str, Any]:
    """What was installed, and what happened there; or why it can't be resolved."""
    python = folder / "venv" / "bin" / "python"
    needed = [f"{name}=={version}" for name, version in row["card"].items()]
    if Version(row["card"].get("transformers", "0")) >= Version("4.29") and "accelerate" not in row["card"]:
        needed.append("accelerate")  # its Trainer stops without
    install = ["uv", "pip", "install", "-q", "--python", str(python)]
    commands: List[Sequence[str]] = [
        ["uv", "venv", "-q", "--python", interpreter, str(folder / "venv")],
        [*install, *(["--exclude-newer", row["date"]] if variant.dated else []), *needed],
    ]
    if variant.removed:
        commands.append(["uv", "pip", "uninstall", "-q", "--python", str(python), *variant.removed])
    if variant.upgraded:
        commands.append([*install, "-U", *(["--no-deps"] if variant.alone else []), *variant.upgraded])
    for command in commands:
        failed = call(command)
        if failed is not None:
            return {"resolve_error": failed[-800:].replace(str(folder), "")}
    return {"installed": inventory(python), "truth": truth(run_trial(python, None))}


def call(command: Sequence[str]) -> Optional[str]:
    """What a command complained of; None where it did what it should."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else None


def inventory(python: Path) -> Dict[str, Any]:
    """The snapshot of an environment, without its paths."""
    snapshot = read_interpreter(str(python))
    bare = msgspec.structs.replace(
        snapshot,
        path=None,
        python=msgspec.structs.replace(snapshot.python, executable=None, search_path=()) if snapshot.python else None,
        packages={
            name: msgspec.structs.replace(package, location=None, info=None, url=None)
            for name, package in snapshot.packages.items()
        },
        driver=None,
        driver_cuda=None,
        accelerators=None,
        gaps=(),
    )
    found: Dict[str, Any] = msgspec.to_builtins(bare)
    for marker in ("platform_release", "platform_version"):
        found["python"]["markers"].pop(marker, None)
    return found


def truth(trial: Trial) -> Dict[str, Any]:
    failed = [stage for stage in trial.failed if stage.stage not in BESIDE]
    first = {"stage": failed[0].stage, "message": (failed[0].error or "")[-600:]} if failed else None
    late = first is not None and first["message"].startswith(OUT_OF_TIME)
    return {"ok": None if late else not failed, "first_failure": first}


def told(row: Dict[str, Any]) -> str:
    if "resolve_error" in row:
        return "can't be resolved"
    first = row["truth"]["first_failure"]
    return f"{first['stage']}: {first['message'][-120:]}" if first else "trains"


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    sys.exit(main())
