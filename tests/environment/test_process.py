"""A time limit that holds, whatever a program does against it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import card_doctor
from card_doctor.environment.process import run

PYTHON = [sys.executable, "-I", "-S", "-c"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper")


def state(pid):
    """As /proc has it; Z is dead, and only not buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


@pytest.mark.parametrize("code", [0, 3, 255])
def test_exit_codes_and_last_words_come_through(code):
    ended, said = run([*PYTHON, f"import sys; sys.stderr.write('last words'); sys.exit({code})"], 20)
    assert (ended, said) == (code, b"last words")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGALRM])
def test_so_do_signals(number):
    assert run([*PYTHON, f"import os; os.kill(os.getpid(), {int(number)})"], 20)[0] == -number


def test_what_it_printed_where_it_is_asked_for():
    assert run([*PYTHON, "print('hello')"], 20, with_output=True) == (0, b"hello\n")


def test_its_environment_and_folder_are_ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "some/where")
    code = "import os; print(os.getcwd(), os.environ['PYTHONPATH'], os.read(0, 9))"
    assert run([*PYTHON, code], 20, with_output=True)[1].decode().split() == [str(tmp_path), "some/where", "b''"]


@pytest.mark.parametrize("missing", ["no/such/program", "."])
def test_a_program_that_cannot_be_started_is_an_error(missing, tmp_path):
    with pytest.raises(OSError, match=r"No such file|Permission denied"):
        run([str(tmp_path / missing)], 20)


@linux
def test_a_service_that_it_leaves_behind_lives_on_where_it_ended_in_time():
    service = [*PYTHON, "import time; time.sleep(60)"]
    code = f"import subprocess; print(subprocess.Popen({service!r}, stdout=subprocess.DEVNULL).pid)"
    ended, said = run([sys.executable, "-c", code], 20, with_output=True)
    assert ended == 0
    assert state(int(said)) not in "ZX"
    os.kill(int(said), signal.SIGKILL)


@linux
def test_a_flock_of_orphans_that_start_others_is_gone(tmp_path):
    """Each makes another and ends, in a session of its own."""
    code = f"""
import os, time
while True:
    open({str(tmp_path / "pids")!r}, "a").write("%d\\n" % os.getpid())
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.002)
"""
    run([*PYTHON, f"import os, time\nif os.fork(): time.sleep(60)\n{code}"], 1)
    before = (tmp_path / "pids").read_bytes()
    time.sleep(0.2)
    assert before.count(b"\n") > 20
    assert (tmp_path / "pids").read_bytes() == before


@linux
def test_it_does_not_outlive_us(tmp_path):
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write('%d\\n' % os.getpid()); time.sleep(60)"
    ours = f"from card_doctor.environment.process import run; run({[*PYTHON, code]!r}, 60)"
    source = str(Path(card_doctor.__file__).parents[1])
    process = subprocess.Popen([sys.executable, "-c", ours], env={**os.environ, "PYTHONPATH": source})
    deadline = time.monotonic() + 30
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    pid = int((tmp_path / "pid").read_text())
    while state(pid) not in "ZX" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert state(pid) in "ZX"
