"""Other interpreters, as bad as they come."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import card_doctor
from card_doctor.environment import read_interpreter
from card_doctor.environment.interpreter import version_of
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Snapshot

BASE_FACTS = ["accelerators"]


def failure(executable, **options):
    with pytest.raises(EnvironmentReadError) as caught:
        read_interpreter(str(executable), **options)
    assert caught.value.hint
    return caught.value.message


def details(snapshot, fact):
    return [gap.detail for gap in snapshot.gaps if gap.fact == fact]


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    assert list(folder.iterdir()) == []


class TestTheRunningInterpreter:
    def run(self, tmp_path, code, *command):
        (tmp_path / "ask.py").write_text(code)
        done = subprocess.run(
            [sys.executable, *(command or [str(tmp_path / "ask.py")])],
            stdout=subprocess.PIPE,
            cwd=tmp_path,
            check=True,
        )
        return msgspec.json.decode(done.stdout, type=Snapshot)

    ASK = """
import sys
sys.addaudithook(lambda event, _: event in ("subprocess.Popen", "os.fork", "os.posix_spawn") and sys.exit(event))
import msgspec
from card_doctor.environment import read_interpreter
sys.stdout.buffer.write(msgspec.json.encode(read_interpreter()))
"""

    @pytest.mark.parametrize("command", [(), ("-m", "ask")])
    def test_it_reads_itself_without_a_process_as_another_would_read_it(self, site_at, tmp_path, command):
        site = site_at(tmp_path)  # the folder of the script, and the current one: no part of the environment
        site.wheel("not-installed", "1")
        snapshot = self.run(tmp_path, self.ASK, *command)
        assert snapshot == read_interpreter(sys.executable)
        assert snapshot.path == sys.executable
        assert "not-installed" not in snapshot.packages

    def test_the_current_folder_counts_where_pythonpath_names_it(self, site_at, tmp_path, monkeypatch):
        site_at(tmp_path).wheel("on-path", "1")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        assert "on-path" in self.run(tmp_path, self.ASK, "-m", "ask").packages


class TestRealInterpreters:
    def test_every_version(self, site_at, any_python, tmp_path, monkeypatch):
        """What it says of itself, and what is on its path."""
        site = site_at(tmp_path / "more")
        site.wheel("a-package", "1", "Requires-Dist: numpy")
        monkeypatch.setenv("PYTHONPATH", str(site))
        snapshot = read_interpreter(any_python)
        assert snapshot.complete
        assert snapshot.source == "interpreter"
        assert [gap.fact for gap in snapshot.gaps] == BASE_FACTS
        assert snapshot.packages["a-package"].requires == ("numpy",)
        question = """
