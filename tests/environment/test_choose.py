"""Which interpreter is looked at."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import card_doctor
from card_doctor.environment import choose
from card_doctor.errors import EnvironmentReadError

THIS = ".".join(map(str, sys.version_info[:3]))


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """A home and a working directory with nothing in it, and a PATH with nothing but this test's own folder."""
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    (tmp_path / "work" / "deep").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.chdir(tmp_path / "work" / "deep")


@pytest.fixture
def python(script):
    """Writes a program that says it is a Python of that version."""

    def write(name, version):
        return script(name, f"#!/bin/sh\necho Python {version}\n")

    return write


def named(python):
    return choose(python, started_with_m=False)


def refusal(python):
    with pytest.raises(EnvironmentReadError) as caught:
        named(python)
    return f"{caught.value.message} | {caught.value.hint}"


class TestAPath:
    def test_to_an_interpreter(self):
        assert named(sys.executable) == sys.executable

    def test_relative_to_the_working_directory(self, python, tmp_path):
        path = python("work/deep/env/bin/python", "3.9.18")
        assert named("env/bin/python") == path
        assert named("./env/bin/python") == path

    def test_in_the_home_folder(self, python):
        path = python("home/env/bin/python", "3.9.18")
        assert named("~/env") == path

    def test_to_nothing_is_left_for_the_reading_to_explain(self, tmp_path):
        assert named(str(tmp_path / "gone" / "python")) == str(tmp_path / "gone" / "python")

    def test_a_link_is_not_followed(self, venv):
        assert (venv / "bin" / "python").is_symlink()
        assert named(str(venv / "bin" / "python")) == str(venv / "bin" / "python")

    def test_to_a_link_that_leads_nowhere_wins_over_a_command(self, python, tmp_path):
        python("path/python3.9", "3.9.18")
        Path("python3.9").symlink_to("/nowhere/python3.9")
        assert named("python3.9") == str(tmp_path / "work" / "deep" / "python3.9")


class TestAnEnvironment:
    def test_its_folder(self, venv):
        assert named(str(venv)) == str(venv / "bin" / "python")

    @pytest.mark.parametrize("layout", ["bin/python3", "Scripts/python.exe", "python.exe"])
    def test_of_other_layouts(self, python, tmp_path, layout):
        path = python(f"env/{layout}", "3.9.18")
        assert named(str(tmp_path / "env")) == path

    def test_whose_python_is_gone_is_still_that_environment(self, tmp_path):
        (tmp_path / "env" / "bin").mkdir(parents=True)
        (tmp_path / "env" / "bin" / "python").symlink_to("/nowhere/python3.9")
        assert named(str(tmp_path / "env")) == str(tmp_path / "env" / "bin" / "python")

    def test_a_folder_that_is_none(self, tmp_path):
        assert f"{tmp_path} has no Python interpreter in it" in refusal(str(tmp_path))

    def test_wins_over_a_version_of_its_name(self, python, tmp_path):
        on_path = python("path/python3.9", "3.9.18")
        assert named("3.9") == on_path
        here = python("work/deep/3.9/bin/python", "3.9.18")
        assert named("3.9") == here


class TestAVersion:
    @pytest.mark.parametrize("version", [THIS, THIS.rpartition(".")[0], "3"])
    def test_of_a_real_interpreter_on_path(self, tmp_path, version):
        (tmp_path / "path").mkdir()
        (tmp_path / "path" / "python3").symlink_to(sys.executable)
        assert named(version) == str(tmp_path / "path" / "python3")

    def test_a_name_alone_proves_nothing(self, python, script, tmp_path, monkeypatch):
        """pyenv leaves a python3.9 on PATH that ends with an error."""
        script("path/python3.9", "#!/bin/sh\necho 'pyenv: python3.9: command not found' >&2\nexit 127\n")
        monkeypatch.setenv("PATH", f"{tmp_path / 'path'}{os.pathsep}{tmp_path / 'later'}")
        path = python("later/python3.9", "3.9.18")
        assert named("3.9") == path

    def test_all_three_parts_count(self, python, tmp_path):
        python("path/python3.9", "3.9.2")
        wanted = python("home/.pyenv/versions/3.9.18/bin/python", "3.9.18")
        assert named("3.9.18") == wanted
        assert named("3.9") == str(tmp_path / "path" / "python3.9")

    def test_3_1_is_not_3_13(self, python):
        python("path/python3", "3.13.0")
        python("home/.pyenv/versions/3.13.0/bin/python", "3.13.0")
        assert "there is no Python 3.1 " in refusal("3.1")

    def test_the_newest_of_pyenv(self, python):
        for version in ("3.9.2", "3.9.10", "3.9.9", "3.10.1", "3.9-dev", "3.9.18t"):
            python(f"home/.pyenv/versions/{version}/bin/python", version if "-" not in version else "3.9.99+")
        (Path.home() / ".pyenv" / "versions" / "my-env").mkdir()
        assert named("3.9").endswith("/3.9.10/bin/python")

    def test_pyenv_elsewhere(self, python, tmp_path, monkeypatch):
        monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "opt"))
        path = python("opt/versions/3.9.18/bin/python", "3.9.18")
        assert named("3.9.18") == path

    @pytest.mark.parametrize("variable", [None, "XDG_DATA_HOME", "UV_PYTHON_INSTALL_DIR"])
    def test_one_that_uv_installed(self, python, tmp_path, monkeypatch, variable):
        root = {
            None: "home/.local/share/uv/python",
            "XDG_DATA_HOME": "data/uv/python",
            "UV_PYTHON_INSTALL_DIR": "data",
        }[variable]
        if variable:
            monkeypatch.setenv(variable, str(tmp_path / "data"))
        python(f"{root}/cpython-3.13.2+freethreaded-linux-x86_64-gnu/bin/python", "3.13.2")
        wanted = python(f"{root}/cpython-3.13.1-linux-x86_64-gnu/bin/python", "3.13.1")
        assert named("3.13") == wanted

    def test_that_is_nowhere_says_where_was_looked(self, python, tmp_path):
        python("path/python3", "3.11.2")
        said = refusal("3.9")
        assert "there is no Python 3.9 on PATH" in said
        assert str(tmp_path / "home" / ".pyenv" / "versions") in said
        assert str(tmp_path / "home" / ".local" / "share" / "uv" / "python") in said
        assert f"{tmp_path / 'path' / 'python3'} is 3.11.2" in said
        assert "uv python install 3.9" in said


