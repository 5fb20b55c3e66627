"""Another machine, asked in text: here it is this one, in a process without anything of ours on its path."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from card_doctor.environment.hardware import read_hardware
from card_doctor.environment.hardware.host import read_host
from card_doctor.environment.interpreter import read_interpreter
from card_doctor.environment.remote import question, snapshot_of
from card_doctor.errors import EnvironmentReadError
from stand_in import h100

LIMIT = 30.0  # seconds

ASK = """
import json, os, sys
told = json.load(sys.stdin)
space = {"__name__": "machine"}
exec(told["program"], space)
print(space["ask"](told["programs"], told["files"], told["timeout"], dict(os.environ)))
"""


def asked(timeout=LIMIT, **programs):
    question_ = question()
    told = {**question_._asdict(), "programs": {**question_.programs, **programs}, "timeout": timeout}
    ran = subprocess.run(
        [sys.executable, "-c", ASK], input=json.dumps(told), capture_output=True, text=True, check=True
    )
    return ran.stdout


def test_a_machine_is_read_from_afar_as_it_is_read_in_place(driver):
    driver(h100(0), h100(1, lost=15), driver="535.104.05", cuda="12020")
    far, (version, cuda, accelerators, gaps) = snapshot_of(asked(), LIMIT), read_hardware(LIMIT)
    assert (far.driver, far.driver_cuda, far.accelerators) == (version, cuda, accelerators)
    assert set(gaps) <= set(far.gaps)
    near, host = read_interpreter(sys.executable), read_host()
    assert (far.packages, far.python, far.platform) == (near.packages, near.python, near.platform)
    assert (far.host.memory_bytes, far.host.cpu_features) == (host.memory_bytes, host.cpu_features)
    assert far.host.shared_memory_bytes == host.shared_memory_bytes


def test_its_own_variables_hide_gpus_not_those_of_whoever_asks(driver, monkeypatch):
    driver(h100(0), h100(1))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    answer = asked()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert [gpu.uuid for gpu in snapshot_of(answer, LIMIT).accelerators] == ["GPU-1"]


def test_a_machine_without_a_driver_has_no_gpu(monkeypatch):
    if read_hardware(LIMIT)[0]:
        pytest.skip("a driver is here")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    snapshot = snapshot_of(asked(), LIMIT)
    assert (snapshot.driver, snapshot.accelerators) == (None, read_hardware(LIMIT)[2])


def test_a_driver_that_hangs_costs_its_own_answer(driver):
    driver(h100(0), h100(1, hang=30))
    snapshot = snapshot_of(asked(5.0), 5.0)
    assert snapshot.packages
    assert [(gap.fact, gap.reason) for gap in snapshot.gaps if gap.fact == "accelerators"] == [
        ("accelerators", "timeout")
    ]


def test_an_interpreter_that_can_not_be_read_is_said_so(driver):
    with pytest.raises(EnvironmentReadError, match="ended with exit code 3"):
        snapshot_of(asked(**{"reader.py": "import os; os._exit(3)"}), LIMIT)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../out", "proc/../../out"])
def test_a_hostile_answer_writes_nowhere(path):
    answer = {**json.loads(asked()), "files": {path: "x"}}
    with pytest.raises(EnvironmentReadError, match="can't be understood"):
        snapshot_of(json.dumps(answer), LIMIT)


@pytest.mark.parametrize("change", [{"driver": "{\n"}, {"snapshot": "[]"}, {"files": 7}, {"snapshot": "é\u0416"}])
def test_an_answer_that_is_none_is_an_error(change, driver):
    driver(h100(0))
    with pytest.raises(EnvironmentReadError):
        snapshot_of(json.dumps({**json.loads(asked()), **change}) + "\n", LIMIT)


def test_the_environment_of_the_machine_does_not_travel(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret-secret")
    assert "secret-secret" not in asked()
    assert os.environ["HF_TOKEN"] == "secret-secret"
