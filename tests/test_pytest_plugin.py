"""The plugin in a pytest of its own, as a user's is."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

SUITE = """
import pytest

@pytest.mark.card_doctor("distilbert-allsides", gpu="none")
def test_skipped():
    assert False

@pytest.mark.card_doctor("distilbert-allsides", otherwise="fail", gpu="none")
def test_failed():
    assert True

def test_fixture(card_doctor):
    assert card_doctor().verdict.matches == "unknown"
"""
PLAIN = """
import sys

def test_costs_nothing():
    assert not {"msgspec", "rich", "packaging.specifiers", "card_doctor.checkup"} & set(sys.modules)
"""


def run(tmp_path, text):
    (tmp_path / "test_suite.py").write_text(text)
    plugin = ["-p", "card_doctor.pytest_plugin", "-p", "no:cacheprovider", "-rA"]
    # The plugins of other packages are left out: what they import is not ours
    code = "import os, sys; os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'; import pytest; sys.exit(pytest.main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *plugin, "--strict-markers", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},  # they are for our run
        check=False,
    )
    return done.returncode, done.stdout


def test_skips_or_fails_with_the_report(tmp_path):
    code, out = run(tmp_path, SUITE)
    assert code == 1
    assert "1 failed, 1 passed, 1 skipped" in out
    assert "distilbert-allsides" in out
    assert "[x]" in out  # the report, of the one that failed


def test_costs_nothing_unused(tmp_path):
    code, out = run(tmp_path, PLAIN)
    assert code == 0, out


def test_a_wrong_word_is_an_error(tmp_path):
    code, out = run(tmp_path, "import pytest\n@pytest.mark.card_doctor(otherwise='x')\ndef test(): pass")
    assert code != 0
    assert "expected 'skip' or 'fail'" in out


def test_the_entry_point_is_declared():
    found = entry_points(group="pytest11") if sys.version_info >= (3, 10) else entry_points()["pytest11"]
    ours = [one for one in found if one.value == "card_doctor.pytest_plugin"]
    if not ours:
        pytest.skip("this environment was installed before there was a plugin")
    assert ours[0].load().pytest_configure
