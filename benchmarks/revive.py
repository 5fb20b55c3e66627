"""Does `card-doctor build` bring cards back to life, where installing the versions that they state does not?

usage: revive.py --truth SCRIPT --out ROWS.jsonl --scratch FOLDER [--naive-rows ROWS.jsonl]... [--only N,N...]
                 [--side build|naive] CARDS...

CARDS are files: JSON lines whose `lines` are the text of a card (those that state transformers and torch are taken),
or a JSON list of {"transformers": ..., "torch": ..., "date": ..., "python": ..., "also": [...]}. SCRIPT is run in
each environment, and its last line that starts with `TRUTH ` holds {"ok": ..., "first_failure": ...}.

Naive: the versions that the card states, installed by uv as they are resolved today. Builds and previews that no
index has are mapped to the nearest release, local parts (+cu111) dropped, and accelerate is added from transformers
4.31 on, whose Trainer needs it, and datasets. The Python is the list's or the card's, else the newest that has wheels
of all of them. `--naive-rows` are environments of the same pins and Python that were built and tried before: their
outcome is taken over, and said.

A row a card is added to ROWS.jsonl as it is known, so that a second run goes on where the first one ended; every
environment is deleted after its trial. At the end: both rates over the same cards, every failure with its cause, and
whether `plan` had said so.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from packaging.version import InvalidVersion, Version

from card_doctor.cards import find_card
from card_doctor.environment import choose
from card_doctor.knowledge import Matrices
from card_doctor.model import Card

Row = Dict[str, Any]
MATRICES = Matrices()
BUILD_TIMEOUT, TRUTH_TIMEOUT = 2400, 1800  # seconds; a machine that is busy otherwise must not look like a failure
ROOM = 4 * 2**30  # bytes of disk that an environment of one download takes at most
PYTHONS = ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]
OURS = [sys.executable, "-m", "card_doctor"]


def main() -> None:
    asked = arguments()
    asked.scratch.mkdir(parents=True, exist_ok=True)
    cards = [card for path in asked.cards for card in read(path, asked.scratch)]
    cards = [card for number, card in enumerate(cards) if asked.only is None or number in asked.only]
    before = [json.loads(line) for path in asked.naive_rows for line in path.read_text().splitlines()]
    rows: Dict[str, Row] = {}
    if asked.out.exists():
        for row in map(json.loads, asked.out.read_text().splitlines()):
            rows[row["id"]] = {**rows.get(row["id"], {}), **row}  # each side may have been measured by itself

    def note(row: Row) -> None:
        rows[row["id"]] = row
        with asked.out.open("a") as out:
            out.write(json.dumps(row) + "\n")

    for card in cards:
        row = {**rows.get(card["id"], {}), **card}
        if "build" not in row and asked.side != "naive":
            row = told(row, "build", built(row, asked))
            note(row)
        if "naive" not in row and asked.side != "build":
            row = told(row, "naive", taken_over(row, before) or naive(row, asked))
            note(row)
    report([rows[card["id"]] for card in cards if card["id"] in rows])


def told(row: Row, side: str, outcome: Row) -> Row:
    print(f"{row['id']:28} {side:6} {'ok' if outcome['ok'] else outcome['cause']}", flush=True)
    return {**row, side: outcome}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--naive-rows", type=Path, action="append", default=[])
    parser.add_argument("--only", type=lambda text: {int(one) for one in text.split(",")})
    parser.add_argument("--side", choices=["build", "naive"], help="Only this one (default: both).")
    parser.add_argument("cards", type=Path, nargs="+")
    return parser.parse_args()


# The cards


def read(path: Path, scratch: Path) -> Iterator[Row]:
    """Rows with an id, the card's file, the pins that a reader would install, and what was mapped."""
    if path.suffix == ".jsonl":
        texts = [json.loads(line) for line in path.read_text().splitlines()]
        for number, entry in enumerate(texts):
            folder = scratch / "cards" / f"{path.stem}-{number:02}"
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "README.md"
            file.write_text("\n".join(entry["lines"]) + "\n")
            card = find_card(str(file), MATRICES.directories)
            if entry.get("class", "").startswith("not-a-card") or not {"transformers", "torch"} <= set(card.versions):
                continue
            yield row_of(f"{path.stem}-{number:02}", file, card)
        return
    for number, entry in enumerate(json.loads(path.read_text())):
        name = f"{path.stem}-{number:02}"
        file = scratch / "cards" / f"{name}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        stated = {key: entry[key] for key in ("transformers", "torch", "datasets", "tokenizers") if key in entry}
        lines = [f"date = {entry['date']}", "", "[versions]"]
        file.write_text("\n".join([*lines, *(f'{key} = "{value}"' for key, value in stated.items())]) + "\n")
        yield row_of(name, file, find_card(str(file), MATRICES.directories), entry.get("python"), entry.get("also", []))


