"""A trial as a person reads it, at 80 columns and without colour."""

from __future__ import annotations

import msgspec
import pytest

from card_doctor.model import Finding, Remedy, Stage, Trial
from card_doctor.reporting.trial import render

NUMPY = Finding(
    "packages/numpy-2-abi-torch", "error", "numpy", "torch 1.9.1 was built for NumPy 1", "2.0.2", "<2", breaks="yes"
)
WORKS = Trial(
    True,
    "cpu",
    (Stage("import torch", True, 7.31), Stage("train", True, 2.0)),
    trained={"model": "BertForMaskedLM", "task": "fill-mask", "precision": "fp32", "arguments": {"seed": 33}},
    notes=("precision: fp16 is not tried, there is no GPU here: trained in fp32",),
)
FAILS = Trial(
    False,
    None,
    (
        Stage("import torch", True, 7.31),
        Stage("torch to numpy", False, 0.0, "RuntimeError: Numpy is not available", "Traceback\n  line 3"),
        Stage("datasets map", None, 0.0, "not run: needs torch to numpy"),
        Stage("train", None, 0.0, "not run: needs torch to numpy"),
    ),
    diagnosis=(NUMPY,),
)


def text(trial, **options):
    return render(trial, **{"subject": "card in /env/bin/python", "check": "card-doctor check card", **options})


def test_what_worked_is_told_with_what_was_tried_and_what_was_not():
    assert (
        text(WORKS)
        == """\
card in /env/bin/python

[ok] works: yes   2 stages passed on cpu in 9 s

[ok] import torch     7.3 s
[ok] train            2.0 s

Tried  BertForMaskedLM, fill-mask, fp32, cpu
       precision: fp16 is not tried, there is no GPU here: trained in fp32
"""
    )


def test_what_failed_is_told_with_the_cause_and_a_command_that_tells_the_way_out():
    assert (
        text(FAILS)
        == """\
card in /env/bin/python

[x]  works: no   failed: torch to numpy

[ok] import torch       7.3 s
[x]  torch to numpy     0.0 s  RuntimeError: Numpy is not available
[-]  not run: datasets map, train

Why
error    numpy: found 2.0.2, needs <2 [packages/numpy-2-abi-torch]
         torch 1.9.1 was built for NumPy 1

What mends it all together:
    card-doctor check card
"""
    )


def test_what_a_release_has_not_is_said_and_is_no_failure():
    stage = Stage("datasets load parquet", None, 0.0, "datasets 1.6.2 has no loader for Parquet")
    shown = text(Trial(True, "cpu", (*WORKS.stages, stage)))
    assert "works: yes   2 stages passed on cpu in 9 s" in shown
    assert "[-]  not run: datasets load parquet (datasets 1.6.2 has no loader for Parquet)" in shown


def test_a_failure_that_no_check_tells_of_has_the_remedy_that_is_known():
    remedy = Remedy("setting", text="install it where it runs", command="python -m pip install torch")
    known = Finding(
        "trial/no-module", "error", "import torch", "torch is missing", "no torch", breaks="yes", remedies=(remedy,)
    )
    assert text(msgspec.structs.replace(FAILS, diagnosis=(known,))).endswith("""
Why
error    import torch: torch is missing [trial/no-module]

Known remedy: install it where it runs
    python -m pip install torch
""")


def test_details_are_for_those_who_ask():
    assert "Traceback" not in text(FAILS)
    shown = text(FAILS, verbose=True)
    assert "       Traceback\n         line 3\n" in shown
    assert "not run: needs torch to numpy" in shown
    assert "seed=33" in text(WORKS, verbose=True)


def test_one_line_where_one_is_asked_for():
    assert text(FAILS, quiet=True) == "[x] works: no, failed: torch to numpy - card in /env/bin/python\n"


def test_a_failure_that_nothing_explains_says_so():
    unexplained = msgspec.structs.replace(FAILS, diagnosis=())
    assert text(unexplained).endswith("\nNo known failure explains it. The whole error: add -v.\n")


@pytest.mark.parametrize("verbose", [False, True])
def test_what_a_library_says_is_shown_harmlessly(verbose):
    hostile = Stage("import torch", False, 1.0, "Error: \x1b[31mred\n", "\x1b]0;title\x07\nTraceback")
    shown = text(Trial(False, None, (hostile,)), verbose=verbose)
    assert "\x1b" not in shown
    assert "\x07" not in shown
