"""Both seed cards brought back to life: planned, built, installed from each form of the plan, and trained in; and a
build killed at twenty moments.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest

from card_doctor.planning.interpreters import find
from card_doctor.planning.uv import find_uv

pytestmark = pytest.mark.heavy

FIRST, SECOND = "tiny-bert-mnli-distilled", "distilbert-allsides"
LONGEST = 12.0  # seconds until a moment to be killed at: planned by then, and being installed
IMPORTS = "import torch, transformers, datasets, tokenizers; assert torch.zeros(2).numpy().shape == (2,)"


def card_doctor(*args):
    return [sys.executable, "-m", "card_doctor", *map(str, args)]


@pytest.fixture(autouse=True)
def _python():
    if find(9) is None:
        pytest.skip("no Python 3.9 is installed, which the releases of both cards have wheels for")


@pytest.mark.parametrize("card", [FIRST, SECOND])
def test_the_environment_that_is_built_trains(card, tmp_path):
    ran = subprocess.run(
        card_doctor("build", card, tmp_path / "env", "--format", "json"), capture_output=True, text=True, check=False
    )
    made = json.loads(ran.stdout)
    assert (ran.returncode, made["blocked_by"]) == (0, [])
    assert made["proof"]["level"] == "trained"
    assert made["trial"]["works"]
    assert [one["subject"] for one in made["differences"] if one["card"]] == []


@pytest.mark.skipif(os.name != "posix", reason="a shell")
@pytest.mark.parametrize("form", ["requirements", "hashes", "pylock", "script", "dockerfile"])
def test_what_a_plan_is_written_as_installs_an_environment_that_trains(form, tmp_path):
    """By uv, by pip (with hashes), by a shell. Of the Dockerfile it is what RUN says, in an environment of that Python
    in place of the image's.
    """
    wanted = ["--format", "requirements", "--hashes"] if form == "hashes" else ["--format", form]
    plan = subprocess.run(card_doctor("plan", SECOND, *wanted), capture_output=True, text=True, check=True)
    written = tmp_path / ("pylock.toml" if form == "pylock" else "requirements.txt")
    env, path = tmp_path / "env", os.environ["PATH"]
    written.write_text(plan.stdout)
    if form == "script":
        install = ["sh", written, env]
    else:
        subprocess.run([find(9).path, "-m", "venv", env], check=True)
        path = f"{env / 'bin'}{os.pathsep}{path}"
        if form in {"requirements", "pylock"}:
            install = [find_uv(), "pip", "sync", "--python", env, written]
        elif form == "dockerfile":
            assert "FROM python:3.9-slim\n" in plan.stdout
            install = ["sh", "-c", plan.stdout.partition("RUN ")[2]]
        else:
            install = ["python", "-m", "pip", "install", "--no-deps", "-r", written]
    done = subprocess.run(
        list(map(str, install)), check=False, capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stderr
    ran = subprocess.run(
        card_doctor("trial", SECOND, "--python", env, "--timeout", 1800), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
    shutil.rmtree(env)


@pytest.mark.parametrize(
    ("gpu", "torch"), [("T4", "1.9.1"), ("RTX 4090", "1.13.1"), ("H100", "2.1.2"), ("B200", "2.8.0")]
)
def test_a_newer_gpu_moves_torch_and_nothing_else(gpu, torch):
    ran = subprocess.run(
        card_doctor("plan", FIRST, "--gpu", gpu, "--format", "json"), capture_output=True, text=True, check=True
    )
    made = json.loads(ran.stdout)
    assert {f"torch=={torch}", "transformers==4.18.0", "datasets==2.1.0", "tokenizers==0.11.6"} <= set(
        made["requirements"]
    )
    assert [one["subject"] for one in made["differences"]] == ([] if gpu == "T4" else ["torch"])


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_build_killed_at_twenty_moments_leaves_nothing_that_the_next_trips_over(tmp_path):
    folder, draws, ended = tmp_path / "env", random.Random(20), 0
    for _ in range(20):
        process = subprocess.Popen(
            card_doctor("build", FIRST, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(draws.uniform(0, LONGEST))
        process.kill()
        process.wait()
        if folder.exists():  # then it is complete
            subprocess.run([str(folder / "bin" / "python"), "-c", IMPORTS], check=True)
            folder.rename(tmp_path / f"complete-{ended}")
            ended += 1
    time.sleep(3)  # what was killed with it is gone by then
    ran = subprocess.run(card_doctor("build", FIRST, folder), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.glob(".env*")) == []
