from __future__ import annotations

import json
import sys

import jsonschema
import pytest
from running import card_doctor

from card_doctor.reporting.schemas import document_schema

CARD = "tiny-bert-mnli-distilled"


@pytest.fixture
def torch(tmp_path):
    """An environment variable that puts a torch of that source on the path of the interpreter that is tried."""

    def write(source: str) -> dict:
        (tmp_path / "torch.py").write_text(source)
        return {"PYTHONPATH": str(tmp_path)}

    return write


def test_a_failure_is_code_1_and_one_json_document(torch, tmp_path):
    ran = card_doctor("trial", CARD, "--format", "json", env=torch("raise ImportError('no kernel')"), cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "")
    tried = json.loads(ran.stdout)
    jsonschema.Draft202012Validator(document_schema("trial")).validate(tried)
    assert (tried["schema"], tried["works"], tried["device"]) == ("card-doctor/trial/1", False, None)
    first = tried["stages"][0]
    assert (first["stage"], first["ok"], first["error"]) == ("import torch", False, "ImportError: no kernel")


def test_the_text_says_which_stage(torch, tmp_path):
    ran = card_doctor("trial", CARD, env=torch("raise ImportError('no kernel')"), cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stdout.startswith(f"{CARD} in {sys.executable}\n\n[x]  works: no   failed: import torch")
    _, *shown = (line for line in ran.stdout.splitlines() if not line.startswith("    "))  # a command stays whole
    assert max(map(len, shown)) <= 80
    assert "\x1b" not in ran.stdout + ran.stderr


def test_the_time_limit_is_for_everything(torch, tmp_path):
    ran = card_doctor("trial", "--timeout", "2", "-q", env=torch("import time\ntime.sleep(600)"), cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stdout.startswith("[x] works: no, failed: import torch")


@pytest.mark.parametrize("args", [("no-such-card",), ("--python", "/no/such/python"), ("--timeout", "0")])
def test_what_can_not_be_answered_is_code_2(args, tmp_path):
    ran = card_doctor("trial", *args, "--format", "json", cwd=tmp_path)
    assert ran.returncode == 2
    assert json.loads(ran.stdout)["schema"] == "card-doctor/error/1"


def test_offline_no_card_is_fetched(tmp_path):
    pytest.importorskip("huggingface_hub")
    ran = card_doctor("trial", "nobody/nothing", "--offline", env={"HF_HOME": str(tmp_path)}, cwd=tmp_path)
    assert ran.returncode == 2
    assert "offline" in ran.stderr
