"""Real runs, and what `check --run --data` says of each: `python benchmarks/runs.py DIR [CARD/VARIANT...]`

For each seed its environment is revived (`card-doctor build`), and a small model is trained in it on made data as the
card says, and with one thing changed (tools/train_runs.py); all of that is kept in DIR and made once. What is found is
held against what was changed: a variant must be named for what it is, and a run as the card says must be free of
warnings.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

ROOT = Path(__file__).parents[1]
CARDS = ("tiny-bert-mnli-distilled", "distilbert-allsides")
# What each variant is, as the finding that has to name it.
NAMED = {
    "as-stated": None,
    "tenfold-rate": "training/learning-rate",
    "other-batch": "training/batch-size",
    "imbalanced": "data/imbalance",
    "stopped-early": "results/ended-early",
    "overfitted": "results/overfitting",
}
DOCTOR = [sys.executable, "-m", "card_doctor"]


def main(folder: str, *chosen: str) -> int:
    names = chosen or [f"{card}/{variant}" for card in CARDS for variant in NAMED]
    wrong = 0
    for name in names:
        card, _, variant = name.partition("/")
        run, seconds = trained(Path(folder), card, variant)
        findings = judged(card, run)
        right = as_it_is(variant, findings)
        wrong += not right
        print(f"{'right' if right else 'WRONG'}  {card} {variant} (trained in {seconds:.0f} s)")
        for one in findings:
            print(f"       {one['severity']:<8} {one['id']}: {one['subject']}: {one['message']}")
        sys.stdout.flush()
    print(f"{len(names) - wrong} of {len(names)} runs are named for what they are")
    return 1 if wrong else 0


def as_it_is(variant: str, findings: List[Dict[str, Any]]) -> bool:
    serious = {one["id"] for one in findings if one["severity"] != "note"}
    return NAMED[variant] in serious if NAMED[variant] else not serious


def trained(folder: Path, card: str, variant: str) -> Tuple[Path, float]:
    """The run's folder, and how long it took; trained now if it was not yet."""
    environment = folder / f"environment-{card}"
    run = folder / f"{card}-{variant}"
    took = run / "seconds"
    if not took.exists():
        if not environment.exists():
            subprocess.run([*DOCTOR, "build", card, str(environment)], check=True, stdout=sys.stderr)
        shutil.rmtree(run, ignore_errors=True)
        begun = time.monotonic()
        train = [str(environment / "bin" / "python"), str(ROOT / "tools" / "train_runs.py"), card, variant, str(run)]
        with (folder / f"{card}-{variant}.log").open("wb") as log:
            subprocess.run(train, check=True, stdout=log, stderr=log)
        took.write_text(f"{time.monotonic() - begun:.1f}")
    return run, float(took.read_text())


def judged(card: str, run: Path) -> List[Dict[str, Any]]:
    data = [word for name in ("train", "evaluation") for word in ("--data", str(run / f"{name}.csv"))]
    wanted = ["--run", str(run), *data, "--label", "label", "--select", "training,results,data"]
    done = subprocess.run([*DOCTOR, "check", card, *wanted, "--format", "json"], check=False, capture_output=True)
    findings: List[Dict[str, Any]] = json.loads(done.stdout)["reports"][0]["findings"]
    return findings


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
