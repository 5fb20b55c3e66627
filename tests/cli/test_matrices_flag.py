"""`--matrices DIR`: a team's own cards, hazards and GPUs add to ours, and replace what has the same name."""

from __future__ import annotations

import json

import pytest
from running import here

HAZARD = """
[[hazard]]
id = "numpy-2-abi-torch"
scope = "feature:arrays"
when = { numpy = ">=2", torch = "<2.3" }
message = "we build torch {torch} for NumPy {numpy} ourselves"
symptom = "Numpy is not available"
because = "Only our old nodes still meet it."
remedies = ["numpy<2"]
proof = "reported"
evidence = ["https://wiki.example.org/torch"]
"""


@pytest.fixture
def checked(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("torch==1.10.1\nnumpy==2.0.2\nsetuptools==69.5.1\n")

    def check(*more: str):
        where = ("--environment", "requirements.txt", "--python", "3.9", "--platform", "linux_x86_64")
        ran = here(capfd, "check", "distilbert-allsides", *where, "--format", "json", *more)
        return json.loads(ran.stdout)

    def write(path: str, text: str) -> None:
        (tmp_path / "team" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "team" / path).write_text(text)

    return check, write


def test_each_kind_replaces_ours(checked):
    check, write = checked
    (ours,) = check("--gpu", "Tesla T4")["reports"]
    found = {finding["id"]: finding for finding in ours["findings"]}
    assert found["packages/numpy-2-abi-torch"]["breaks"] == "yes"
    assert ours["card"]["versions"]["torch"] == "1.10.1"

    write("hazards/ours.toml", HAZARD)
    write("hardware/gpus.toml", '[[gpus]]\ncapability = "7.5"\n\n[gpus.memory]\n"Tesla T4" = 8\n')
    write("cards/distilbert-allsides.toml", '[versions]\ntorch = "1.10.0"\n')
    document = check("--gpu", "Tesla T4", "--matrices", "team")
    (theirs,) = document["reports"]
    found = {finding["id"]: finding for finding in theirs["findings"]}
    assert (found["packages/numpy-2-abi-torch"]["breaks"], found["packages/numpy-2-abi-torch"]["severity"]) == (
        "no",
        "note",
    )
    assert found["packages/numpy-2-abi-torch"]["message"] == "we build torch 1.10.1 for NumPy 2.0.2 ourselves"
    assert theirs["card"]["versions"] == {"torch": "1.10.0"}
    (ours_gpu,), (their_gpu,) = (report["machine"]["accelerators"] for report in (ours, theirs))
    assert ours_gpu["memory_bytes"] == 2 * their_gpu["memory_bytes"]


def test_the_report_says_that_other_knowledge_was_used(checked):
    check, write = checked
    write("hazards/ours.toml", HAZARD)
    assert check()["tool"]["matrices"] != check("--matrices", "team")["tool"]["matrices"]


def test_a_mistake_ends_it_with_its_place(checked, tmp_path, monkeypatch, capfd):
    _, write = checked
    write("hazards/ours.toml", HAZARD.replace('"numpy<2"', '"numpy<2.1"'))
    ran = here(capfd, "check", "distilbert-allsides", "--environment", "requirements.txt", "--matrices", "team")
    assert ran.returncode == 2
    assert "ours.toml:9: hazard[0].remedies[0]: `numpy<2.1` still allows numpy 2.0.0" in " ".join(ran.stderr.split())
