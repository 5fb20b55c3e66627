"""The knowledge of one run: read when it is asked for, ours and a user's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import card_doctor
from card_doctor.errors import MatrixError
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.files import shipped
from card_doctor.model import Knowledge

BROKEN = "[[hazard]]\nid = \n"


def directory(parent: Path, name: str, kind: str, text: str) -> Path:
    folder = parent / name / kind
    folder.mkdir(parents=True)
    (folder / "ours.toml").write_text(text, encoding="utf-8")
    return parent / name


def test_it_knows_what_a_check_may_ask():
    knowledge: Knowledge = Matrices()
    assert knowledge.releases("torch")["1.9.1"].version == "1.9.1"
    assert knowledge.releases("no-such-distribution") == {}
    assert knowledge.hazards()
    assert knowledge.enforced()
    assert knowledge.hardware()


def test_each_kind_is_read_once():
    knowledge = Matrices()
    assert knowledge.releases("torch") is knowledge.releases("torch")
    assert knowledge.hardware() is knowledge.hardware()
    assert knowledge.enforced() is knowledge.enforced()


def test_ours_is_read_when_it_is_asked_for(monkeypatch):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr("card_doctor.knowledge.Hazards", refuse)
    knowledge = Matrices()
    assert knowledge.releases("torch")
    with pytest.raises(AssertionError):
        knowledge.hazards()


@pytest.mark.parametrize(
    ("kind", "name", "text", "said"),
    [
        ("hazards", "ours.toml", BROKEN, r"ours\.toml: not TOML"),
        ("hardware", "gpus.toml", "[[gpus]]\n", r"gpus\.toml:1: gpus\[0\]: the key `capability` is missing"),
        ("hardware", "gpu.toml", "", r"gpu\.toml: no file of this name is known"),
        ("releases", "a.jsonl", '{"version": "1"}\n', r"a\.jsonl:1: .*`date`"),
        ("releases", "a.jsonl", '{"version": "1", "date": "2022-05-08", "sdists": true}\n', r"a\.jsonl:1: .*`sdists`"),
        ("releases", "a.jsonl", '{"version": "one", "date": "2022-05-08"}\n', r"a\.jsonl:1: .*one"),
        ("releases", "a.jsonl", '{"version": "1", "date": "May 2022"}\n', r"a\.jsonl:1: .*May 2022"),
        ("notes", "read.me", "", "there are no matrices in it"),
    ],
)
def test_what_is_wrong_in_a_users_directory_is_told_at_once(tmp_path, kind, name, text, said):
    (tmp_path / kind).mkdir()
    (tmp_path / kind / name).write_text(text)
    with pytest.raises(MatrixError, match=said):
        Matrices([tmp_path])


def test_a_later_directory_overrides_an_earlier_one(tmp_path):
    def hazard(because: str) -> str:
        return (
            f'[[hazard]]\nid = "ours"\nscope = "train"\nmessage = "a breaks"\nsymptom = "E"\nbecause = "{because}"\n'
            'when = { a = "<2" }\nremedies = ["a>=2"]\nevidence = ["source: read"]\nproof = "reported"\n'
        )

    first = directory(tmp_path, "first", "hazards", hazard("First."))
    second = directory(tmp_path, "second", "hazards", hazard("Second."))
    told = [one.because for one in Matrices([first, second]).hazards() if one.id == "ours"]
    assert told == ["Second."]


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(MatrixError, match="no such directory"):
        Matrices([tmp_path / "nowhere"])


def test_the_digest_tells_what_is_known(tmp_path):
    one = directory(tmp_path, "one", "hazards", "")
    same = directory(tmp_path, "same", "hazards", "")
    other = directory(tmp_path, "other", "hazards", "# a comment")
    digests = [Matrices([folder]).digest for folder in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    (other / "releases").mkdir()
    (other / "releases" / "a.jsonl").write_text('{"version": "1", "date": "2022-05-08"}')
    more = Matrices([other]).digest
    assert more != digests[2]
    (other / "releases" / "a.jsonl").write_text("")
    assert Matrices([other]).digest != more
    more = Matrices([other]).digest
    (toml,) = (other / "hazards").iterdir()
    toml.with_suffix(".json").write_text("{}")  # the same, as a wheel has it too
    assert Matrices([other]).digest == more
    (other / "surfaces").mkdir()
    (other / "surfaces" / "numpy-abi.json").write_text("{}")
    assert Matrices([other]).digest != more
    assert Matrices().digest == Matrices().digest
    assert Matrices().digest not in digests


def test_an_installed_package_brings_its_own_matrices(tmp_path):
    """As the wheel lays it out: matrices/ inside the package."""
    package = tmp_path / "card_doctor"
    shutil.copytree(Path(card_doctor.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    if not (package / "matrices").is_dir():
        shutil.copytree(shipped(), package / "matrices")
    code = "from card_doctor.knowledge import Matrices; m = Matrices(); print(m.directories[0], len(m.hazards()))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == [str(package / "matrices"), str(len(Matrices().hazards()))]
