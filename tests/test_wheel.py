"""What a user installs: a wheel built from this checkout, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import msgspec
import pytest
from uv import find_uv_bin

from card_doctor import checkup
from card_doctor.cards import catalogue, find_card
from card_doctor.knowledge.hardware import SHAPES, load_hardware
from card_doctor.knowledge.hazards import Hazards
from card_doctor.knowledge.signatures import load_signatures
from made import package, snapshot

CHECKOUT = Path(__file__).parents[1]
MATRICES = CHECKOUT / "matrices"
COMPILED = ("cards", "hazards", "hardware", "models", "signatures")
CARD = "tiny-bert-mnli-distilled"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built by hatchling, which uv gets as pip would."""
    folder = tmp_path_factory.mktemp("dist")
    temporary = tmp_path_factory.mktemp("temporary")
    command = [find_uv_bin(), "build", "--wheel", "--out-dir", str(folder), str(CHECKOUT)]
    env = {**os.environ, "TMPDIR": str(temporary)}
    built = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert built.returncode == 0, built.stderr
    assert not list(temporary.iterdir())
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs the card-doctor of an environment with the wheel; its dependencies are those that the tests run with."""
    environment = tmp_path_factory.mktemp("installed") / "env"
    venv.create(environment, symlinks=os.name == "posix")
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    python = str(scripts / "python")
    uv = [find_uv_bin(), "pip", "install", "-q", "--offline", "--no-deps", "--python", python, str(wheel)]
    subprocess.run(uv, check=True, capture_output=True)
    (site,) = (*environment.glob("lib/python*/site-packages"), *environment.glob("Lib/site-packages"))
    # behind its own, and without what their .pth files would add: an editable card-doctor
    (site / "dependencies.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*args):
        return subprocess.run(
            [str(scripts / "card-doctor"), *args],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=environment,
            env=clean,
        )

    return run


def test_the_wheel_holds_the_package_its_types_and_its_matrices(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"card_doctor"}
    assert {"card_doctor/py.typed", "card_doctor/reporting/report.css"} <= {*names}
    assert not [name for name in names if name.startswith(("card_doctor/tests/", "card_doctor/tools/"))]
    held = {name[len("card_doctor/matrices/") :] for name in names if name.startswith("card_doctor/matrices/")}
    written = {path.relative_to(MATRICES).as_posix() for path in MATRICES.glob("**/*") if path.is_file()}
    compiled = {name.replace(".toml", ".json") for name in written if name.startswith(COMPILED)}
    assert compiled
    assert held == written | compiled


def test_a_packager_finds_nothing_wrong_with_it(wheel):
    pytest.importorskip("check_wheel_contents")
    command = [sys.executable, "-m", "check_wheel_contents", "--no-config", str(wheel)]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, f"{wheel}: OK\n")


def test_the_command_runs_from_it_and_finds_its_matrices(installed):
    checks = installed("checks")
    assert (checks.returncode, checks.stderr) == (0, "")
    assert "packages/" in checks.stdout
    listed = installed("cards", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert all(name in listed.stdout for name in catalogue([MATRICES]))


def test_a_check_from_it_says_what_the_checkout_says(installed, tmp_path):
    path = tmp_path / "environment.json"
    packages = {"torch": "1.9.1", "transformers": "4.18.0", "datasets": "2.1.0", "numpy": "2.0.2", "pandas": "2.3.3"}
    path.write_bytes(msgspec.json.encode(snapshot(*(package(*one) for one in packages.items()))))
    machine = {"gpus": ["T4"], "driver": "470.57.02"}
    here = json.loads(msgspec.json.encode(checkup.run([CARD], environment=str(path), **machine)))
    ran = installed(
        "check", CARD, "--environment", str(path), "--gpu", "T4", "--driver", "470.57.02", "--format", "json"
    )
    assert (ran.returncode, ran.stderr) == (1, "")
    there = json.loads(ran.stdout)
    assert there["tool"] == here["tool"], "the same knowledge has the same digest"
    (here,), (there,) = here["reports"], there["reports"]
    assert here["verdict"]["trains"] == "no"
    for part in ("verdict", "versions", "checks", "remedy"):
        assert there[part] == here[part]
    assert [one["id"] for one in there["findings"]] == [one["id"] for one in here["findings"]]


@pytest.fixture
def json_alone(unpacked, tmp_path):
    """The wheel's matrices with nothing to read in the TOML: what is read comes from the JSON beside it."""
    folder = tmp_path / "matrices"
    matrices = unpacked / "card_doctor" / "matrices"
    for path in (path for kind in COMPILED for path in (*matrices.glob(f"{kind}.*"), *matrices.glob(f"{kind}/*"))):
        copy = folder / path.relative_to(matrices)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes() if path.suffix == ".json" else b"not TOML")
    return folder


def test_its_cards_are_those_of_the_toml(json_alone):
    names = list(catalogue([MATRICES]))
    assert names
    for name in names:
        ready, written = find_card(name, [json_alone]), find_card(name, [MATRICES])
        assert ready.source.path == str(json_alone / "cards" / f"{name}.toml"), (
            "where it is now, not where it was built"
        )
        assert msgspec.structs.replace(ready, source=written.source) == written


def test_its_hazards_are_those_of_the_toml(json_alone):
    ready, written = Hazards([json_alone]), Hazards([MATRICES])
    assert written.among()
    assert (ready.among(), ready.enforced) == (written.among(), written.enforced)


def test_its_hardware_is_that_of_the_toml(json_alone):
    ready, written = load_hardware([json_alone]), load_hardware([MATRICES])
    assert written.products
    assert ready.products == written.products
    for shape in SHAPES.values():
        assert ready._read(shape) == written._read(shape)


def test_its_signatures_are_those_of_the_toml(json_alone):
    assert load_signatures([json_alone]) == load_signatures([MATRICES])
