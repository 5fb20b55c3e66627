from __future__ import annotations

import json

import jsonschema
from running import card_doctor

from card_doctor.reporting.schemas import document_schema


def test_writes_what_was_read(broken, tmp_path):
    ran = card_doctor("snapshot", "--python", broken, "--output", "json=snapshot.json", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    made = json.loads(ran.stdout)
    jsonschema.Draft202012Validator(document_schema("snapshot")).validate(made)
    assert (made["schema"], made["source"]) == ("card-doctor/snapshot/1", "interpreter")
    assert made["packages"]["numpy"]["version"] == "2.0.2"
    assert json.loads((tmp_path / "snapshot.json").read_text()) == made


def test_is_judged_elsewhere_as_it_would_have_been_here(broken, tmp_path):
    """That is what it is for: another node, another day."""
    card_doctor("snapshot", "--python", broken, "--output", "json=snapshot.json", cwd=tmp_path)
    args = ("check", "tiny-bert-mnli-distilled", "--gpu", "T4", "--format", "json")
    here = json.loads(card_doctor(*args, "--python", broken, cwd=tmp_path).stdout)
    there = json.loads(card_doctor(*args, "--environment", "snapshot.json", cwd=tmp_path).stdout)
    assert there["reports"][0]["verdict"] == here["reports"][0]["verdict"]
    # There is no compiled file in this environment; of a snapshot's torch its wheel for this Python is asked.
    assert {**there["counts"], "unknown": 0} == {**here["counts"], "unknown": 0}
    assert there["environment"]["source"] == "snapshot"


def test_without_a_flag_it_is_the_interpreter_that_runs_it(tmp_path):
    made = json.loads(card_doctor("snapshot", cwd=tmp_path).stdout)
    assert made["packages"]["msgspec"]["version"]


def test_format_text_is_wrong_usage():
    ran = card_doctor("snapshot", "--format", "text")
    assert ran.returncode == 2
    assert "text" in ran.stderr
