"""A real Ray cluster on this machine, its nodes told apart by their variables: drivers, GPUs and torch are stand-ins.
No node has a CPU or GPU to give, so that nothing but a probe that takes none can run there.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from running import card_doctor

from stand_in import build, h100

pytestmark = pytest.mark.heavy
TWO = "|".join(map(h100, range(2)))


def with_ray(folder, python=sys.executable):
    environment = folder / "ray"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "-p", python, str(environment)], check=True)
    subprocess.run([*uv, "pip", "install", "-q", "-p", str(environment), "ray"], check=True)
    return str(environment / "bin" / "python")


@pytest.fixture(scope="module")
def ray_python(tmp_path_factory):
    if importlib.util.find_spec("ray"):
        return sys.executable
    return os.environ.get("RAY_PYTHON") or with_ray(tmp_path_factory.mktemp("env"))


class Orders:
    def __init__(self, process, usual):
        self.process, self.usual = process, usual

    def give(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        self.address = json.loads(self.process.stdout.readline())["address"]

    def add(self, name, **env):
        self.give(add=name, env={**self.usual, **env})


@pytest.fixture(scope="module")
def cluster(ray_python, tmp_path_factory):
    library = build(tmp_path_factory.mktemp("nvml"))
    usual = {"LD_LIBRARY_PATH": str(library), "NVML_GPUS": TWO, "NVML_DRIVER": "535.104.05", "NVML_CUDA": "12020"}
    # A slow machine takes long to start the agents that a node waits for.
    env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_agent_register_timeout_ms": "120000"}
    command = [ray_python, str(Path(__file__).with_name("ray_cluster.py"))]
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/dev/shm") as folder:  # its sockets want a short path
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([*command, folder], text=True, env=env, **streams)
        try:
            yield Orders(process, usual)
        finally:
            process.stdin.close()
            process.wait(60)
            process.stdout.close()


@pytest.fixture(scope="module")
def four(cluster, tmp_path_factory):
    info = tmp_path_factory.mktemp("site") / "torch-0.4.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.4.1\n\n")
    cluster.add("usual")
    cluster.add("driver", NVML_DRIVER="550.54.15")
    cluster.add("lost", NVML_GPUS=f"{h100(0)}|{h100(1, lost=15)}")
    cluster.add("torch", PYTHONPATH=str(info.parent))
    return cluster


def fleet(cluster, python, *args):
    began = time.monotonic()
    ran = card_doctor("fleet", "--ray", cluster.address, "--python", python, "--format", "json", *args)
    return ran, json.loads(ran.stdout), time.monotonic() - began


def odd(document):
    return {
        node: {one["fact"]: one["effect"] for one in group["deviations"]}
        for group in document["groups"]
        for node in group["nodes"]
    }


FOUND = {
    "usual": {},
    "driver": {"driver": "may-break"},
    "lost": {"GPUs": "breaks", "lost GPUs": "may-break"},
    "torch": {"torch": "breaks"},
}


def test_each_odd_node_is_named_by_what_makes_it_odd(four, ray_python):
    ran, document, seconds = fleet(four, ray_python)
    assert (ran.returncode, odd(document), document["silent"]) == (1, FOUND, [])
    alone = time.monotonic()
    card_doctor("snapshot", "--python", ray_python)
    print(f"four nodes: {seconds:.1f} s, one snapshot: {time.monotonic() - alone:.1f} s")


def test_a_fifth_node_that_never_comes_is_missing(four, ray_python):
    _, document, _ = fleet(four, ray_python, "--expect", "5,gpu-9", "--timeout", "10")
    assert [(one["node"], one["reason"]) for one in document["silent"]] == [("gpu-9", "missing")]
    assert "within 10 seconds" in document["silent"][0]["message"]
    assert odd(document) == FOUND


def test_a_node_that_is_killed_while_it_is_asked_is_named_and_the_others_compared(four, ray_python):
    four.add("doomed", NVML_GPUS=h100(0, hang=60))
    killer = threading.Timer(6.0, four.give, kwargs={"kill": "doomed"})
    killer.start()
    _, document, seconds = fleet(four, ray_python, "--timeout", "40")
    killer.join()
    ((name, reason),) = [(one["node"], one["reason"]) for one in document["silent"]]
    assert (name, reason) == ("doomed", "dead"), document["silent"]
    assert odd(document) == FOUND
    assert seconds < 60
    print(document["silent"])


def test_a_driver_that_hangs_costs_the_facts_of_its_node(four, ray_python):
    four.add("hung", NVML_GPUS=h100(0, hang=60))
    _, document, seconds = fleet(four, ray_python, "--timeout", "12")
    four.give(kill="hung")
    found = odd(document)["hung"]
    assert found["GPUs"] == "unknown"
    assert seconds < 60


def test_another_ray_is_refused_with_both_versions(four, ray_python, tmp_path, monkeypatch):
    patch = "try:\n    import ray\n    ray.__version__ = '2.0.0'\nexcept ImportError:\n    pass\n"
    (tmp_path / "sitecustomize.py").write_text(patch)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ran, document, _ = fleet(four, ray_python)
    assert (ran.returncode, document["kind"]) == (2, "mismatch")
    assert "Ray 2.0.0 on Python" in document["message"]
    assert "the cluster runs Ray 2." in document["message"]
    print(document)


def test_a_cluster_that_is_not_there_is_an_error(ray_python):
    ran = card_doctor("fleet", "--ray", "127.0.0.1:1", "--python", ray_python, "--timeout", "5")
    assert ran.returncode == 2
    assert "no Ray cluster at 127.0.0.1:1" in ran.stderr
