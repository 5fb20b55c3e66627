from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time

import pytest

import card_doctor
from card_doctor.errors import CardDoctorError
from card_doctor.fleet.ranks import answer_here, judged

SCRIPT = """
import os, sys, time
import torch.distributed as dist
rank = os.environ["RANK"]
if rank == sys.argv[2]:
    sys.path.insert(0, sys.argv[1])
import card_doctor
dist.init_process_group("gloo")
if rank == sys.argv[3]:
    os._exit(9)
try:
    card_doctor.require_ranks(timeout=20)
except Exception as error:
    print(f"rank {rank}: {type(error).__name__}: {error}", flush=True)
    time.sleep(1)
    sys.exit(1)
print(f"rank {rank}: goes on", flush=True)
"""


@pytest.fixture
def other_torch(tmp_path):
    info = tmp_path / "doctored" / "torch-0.4.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.4.1\n\n")
    return str(info.parent)


def torchrun(tmp_path, *args):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=4", str(script), *args],
        check=False, capture_output=True, text=True, timeout=180, env=environ,
    )  # fmt: skip
    return ran, time.monotonic() - began


needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not beside this Python")


@needs_torch
@pytest.mark.heavy
def test_four_equal_ranks_go_on(tmp_path, other_torch):
    ran, _ = torchrun(tmp_path, other_torch, "none", "none")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("goes on") == 4


@needs_torch
@pytest.mark.heavy
def test_one_doctored_rank_stops_all_with_the_reason(tmp_path, other_torch):
    ran, _ = torchrun(tmp_path, other_torch, "2", "none")
    assert ran.returncode != 0
    assert ran.stdout.count("IncompatibleRanks") == 4, ran.stdout + ran.stderr
    assert "torch 0.4.1, most have" in ran.stderr
    assert "goes on" not in ran.stdout


@needs_torch
@pytest.mark.heavy
def test_nobody_hangs_when_a_rank_dies(tmp_path, other_torch):
    ran, seconds = torchrun(tmp_path, other_torch, "none", "3")
    assert ran.returncode != 0
    assert "goes on" not in ran.stdout
    assert seconds < 90


def test_ranks_that_differ_are_told_apart_by_their_names(other_torch, monkeypatch):
    usual = [(f"rank {number}", answer_here()[1]) for number in range(2)]
    monkeypatch.syspath_prepend(other_torch)
    going, text = judged([*usual, ("rank 2", answer_here()[1])], None, "compatible")
    assert not going
    assert "1 node, breaks a run over all nodes: rank 2" in text
    assert judged(usual, None, "compatible")[0]


def test_a_rank_whose_environment_cannot_be_read_stops_all():
    error = '{"schema": "card-doctor/error/1", "kind": "environment", "message": "no Python there"}'
    going, text = judged([answer_here(), ("rank 1", error)], None, "compatible")
    assert not going
    assert "rank 1 (failed): no Python there" in text


def test_a_script_that_was_started_alone_is_judged_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    card_doctor.require_ranks()


def test_ranks_that_are_not_connected_are_an_error(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(CardDoctorError, match=r"connected|torch can't be imported"):
        card_doctor.require_ranks()
