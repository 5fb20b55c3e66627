from __future__ import annotations

import json

import jsonschema
import pytest
from running import card_doctor

from card_doctor.checks.registry import all_checks
from card_doctor.cli import ids, run
from card_doctor.reporting.schemas import document_schema


def test_every_check_is_explained_with_example_and_remedy(capfd):
    for check in all_checks():
        assert run(["explain", check.id]) == 0
        shown = capfd.readouterr().out
        assert shown.startswith(f"{check.id} (check)\n\n")
        assert check.question in " ".join(shown.split())
        assert "\nExample: " in shown
        assert "\nRemedy: " in shown


def test_every_hazard_is_explained_with_its_evidence(capfd):
    assert ids.hazards()
    for hazard in ids.hazards():
        assert run(["explain", f"packages/{hazard.id}"]) == 0
        shown = " ".join(capfd.readouterr().out.split())
        assert shown.startswith(f"packages/{hazard.id} (hazard, ")
        assert " ".join(hazard.because.split()) in shown
        assert all(name in shown for name in (*hazard.when, *hazard.missing))
        assert "Remedy" in shown
        assert "Evidence" in shown
        assert "{" not in shown.partition("Fails with")[0]


@pytest.mark.parametrize("index", [0, -1])
def test_as_json(index):
    name = ids.known()[index]
    ran = card_doctor("explain", name, "--format", "json")
    made = json.loads(ran.stdout)
    jsonschema.Draft202012Validator(document_schema("explanation")).validate(made)
    assert (ran.returncode, made["id"]) == (0, name)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("packages/hazrd", "packages/hazard"), ("hazard", "packages/hazard"), ("versions/olde", "versions/older")],
)
def test_a_wrong_id_gets_the_nearest(wrong, near):
    ran = card_doctor("explain", wrong)
    assert ran.returncode == 2
    assert f"error: no check or hazard is called {wrong}\n" in ran.stderr
    assert near in ran.stderr


def test_nothing_near_points_to_the_list():
    assert "`card-doctor checks` lists" in card_doctor("explain", "zzzzzz").stderr


def listed(*args, **kwargs):
    ran = card_doctor("checks", *args, "--format", "json", **kwargs)
    made = json.loads(ran.stdout)
    jsonschema.Draft202012Validator(document_schema("checks")).validate(made)
    return {check["id"]: check for check in made["checks"]}


def test_checks_lists_every_check():
    made = listed()
    assert list(made) == [check.id for check in all_checks()]
    assert all(check["on"] for check in made.values())
    assert made["packages/hazard"]["family"] == "packages"
    shown = card_doctor("checks").stdout
    assert all(f"\n{name} " in shown for name in made)


def test_checks_says_what_is_off(tmp_path):
    off = {name for name, check in listed("--select", "packages").items() if not check["on"]}
    assert off == {check.id for check in all_checks() if check.family != "packages"}
    (tmp_path / "card-doctor.toml").write_text('ignore = ["versions", "packages/hazard:numpy"]')
    off = {name for name, check in listed(cwd=tmp_path).items() if not check["on"]}
    assert off == {check.id for check in all_checks() if check.family == "versions"}


def test_a_selected_hazard_turns_its_check_on():
    hazard = ids.hazards()[0]
    on = {name for name, check in listed("--select", f"packages/{hazard.id}").items() if check["on"]}
    assert on == {"packages/hazard"}
