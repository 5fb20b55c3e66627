"""`watch` as a user runs it: processes, signals and terminals of their own."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import jsonschema
import pytest

from card_doctor.model import GpuSample, Sample
from card_doctor.reporting.schemas import document_schema
from card_doctor.reporting.watch_html import plots
from card_doctor.watching.command import interpreter_of

WATCH = [sys.executable, "-m", "card_doctor", "watch"]


def watch(*command, flags=("-q",), **kwargs):
    options = {"capture_output": True, "timeout": 60, **kwargs}
    return subprocess.run([*WATCH, *flags, "--", *command], check=False, **options)


def python(code):
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("code", [0, 7, 130])
def test_the_exit_code_is_the_commands(code):
    assert watch("sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV"])
def test_a_command_that_a_signal_ends_ends_us_the_same_way(name):
    ran = watch(*python(f"import os, signal; os.kill(os.getpid(), signal.{name})"))
    assert ran.returncode == -getattr(signal, name)
    assert f"was ended by {name}".encode() in ran.stderr


def started(code, **kwargs):
    """A watched command that has said `ready`."""
    process = subprocess.Popen(
        [*WATCH, "-q", "--", *python(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs
    )
    assert process.stdout.readline() == b"ready\n"
    return process


CATCHES = """
import signal, sys, time
def caught(number, frame):
    print("caught", signal.Signals(number).name, flush=True)
    sys.exit(9)
for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP"):
    signal.signal(getattr(signal, name), caught)
print("ready", flush=True)
time.sleep(30)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_is_sent_on_once_and_the_command_decides(name):
    process = started(CATCHES)
    process.send_signal(getattr(signal, name))
    out, _ = process.communicate(timeout=30)
    assert out == f"caught {name}\n".encode()
    assert process.returncode == 9


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_who_kills_us_kills_the_command():
    process = started("import os, time; print('ready', flush=True); print(os.getpid(), flush=True); time.sleep(30)")
    child = int(process.stdout.readline())
    process.kill()
    process.wait(10)
    deadline = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.communicate()


def alive(pid):
    """Neither gone, nor a zombie that nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_every_byte_of_both_outputs_is_passed_on():
    code = """
import os, sys
block = bytes(range(256)) * 4096
for number in range(24):
    sys.stdout.buffer.write(block)
    sys.stdout.flush()
    sys.stderr.buffer.write(block[: 4096])
    sys.stderr.flush()
