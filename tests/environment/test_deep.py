"""torch imported where it stands: real ones where the tests are told of some, and torches as bad as they come."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from card_doctor import checkup
from card_doctor.environment.deep import FACT, read_account
from card_doctor.environment.payload.torch_account import STEPS, fastest_in_turns
from card_doctor.errors import UsageError

# Interpreters with a real torch, one a line or colon: CARD_DOCTOR_TORCHES=…/bin/python:…/bin/python
TORCHES = [one for one in os.environ.get("CARD_DOCTOR_TORCHES", "").split(os.pathsep) if one]

# As much of a torch as its account asks for; no device that it could train on.
SMALL = """
import types
__version__ = "2.1.0+cu121"
version = types.SimpleNamespace(cuda="12.1", hip=None)
_C = types.SimpleNamespace(_cuda_getArchFlags=lambda: "sm_70 sm_80")
cuda = types.SimpleNamespace(is_available=lambda: False, device_count=lambda: 0, is_bf16_supported=lambda: True)
backends = types.SimpleNamespace(cudnn=types.SimpleNamespace(version=lambda: 8902))
def zeros(size):
    return types.SimpleNamespace(numpy=lambda: None)
"""


@pytest.fixture
def torch_of(venv, venv_site):
    """An environment whose torch is this code; gives its account and the gaps."""

    def read(code, timeout=20.0):
        venv_site.write("torch/__init__.py", code)
        return read_account(str(venv / "bin" / "python"), timeout)

    return read


def test_what_it_says_of_itself(torch_of):
    account, gaps = torch_of(SMALL)
    assert (account.version, account.cuda, account.cudnn) == ("2.1.0+cu121", "12.1", "8.9.2")
    assert account.architectures == ("sm_70", "sm_80")
    assert (account.cuda_available, account.devices, account.failed, account.numpy) == (False, (), None, None)
    assert account.nccl is None  # this one has none: costs that fact alone
    assert gaps == ()
    (step,) = account.steps  # tried on the CPU, as there is nothing else
    assert (step.device, step.precision) == ("cpu", "fp32")
    assert "AttributeError" in step.error


def test_its_warnings(torch_of):
    account, _ = torch_of("import warnings\nfor _ in range(9): warnings.warn('driver too old\\nmore')\n" + SMALL)
    assert account.warnings == ("driver too old",)


def test_without_numpy(torch_of):
    code = (
        "class Tensor:\n    def numpy(self): raise RuntimeError('Numpy is not available')\nzeros = lambda _: Tensor()\n"
    )
    account, gaps = torch_of(SMALL + code)
    assert account.numpy == "RuntimeError: Numpy is not available"
    assert gaps == ()


@pytest.mark.parametrize(
    ("code", "failed"),
    [
        ("import pkg_resources_that_is_gone", "ModuleNotFoundError: No module named 'pkg_resources_that_is_gone'"),
        ("raise OSError('libcudart.so.11: cannot open shared object file')", "OSError: libcudart.so.11: cannot"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import os; os.write(2, b'its last words'); os._exit(3)", "ended with exit code 3: its last words"),
        ("import ctypes; ctypes.string_at(0)", "crashed with SIGSEGV"),
        ("import os; os.abort()", "crashed with SIGABRT"),
    ],
)
def test_an_import_that_fails_is_a_part_of_the_account(torch_of, code, failed):
    account, gaps = torch_of(code)
    assert account.failed.startswith(failed)
    assert (gaps, account.version, account.steps) == ((), None, ())


def test_one_that_hangs_is_a_gap_with_a_remedy(torch_of):
    account, (gap,) = torch_of("import time; time.sleep(60)", timeout=1.5)
    assert account is None
    assert (gap.fact, gap.reason) == (FACT, "timeout")
    assert "`import torch` did not end within 1.5 seconds" in gap.detail
    assert "--timeout" in gap.detail


def test_one_that_hangs_later_tells_what_it_told(torch_of):
    code = "import time\ncuda.is_available = lambda: time.sleep(60)\n"
    account, (gap,) = torch_of(SMALL + code, timeout=3)
    assert (account.failed, account.version) == (None, None)
    assert account.seconds is not None
    assert "asking torch for its devices did not end" in gap.detail


def test_one_that_crashes_in_training_is_a_step_that_failed(torch_of):
    code = "import ctypes\ndef Generator(): ctypes.string_at(0)\n"
    account, gaps = torch_of(SMALL + code)
    assert [(step.precision, step.error) for step in account.steps] == [("fp32", "crashed with SIGSEGV")]
    assert (account.version, gaps) == ("2.1.0+cu121", ())


@pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper")
def test_the_time_limit_holds(torch_of, tmp_path):
    """It ignores SIGTERM, and so does its child, in a session of its own."""
    pids = tmp_path / "pids"
    code = f"""
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if not os.fork():
    os.setsid()
