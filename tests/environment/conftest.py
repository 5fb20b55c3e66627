"""Real interpreters, real virtual environments, and site-packages folders written by hand."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional, Union

import pytest


class Site:
    """A folder on the search path, with distributions as installers leave them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def __str__(self) -> str:
        return str(self.path)

    def write(self, name: str, content: Union[str, bytes]) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def wheel(self, name: str, version: str, *fields: str, **files: str) -> Path:
        """`fields` are further lines of METADATA; `files` go into the .dist-info (direct_url=…)."""
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        self.write(f"{info}/METADATA", metadata(name, version, *fields))
        for file, content in files.items():
            self.write(f"{info}/{file}.json", content)
        return self.path / info


def metadata(name: str, version: str, *fields: str) -> str:
    return "\n".join(
        ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *fields, "", "What it is for.", ""]
    )


@pytest.fixture
def site_at():
    return Site


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "site-packages")


@functools.cache
def find_python(version: str) -> Optional[str]:
    """A real interpreter of that minor version that is not a virtual environment's: pyenv's, or on PATH."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    candidates = [str(path) for path in sorted(root.glob(f"{version}.*/bin/python"))]
    candidates += filter(None, [shutil.which(f"python{version}")])
    for candidate in candidates:
        question = (
            "import sys; print(sys.version[:4].strip('.') + str(sys.prefix == getattr(sys, 'base_prefix', sys.prefix)))"
        )
        answer = subprocess.run(
            [candidate, "-c", question], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
        if answer.stdout.decode().strip() == f"{version}True":
            return candidate
    return None


@pytest.fixture(params=["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def any_python(request):
    return find_python(request.param) or pytest.skip(f"no Python {request.param} here")


@pytest.fixture
def python_2():
    return find_python("2.7") or pytest.skip("no Python 2.7 here")


@pytest.fixture(scope="session")
def base_python():
    """The interpreter that the tests' own environment was made with: it has a user site."""
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}"))


@pytest.fixture(scope="session")
def made_venv(tmp_path_factory):
    folder = tmp_path_factory.mktemp("environments") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


@pytest.fixture
def venv(made_venv, tmp_path):
    """A virtual environment of the test's own, with nothing installed."""
    return Path(shutil.copytree(made_venv, tmp_path / "venv", symlinks=True))


@pytest.fixture
def venv_site(venv):
    return Site(next(venv.glob("lib/python*/site-packages")))


@pytest.fixture
def script(tmp_path):
    """Writes an executable file."""

    def write(name: str, content: str) -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(0o755)
        return str(file)

    return write


@pytest.fixture
def start_up(tmp_path, monkeypatch):
    """Code that every interpreter started in this test runs at start-up."""

    def write(code: str) -> None:
        folder = tmp_path / "start-up"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return write
