from __future__ import annotations

import datetime as dt
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import jsonschema
import pytest
from running import card_doctor, here

from card_doctor.reporting.schemas import document_schema

CARD = "tiny-bert-mnli-distilled"
T4 = ("--gpu", "T4", "--driver", "470.57.02")


def report(*args, code, **kwargs):
    """The document, checked as a script would rely on it."""
    ran = card_doctor("check", *args, "--format", "json", **kwargs)
    assert ran.returncode == code, ran.stderr
    made = json.loads(ran.stdout)
    jsonschema.Draft202012Validator(document_schema("report")).validate(made)
    assert made["exit_code"] == code
    assert ran.stderr == ""
    return made


def found(made, number=0):
    return {finding["id"] for finding in made["reports"][number]["findings"]}


def test_a_broken_environment_is_code_1_and_says_why(broken, tmp_path):
    made = report(CARD, "--python", broken, *T4, code=1, cwd=tmp_path)
    (one,) = made["reports"]
    assert one["verdict"]["trains"] == "no"
    assert {"numpy", "pyarrow"} <= {finding["subject"] for finding in one["findings"]}
    assert made["environment"]["packages"] == 7
    assert made["policy"] == {"match": "compatible", "fail_on": "error", "select": [], "precision": None}
    assert one["machine"]["assumed"] == ["gpu", "driver"]
    assert one["machine"]["precision"] == "fp16"