"""
    ran = watch(*python(code))
    block = bytes(range(256)) * 4096
    assert ran.returncode == 0
    assert hashlib.sha256(ran.stdout).digest() == hashlib.sha256(block * 24).digest()
    assert block[:4096] * 24 in ran.stderr


def test_input_reaches_the_command():
    assert watch("cat", input=b"one\x00two\xff\n").stdout == b"one\x00two\xff\n"


def test_a_reader_that_goes_away_is_the_commands_business():
    line = f"{' '.join(WATCH)} -q -- yes | head -c 10 >/dev/null; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", line], check=False, capture_output=True, timeout=60)
    assert int(ran.stdout) in {1, 141}  # of SIGPIPE, or of the error in its place


def test_a_failure_is_diagnosed_from_what_was_printed():
    ran = watch(*python("raise RuntimeError('Numpy is not available')"), flags=())
    assert ran.returncode == 1
    said = " ".join(ran.stderr.decode().split())
    assert "ended with exit code 1 after" in said
    assert "[numpy-not-available]" in said
    assert "pip install 'numpy<2'" in said


def test_the_interpreter_of_the_command_is_checked_first(tmp_path):
    script = tmp_path / "train"
    script.write_text(f"#!{sys.executable}\nprint('trained')\n")
    script.chmod(0o755)
    ran = watch(str(script), flags=())
    first = ran.stderr.decode().splitlines()[0]
    assert "trains: " in first
    assert sys.executable in first
    assert ran.stdout == b"trained\n"


def test_the_projects_settings_hold_for_what_is_checked_first(tmp_path):
    """A card whose releases are not installed here, and a project that knows it."""
    command = ["--", sys.executable, "-c", "print('trained')"]
    flags = ["tiny-bert-mnli-distilled"]

    def said():
        ran = subprocess.run([*WATCH, *flags, *command], capture_output=True, check=False, timeout=60, cwd=tmp_path)
        assert (ran.returncode, ran.stdout) == (0, b"trained\n")
        return ran.stderr.decode()

    assert "more: card-doctor check" in said()
    (tmp_path / "card-doctor.toml").write_text('select = ["card"]\n')
    assert "more: card-doctor check" not in said()


def test_what_names_an_interpreter(tmp_path):
    assert interpreter_of([sys.executable]) == sys.executable
    script = tmp_path / "torchrun"
    script.write_text("#!/bin/sh\n'''exec' \"/opt/an env/bin/python3.11\" \"$0\" \"$@\"\n' '''\n")
    script.chmod(0o755)
    assert interpreter_of([str(script)]) == "/opt/an env/bin/python3.11"
    assert interpreter_of(["sh"]) is None
    assert interpreter_of(["no-such-command"]) is None


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([*WATCH], b"there is no command to watch"),
        ([*WATCH, "--"], b"there is no command to watch"),
        ([*WATCH, "--", "no-such-command"], b"no-such-command can't be started"),
        ([*WATCH, "no-such-card", "--", "true"], b"no-such-card"),
        ([*WATCH, "--output", "sarif=x", "--", "true"], b"expected FORMAT=PATH"),
    ],
)
def test_what_cannot_be_run_is_told(args, said):
    ran = subprocess.run(args, check=False, capture_output=True, timeout=60)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert b"hint: " in ran.stderr


def test_options_behind_the_dashes_are_the_commands():
    assert watch("echo", "--help", "-q", "--", "--format", "json").stdout == b"--help -q -- --format json\n"


def test_a_summary_is_written(tmp_path):
    path = tmp_path / "watch.json"
    ran = watch(*python("import time; time.sleep(3); raise SystemExit(3)"), flags=("-q", "--output", f"json={path}"))
    document = json.loads(path.read_text())
    jsonschema.validate(document, document_schema("watch"))
    assert (ran.returncode, document["schema"]) == (3, "card-doctor/watch/1")
    assert document["ended"]["code"] == 3
    assert document["ended"]["seconds"] == pytest.approx(3.3, abs=2.5)
    assert len(document["samples"]) >= 2
    assert [one["at"] for one in document["samples"]] == sorted(one["at"] for one in document["samples"])
    assert document["capacity"]["memory_bytes"] > 2**28


def test_the_samples_are_drawn_in_a_page(tmp_path):
    page = tmp_path / "run.html"
    ran = watch("sh", "-c", "sleep 0.3; exit 3", flags=("-q", "--output", f"html={page}"))
    assert ran.returncode == 3
    assert "was ended" not in page.read_text()
    assert "ended with exit code 3" in page.read_text()


def test_plots_hold_what_was_sampled():
    samples = [Sample(at, 50.0, memory_bytes=2**30, gpus=(GpuSample(busy=None, memory_bytes=2**31),)) for at in (1, 2)]
    assert plots(samples) == {
        "Busy (percent) by second": {"processors": [(1, 50.0), (2, 50.0)]},
        "Memory (GiB) by second": {"memory": [(1, 1.0), (2, 1.0)], "GPU 0 memory": [(1, 2.0), (2, 2.0)]},
    }
    assert plots(samples[:1]) == {}


def test_a_summary_that_cannot_be_written_costs_no_exit_code(tmp_path):
    folder = tmp_path / "full"
    folder.mkdir()
    flags = ("-q", "--output", f"json={folder}/x/../x.json")
    assert watch("sh", "-c", "exit 5", flags=flags).returncode in {2, 5}
    (folder / "x.json").mkdir()
    ran = watch("sh", "-c", "exit 5", flags=("-q", "--output", f"json={folder}/x.json"))
    assert ran.returncode == 5
    assert b"warning: no summary of the run" in ran.stderr


class OnTerminal:
    """A watched command on a terminal of 24 rows and 80 columns."""

    def __init__(self, code, rows=24, columns=80):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execv(sys.executable, [*WATCH, "-q", "--", *python(code)])
        self.resize(rows, columns)
        self.said = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, wanted, seconds=40):
        deadline = time.monotonic() + seconds
        while wanted not in self.said:
            assert time.monotonic() < deadline, self.said
            if select.select([self.fd], [], [], 0.5)[0]:
                try:
                    self.said += os.read(self.fd, 65536)
                except OSError:
                    assert wanted in self.said, self.said
                    break
        return self.said

    def end(self):
        try:
            while True:
                self.said += os.read(self.fd, 65536)
        except OSError:
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


SIZES = """
import os, signal, sys, time
def tell(*_):
    size = os.get_terminal_size(1)
    print("size", size.lines, size.columns, os.isatty(0), os.isatty(1), os.isatty(2), flush=True)
signal.signal(signal.SIGWINCH, tell)
time.sleep(1)
tell()
for line in sys.stdin:
    print("read", line.strip(), flush=True)
    if "end" in line: sys.exit(4)
"""


def test_a_command_has_a_terminal_of_its_own_and_hears_of_its_size():
    run = OnTerminal(SIZES)
    run.until(b"size 23 80 True True True")  # the last row is ours
    run.resize(40, 100)
    run.until(b"size 39 100")
    os.write(run.fd, b"hello\n")
    run.until(b"read hello")
    run.until(b"| cpu ")  # the live line
    os.write(run.fd, b"end\n")
    assert run.end() == 4
    assert b"\x1b[r" in run.said, "the whole terminal scrolls again"


def test_ctrl_c_reaches_it_once_and_from_its_terminal():
    run = OnTerminal(CATCHES)
    run.until(b"ready")
    os.write(run.fd, b"\x03")
    run.until(b"caught SIGINT")
    assert run.end() == 9
    assert run.said.count(b"caught") == 1


def test_nothing_of_ours_is_in_a_pipe():
    ran = watch(*python("import time; print(1, flush=True); time.sleep(2.5); print(2)"))
    assert ran.stdout == b"1\n2\n"
    assert b"\x1b" not in ran.stderr
    assert b"| cpu " not in ran.stderr
