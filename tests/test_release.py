"""What would be uploaded: it passes the index's checks, and installs on every Python that it promises."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from card_doctor.environment import choose
from card_doctor.errors import EnvironmentReadError

pytestmark = pytest.mark.heavy  # the wheel alone is held by test_wheel.py, always
CHECKOUT = Path(__file__).parents[1]
REQUIREMENTS = "torch==1.9.1\ntransformers==4.18.0\ndatasets==2.1.0\ntokenizers==0.11.6\nnumpy==2.0.2\n"
TARGET = ("--environment", "requirements.txt", "--python", "3.9", "--gpu", "T4", "--driver", "470.57.02")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist of this checkout, and the wheel that is made of the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    ignored = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "dist")
    shutil.copytree(CHECKOUT, source, ignore=ignored)
    ran = subprocess.run(
        [find_uv_bin(), "build", "-q", "--out-dir", str(folder), str(source)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    shutil.rmtree(source)
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


def test_the_index_takes_both(built):
    pytest.importorskip("twine")
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.count("PASSED") == 2


def test_the_sdist_holds_what_its_tests_and_tools_need(built):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for path in ("src/card_doctor/py.typed", "tests/test_release.py", "action.yml", "mkdocs.yml", "docs/tutorial.md"):
        assert path in names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", "dist"))]


@pytest.mark.parametrize("extras", ["", "[hub,plan]"])
@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13"])
def test_it_installs_and_judges(built, tmp_path, version, extras):
    try:
        python = choose(version, started_with_m=False)
    except EnvironmentReadError as error:
        pytest.skip(str(error))
    environment, uv = tmp_path / "env", find_uv_bin()
    subprocess.run([uv, "venv", "-q", "--python", python, str(environment)], check=True)
    install = [uv, "pip", "install", "-q", "--python", str(environment), f"card-doctor{extras} @ {built[1].as_uri()}"]
    subprocess.run(install, check=True)
    (tmp_path / "requirements.txt").write_text(REQUIREMENTS)
    command = [str(environment / "bin/card-doctor"), "check", "tiny-bert-mnli-distilled", *TARGET]
    for name in ("text", "json", "html", "github", "junit", "sarif", "gitlab", "markdown"):
        ran = subprocess.run(
            [*command, "--format", name], check=False, capture_output=True, text=True, cwd=tmp_path, encoding="utf-8"
        )
        assert (ran.returncode, ran.stderr) == (1, "")
        if name == "json":
            report = json.loads(ran.stdout)
            assert report["reports"][0]["verdict"] == {"trains": "no", "matches": "exact"}