open({str(pids)!r}, "a").write("%d\\n" % os.getpid())
time.sleep(60)
"""
    begun = time.monotonic()
    torch_of(code, timeout=2)
    assert time.monotonic() - begun < 20
    assert len(pids.read_text().split()) == 2
    for pid in pids.read_text().split():
        stat = Path(f"/proc/{pid}/stat")
        assert not stat.exists() or stat.read_text().rpartition(") ")[2][0] in "ZX"


def test_an_interpreter_that_cannot_be_started(tmp_path):
    account, (gap,) = read_account(str(tmp_path / "python"), 5)
    assert (account, gap.reason) == (None, "failed")


def test_no_folder_of_ours_is_left_or_on_its_path(torch_of, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    account, _ = torch_of(
        "import sys\nfound = [one for one in sys.path if 'card-doctor-' in one]\nassert not found\n" + SMALL
    )
    assert account.failed is None
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.heavy
@pytest.mark.skipif(not TORCHES, reason="CARD_DOCTOR_TORCHES names no interpreter with a torch")
@pytest.mark.parametrize("python", TORCHES)
def test_a_real_torch_says_what_it_says(python):
    account, gaps = read_account(python, 120)
    question = "import torch; print(torch.__version__, torch.cuda.is_available(), hasattr(torch, 'autocast'))"
    done = subprocess.run([python, "-c", question], capture_output=True, check=False, timeout=120)
    if done.returncode:
        assert account.failed == done.stderr.decode().strip().splitlines()[-1]
        return
    version, available, has_bf16 = done.stdout.decode().split()
    assert gaps == ()
    assert (account.version, str(account.cuda_available)) == (version, available)
    assert {step.precision for step in account.steps} >= {"fp32"} | ({"bf16"} if has_bf16 == "True" else set())
    for step in account.steps:
        assert step.error is None
        assert step.seconds < 60
        assert step.difference is None or 0 < step.difference < step.tolerance


class TestCheck:
    """`check --deep` as a whole."""

    @pytest.fixture
    def checked(self, venv, venv_site):
        def check(code, **options):
            venv_site.wheel("torch", "2.1.0")
            venv_site.write("torch/__init__.py", code)
            venv_site.write("torch/version.py", "__version__ = '2.1.0+cu121'\ncuda = '12.1'\n")
            document = checkup.run([None], python=str(venv / "bin" / "python"), deep=True, **options)
            (report,) = document.reports
            return document, report

        return check

    def test_an_import_that_fails_breaks_training(self, checked):
        _, report = checked("import os; os.write(2, b'Illegal instruction'); os._exit(132)")
        assert report.verdict.trains == "no"
        (found,) = [one for one in report.findings if one.breaks == "yes"]
        assert (found.id, found.subject) == ("accelerator/torch-fails", "torch")
        assert found.message.endswith("ended with exit code 132: Illegal instruction")

    def test_one_that_hangs_is_unknown_and_says_what_to_do(self, checked):
        document, report = checked("import time; time.sleep(60)", timeout=6.0)
        assert report.verdict.trains == "unknown"
        outcomes = {one.id: one.outcome for one in report.checks}
        assert outcomes["accelerator/torch-fails"] == "unknown"
        assert any("--timeout" in gap.detail for gap in document.environment.gaps)

    def test_one_that_works_is_told_as_it_is(self, checked):
        document, report = checked(SMALL)
        assert document.environment.account.version == "2.1.0+cu121"
        (note,) = [one for one in report.findings if one.id.startswith("accelerator/torch")]
        assert (note.severity, note.message) == (
            "note",
            "torch is compiled for sm_70 sm_80; known was sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90",
        )

    def test_a_file_has_no_torch_to_import(self, tmp_path):
        (tmp_path / "requirements.txt").write_text("torch==2.1.0\n")
        with pytest.raises(UsageError, match="--deep"):
            checkup.run([None], environment=str(tmp_path / "requirements.txt"), deep=True)


@pytest.mark.parametrize("busy_from", [0, 7, STEPS * 20])
def test_two_ways_are_timed_in_turns_so_that_a_busy_machine_slows_both(busy_from):
    """A machine that takes three times as long from some step on, and now and then ten times."""
    now, done = [0.0], []

    def step(name, seconds):
        slow = 3 if len(done) >= busy_from else 1
        now[0] += seconds * (10 if len(done) % 5 == 3 else slow)
        done.append(name)

    half, plain = fastest_in_turns([lambda: step("half", 0.01), lambda: step("plain", 0.01)], clock=lambda: now[0])
    assert half == pytest.approx(plain)
    assert done[:4] == ["half", "plain", "half", "plain"]
    assert len(done) == 2 * (STEPS + 2)


def test_long_steps_are_not_repeated():
    now, done = [0.0], []

    def step():
        now[0] += 2
        done.append(now[0])

    assert fastest_in_turns([step, step], clock=lambda: now[0]) == [2, 2]
    assert len(done) == 6
