from __future__ import annotations

import pytest

from card_doctor.checks import (  # noqa: F401  registers its checks
    accelerator,
    amp,
    binaries,
    packages,
    python,
    registry,
    surfaces,
    versions,
)
from card_doctor.errors import MatrixError
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.signatures import FILE, shows
from card_doctor.logs import diagnose

KNOWN = Matrices().signatures
IDS = {*registry._checks} | {f"packages/{hazard.id}" for hazard in Matrices().hazards()}
# Families that other checks of a run answer for, whether or not this version has a check of theirs
PROMISED = {"resources", "training", "data", "results"}
ENTRY = """
[[signature]]
id = "own"
texts = ["the disk is on fire"]
cause = "fire"
remedy = "water"
example = "IOError: the disk is on fire"
source = "reproduced: once"
"""

each = pytest.mark.parametrize("signature", KNOWN.all, ids=lambda one: one.id)


@each
def test_each_is_recognised_by_its_example_and_no_other_is(signature):
    found = diagnose(signature.example.splitlines(), KNOWN)
    assert [one.signature for one in (*found.failures, *found.symptoms, *found.noticed)] == [signature.id]


@each
def test_a_general_one_alone_shows_in_the_example_of_another(signature):
    others = [one for one in KNOWN.all if one is not signature and one.role != "general"]
    lines = signature.example.splitlines()
    assert not [one.id for one in others if any(shows(one, line) for line in lines)]


@each
def test_what_it_refers_to_is_there(signature):
    ids = {*registry.FAMILIES, *PROMISED, *IDS}
    assert not [one for one in signature.related if one not in ids]


@each
def test_a_cause_and_a_remedy_are_said_in_words_of_their_own(signature):
    for sentence in (signature.cause, signature.remedy):
        assert not sentence.endswith(".")
        assert len(sentence) > 15
    assert signature.cause != signature.example


def test_all_that_it_catches_is_filled_in():
    for signature in KNOWN.all:
        found = diagnose(signature.example.splitlines(), KNOWN)
        (one,) = (*found.failures, *found.symptoms, *found.noticed)
        assert "{" not in f"{one.cause}{one.remedy}{one.command}", signature.id


def write(folder, text):
    (folder / FILE).write_text(text)
    return Matrices([folder])


def test_a_user_adds_and_overrides(tmp_path):
    theirs = write(tmp_path, ENTRY + ENTRY.replace("own", "numpy-not-available") + '[modules]\nfoo = "foo-dist"\n')
    assert len(theirs.signatures.all) == len(KNOWN.all) + 1
    assert diagnose(["the disk is on fire"], theirs.signatures).failure.signature in {"own", "numpy-not-available"}
    assert diagnose(["Numpy is not available"], theirs.signatures).failure is None
    assert diagnose(["No module named 'foo.bar'"], theirs.signatures).failure.command.endswith(" foo-dist")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('id = "own"', 'id = "Own"'), r"signatures\.toml:3: signature\[0\]\.id: expected lower-case words"),
        (('texts = ["the disk is on fire"]', 'texts = ["disk"]'), "texts: expected at least one, each of at least 5"),
        (('texts = ["the disk is on fire"]', "texts = []"), "texts: expected at least one"),
        (('cause = "fire"', 'cause = "{what} burns"'), "cause: `{what}` is no named group of the pattern"),
        (('remedy = "water"', "remedy = 3"), "remedy: expected a string, found a whole number"),
        (('example = "IOError: the disk', 'example = "IOError: a disk'), "example: no line of it has one of the texts"),
        (('source = "reproduced: once"', 'source = "heard"'), "source: expected an https link or `reproduced:"),
        (('remedy = "water"', 'remedy = "water"\npattern = "("'), "pattern: no regular expression"),
        (('remedy = "water"', 'remedy = "water"\nrelated = ["Data!"]'), "related: expected ids or families"),
        (('remedy = "water"', 'remedy = "water"\nroles = "cause"'), "unknown key, did you mean `role`"),
        (('remedy = "water"', 'remedy = "water"\nrole = "reason"'), "is none of the known values"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(tmp_path, change, said):
    assert change[0] in ENTRY
    with pytest.raises(MatrixError, match=said):
        _ = write(tmp_path, ENTRY.replace(*change)).signatures


def test_two_of_one_name_are_refused(tmp_path):
    with pytest.raises(MatrixError, match="another signature called own"):
        _ = write(tmp_path, ENTRY + ENTRY).signatures


def test_they_count_for_the_digest(tmp_path):
    assert write(tmp_path, ENTRY).digest != write(tmp_path, ENTRY.replace("water", "foam")).digest
