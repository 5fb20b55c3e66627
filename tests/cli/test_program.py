"""The program around the commands, mostly as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import card_doctor, here

from card_doctor import __version__
from card_doctor.cli import run
from card_doctor.cli.program import COMMANDS, program
from card_doctor.settings import Settings

ERROR_KEYS = {"schema", "kind", "message", "hint"}


@pytest.mark.parametrize("args", [["--version"], ["check", "--version"], ["schema", "report", "--version"]])
def test_version(args, capfd):
    ran = here(capfd, *args)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"card-doctor {__version__}\n", "")


def test_help_names_every_command(capfd):
    ran = here(capfd, "--help")
    assert ran.returncode == 0
    assert all(f"\n  {name} " in ran.stdout for name in COMMANDS)
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_flags_that_are_the_same_everywhere(name, capfd):
    ran = here(capfd, name, "--help")
    assert ran.returncode == 0
    flags = ["--format", "--output", "--matrices", "--timeout", "--color", "-v", "-q", "--version"]
    groups = ["list", "show"] if name == "cards" else []
    for shown in [here(capfd, name, group, "--help").stdout for group in groups] or [ran.stdout]:
        assert all(flag in shown for flag in flags)


@pytest.mark.parametrize(
    ("args", "said", "hint"),
    [
        (["chek"], "no such command: chek", "did you mean `check`?"),
        (["my-card"], "no such command: my-card", "`card-doctor check my-card`"),
        (["--gpu", "T4"], "--gpu", "card-doctor check --gpu T4"),
        (["check", "--nope"], "--nope", "card-doctor check --help"),
        (["check", "--format", "yaml"], "yaml", "card-doctor check --help"),
        (["check", "--timeout", "nan"], "more than 0", "card-doctor check --help"),
        (["check", "--timeout", "0"], "more than 0", "card-doctor check --help"),
        (["check", "--output", "report.json"], "expected FORMAT=PATH", "text or json or markdown"),
        (["check", "--output", "yaml=x"], "expected FORMAT=PATH", "text or json or markdown"),
        (["check", "--output", "json=no/such/folder/x"], "there is no folder no/such/folder", ""),
        (["check", "--matrices", "no/such/folder"], "no/such/folder", "card-doctor check --help"),
        (["schema", "nonsense"], "nonsense", "card-doctor schema --help"),
        (["check", "--select", "packges"], "no check or hazard is called packges", "did you mean packages"),
    ],
)
def test_wrong_usage_is_code_2_with_what_to_do(args, said, hint, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    ran = here(capfd, *args)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: ")
    assert said in ran.stderr
    assert hint in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("form", [["--format", "json"], ["--format=json"]])
@pytest.mark.parametrize("args", [["check", "--nope"], ["nonsense"], ["explain", "no/such"], ["check", "--gpu"]])
def test_under_json_the_error_is_a_document(args, form, capfd):
    # A flag without its value comes last, or it would take the next one.
    ran = here(capfd, *args[:1], *form, *args[1:])
    made = json.loads(ran.stdout)
    assert ran.returncode == 2
    assert set(made) == ERROR_KEYS
    assert (made["schema"], made["kind"]) == ("card-doctor/error/1", "usage")
    assert made["message"] in ran.stderr


def test_json_from_the_settings_counts_for_errors_too(tmp_path):
    (tmp_path / "card-doctor.toml").write_text('format = "json"')
    ran = card_doctor("explain", "no/such", cwd=tmp_path)
    assert (ran.returncode, json.loads(ran.stdout)["kind"]) == (2, "usage")


def test_wrong_settings_are_code_2(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.card-doctor]\nmatch = "exakt"')
    ran = card_doctor("checks", "--format", "json", cwd=tmp_path)
    made = json.loads(ran.stdout)
    assert (ran.returncode, made["kind"]) == (2, "usage")
    assert "pyproject.toml:2: tool.card-doctor.match" in made["message"]


def test_a_reader_that_goes_away_is_no_error():
    read, write = os.pipe()
    os.close(read)
    ran = card_doctor("schema", "report", capture_output=False, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_code_2():
    with Path("/dev/full").open("w") as full:
        ran = card_doctor("schema", "report", capture_output=False, stdout=full, stderr=subprocess.PIPE)
        both = card_doctor("schema", "nonsense", capture_output=False, stdout=full, stderr=full)
    assert ran.returncode == 2
    assert "standard output can't be written" in ran.stderr
    assert both.returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")
@pytest.mark.parametrize(("redirection", "code"), [(">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0)])
def test_closed_streams_are_no_crash(redirection, code):
    ran = subprocess.run(
        f'"{sys.executable}" -m card_doctor schema card {redirection}', shell=True, check=False, capture_output=True
    )
    assert (ran.returncode, ran.stderr) == (code, b"")


def test_a_terminal_without_unicode_gets_what_it_can_show(tmp_path):
    ran = card_doctor("check", "é–\udc80.md", env={"PYTHONIOENCODING": "ascii"}, cwd=tmp_path)  # noqa: RUF001
    assert ran.returncode == 2
    assert "\\xe9-\\udc80.md" in ran.stderr


def test_an_error_of_ours_is_code_2_with_a_line_and_a_traceback_only_on_request(monkeypatch, capfd):
    def broken(_name):
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr("card_doctor.cli.schema.schema", broken)
    assert run(["schema", "report"]) == 2
    assert capfd.readouterr().err.splitlines() == [
        "error: unexpected ZeroDivisionError: one two",
        "hint: a bug in card-doctor: please report it with what `-v` adds",
    ]
    assert run(["schema", "report", "-v"]) == 2
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize("stop", [KeyboardInterrupt, click.Abort])
def test_interrupted_is_130(monkeypatch, stop):
    def interrupted(_name):
        raise stop

    monkeypatch.setattr("card_doctor.cli.schema.schema", interrupted)
    assert run(["schema", "report"]) == 130


def test_settings_and_flags_have_the_same_names():
    """`interface.md`: what can be set is what can be flagged; which cards are meant is no setting."""
    context = click.Context(program)
    check = program.get_command(context, "check")
    flags = {option.name for option in check.params if isinstance(option, click.Option)}
    assert flags - {"version", "every", "pattern"} == set(Settings.__struct_fields__)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell):
    ran = card_doctor(env={"_CARD_DOCTOR_COMPLETE": f"{shell}_source"})
    assert "_CARD_DOCTOR_COMPLETE" in ran.stdout
    assert "Traceback" not in ran.stderr


def complete(line: str, word: int):
    env = {"_CARD_DOCTOR_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(word)}
    return card_doctor(env=env).stdout.splitlines()


def test_completion_of_commands_cards_and_ids():
    assert "plain,snapshot" in complete("card-doctor s", 1)
    assert "plain,tiny-bert-mnli-distilled" in complete("card-doctor check tiny", 2)
    assert "plain,tiny-bert-mnli-distilled" in complete("card-doctor cards show tiny", 3)
    assert "plain,packages/hazard" in complete("card-doctor explain packages/h", 2)
    assert {"plain,packages", "plain,packages/hazard"} <= set(complete("card-doctor check --select pack", 3))
    assert complete("card-doctor schema rep", 2) == ["plain,report"]


FLAGS = (
    "-v -q -- --help --format --format=json --select --ignore --gpu --driver --timeout --precision --fail-on --platform"
)
VALUES = "json packages list show report T4 1e999 fp16 never ../.. tiny-bert-mnli-distilled \0 \x1b[31m \udc80"
WORDS = st.one_of(st.text(max_size=6), st.sampled_from([*COMMANDS, *FLAGS.split(" "), *VALUES.split(" "), "A" * 5000]))


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(WORDS, max_size=6))
def test_no_other_exit_code_on_any_input(tmp_path, monkeypatch, capfd, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "card-doctor.toml").write_text("timeout = 5\n")
    ran = here(capfd, *words)
    assert ran.returncode in {0, 1, 2}
    assert "Traceback" not in ran.stderr
    assert "bug in card-doctor" not in ran.stderr
    if ran.returncode == 2:
        assert "error: " in ran.stderr or "not read" in ran.stdout or '"error": "' in ran.stdout
