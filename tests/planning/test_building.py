"""An environment is there when everything is installed in it, and not before; whatever ends the work half-way."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from card_doctor.errors import UsageError
from card_doctor.model import Plan
from card_doctor.planning.building import BuildError, build
from card_doctor.planning.interpreters import Interpreter
from card_doctor.planning.resolver import Question, Resolver
from card_doctor.planning.uv import ResolverError, Uv
from local_index import serve, wheel

FILES = (wheel("alpha", "1.0", ["beta"], script=True), wheel("beta", "2.0"))


@pytest.fixture(scope="module")
def index():
    with serve(*FILES) as served:
        yield served


@pytest.fixture
def own_index(index, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
    return index


@pytest.fixture
def plan(own_index):
    """What is planned with the index as it is, for this Python."""
    python = ".".join(map(str, sys.version_info[:3]))
    resolved = Resolver(Uv(), Interpreter(python, sys.executable)).ask(Question(("alpha",)))
    return Plan("made", python=python, interpreter=sys.executable, pins=resolved.pins, pylock=resolved.pylock)


def made(plan, folder, said=None):
    return build(plan, folder, Uv(), timeout=60, say=(said.append if said is not None else lambda _: None))


def test_it_is_built_as_planned_and_its_scripts_work_where_it_is(plan, tmp_path):
    built = made(plan, tmp_path / "env")
    assert (built.proof.level, built.environment) == ("built", str(tmp_path / "env"))
    ran = subprocess.run([str(tmp_path / "env" / "bin" / "alpha")], capture_output=True, text=True, check=True)
    assert ran.stdout == "1.0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["env"]


@pytest.mark.parametrize("there", ["folder", "file", "link"])
def test_what_exists_is_left_alone(plan, tmp_path, there):
    target = tmp_path / "env"
    {"folder": target.mkdir, "file": target.touch, "link": lambda: target.symlink_to(tmp_path / "nowhere")}[there]()
    with pytest.raises(UsageError, match="exists already"):
        made(plan, target)
    assert [path.name for path in tmp_path.iterdir()] == ["env"]


def test_a_folder_that_nothing_can_be_made_in_is_told(plan, tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        made(plan, tmp_path / "no" / "env")


def test_a_python_that_is_not_here_is_not_fetched(plan, tmp_path):
    absent = Plan("made", python="3.9", pins=plan.pins, pylock=plan.pylock)
    with pytest.raises(BuildError) as error:
        made(absent, tmp_path / "env")
    assert "uv python install 3.9" in str(error.value.hint)


def test_an_index_that_is_gone_leaves_nothing(plan, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    gone = Plan(
        "made", python=plan.python, interpreter=plan.interpreter, pins=plan.pins, pylock=_elsewhere(plan.pylock)
    )
    with pytest.raises(ResolverError, match="can't be installed"):
        made(gone, tmp_path / "env")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def _elsewhere(pylock):
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", pylock)


def test_what_is_installed_otherwise_than_planned_is_not_kept(plan, tmp_path):
    other = Plan(
        "made", python=plan.python, interpreter=plan.interpreter, pins=plan.pins, pylock=_without_beta(plan.pylock)
    )
    with pytest.raises(BuildError, match=r"beta==2\.0"):
        made(other, tmp_path / "env")
    assert list(tmp_path.iterdir()) == []


def _without_beta(pylock):
    head, *packages = pylock.split("[[packages]]")
    return head + "".join(f"[[packages]]{one}" for one in packages if 'name = "beta"' not in one)


def test_what_a_killed_build_left_is_removed_by_the_next(plan, tmp_path):
    left = tmp_path / ".env.card-doctor-old"
    left.mkdir()
    (left / "lock").touch()
    said = []
    made(plan, tmp_path / "env", said)
    assert any(".env.card-doctor-old" in line for line in said)
    assert [path.name for path in tmp_path.iterdir()] == ["env"]


def test_a_build_that_goes_on_elsewhere_is_not_disturbed(plan, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    other = tmp_path / ".env.card-doctor-busy"
    other.mkdir()
    with (other / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made(plan, tmp_path / "env")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env.card-doctor-busy", "env"]


PROGRAM = """
import pathlib, sys
import msgspec
from card_doctor.model import Plan
from card_doctor.planning.building import build
from card_doctor.planning.uv import Uv
plan = msgspec.json.decode(pathlib.Path(sys.argv[1]).read_bytes(), type=Plan)
print("begin", flush=True)
build(plan, pathlib.Path(sys.argv[2]), Uv(), timeout=60, say=lambda _: None)
"""


def start(plan, tmp_path):
    written = tmp_path / "plan.json"
    written.write_bytes(msgspec.json.encode(plan))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(written), str(tmp_path / "env")],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  a background job of a shell ignores it
    )
    with process.stdout as said:
        said.readline()
    return process


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_build_that_is_told_to_end_cleans_up(plan, tmp_path, number):
    process = start(plan, tmp_path)
    while not list(tmp_path.glob(".env.card-doctor-*/lock")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    assert process.wait(30) != 0
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_at_any_moment_it_leaves_nothing_that_the_next_trips_over(plan, tmp_path):
    draws = random.Random(1)
    for _ in range(4):
        process = start(plan, tmp_path)
        time.sleep(draws.uniform(0, 0.6))
        process.kill()
        process.wait()
        if (tmp_path / "env").exists():  # it was done before
            break
    if not (tmp_path / "env").exists():
        time.sleep(0.3)
        made(plan, tmp_path / "env")
    ran = subprocess.run([str(tmp_path / "env" / "bin" / "alpha")], capture_output=True, text=True, check=True)
    assert ran.stdout == "1.0\n"