class TestACommand:
    def test_on_path(self, python):
        path = python("path/pypy3.10", "3.10.14")
        assert named("pypy3.10") == path

    def test_that_is_nowhere(self):
        assert "there is no Python interpreter pypy3.10" in refusal("pypy3.10")


class TestTheRunningInterpreter:
    def test_started_with_m(self, monkeypatch, tmp_path):
        monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
        assert choose(None, started_with_m=True) is None

    def test_in_an_environment_of_the_users(self, monkeypatch, tmp_path):
        monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
        assert choose(None, started_with_m=False) is None


class TestATool:
    """card-doctor in an environment of its own, run there."""

    @pytest.fixture(params=["uv-receipt.toml", "pipx_metadata.json", "archive-v0"])
    def tool(self, request, tmp_path, made_venv):
        if request.param.startswith("archive"):
            return Path(shutil.copytree(made_venv, tmp_path / request.param / "CAqjwrx6ya_HHK7u", symlinks=True))
        folder = Path(shutil.copytree(made_venv, tmp_path / "tools" / "card-doctor", symlinks=True))
        (folder / request.param).write_text("")
        return folder

    @pytest.fixture
    def ask(self, tool):
        sources = [str(Path(module.__file__).parents[1]) for module in (card_doctor, msgspec)]

        def ask(*, started_with_m=False, **environment):
            code = (
                "from card_doctor.environment import choose\n"
                "from card_doctor.errors import EnvironmentReadError\n"
                f"try: print(choose(None, started_with_m={started_with_m}))\n"
                "except EnvironmentReadError as error: print('error:', error)\n"
            )
            done = subprocess.run(
                [str(tool / "bin" / "python"), "-c", code],
                env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sources)},
                stdout=subprocess.PIPE,
                check=True,
            )
            return done.stdout.decode().strip()

        return ask

    def test_looks_at_the_activated_environment(self, ask, python, tmp_path):
        virtual = python("virtual/bin/python", "3.9.18")
        conda = python("conda/bin/python", "3.9.18")
        python("work/.venv/bin/python", "3.9.18")
        both = {"VIRTUAL_ENV": str(tmp_path / "virtual"), "CONDA_PREFIX": str(tmp_path / "conda")}
        assert ask(**both) == virtual
        assert ask(CONDA_PREFIX=both["CONDA_PREFIX"]) == conda

    def test_looks_at_itself_when_started_with_m(self, ask, tmp_path):
        assert ask(started_with_m=True, VIRTUAL_ENV=str(tmp_path)) == "None"

    def test_names_the_variable_that_leads_nowhere(self, ask, tmp_path):
        gone = str(tmp_path / "gone")
        assert ask(VIRTUAL_ENV=gone) == f"error: $VIRTUAL_ENV ({gone}) has no Python interpreter in it"

    def test_looks_at_a_venv_here_or_above(self, ask, python, tmp_path):
        python("path/python3", "3.11.2")
        above = python("work/.venv/bin/python", "3.9.18")
        (tmp_path / "work" / ".venv" / "pyvenv.cfg").write_text("")
        (tmp_path / "work" / "deep" / ".venv").mkdir()  # no virtual environment
        assert ask() == above

    def test_looks_at_path_last_and_never_at_its_own_folder_there(self, ask, tool, python, tmp_path):
        own = str(tool / "bin")
        assert ask(PATH=own).startswith("error: there is no Python to look at")
        wanted = python("path/python3", "3.11.2")
        assert ask(PATH=f"{own}{os.pathsep}{tmp_path / 'path'}") == wanted

    def test_python_by_another_name(self, ask, python):
        wanted = python("path/python", "3.11.2")
        assert ask() == wanted
