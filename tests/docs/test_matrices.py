"""docs/matrices.md: its files are written, its commands run, and each line that it shows is printed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
from running import card_doctor

from card_doctor.toml import parse

PAGE = (Path(__file__).parents[2] / "docs" / "matrices.md").read_text(encoding="utf-8")
FILES = re.findall(r"`([\w./-]+)`[^`\n]*:\n\n```(?:toml|text)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"```console\n\$ card-doctor (.*?)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "team" / "schemas").mkdir(parents=True)
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    mistaken = tmp_path / "mistaken" / "hazards"
    mistaken.mkdir(parents=True)
    ours = (tmp_path / "team/hazards/ours.toml").read_text()
    assert 'transformers = ">=4.46"' in ours
    (mistaken / "ours.toml").write_text(ours.replace('transformers = ">=4.46"', 'transformers = "4.46 or newer"'))
    (mistaken.parent / "cards").mkdir()
    (mistaken.parent / "cards/support-tickets.toml").write_text(
        (tmp_path / "team/cards/support-tickets.toml").read_text()
    )
    return tmp_path


def test_it_shows_what_it_talks_about():
    assert len(FILES) == 6
    assert len(COMMANDS) == 5


@pytest.mark.parametrize(("command", "shown"), COMMANDS)
def test_a_command_prints_what_is_shown(folder, command, shown):
    ran = card_doctor(*shlex.split(command), cwd=folder)
    said = " ".join((ran.stdout + ran.stderr).split())
    for line in shown.splitlines():
        assert " ".join(line.split()) in said
    expected = 2 if "mistaken" in command else 1 if command.startswith("check") else 0
    assert ran.returncode == expected


def test_the_schemas_take_the_files(folder):
    for name, schema in (("cards/support-tickets", "card-matrix"), ("hazards/ours", "hazards-matrix")):
        written = json.loads(card_doctor("schema", schema).stdout)
        path = folder / "team" / f"{name}.toml"
        document = json.loads(json.dumps(parse(path.read_text(), path), default=str))
        jsonschema.Draft202012Validator(written).validate(document)