def test_the_text_of_it(broken, tmp_path):
    ran = card_doctor("check", CARD, "--python", broken, *T4, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.startswith(CARD)
    assert broken in ran.stdout
    assert "[x]  trains: no" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert "The card's own troubleshooting" in ran.stdout


def test_command_that_answers_a_troubleshooting_case_runs_as_printed(broken, tmp_path):
    shown = card_doctor("check", CARD, "--python", broken, *T4, cwd=tmp_path).stdout
    (command,) = re.findall(r"^    (python -m card_doctor check .* --select .*)$", shown, re.MULTILINE)
    words = shlex.split(command)
    assert {"--python", broken, "--gpu", "T4", "470.57.02", CARD} <= set(words)
    again = card_doctor(*words[3:], cwd=tmp_path)
    assert (again.returncode, again.stderr) == (1, "")
    assert "[x]  trains: no" in again.stdout


def test_colour_when_it_is_asked_for(broken, tmp_path):
    args = ("check", CARD, "--python", broken, *T4)
    plain = card_doctor(*args, cwd=tmp_path).stdout
    for coloured in (
        card_doctor(*args, "--color", "always", cwd=tmp_path).stdout,
        card_doctor(*args, env={"FORCE_COLOR": "1", "TERM": "dumb"}, cwd=tmp_path).stdout,
    ):
        assert "\x1b[" in coloured
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_width_is_that_of_the_terminal(broken, tmp_path):
    shown = card_doctor("check", CARD, "--python", broken, *T4, cwd=tmp_path, env={"COLUMNS": "300"}).stdout
    assert broken in shown.splitlines()[0]
    assert "Tesla T4" in shown.splitlines()[0]


def test_quiet_is_one_line(broken, tmp_path):
    ran = card_doctor("check", CARD, "--python", broken, *T4, "-q", cwd=tmp_path)
    assert ran.returncode == 1
    assert re.fullmatch(
        r"\[x\] trains: no, matches: exact, \d+ errors.* - tiny-bert-mnli-distilled in .*\n", ran.stdout
    )


def test_verbose_shows_every_check_and_reason(broken, tmp_path):
    shown = card_doctor("check", CARD, "--python", broken, *T4, "-v", cwd=tmp_path).stdout
    made = report(CARD, "--python", broken, *T4, code=1, cwd=tmp_path)
    (one,) = made["reports"]
    flat = " ".join(shown.split())
    assert all(f"{check['id']} " in shown for check in one["checks"])
    assert all(" ".join(finding["because"].split()) in flat for finding in one["findings"])


@pytest.mark.parametrize(("fail_on", "code"), [("error", 1), ("warning", 1), ("unknown", 1), ("never", 0)])
def test_fail_on_decides_the_code_and_nothing_else(broken, tmp_path, fail_on, code):
    made = report(CARD, "--python", broken, *T4, "--fail-on", fail_on, code=code, cwd=tmp_path)
    assert made["reports"][0]["verdict"]["trains"] == "no"


def test_ignored_findings_stay_in_the_report_and_still_decide(broken, tmp_path):
    made = report(CARD, "--python", broken, *T4, "--ignore", "packages,python", code=0, cwd=tmp_path)
    (one,) = made["reports"]
    assert one["verdict"]["trains"] == "no"
    assert {ignored["subject"] for ignored in one["ignored"]} >= {"numpy", "pyarrow"}
    assert not {name for name in found(made) if name.startswith(("packages", "python"))}
    assert made["counts"]["ignored"] == len(one["ignored"])


def test_select_leaves_the_others_out(broken, tmp_path):
    made = report(CARD, "--python", broken, *T4, "--select", "versions,card", code=0, cwd=tmp_path)
    assert {check["id"].partition("/")[0] for check in made["reports"][0]["checks"]} == {"versions", "card"}
    assert made["reports"][0]["verdict"]["trains"] == "unknown"


def test_each_gpu_gets_a_report_of_its_own(broken, tmp_path):
    made = report(CARD, "--python", broken, "--gpu", "T4", "--gpu", "8xH100", "--gpu", "none", code=1, cwd=tmp_path)
    assert [len(one["machine"]["accelerators"]) for one in made["reports"]] == [1, 8, 0]
    shown = card_doctor("check", CARD, "--python", broken, "--gpu", "T4", "--gpu", "none", cwd=tmp_path).stdout
    assert [line.split()[:2] for line in shown.splitlines() if line.startswith("[x]")] == [["[x]", "no"]] * 2
    assert shown.count("The card's own troubleshooting") == 1


def test_without_a_card_the_environment_itself_is_checked(broken, tmp_path):
    made = report("--python", broken, "--gpu", "none", code=1, cwd=tmp_path)
    assert made["reports"][0]["card"] is None
    assert found(made)


def test_one_card_that_cant_be_read_is_an_error(broken, tmp_path):
    ran = card_doctor("check", "no-such-card", "--python", broken, "--format", "json", cwd=tmp_path)
    assert (ran.returncode, json.loads(ran.stdout)["kind"]) == (2, "card")


def test_of_many_cards_the_others_are_still_judged(broken, tmp_path):
    made = report(CARD, "no-such-card", "distilbert-allsides", "--python", broken, *T4, code=2, cwd=tmp_path)
    assert [bool(one["error"]) for one in made["reports"]] == [False, True, False]
    assert made["reports"][1]["card"]["name"] == "no-such-card"
    shown = card_doctor("check", CARD, "no-such-card", "--python", broken, *T4, cwd=tmp_path)
    assert shown.returncode == 2
    assert "not read" in shown.stdout
    assert "[x]  trains: no" in shown.stdout


@pytest.mark.parametrize("python", ["no/such/python", "2.1"])
def test_an_interpreter_that_is_not_there_is_code_2(python, tmp_path):
    ran = card_doctor("check", "--python", python, "--format", "json", cwd=tmp_path)
    made = json.loads(ran.stdout)
    assert (ran.returncode, made["kind"]) == (2, "environment")
    assert python in made["message"]
    assert made["hint"]


def test_settings_apply_and_flags_win(broken, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.card-doctor]\npython = {broken!r}\ngpu = ["T4"]\nfail-on = "never"\nmatch = "any"\n'
    )
    made = report(CARD, code=0, cwd=tmp_path)
    assert (made["policy"]["fail_on"], made["policy"]["match"]) == ("never", "any")
    assert made["environment"]["packages"] == 7
    assert report(CARD, "--fail-on", "error", code=1, cwd=tmp_path)["policy"]["match"] == "any"


