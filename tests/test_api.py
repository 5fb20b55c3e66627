"""The library as a script uses it: `check`, `require`, and what importing and running it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import card_doctor
from card_doctor.errors import CardError
from card_doctor.model import VersionRow

SHOW_LOADED = "print('loaded', *(set(sys.modules) - before))"


@pytest.fixture
def fitting(tmp_path):
    """A card that states what is installed here."""
    matrix = tmp_path / "fitting.toml"
    matrix.write_text(f'[versions]\nmsgspec = "{version("msgspec")}"\n')
    return str(matrix)


@pytest.fixture
def unfitting(tmp_path):
    """A card that states a torch which is nowhere installed."""
    matrix = tmp_path / "unfitting.toml"
    matrix.write_text('[versions]\ntorch = "99.0"\n')
    return str(matrix)


def test_check_judges_the_interpreter_that_runs_it(fitting):
    report = card_doctor.check(fitting, gpu="none")
    here = version("msgspec")
    assert report.versions == (VersionRow("msgspec", here, here, "exact"),)
    assert report.verdict.matches == "exact"


def test_check_judges_for_the_machine_and_precision_that_are_told():
    machine = card_doctor.check(gpu="T4", driver="470.57.02", precision="bf16").machine
    assert [accelerator.capability for accelerator in machine.accelerators] == ["7.5"]
    assert (machine.driver, machine.precision) == ("470.57.02", "bf16")


def test_check_says_what_breaks_without_raising(unfitting):
    report = card_doctor.check(unfitting, gpu="none")
    assert "torch" in {finding.subject for finding in report.findings if finding.severity == "error"}


def test_match_is_how_strictly_it_is_judged(tmp_path):
    matrix = tmp_path / "older.toml"
    matrix.write_text('[versions]\nmsgspec = "0.1.0"\n')
    severities = [
        {finding.severity for finding in card_doctor.check(str(matrix), gpu="none", match=match).findings}
        for match in ("compatible", "exact", "any")
    ]
    assert severities == [{"warning"}, {"error"}, {"note"}]


def test_require_returns_the_report_where_nothing_breaks(fitting):
    assert card_doctor.require(fitting, gpu="none") == card_doctor.check(fitting, gpu="none")


def test_require_raises_the_report_as_text(unfitting):
    with pytest.raises(card_doctor.IncompatibleEnvironment) as raised:
        card_doctor.require(unfitting, gpu="none")
    assert raised.value.report == card_doctor.check(unfitting, gpu="none")
    text = str(raised.value)
    assert text.startswith("unfitting\n")
    assert "matches: differs" in text
    assert all(finding.id in text for finding in raised.value.report.findings if finding.severity == "error")


def test_a_card_that_cannot_be_read_is_no_verdict():
    with pytest.raises(CardError, match="no-such-card"):
        card_doctor.require("no-such-card")


def loaded_by(statements: str, folder: Path) -> set[str]:
    """The modules that these statements load, where torch and the like could be imported."""
    for name in ("torch", "transformers", "importlib_metadata"):
        (folder / f"{name}.py").touch()
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; before = set(sys.modules); {statements}; {SHOW_LOADED}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])},
    )
    return set(ran.stdout.splitlines()[-1].split()[1:])


def test_importing_it_loads_nothing_heavy(tmp_path):
    loaded = loaded_by("import card_doctor", tmp_path)
    assert "card_doctor" in loaded
    heavy = {"rich", "torch", "transformers", "importlib_metadata", "importlib.metadata", "msgspec", "packaging"}
    assert not loaded & heavy


def test_a_check_as_json_loads_neither_rich_nor_torch_nor_importlib_metadata(tmp_path, fitting):
    args = ["check", fitting, "--gpu", "none", "--format", "json"]
    loaded = loaded_by(f"from card_doctor.cli import run; run({args!r}, started_with_m=True)", tmp_path)
    assert "card_doctor.checks.engine" in loaded
    assert not loaded & {"rich", "torch", "transformers", "importlib_metadata", "importlib.metadata"}
