from __future__ import annotations

import datetime as dt

import pytest

from card_doctor.errors import UsageError
from card_doctor.model import Ignore
from card_doctor.settings import Settings, load

TODAY = dt.date(2026, 11, 21)


def test_without_a_file_there_are_the_defaults(tmp_path):
    assert load(tmp_path) == Settings()


def test_every_flag_has_a_setting_of_its_name(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        """
        [project]
        name = "x"
        [tool.card-doctor]
        python = "3.9"
        platform = "manylinux2014_x86_64"
        gpu = ["T4", "8xH100"]
        driver = "535.54"
        precision = "fp16"
        match = "series"
        select = ["packages"]
        fail-on = "warning"
        format = "json"
        timeout = 5
        color = "never"
        verbose = true
        quiet = false
        ignore = ["amp", "packages/hazard:numpy",
                  { id = "packages/x", subject = "torch", reason = "not used", until = 2027-01-31 }]
        """
    )
    settings = load(tmp_path)
    assert (settings.python, settings.gpu, settings.timeout, settings.fail_on) == (
        "3.9",
        ("T4", "8xH100"),
        5.0,
        "warning",
    )
    policy, ended = settings.policy(TODAY)
    assert (policy.match, policy.fail_on, policy.select, policy.precision) == (
        "series",
        "warning",
        ("packages",),
        "fp16",
    )
    assert policy.ignore == (
        Ignore("amp"),
        Ignore("packages/hazard", "numpy"),
        Ignore("packages/x", "torch", "not used", "2027-01-31"),
    )
    assert ended == ()


def test_the_nearest_file_that_has_some_counts(tmp_path):
    """A pyproject.toml of a package inside does not hide the settings of the project around it."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "card-doctor.toml").write_text('match = "any"')
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.ruff]\nline-length = 1")
    assert load(inner).match == "any"
    (inner / "pyproject.toml").write_text('[project]\ndependencies = ["card-doctor"]')
    assert load(inner).match == "any"
    (tmp_path / "a" / "pyproject.toml").write_text('[tool.card-doctor]\nmatch = "exact"')
    assert load(inner).match == "exact"
    (tmp_path / "a" / "card-doctor.toml").write_text('match = "series"')
    assert load(inner).match == "series"


def test_another_tools_broken_file_is_not_our_business(tmp_path):
    (tmp_path / "pyproject.toml").write_text("this is = not [ TOML")
    assert load(tmp_path) == Settings()


@pytest.mark.parametrize(
    ("text", "where", "said", "hint"),
    [
        ('match = "exakt"', ":2: tool.card-doctor.match: ", "exact", "compatible, exact"),
        ("fail_on = 1", ":2: tool.card-doctor.fail_on: unknown key", "fail-on", "fail-on"),
        ('gpu = "T4"', ":2: tool.card-doctor.gpu: ", "expected an array, found a string", ""),
        ("timeout = 0", ":2: tool.card-doctor.timeout: ", "> 0", ""),
        ("timeout = nan", ":2: tool.card-doctor.timeout: ", "> 0", ""),
        ('format = "xml"', ":2: tool.card-doctor.format: ", "none of the known values", "github, gitlab, html"),
        ("ignore = [{ id = 3 }]", ":2: tool.card-doctor.ignore[0].id: ", "expected a string, found a whole number", ""),
        ("ignore = [{ id = 'x', until = 'soon' }]", "ignore[0].until", "date", ""),
        ("ignore = [{ id = 'x', why = 'y' }]", "ignore[0].why: unknown key", "", "reason"),
        ("ignore = [{ reason = 'x' }]", "ignore[0]: ", "`id` is missing", ""),
        ("verbose = 1", "verbose: ", "expected true or false", ""),
        ("match = ", "not TOML", "", ""),
    ],
)
def test_a_mistake_is_told_with_file_key_and_what_was_expected(tmp_path, text, where, said, hint):
    path = tmp_path / "pyproject.toml"
    path.write_text(f"[tool.card-doctor]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    assert caught.value.kind == "usage"
    assert str(path) in caught.value.message
    assert where in caught.value.message
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_file_that_is_not_text_is_told(tmp_path):
    (tmp_path / "card-doctor.toml").write_bytes(b"match = '\xff'")
    with pytest.raises(UsageError, match=r"card-doctor.toml: not UTF-8"):
        load(tmp_path)


def test_paths_are_meant_from_where_the_file_lies(tmp_path):
    inner = tmp_path / "deep"
    (inner / "envs").mkdir(parents=True)
    (tmp_path / ".venv").mkdir()
    (tmp_path / "card-doctor.toml").write_text(
        'python = ".venv"\nenvironment = "snapshot.json"\nmatrices = ["own"]\noutput = ["json=out/report.json"]\n'
    )
    settings = load(inner)
    assert settings.python == str(tmp_path / ".venv")
    assert settings.environment == str(tmp_path / "snapshot.json")
    assert settings.matrices == (str(tmp_path / "own"),)
    assert settings.output == (f"json={tmp_path / 'out/report.json'}",)


def test_flags_win_and_ignores_add_up():
    settings = Settings(match="any", python="3.9", gpu=("T4",), ignore=("a/b",), verbose=True)
    flagged = settings.with_flags(
        {"match": "exact", "python": None, "gpu": (), "ignore": ("c/d",), "verbose": False, "timeout": None}
    )
    assert flagged.match == "exact"
    assert (flagged.python, flagged.gpu, flagged.verbose, flagged.timeout) == ("3.9", ("T4",), True, 20.0)
    assert flagged.ignore == ("a/b", "c/d")


def test_a_named_environment_replaces_that_of_the_settings_as_a_whole():
    settings = Settings(python=".venv", platform="linux")
    assert settings.with_flags({"environment": "pylock.toml"}).python is None
    flagged = Settings(environment="pylock.toml").with_flags({"python": "3.9"})
    assert (flagged.environment, flagged.python) == (None, "3.9")
    both = settings.with_flags({"environment": "pylock.toml", "python": "3.11"})
    assert (both.environment, both.python, both.platform) == ("pylock.toml", "3.11", None)


@pytest.mark.parametrize(("until", "counts"), [("2026-11-20", False), ("2026-11-21", True), ("2026-11-22", True)])
def test_an_ignore_ends_after_its_last_day(tmp_path, until, counts):
    (tmp_path / "card-doctor.toml").write_text(f'ignore = [{{ id = "x/y", reason = "later", until = {until} }}]')
    policy, ended = load(tmp_path).policy(TODAY)
    there = (Ignore("x/y", None, "later", until),)
    assert (policy.ignore, ended) == ((there, ()) if counts else ((), there))
