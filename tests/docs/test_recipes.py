"""The recipes of many-machines.md, as they stand there, with the launchers that are here."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

PAGE = (Path(__file__).parents[2] / "docs/how-to/many-machines.md").read_text(encoding="utf-8")
PROGRAM = Path(sys.executable).with_name("card-doctor")
needs_program = pytest.mark.skipif(not PROGRAM.exists(), reason="card-doctor is not installed beside this Python")


def recipe(name):
    """The command below a comment of that name."""
    return re.search(rf"^# {name}[^\n]*\n((?:.*\\\n)*.*)$", PAGE, re.MULTILINE)[1]


def run(command, folder, **more):
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    (folder / "snapshots").mkdir(exist_ok=True)
    return subprocess.run(
        ["sh", "-euc", command], cwd=folder, env={**os.environ, "PATH": path, **more}, check=False,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def snapshots(folder):
    return [json.loads(file.read_text())["schema"] for file in (folder / "snapshots").glob("*.json")]


@needs_program
def test_what_a_launcher_starts_on_each_node_writes_the_snapshot_of_it(tmp_path):
    words = shlex.split(recipe("Slurm"))
    started = words[words.index("sh") :]
    assert [shlex.split(recipe(other))[-3:] for other in ("MPI", "torchrun")] == [started] * 2
    ran = run(shlex.join(started), tmp_path)
    assert (ran.returncode, snapshots(tmp_path)) == (0, ["card-doctor/snapshot/1"]), ran.stderr


@needs_program
@pytest.mark.skipif(shutil.which("mpirun") is None, reason="no mpirun here")
def test_mpirun(tmp_path):
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    ran = run(recipe("MPI"), tmp_path, **root)
    assert (ran.returncode, snapshots(tmp_path)) == (0, ["card-doctor/snapshot/1"]), ran.stderr


@pytest.mark.heavy
@needs_program
@pytest.mark.skipif(not os.environ.get("TORCHRUN") and shutil.which("torchrun") is None, reason="no torchrun here")
def test_torchrun_on_two_agents_of_one_machine(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        place = f"localhost:{free.getsockname()[1]}"
    command = recipe("torchrun").replace("--nnodes=4", "--nnodes=2").replace("node01:29500", place)
    if os.environ.get("TORCHRUN"):
        command = command.replace("torchrun", os.environ["TORCHRUN"], 1)
    with ThreadPoolExecutor(2) as agents:
        ran = list(agents.map(lambda _: run(command, tmp_path), range(2)))
    assert [one.returncode for one in ran] == [0, 0], ran
    assert snapshots(tmp_path) == ["card-doctor/snapshot/1"]  # of one host


@needs_program
def test_the_prolog_of_slurm_never_fails(tmp_path):
    script = re.search(r"^(#!/bin/sh\n.*?)```", PAGE, re.MULTILINE | re.DOTALL)[1]
    here = script.replace("/opt/doctor/bin/card-doctor", str(PROGRAM)).replace("/shared/", "")
    ran = run(here.replace("/opt/nlp/bin/python", sys.executable), tmp_path)
    assert (ran.returncode, snapshots(tmp_path)) == (0, ["card-doctor/snapshot/1"]), ran.stderr
    assert run(script.replace("/shared/", ""), tmp_path).returncode == 0  # no such programs there


@needs_program
def test_the_init_container_is_yaml_and_its_command_one_of_ours(tmp_path):
    container = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])["initContainers"][0]
    assert set(container) == {"name", "image", "command", "resources"}
    card = tmp_path / "my-card.toml"
    card.write_text('name = "mine"\n[versions]\ntorch = "1.9.1"\n')
    command = [word.replace("/config/my-card.toml", str(card)) for word in container["command"]]
    ran = run(shlex.join(command), tmp_path)
    assert ran.returncode == 1, ran.stderr
    assert "torch" in ran.stdout


@needs_program
def test_pods_are_asked_one_by_one(tmp_path):
    """kubectl is a script here that starts what it is told to: what is tried is the shell around it."""
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(
        '#!/bin/sh\nif [ "$1" = get ]; then echo pod/train-0; echo pod/train-1; else shift 3; exec "$@"; fi\n'
    )
    kubectl.chmod(0o755)
    loop = re.search(r"^(for pod in .*?^done)$", PAGE, re.MULTILINE | re.DOTALL)[1]
    ran = run(f"PATH={kubectl.parent}:$PATH\n{loop}", tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert sorted(file.name for file in (tmp_path / "snapshots").iterdir()) == ["train-0.json", "train-1.json"]