def test_an_ignore_ends_with_its_day_and_that_is_said(broken, tmp_path):
    today = dt.datetime.now().astimezone().date()
    (tmp_path / "card-doctor.toml").write_text(
        f"""ignore = [{{ id = "packages", reason = "new image", until = {today - dt.timedelta(days=1)} }},
                      {{ id = "python", reason = "old image", until = {today} }}]"""
    )
    ran = card_doctor("check", CARD, "--python", broken, *T4, "--format", "json", cwd=tmp_path)
    made = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert ran.stderr == f"warning: the ignore of packages ended on {today - dt.timedelta(days=1)} (new image)\n"
    assert {"packages"} <= {name.partition("/")[0] for name in found(made)}


def test_an_ignore_that_matches_nothing_is_said(broken, tmp_path):
    made = report(CARD, "--python", broken, *T4, "--ignore", "packages/no-such-thing", code=1, cwd=tmp_path)
    assert [ignore["id"] for ignore in made["unused_ignores"]] == ["packages/no-such-thing"]
    ran = card_doctor("check", CARD, "--python", broken, *T4, "--ignore", "packages/no-such-thing", cwd=tmp_path)
    assert "ignore packages/no-such-thing matches nothing any more" in ran.stdout


def test_output_files_beside_what_is_printed(broken, tmp_path):
    out = tmp_path / "report.json"
    args = ("--output", f"json={out}", "--output", f"text={tmp_path / 'report.txt'}", "--color", "always")
    ran = card_doctor("check", CARD, "--python", broken, *T4, *args, cwd=tmp_path)
    assert ran.returncode == 1
    assert json.loads(out.read_text())["exit_code"] == 1
    assert "\x1b" in ran.stdout
    assert "\x1b" not in (tmp_path / "report.txt").read_text()


def test_output_of_the_settings_is_for_reports_alone(broken, tmp_path):
    (tmp_path / "card-doctor.toml").write_text('output = ["json=report.json", "text=report.txt"]')
    assert card_doctor("check", CARD, "--python", broken, *T4, cwd=tmp_path).returncode == 1
    written = (tmp_path / "report.json").read_text()
    assert json.loads(written)["schema"] == "card-doctor/report/1"
    for args in (["cards"], ["checks"], ["snapshot"]):
        assert card_doctor(*args, cwd=tmp_path).returncode == 0
    assert (tmp_path / "report.json").read_text() == written


def test_alone_it_is_check(tmp_path, broken):
    (tmp_path / "card-doctor.toml").write_text(f'format = "json"\npython = {broken!r}\ngpu = ["none"]')
    ran = card_doctor(cwd=tmp_path)
    made = json.loads(ran.stdout)
    assert (ran.returncode, made["schema"], made["reports"][0]["card"]) == (1, "card-doctor/report/1", None)


def test_json_imports_nothing_that_it_does_not_use(broken, tmp_path):
    """`rich` alone costs as much as the rest; what the probed environment holds is never imported."""
    ran = card_doctor(
        "check", CARD, "--python", broken, *T4, "--format", "json", cwd=tmp_path, env={"PYTHONPROFILEIMPORTTIME": "1"}
    )
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "card_doctor.checkup" in imported
    unwanted = {"rich", "torch", "numpy", "importlib.metadata", "importlib_metadata", "asyncio", "difflib"}
    assert not {name for name in imported if name in unwanted or name.partition(".")[0] in {"rich", "torch", "numpy"}}


