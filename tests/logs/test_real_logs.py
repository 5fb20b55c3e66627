"""Logs of failures that were provoked for real, named for what they fail of. Paths are scrubbed, the inner frames of
long tracebacks left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from card_doctor.knowledge import Matrices
from card_doctor.logs import Scanner
from card_doctor.logs.encoding import open_log

sys.path.insert(0, str(Path(__file__).parent))
from provoke import PROVOKED

LOGS = sorted((Path(__file__).parent / "data").glob("*.log"))
KNOWN = Matrices().signatures
# Interpreters with a real torch: CARD_DOCTOR_TORCHES=.../bin/python:.../bin/python
TORCHES = [one for one in os.environ.get("CARD_DOCTOR_TORCHES", "").split(os.pathsep) if one]


def diagnosis_of(path):
    scanner = Scanner(KNOWN)
    with path.open("rb") as stream:
        for piece in open_log(stream, path.name):
            scanner.feed(piece)
    return scanner.result()


def test_there_are_enough_of_them():
    assert len({path.name.partition("--")[0] for path in LOGS}) >= 60


def test_the_labels_are_those_of_what_was_provoked():
    """Not what the diagnoser says of them: `provoke` knows what it did."""
    labels = {path.stem.partition("--")[2]: path.stem.partition("--")[0] for path in LOGS}
    assert len(PROVOKED) >= 25
    assert {name: labels[name] for name in PROVOKED} == {name: signature for name, (signature, _) in PROVOKED.items()}


@pytest.mark.heavy
@pytest.mark.skipif(not TORCHES, reason="CARD_DOCTOR_TORCHES names no interpreter with a torch")
@pytest.mark.parametrize("python", TORCHES)
def test_what_is_provoked_here_and_now_is_diagnosed(python, tmp_path):
    subprocess.run([python, Path(__file__).parent / "provoke.py", tmp_path], check=True, timeout=600)
    failed = {name: tmp_path / f"{name}.log" for name in PROVOKED if (tmp_path / f"{name}.log").stat().st_size}
    assert len(failed) >= 25  # not every release fails of everything
    said = {name: diagnosis_of(path).failure for name, path in failed.items()}
    assert {name: one and one.signature for name, one in said.items()} == {name: PROVOKED[name][0] for name in failed}


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_each_is_diagnosed_right_with_the_line_that_says_so(path):
    failure = diagnosis_of(path).failure
    assert failure is not None
    assert failure.signature == path.name.partition("--")[0]
    line = path.read_bytes().split(b"\n")[failure.line.number - 1].decode("utf-8", "replace")
    assert failure.line.text[:60] in line


def test_what_followed_from_a_failure_is_told_as_that():
    ranks = diagnosis_of(Path(__file__).parent / "data" / "label-out-of-bounds--torchrun.log")
    assert [one.signature for one in ranks.symptoms] == ["elastic-child"]
    assert ranks.failure.line.rank == "1"
    chained = diagnosis_of(Path(__file__).parent / "data" / "pandas-read-csv--csv-pandas2.log")
    assert [one.signature for one in chained.symptoms] == ["datasets-generation"]
    assert "DatasetGenerationError" in chained.failure.became.text
