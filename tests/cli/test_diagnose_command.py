from __future__ import annotations

import gzip
import json
import os
import sys

import jsonschema
import pytest
from running import card_doctor, here

from card_doctor.reporting.schemas import document_schema

NUMPY = 'Traceback (most recent call last):\n  File "train.py", line 1\nRuntimeError: Numpy is not available\n'


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("step 1\n" + NUMPY)
    return str(path)


def test_a_known_failure_is_told_with_its_line_and_the_command(log, capfd):
    ran = here(capfd, "diagnose", log)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert " ".join(ran.stdout.split()).startswith(f"{log} (4 lines) [x] This torch was ")
    assert "    line 4: RuntimeError: Numpy is not available\n" in ran.stdout
    assert "    pip install 'numpy<2'\n" in ran.stdout


def test_standard_input_is_read_as_well(log):
    ran = card_doctor("diagnose", "-", "-q", input=NUMPY)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.startswith("[x] numpy-not-available at line 3: ")


def test_json_follows_its_schema(log, capfd):
    ran = here(capfd, "diagnose", log, "--format", "json")
    document = json.loads(ran.stdout)
    jsonschema.validate(document, document_schema("diagnosis"))
    assert (document["schema"], document["exit_code"]) == ("card-doctor/diagnosis/1", 1)
    assert document["failures"][0]["line"] == {
        "number": 4,
        "text": "RuntimeError: Numpy is not available",
        "rank": None,
    }


def test_an_environment_tells_what_explains_it_and_the_way_out(log, broken, capfd):
    ran = here(capfd, "diagnose", log, "--python", broken)
    assert ran.returncode == 1
    shown = " ".join(ran.stdout.split())
    assert "Explained by what" in shown
    assert "torch" in shown
    assert "[packages/numpy-2-abi-torch]" in shown
    assert "'numpy<2'" in shown
    document = json.loads(here(capfd, "diagnose", log, "--python", broken, "--format", "json").stdout)
    assert document["findings"][0]["id"] == "packages/numpy-2-abi-torch"
    assert document["remedy"]["command"]


def test_an_environment_that_has_nothing_to_do_with_it_is_not_blamed(log, environment, capfd):
    ran = here(capfd, "diagnose", log, "--python", str(environment({"numpy": "1.22.3"})))
    assert "explains it" in " ".join(ran.stdout.split())
    assert "pip install 'numpy<2'" in ran.stdout


@pytest.mark.parametrize("said", ["all is well\n", ""])
def test_no_failure_is_no_failure(tmp_path, said, capfd):
    path = tmp_path / "log"
    path.write_text(said)
    ran = here(capfd, "diagnose", str(path))
    assert ran.returncode == 0
    assert "[ok] no known failure in it" in ran.stdout


def test_an_exception_that_is_not_known_is_told_as_that(tmp_path, capfd):
    path = tmp_path / "log"
    path.write_text(NUMPY.replace("Numpy is not available", "odd \x1b]0;title\x07thing"))
    ran = here(capfd, "diagnose", str(path))
    assert ran.returncode == 0
    assert "[?] it ends with an exception that is not known:" in ran.stdout
    assert "line 3: RuntimeError: odd thing" in ran.stdout
    assert "\x1b" not in ran.stdout


def test_what_powershell_writes_is_read(tmp_path, capfd):
    path = tmp_path / "log"
    path.write_bytes(NUMPY.encode("utf-16"))
    assert here(capfd, "diagnose", str(path)).returncode == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(NUMPY.encode()), "is compressed"),
        (bytes(range(256)) * 40, "is no text"),
        (os.urandom(100_000), "is no text"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path, content, said, capfd):
    path = tmp_path / "log"
    path.write_bytes(content)
    ran = here(capfd, "diagnose", str(path))
    assert ran.returncode == 2
    assert f"{path}: {said}" in ran.stderr
    assert "hint: " in ran.stderr


def test_a_log_that_is_not_there_is_named(tmp_path, capfd):
    ran = here(capfd, "diagnose", str(tmp_path / "none.log"), "--format", "json")
    assert ran.returncode == 2
    assert json.loads(ran.stdout)["kind"] == "log"
    assert here(capfd, "diagnose", str(tmp_path)).returncode == 2


@pytest.mark.parametrize("command", [["diagnose", "{log}", "--card"], ["watch"]])
def test_offline_holds_for_the_card_too(command, log, tmp_path):
    words = [word.format(log=log) for word in command]
    rest = ["--", sys.executable, "-c", "print('started')"] if command == ["watch"] else ["--python", sys.executable]
    env = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    ran = card_doctor(*words, "some/model", "--offline", *rest, env=env)
    assert ran.returncode == 2
    assert "--offline" in ran.stderr.splitlines()[0]
    assert "started" not in ran.stdout
