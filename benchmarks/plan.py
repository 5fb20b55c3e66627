"""What does a warm `card-doctor plan` cost beside the resolver's own time for the same requirements?

usage: plan.py [--runs N] [--format text|json] [--gpu SPEC] CARD...

Each card is planned once, and the last question that was put to uv is kept. Then `card-doctor plan CARD` and uv with
that very question take turns. Processor time (of the process and all that it starts) and wall time, both as medians;
`calls` is how often a plan asks uv. Run it with the interpreter of an installed wheel, on a machine that is quiet: what
others run slows an interpreter's start down more than it does uv.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import List, NamedTuple, Tuple

# Keeps the files of each question in a folder of its own, and what uv was called with.
RECORDED = """
import json, shutil, sys
from pathlib import Path
from card_doctor.cli import main
from card_doctor.planning.uv import Uv

kept, asked, ask = Path(sys.argv.pop(1)), [], Uv.ask

def recorded(self, arguments, **wishes):
    folder = kept / str(len(asked))
    folder.mkdir()
    words = []
    for word in arguments:
        if Path(word).is_file() and Path(word).parent.name.startswith("card-doctor-"):
            word = shutil.copy(word, folder)
        words.append(word)
    asked.append([self.path, *words])
    (kept / "asked.json").write_text(json.dumps(asked))
    return ask(self, arguments, **wishes)

Uv.ask = recorded
main(started_with_m=True)
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Cost(NamedTuple):
    """In seconds."""

    processor: float
    wall: float


def main() -> None:
    asked = arguments()
    for card in asked.cards:
        words = ["plan", card, "--gpu", asked.gpu, "--format", asked.format]
        folder = Path(tempfile.mkdtemp())
        recorded = [sys.executable, "-c", RECORDED, str(folder), *words]
        subprocess.run(recorded, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
        questions: List[List[str]] = json.loads((folder / "asked.json").read_text())
        plan, uv = [str(Path(sys.executable).with_name("card-doctor")), *words], questions[-1]
        for warming in (plan, uv):
            cost(warming)
        pairs = [(cost(plan), cost(uv)) for _ in range(asked.runs)]
        print(f"{card:32} calls {len(questions)}  {told('processor', pairs)}  {told('wall', pairs)}", flush=True)
        shutil.rmtree(folder)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--format", default="text")
    parser.add_argument("--gpu", default="none")
    parser.add_argument("cards", nargs="+", metavar="CARD")
    return parser.parse_args()


def cost(command: List[str]) -> Cost:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def told(kind: str, pairs: List[Tuple[Cost, Cost]]) -> str:
    ours, theirs = (statistics.median(getattr(one[side], kind) for one in pairs) for side in (0, 1))
    return f"{kind} {ours:.2f} s, uv {theirs:.2f} s: {ours / theirs:.2f}"


if __name__ == "__main__":
    main()
