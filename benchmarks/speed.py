"""Processor time of `card-doctor check` beside the tools that a user would run instead, in real environments.

usage: speed.py FOLDER [RUNS]

Builds two environments in FOLDER with uv (kept, so that a second run is quick): the first seed's pins as of their
date (about 40 packages), and one of about 300. card-doctor is installed in both, and the newest pip that runs
there. Every command runs in turn, so that a machine whose speed drifts is unfair to none; the figures are medians
of user and system time of the whole process, children included, and the ratio of the medians.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Sequence

from card_doctor.environment import choose

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHON = "3.9"
FIRST_SEED = ["transformers==4.18.0", "torch==1.9.1", "datasets==2.1.0", "tokenizers==0.11.6"]
POPULAR = """
    jupyter gradio dask[complete] flask django fastapi[all] scrapy sphinx mkdocs-material pytest-xdist
    pytest-cov black mypy wandb tensorboard datasets transformers evaluate boto3 google-cloud-storage
    azure-storage-blob nltk statsmodels seaborn plotly sqlalchemy alembic tox pre-commit
    httpx openai langchain optuna networkx
"""
ENVIRONMENTS = {"40": ["--exclude-newer", "2022-05-08", *FIRST_SEED], "300": POPULAR.split()}


def build(folder: Path, requirements: Sequence[str]) -> Path:
    """An environment of those requirements, the newest pip, pipdeptree and this checkout; its python."""
    python = folder / "bin" / "python"
    install = ["uv", "pip", "install", "-q", "--python", str(python)]
    if not (folder / "built").exists():
        interpreter = choose(PYTHON, started_with_m=False) or sys.executable
        subprocess.run(["uv", "venv", "-q", "--clear", "--python", interpreter, str(folder)], check=True)
        subprocess.run([*install, *requirements], check=True)
        (folder / "built").touch()
    ours = ["--reinstall-package", "card-doctor", str(REPOSITORY)]
    subprocess.run([*install, "pip", "pipdeptree", *ours], check=True)
    return python


def commands(python: Path, torch: bool) -> Dict[str, List[str]]:
    inside = [str(python), "-m"]
    check = [*inside, "card_doctor", "check", "tiny-bert-mnli-distilled", "--gpu", "T4", "--driver", "470.57.02"]
    found = {
        "python -c pass": [str(python), "-c", "pass"],
        "uv pip check": ["uv", "pip", "check", "--python", str(python)],
        "pipdeptree --warn fail": [*inside, "pipdeptree", "--warn", "fail"],
        "pip check": [*inside, "pip", "check"],
        "check --format json": [*check, "--format", "json"],
        "check (text)": check,
    }
    if torch:
        found["torch.utils.collect_env"] = [*inside, "torch.utils.collect_env"]
    return found


def processor_seconds(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    folder, runs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 7
    os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's Python compiles a module once, not at every start
    for name, requirements in ENVIRONMENTS.items():
        python = build(folder / name, requirements)
        packages = len(list(python.parents[1].glob("lib/python*/site-packages/*.dist-info")))
        timed = commands(python, torch=name == "40")
        seconds: Dict[str, List[float]] = {label: [] for label in timed}
        for run in range(runs + 1):
            for label, command in timed.items():
                taken = processor_seconds(command)
                if run:  # the first round only warms caches
                    seconds[label].append(taken)
        medians = {label: statistics.median(taken) for label, taken in seconds.items()}
        print(f"\n{packages} packages, Python {PYTHON}, {runs} runs in turn: processor milliseconds (min median max)")
        for label, taken in seconds.items():
            low, middle, high = (1000 * x for x in (min(taken), medians[label], max(taken)))
            ratio = medians[label] / medians["pip check"]
            print(f"  {label:26} {low:7.0f} {middle:7.0f} {high:7.0f}   {ratio:5.2f} x pip check")


if __name__ == "__main__":
    main()