def row_of(name: str, file: Path, card: Card, python: Optional[str] = None, also: Tuple[str, ...] = ()) -> Row:
    pins, mapped = [], []
    for distribution, version in card.versions.items():
        if distribution == "python":
            continue
        installed = nearest(distribution, version)
        pins.append(distribution + (installed if installed[:1] in "<>=~!" else f"=={installed}"))
        if installed != version:
            mapped.append(f"{distribution} {version} as {installed}")
    pins += also
    transformers = pins_of(pins).get("transformers", "0")
    if "accelerate" not in pins_of(pins) and not (transformers[:1] in "<>" or Version(transformers) < Version("4.31")):
        pins.append("accelerate")
    if "datasets" not in pins_of(pins):
        pins.append("datasets")
    exact = re.match(r"\d+\.\d+", card.versions.get("python", ""))
    python = python or (exact.group() if exact else newest_python(pins_of(pins)))
    return {"id": name, "card": str(file), "python": python, "pins": pins, "mapped": mapped}


def newest_python(pins: Dict[str, str]) -> str:
    """For which each of the pinned releases has a wheel: one of its own, or one for any Python."""
    found = PYTHONS
    for distribution, version in pins.items():
        release = MATRICES.releases(distribution).get(version)
        tags = " ".join(release.wheels) if release else ""
        fits = [one for one in found if "py3-none" in tags or f"cp{one.replace('.', '')}-" in tags or "abi3" in tags]
        found = fits if tags and fits else found
    return found[-1]


def nearest(distribution: str, version: str) -> str:
    """The release that stands nearest below a build or preview that no index has; a range as it is."""
    try:
        asked = Version(version)
    except InvalidVersion:
        return version
    wanted = Version(asked.base_version)
    known = [Version(one) for one in MATRICES.releases(distribution)]
    released = [one for one in known if not one.is_prerelease]
    if not released or wanted in released:
        return str(wanted) if asked.is_prerelease or asked.local else version
    below = [one for one in released if one < wanted]
    return str(max(below) if below else min(released))


def pins_of(pins: List[str]) -> Dict[str, str]:
    return {pin.partition("==")[0]: pin.partition("==")[2] or pin.lstrip("abcdefghijklmnopqrstuvwxyz-") for pin in pins}


# Both ways


def built(row: Row, asked: argparse.Namespace) -> Row:
    """What `build` plans and leaves, and whether the script passes in it. `said`: its plan told that it can't be."""
    folder = fresh(asked.scratch / "env")
    begun = time.monotonic()
    code, plan = ours(["build", row["card"], str(folder), "--format", "json"])
    made: Row = {"exit": code, "seconds": round(time.monotonic() - begun), "python": plan.get("python")}
    made["said"] = bool(plan.get("blocked_by"))
    made["differences"] = [f"{one['subject']} {one['card']} -> {one['planned']}" for one in plan.get("differences", ())]
    trial = plan.get("trial") or {}
    made["trial"] = trial.get("works")
    made["trial_failed"] = [f"{one['stage']}: {one['error']}" for one in trial.get("stages", ()) if not one["ok"]][:2]
    python = folder / "bin" / "python"
    if python.exists():
        made.update(tried(python, asked.truth))
    else:
        because = plan.get("blocked_by") or plan.get("message") or plan
        made.update(ok=False, cause=f"not built: {json.dumps(because)[:400]}")
    shutil.rmtree(folder, ignore_errors=True)
    return made


def naive(row: Row, asked: argparse.Namespace) -> Row:
    python = row["python"]
    folder = fresh(asked.scratch / "env")
    target = str(folder / "bin" / "python")
    made: Row = {"source": "installed today", "python": python}
    venv = run(["uv", "venv", "-q", "--python", str(choose(python, started_with_m=False)), str(folder)])
    done = run(["uv", "pip", "install", "-q", "--python", target, *row["pins"]]) if not venv.returncode else venv
    if done.returncode:
        made.update(ok=False, cause="not installed: " + " ".join(done.stderr.split())[-400:])
    else:
        made.update(tried(Path(target), asked.truth))
    shutil.rmtree(folder, ignore_errors=True)
    return made


