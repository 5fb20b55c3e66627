"""Trials where a library ends, hangs or breaks the process: told, and told of the right stage."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from card_doctor.errors import EnvironmentReadError
from card_doctor.trial import run_trial

PYTHON = Path(sys.executable)
HAS = "class _Tensor:\n    def __getattr__(self, name): return lambda *a: self\ndef zeros(*shape): return _Tensor()\n"


def first(trial):
    return next(stage for stage in trial.stages if not stage.ok)


def tried(**options):
    trial = run_trial(PYTHON, None, **{"timeout": 60, **options})
    assert not trial.works
    assert trial.device is None
    return trial


def test_an_error_is_told_with_the_one_that_it_was_raised_from(packages):
    packages(torch="try:\n    1 / 0\nexcept Exception as e:\n    raise ImportError('no kernel') from e")
    stage = first(tried())
    assert stage.stage == "import torch"
    assert stage.error == "ImportError: no kernel (from ZeroDivisionError: division by zero)"
    assert "raise ImportError('no kernel')" in stage.traceback


def test_what_does_not_need_the_failed_stage_is_tried_and_what_does_is_not(packages):
    packages(torch="raise ImportError", transformers="raise ImportError('and this')", tokenizers="", datasets="")
    stages = {stage.stage: stage for stage in tried().stages}
    assert stages["import transformers"].error == "ImportError: and this"
    assert (stages["torch to numpy"].ok, stages["torch to numpy"].error) == (None, "not run: needs import torch")
    assert stages["train"].ok is None


def test_a_missing_package_is_told_by_its_stage(packages):
    packages(torch=HAS)
    assert first(tried()).error is not None


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_a_crash_belongs_to_the_stage_that_was_running(packages, name):
    packages(torch=f"import os, signal\nos.kill(os.getpid(), signal.{name})")
    trial = tried()
    assert [stage.stage for stage in trial.stages] == ["import torch"]
    assert trial.stages[0].error == f"the process was ended by {name}"
    assert ("torch.py" in trial.stages[0].traceback) == (name != "SIGKILL")  # faulthandler says where


def test_so_does_leaving(packages):
    packages(torch="import os\nos._exit(3)")
    assert first(tried()).error == "the process ended with exit code 3"


def test_raising_systemexit_is_an_error_like_any_other(packages):
    packages(torch="raise SystemExit('not here')")
    assert first(tried()).error == "SystemExit: not here"


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_what_hangs_is_killed_with_its_children(packages, tmp_path):
    children = tmp_path / "children"
    packages(
        torch=f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open({str(children)!r}, "w").write(str(child.pid))
time.sleep(600)
"""
    )
    stage = first(tried(timeout=3))
    assert stage.stage == "import torch"
    assert stage.error == "did not end within 3 seconds, the limit of the whole trial"
    child = int(children.read_text())
    for _ in range(50):
        if gone(child):
            break
        time.sleep(0.1)
    assert gone(child)


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_what_is_printed_is_not_taken_for_results(packages):
    packages(
        sitecustomize='print(\'{"stage": "import torch", "ok": true}\', flush=True)',
        torch="import os\nprint('works', flush=True)\nos.write(1, b'works')\nraise ImportError('no')",
    )
    assert first(tried()).error == "ImportError: no"


def test_nothing_of_the_users_is_written_to(packages, tmp_path, monkeypatch):
    seen = tmp_path / "seen"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    packages(
        torch=f"""
import os, json, tempfile
json.dump([dict(os.environ), os.getcwd(), tempfile.gettempdir()], open({str(seen)!r}, "w"))
"""
    )
    tried()
    environment, folder, temporary = json.loads(seen.read_text())
    for name in ("HF_HOME", "HF_DATASETS_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        assert Path(environment[name]).parents[1] == Path(folder).parent
    assert temporary == folder
    assert environment["HF_HUB_OFFLINE"] == environment["HF_DATASETS_OFFLINE"] == "1"
    assert "WORLD_SIZE" not in environment
    assert environment["CUDA_VISIBLE_DEVICES"] == "3"
    assert environment["HOME"] == os.environ["HOME"]  # packages of the user's site stay where they are


def test_a_known_failure_is_diagnosed_although_no_check_tells_of_it(packages):
    packages(torch="raise RuntimeError('Numpy is not available')")
    (finding,) = tried().diagnosis
    assert (finding.id.partition("/")[0], finding.subject, finding.breaks) == ("trial", "import torch", "yes")
    assert finding.found == "RuntimeError: Numpy is not available"
    assert finding.message
    assert finding.remedies[0].text


def test_progress_is_told_of_every_stage_as_it_begins(packages):
    packages(torch="raise ImportError", tokenizers="raise ImportError", transformers="raise ImportError")
    begun = []
    trial = tried(progress=begun.append)
    assert begun == [stage.stage for stage in trial.stages if stage.ok is not None]


def test_what_is_no_interpreter_is_an_error(tmp_path):
    with pytest.raises(EnvironmentReadError):
        run_trial(tmp_path / "nothing", None, timeout=10)


def test_an_interpreter_that_ends_at_once_is_a_failed_start(tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexit 7\n")
    script.chmod(0o755)
    with pytest.raises(EnvironmentReadError):
        run_trial(script, None, timeout=10)