import json, platform, sys
print(json.dumps([sys.version.split()[0], sys.executable, platform.machine(), platform.system(), sys.path[1:]]))
"""
        (tmp_path / "ask.py").write_text(question)
        version, executable, machine, system, path = json.loads(
            subprocess.run([any_python, str(tmp_path / "ask.py")], stdout=subprocess.PIPE, check=True).stdout
        )
        assert snapshot.python.version == version
        assert snapshot.path == snapshot.python.executable == executable
        assert (snapshot.platform.machine, snapshot.platform.system) == (machine, system)
        assert list(snapshot.python.search_path) == path
        assert snapshot.python.markers["python_version"] == ".".join(version.split(".")[:2])

    def test_every_versions_packages_as_its_own_pip_lists_them(self, any_python):
        listing = [any_python, "-m", "pip", "--disable-pip-version-check", "list", "--format=json"]
        done = subprocess.run(listing, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        if done.returncode:
            pytest.skip("has no pip")
        expected = {
            entry["name"].lower().replace("_", "-").replace(".", "-"): entry["version"]
            for entry in json.loads(done.stdout)
        }
        packages = read_interpreter(any_python).packages
        assert {name: package.version for name, package in packages.items()} == expected

    def test_python_2_is_named(self, python_2):
        assert "is Python 2.7" in failure(python_2)

    def test_a_virtual_environment_is_not_what_its_link_points_to(self, venv, venv_site):
        venv_site.wheel("a", "1")
        snapshot = read_interpreter(str(venv / "bin" / "python"))
        assert list(snapshot.packages) == ["a"]
        assert snapshot.path == str(venv / "bin" / "python")
        assert (snapshot.packages["a"].location, snapshot.packages["a"].info) == (str(venv_site), "a-1.dist-info")

    def test_the_user_site_is_part_of_the_environment(self, site_at, base_python, tmp_path, monkeypatch):
        monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
        monkeypatch.delenv("PYTHONNOUSERSITE", raising=False)
        where = [base_python, "-m", "site", "--user-site"]
        user = site_at(Path(subprocess.run(where, stdout=subprocess.PIPE, check=False).stdout.decode().strip()))
        user.wheel("mine", "1")
        snapshot = read_interpreter(base_python)
        assert snapshot.packages["mine"].location == str(user)
        assert str(user) in snapshot.python.search_path

    def test_pythonpath_comes_first(self, site_at, venv, venv_site, tmp_path, monkeypatch):
        venv_site.wheel("numpy", "2.0.2")
        site_at(tmp_path / "mine").wheel("numpy", "1.26.4")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "mine"))
        snapshot = read_interpreter(str(venv / "bin" / "python"))
        assert snapshot.packages["numpy"].version == "1.26.4"
        assert snapshot.python.search_path[0] == str(tmp_path / "mine")
        assert "2.0.2" in details(snapshot, "package numpy")[0]

    def test_what_a_pth_file_adds(self, site_at, venv, venv_site, tmp_path):
        project = site_at(tmp_path / "project")
        project.write("a.egg-info/PKG-INFO", "Name: a\nVersion: 1\n")
        venv_site.write("easy-install.pth", f"{project}\n")
        venv_site.write("a.egg-link", f"{project}\n.\n")
        package = read_interpreter(str(venv / "bin" / "python")).packages["a"]
        assert (package.location, package.editable) == (str(project), True)

    def test_an_editable_installation(self, site_at, venv, tmp_path):
        """By the project's own build backend, so that nothing has to be downloaded."""
        project = site_at(tmp_path / "project")
        project.write(
            "pyproject.toml",
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            '[project]\nname = "Tiny.Project"\nversion = "1.0"\n',
        )
        project.write(
            "backend.py",
            """
import zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    info, files = "tiny_project-1.0.dist-info", {}
    files[info + "/METADATA"] = "Metadata-Version: 2.1\\nName: Tiny.Project\\nVersion: 1.0\\nRequires-Dist: six\\n"
    files[info + "/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files["tiny_project.pth"] = "%s\\n" % __file__.rpartition("/")[0]
    files[info + "/RECORD"] = "".join(name + ",,\\n" for name in [*files, info + "/RECORD"])
    with zipfile.ZipFile(folder + "/tiny_project-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    return "tiny_project-1.0-py3-none-any.whl"
build_wheel = build_editable
""",
        )
        python = str(venv / "bin" / "python")
        uv = ["uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, "-e", str(project)]
        try:
            subprocess.run(uv, check=True)
        except FileNotFoundError:
            subprocess.run([python, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "-e", str(project)], check=True)
        package = read_interpreter(python).packages["tiny-project"]
        assert package.editable
        assert package.url == project.path.as_uri()
        assert package.requires == ("six",)

    @pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
    def test_paths_beyond_ascii_in_any_locale(self, site_at, any_python, tmp_path, monkeypatch, locale):
        site = site_at(tmp_path / "Übung")
        site.wheel("a", "1")
        monkeypatch.setenv("PYTHONPATH", str(site))
        monkeypatch.setenv("LC_ALL", locale)
        monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
        monkeypatch.setenv("PYTHONUTF8", "0")
        assert read_interpreter(any_python).packages["a"].location == str(site)

    def test_three_hundred_packages(self, venv, venv_site):
        for number in range(300):
            venv_site.wheel(f"package-{number}", "1", *(f"Requires-Dist: package-{other}" for other in range(20)))
        assert len(read_interpreter(str(venv / "bin" / "python")).packages) == 300


class TestStartUp:
    """Code of the user's that runs before ours: sitecustomize, .pth files."""

    def test_it_may_print(self, venv, start_up):
        start_up(
            "import sys\nfor stream in sys.stdout, sys.stderr:\n    stream.write('{}\\n' * 100_000)\n    stream.flush()"
        )
        assert read_interpreter(str(venv / "bin" / "python")).packages == {}

    def test_it_may_leave_something_to_do_at_the_end(self, venv, start_up):
        start_up(
            "import atexit, threading, time\n"
            "atexit.register(lambda: 1 / 0)\n"
            "threading.Thread(target=time.sleep, args=(60,)).start()"
        )
        begun = time.monotonic()
        assert read_interpreter(str(venv / "bin" / "python")).complete
        assert time.monotonic() - begun < 30

    def test_it_may_start_a_service_that_stays(self, venv, start_up, tmp_path):
        start_up(
            "import subprocess, sys\n"
            f"open({str(tmp_path / 'pid')!r}, 'w').write(str(subprocess.Popen(['sleep', '60']).pid))"
        )
        begun = time.monotonic()
        try:
            assert read_interpreter(str(venv / "bin" / "python"), timeout=50).complete
            assert time.monotonic() - begun < 30
        finally:
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    def test_it_gets_nothing_of_our_input(self, venv, start_up):
        start_up("import os\nos.write(2, b'read: ' + os.read(0, 100))\nos._exit(3)")
        ours, other_end = os.pipe()
        os.write(other_end, b"a password")
        kept = os.dup(0)
        os.dup2(ours, 0)
        try:
            assert failure(venv / "bin" / "python").endswith(": read:")
        finally:
            os.dup2(kept, 0)
            for descriptor in (kept, ours, other_end):
                os.close(descriptor)

    def test_one_that_hangs_is_ended_with_its_children(self, venv, start_up, tmp_path):
        """Gone when the answer is there: what ignores SIGTERM, made a session of its own, or was orphaned."""
        code = """
import os, signal, time

def note(stay):
    with open(PIDS, "a") as file:
        file.write("%d\\n" % os.getpid())
    while stay:
        time.sleep(60)

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if not os.fork():
    note(stay=True)
if not os.fork():
    os.setsid()
    note(stay=True)
if not os.fork():  # a daemon: its parent ends, and nothing tells any more where it came from
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(0, 100)
    sleeper = "import os, time; open(%r, 'a').write('%%d\\\\n' %% os.getpid()); time.sleep(60)" % PIDS
    os.execve(EXECUTABLE, [EXECUTABLE, "-I", "-S", "-c", sleeper], {})
note(stay=True)
"""
        pids = tmp_path / "pids"
        start_up(f"PIDS, EXECUTABLE = {str(pids)!r}, {sys.executable!r}\n{code}")
        begun = time.monotonic()
        message = failure(venv / "bin" / "python", timeout=2)
        left = [pid for pid in map(int, pids.read_text().split()) if alive(pid)]
        assert time.monotonic() - begun < 20
        assert "did not answer within 2 seconds" in message
        assert len(pids.read_text().split()) == 4
        assert left == []

    def test_one_that_closes_its_output_and_hangs(self, venv, start_up):
        start_up("import os, time\nos.close(2)\ntime.sleep(60)")
        assert "did not answer" in failure(venv / "bin" / "python", timeout=1)

    def test_one_that_talks_without_end(self, venv, start_up):
        start_up("import sys\nwhile True:\n    sys.stderr.write('x' * 100_000 + '\\n')")
        assert "did not answer" in failure(venv / "bin" / "python", timeout=1)

    def test_an_interruption_ends_it_too(self, venv, start_up, tmp_path):
        start_up(f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")
        code = (
            f"from card_doctor.environment import read_interpreter\nread_interpreter({str(venv / 'bin' / 'python')!r})"
        )
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment["PYTHONPATH"] = str(Path(card_doctor.__file__).parents[1])
        # The start-up code is for the probed interpreter alone.
        code = f"import os\nos.environ['PYTHONPATH'] = {os.environ['PYTHONPATH']!r}\n{code}"
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert not alive(int((tmp_path / "pid").read_text()))

    def test_a_crash_says_its_signal(self, venv, start_up):
        start_up("import ctypes\nctypes.string_at(0)")
        message = failure(venv / "bin" / "python")
        assert "crashed with SIGSEGV" in message

    def test_a_crash_with_a_fault_handler_says_what_it_was(self, venv, start_up, monkeypatch):
        start_up("import ctypes\nctypes.string_at(0)")
        monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
        assert failure(venv / "bin" / "python").endswith(": Fatal Python error: Segmentation fault")

    def test_a_real_time_signal(self, venv, start_up):
        start_up("import os, signal\nos.kill(os.getpid(), signal.SIGRTMIN + 3)")
        assert f"crashed with signal {signal.SIGRTMIN + 3}" in failure(venv / "bin" / "python")

    def test_an_exit_says_its_code_and_last_words(self, venv, start_up):
        start_up("import sys\nprint('first', file=sys.stderr)\nsys.exit('no licence')")
        message = failure(venv / "bin" / "python")
        assert "ended with exit code 1" in message
        assert message.endswith(": no licence")

    def test_last_words_cannot_steer_a_terminal(self, venv, start_up):
        start_up(
            "import os, sys\n"
            "sys.stderr.buffer.write(b'\\x1b[31mred\\x1b[0m\\x07 \\xc2\\x9b\\xe2\\x80\\xae\\xff' + b'!' * 999)\n"
            "sys.stderr.flush()\n"
            "os._exit(9)"
        )
        message = failure(venv / "bin" / "python")
        assert message.isprintable()
        assert "red" in message
        assert "[31m" not in message
        assert len(message) < 600

    def test_a_broken_home(self, base_python, monkeypatch):
        monkeypatch.setenv("PYTHONHOME", "/nowhere")
        message = failure(base_python)
        assert "encodings" in message
        assert message.startswith(base_python)


class TestShadows:
    """Modules of the user's that bear the names of the standard library's."""

    NAMES = ("json", "re", "platform", "zipfile", "struct", "card_doctor_reader", "typing")

    @pytest.fixture
    def shadows(self, tmp_path):
        folder = tmp_path / "shadows"
        folder.mkdir()
        for name in self.NAMES:
            (folder / f"{name}.py").write_text(f"raise SystemExit('imported {name}')")
        return folder

    def test_in_the_working_directory(self, any_python, shadows, monkeypatch):
        monkeypatch.chdir(shadows)
        assert read_interpreter(any_python).complete

    def test_on_pythonpath(self, any_python, shadows, tmp_path, monkeypatch):
        subprocess.run([any_python, "-m", "venv", "--without-pip", str(tmp_path / "any")], check=True)
        monkeypatch.setenv("PYTHONPATH", str(shadows))
        snapshot = read_interpreter(str(tmp_path / "any" / "bin" / "python"))
        assert snapshot.python.search_path[0] == str(shadows)

    def test_the_working_directory_on_pythonpath(self, venv, shadows, monkeypatch):
        monkeypatch.chdir(shadows)
        monkeypatch.setenv("PYTHONPATH", ":.")
        assert read_interpreter(str(venv / "bin" / "python")).complete

    def test_a_working_directory_that_was_removed(self, venv, tmp_path, monkeypatch):
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        assert read_interpreter(str(venv / "bin" / "python")).packages == {}


class TestNoInterpreter:
    def test_nothing_there(self, tmp_path):
        assert failure(tmp_path / "python") == f"there is no Python interpreter at {tmp_path / 'python'}"

    def test_a_link_whose_target_is_gone(self, tmp_path):
        (tmp_path / "python").symlink_to(tmp_path / "removed")
        assert f"is a link to {tmp_path / 'removed'}, which is not there" in failure(tmp_path / "python")

    def test_a_directory(self, tmp_path):
        assert "is a directory" in failure(tmp_path)

    def test_a_file_that_is_not_executable(self, tmp_path):
        (tmp_path / "python").write_text("#!/bin/sh\n")
        assert "is not executable" in failure(tmp_path / "python")

    def test_a_file_that_is_no_program(self, script):
        assert "can't be started" in failure(script("python", "just text"))

    def test_a_script_whose_interpreter_is_missing(self, script):
        assert "the program in its first line" in failure(script("python", "#!/nowhere/bin/sh\n"))

    def test_a_shell_script(self, script):
        message = failure(
            script("python", "#!/bin/sh\necho 'python: no version is set' >&2\necho usage >&2\nexit 127\n")
        )
        assert message.endswith("is no working Python interpreter: python: no version is set")

    def test_a_shell(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert "is no working Python interpreter" in failure("/bin/sh")

    def test_a_shell_script_that_succeeds(self, script):
        assert "is no working Python interpreter" in failure(script("python", "#!/bin/sh\nexit 0\n"))

    def test_a_python_that_writes_nothing(self, script):
        message = failure(script("python", "#!/bin/sh\n[ $1 = -V ] && echo Python 3.9.18\nexit 0\n"))
        assert "ended with exit code 0 before its environment was read" in message

    @pytest.mark.parametrize("written", ["", "{", "[]", '{"source": "moon"}', "\\377"])
    def test_an_answer_that_is_no_snapshot(self, script, written):
        assert "wrote what is no snapshot" in failure(script("python", f"#!/bin/sh\nprintf '{written}' > \"$3\"\n"))

    def test_python_2_says_so(self, script):
        message = failure(script("python", "#!/bin/sh\n[ $1 = -V ] && echo Python 2.7.18 >&2\nexit 1\n"))
        assert "is Python 2.7.18; environments are read from Python 3.6 on" in message

    def test_a_wrapper_is_fine(self, script, venv):
        python = script("python", f'#!/bin/sh\necho hello\n"{venv}/bin/python" "$@"\n')
        assert read_interpreter(python).path == str(venv / "bin" / "python")

    def test_no_room_for_a_temporary_file(self, venv, monkeypatch, tmp_path):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
        assert "no temporary folder" in failure(venv / "bin" / "python")


def test_the_version_of_an_interpreter(any_python, script):
    done = subprocess.run([any_python, "-V"], stdout=subprocess.PIPE, check=True)
    assert version_of(any_python) == tuple(int(part) for part in done.stdout.decode().split()[1].split("."))
    assert version_of(script("python", "#!/bin/sh\necho hello\n")) is None
    assert version_of("/nowhere/python") is None


def alive(pid):
    """A child that nobody has reaped yet is dead all the same."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    return False