def taken_over(row: Row, before: List[Row]) -> Optional[Row]:
    """The outcome of the same pins in the same Python that was seen before."""
    pins, python = pins_of(row["pins"]), row["python"]
    for other in before:
        same = {name: pins.get(name) for name in other["card"]} == other["card"] and other["variant"] == "naive"
        others = set(pins) - set(other["card"]) - {"accelerate"}
        if same and other["python"] == python and (not others or others == set(pins_of(other.get("also", [])))):
            truth = other.get("truth") or {"ok": False, "first_failure": {"stage": "not installed"}}
            return {"source": "seen before", "python": python, "ok": truth["ok"], "cause": cause(truth)}
    return None


def tried(python: Path, truth: Path) -> Row:
    try:
        ran = run([str(python), str(truth)], timeout=TRUTH_TIMEOUT)
    except subprocess.TimeoutExpired:
        return {"ok": False, "cause": "the script did not end in time"}
    seen = [line[6:] for line in ran.stdout.splitlines() if line.startswith("TRUTH ")]
    if not seen:
        return {"ok": False, "cause": f"the script ended with {ran.returncode}: {ran.stderr[-300:]}"}
    said = json.loads(seen[-1])
    return {"ok": said["ok"], "cause": cause(said)}


def cause(truth: Row) -> Optional[str]:
    first = truth.get("first_failure")
    return (
        f"{first.get('stage')}: {first.get('error')}: {' '.join(str(first.get('message')).split())[:200]}"
        if first
        else None
    )


def ours(arguments: List[str]) -> Tuple[int, Row]:
    try:
        ran = run([*OURS, *arguments], timeout=BUILD_TIMEOUT)
    except subprocess.TimeoutExpired:
        return 124, {"message": "did not end in time"}
    try:
        return ran.returncode, json.loads(ran.stdout)
    except ValueError:
        return ran.returncode, {"message": ran.stderr[-400:]}


def run(command: List[str], timeout: float = BUILD_TIMEOUT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout, env=environment)


def fresh(folder: Path) -> Path:
    """A name for a new environment, where there is room for one."""
    shutil.rmtree(folder, ignore_errors=True)
    free = shutil.disk_usage(folder.parent).free
    if free < ROOM:
        sys.exit(f"only {free / 2**30:.1f} GiB of disk are left: make room (uv cache prune), and run this again")
    return folder


# What came of it


def report(rows: List[Row]) -> None:
    both = [row for row in rows if "naive" in row and "build" in row]
    over = sum("build" in row for row in rows)
    print(f"\n{len(rows)} cards; {over} built, {len(both)} also installed naively")
    for side in ("naive", "build"):
        print(rate(f"{side}, the same {len(both)} cards", [row[side]["ok"] for row in both]))
    print(rate(f"build, all {over} cards", [row["build"]["ok"] for row in rows if "build" in row]))
    tried_too = [row["build"] for row in rows if row.get("build", {}).get("trial") is not None]
    agreed = sum(one["trial"] == one["ok"] for one in tried_too)
    print(f"`trial` said of {agreed} of {len(tried_too)} environments what the script said")
    taken = sum(row["naive"]["source"] == "seen before" for row in both)
    print(f"naive outcomes taken over from environments that were tried before: {taken}")
    for side in ("build", "naive"):
        print(f"\n{side}: what failed" + (" (said: plan told it)" if side == "build" else ""))
        for row in rows:
            outcome = row.get(side)
            if outcome and not outcome["ok"]:
                said = ("said" if outcome["said"] else "not said") if side == "build" else ""
                print(f"  {row['id']:28} {said:9} {outcome['cause']}")
    mapped = [f"  {row['id']:28} {', '.join(row['mapped'])}" for row in rows if row["mapped"]]
    print("\nstated as an index does not have it\n" + "\n".join(mapped))


def rate(of: str, outcomes: List[bool]) -> str:
    share = f"{100 * sum(outcomes) / len(outcomes):.0f} %" if outcomes else "-"
    return f"{of:36} {sum(outcomes):3} of {len(outcomes):3} train  {share}"


if __name__ == "__main__":
    main()
