"""Logs of failures that were provoked for real, named for what they fail of. Paths are scrubbed, the inner frames of
long tracebacks left out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from card_doctor.knowledge import Matrices
from card_doctor.logs import Scanner
from card_doctor.logs.encoding import open_log

LOGS = sorted((Path(__file__).parent / "data").glob("*.log"))
KNOWN = Matrices().signatures


def diagnosis_of(path):
    scanner = Scanner(KNOWN)
    with path.open("rb") as stream:
        for piece in open_log(stream, path.name):
            scanner.feed(piece)
    return scanner.result()


def test_there_are_enough_of_them():
    assert len({path.name.partition("--")[0] for path in LOGS}) >= 60


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
