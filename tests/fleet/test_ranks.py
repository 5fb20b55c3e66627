from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time

import pytest

import card_doctor
from card_doctor.errors import CardDoctorError
from card_doctor.fleet.ranks import answer_here, judged

SCRIPT = """
import os, pathlib, sys, time
import torch.distributed as dist
rank = os.environ["RANK"]
if rank == sys.argv[2]:
    sys.path.insert(0, sys.argv[1])
import card_doctor
dist.init_process_group("gloo")
here = pathlib.Path(__file__).parent
(here / f"connected-{rank}").touch()
if rank == sys.argv[3]:
    while len(list(here.glob("connected-*"))) < 4:
        time.sleep(0.1)
    if sys.argv[4:] == ["hangs"]:
        time.sleep(120)
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


@pytest.fixture
def by_hand(tmp_path):
    """Ranks without an agent, which would end the survivors: what each printed, its exit code, and the seconds."""

    def run(*args):
        script = tmp_path / "train.py"
        script.write_text(SCRIPT)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        told = {"WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        began = time.monotonic()
        ranks = [
            subprocess.Popen(
                [sys.executable, str(script), *args],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                env={**os.environ, **told, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            )
            for rank in range(4)
        ]  # fmt: skip
        lost = int(args[2])
        try:
            said = {rank: ranks[rank].communicate(timeout=180)[0] for rank in range(4) if rank != lost}
        finally:
            for process in ranks:
                process.kill()
                process.communicate()
        return said, [process.returncode for process in ranks], time.monotonic() - began

    return run


@needs_torch
@pytest.mark.heavy
@pytest.mark.parametrize("lost", [("3",), ("0",), ("3", "hangs")], ids=["dies", "rank 0 dies", "hangs"])
def test_the_others_say_that_a_rank_is_lost_within_the_time_limit(tmp_path, by_hand, lost):
    said, codes, seconds = by_hand(str(tmp_path), "none", *lost)
    for rank, text in said.items():
        assert f"rank {rank}: CardDoctorError" in text, text
        assert "a rank died, or did not answer within 20 seconds" in text, text
        assert "goes on" not in text
        assert codes[rank] == 1
    assert seconds < 90
    print(f"{seconds:.1f} s", *said.values(), sep="\n")


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