def test_console_script_is_the_same_program(console_script, broken, tmp_path):
    args = ["check", CARD, "--python", broken, *T4, "--format", "json"]
    ran = subprocess.run([console_script, *args], check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ran.returncode == 1
    assert json.loads(ran.stdout) == report(*args[1:-2], code=1, cwd=tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_interrupted_while_it_waits_is_130(tmp_path):
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\necho started >&2\nexec sleep 60\n")
    hanging.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "card_doctor", "check", "--python", str(hanging)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  a background job of a shell ignores it
    )
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in err


def test_formats_for_machines_are_printed_and_written_together(broken, tmp_path, capfd):
    junit, sarif = tmp_path / "report.xml", tmp_path / "report.sarif"
    outputs = ["--output", f"junit={junit}", "--output", f"sarif={sarif}"]
    ran = here(capfd, "check", CARD, "--python", broken, *outputs, "--format", "gitlab")
    assert ran.returncode == 1
    assert "numpy" in {one["description"].split(":")[0] for one in json.loads(ran.stdout)}
    assert json.loads(sarif.read_text())["version"] == "2.1.0"
    assert "<failure" in junit.read_text()


def test_the_step_gets_its_summary_behind_what_it_has(broken, tmp_path, monkeypatch, capfd):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    ran = here(capfd, "check", CARD, "--python", broken, "--format", "github")
    assert "::error file=" in ran.stdout
    assert summary.read_text().startswith("before\n### card-doctor: ")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    assert here(capfd, "check", CARD, "--python", broken, "--format", "github").returncode == 2


def test_every_card_of_a_folder_in_one_table(broken, tmp_path):
    for number in range(7):
        (tmp_path / f"card-{number}.toml").write_text(f'[versions]\ntransformers = "4.1{number}.0"\n')
    (tmp_path / "card-8.toml").write_text("[versions")
    ran = card_doctor("check", "--all", str(tmp_path), "--python", broken, *T4, cwd=tmp_path)
    assert ran.returncode == 2, "one can't be read"
    marks = [line.split()[0] for line in ran.stdout.splitlines() if line.startswith("[")]
    assert marks == ["[x]"] * 7 + ["[?]"]
    assert "numpy: found 2.0.2, needs <2" in ran.stdout.partition("stands in its way")[0]
    assert ran.stderr == ""
    made = report("--all", str(tmp_path), "-k", "card-[0-3]", "--python", broken, *T4, code=1, cwd=tmp_path)
    assert [one["card"]["name"] for one in made["reports"]] == ["card-0", "card-1", "card-2", "card-3"]


def test_many_cards_in_json_are_the_document_that_a_file_of_them_is(broken, tmp_path):
    """To standard output each report is written as it is known; a file is written at the end."""
    (tmp_path / "cards").mkdir()
    for number in range(3):
        (tmp_path / "cards" / f"card-{number}.toml").write_text(f'[versions]\ntransformers = "4.1{number}.0"\n')
    (tmp_path / "cards" / "card-8.toml").write_text("[versions")
    asked = ["check", "--all", "cards", "--python", broken, *T4, "--ignore", "versions", "--ignore", "amp/none-such"]
    streamed = card_doctor(*asked, "--format", "json", cwd=tmp_path)
    whole = card_doctor(*asked, "--quiet", "--output", "json=whole.json", cwd=tmp_path)
    assert streamed.returncode == whole.returncode == 2
    assert json.loads(streamed.stdout) == json.loads((tmp_path / "whole.json").read_text())
    assert len(json.loads(streamed.stdout)["unused_ignores"]) == 1


def test_all_is_the_catalogue(broken, tmp_path):
    made = report("--all", "-k", "distil", "--python", broken, *T4, code=1, cwd=tmp_path)
    assert "distilbert-allsides" in {one["card"]["name"] for one in made["reports"]}
    assert "tiny-bert-mnli-distilled" in {one["card"]["name"] for one in made["reports"]}


def test_a_pattern_needs_cards_to_pick_from(tmp_path):
    ran = card_doctor("check", "-k", "bert", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--all" in ran.stderr
