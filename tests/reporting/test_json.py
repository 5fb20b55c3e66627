from __future__ import annotations

import json

import jsonschema
import msgspec
import pytest
from arbitrary import documents, of
from hypothesis import HealthCheck, given, settings
from samples import DOCUMENTS, EVIL, IGNORING, NUMPY, document

from card_doctor.model import Card, Policy, Snapshot
from card_doctor.model.run import Comparison, ScoreRow
from card_doctor.reporting.json import ErrorDocument, encode, render
from card_doctor.reporting.schemas import document_schema

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def strictly(text: str):
    """Parsed as the standard has it: no NaN, no Infinity."""

    def refuse(constant: str):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def valid(name: str, text: str):
    made = strictly(text)
    jsonschema.Draft202012Validator(document_schema(name)).validate(made)
    return made


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_report_validates_against_its_schema(name):
    made = valid("report", render(DOCUMENTS[name]))
    assert next(iter(made)) == "schema"
    assert made["exit_code"] == DOCUMENTS[name].exit_code


@SLOW
@given(documents())
def test_any_report_at_all_validates(made):
    valid("report", render(made))


@SLOW
@given(of(Card))
def test_any_card_validates(card):
    valid("card", encode(card))


@SLOW
@given(of(Snapshot))
def test_any_snapshot_validates(snapshot):
    valid("snapshot", encode(snapshot))


@SLOW
@given(of(ErrorDocument))
def test_any_error_validates(error):
    assert list(valid("error", encode(error))) == ["schema", "kind", "message", "hint"]


def test_layout_is_the_documented_one():
    """`interface.md`, "JSON": scripts depend on these keys."""
    made = strictly(render(DOCUMENTS["broken"]))
    assert made["schema"] == "card-doctor/report/1"
    assert made["tool"] == {"name": "card-doctor", "version": "0.1.0", "matrices": "3f1c2a"}
    assert made["policy"] == {"match": "compatible", "fail_on": "error", "select": [], "precision": None}
    assert set(made["environment"]) == {
        "source", "path", "complete", "python", "platform", "packages", "torch", "gaps",
    }  # fmt: skip
    assert made["counts"] == {"error": 4, "warning": 1, "note": 1, "ignored": 0, "unknown": 0, "crashed": 0}
    (report,) = made["reports"]
    assert {"card", "machine", "verdict", "versions", "findings", "ignored", "checks", "remedy", "plan"} <= set(report)
    assert report["verdict"] == {"trains": "no", "matches": "exact"}
    assert report["versions"][1] == {
        "distribution": "torch", "card": "1.9.1", "installed": "1.9.1+cu102", "level": "exact",
    }  # fmt: skip
    finding = report["findings"][0]
    assert (finding["id"], finding["found"], finding["needs"]) == ("packages/numpy-2-abi", "2.0.2", "<2")
    assert finding["remedies"][0]["requirement"] == "numpy<2"
    assert report["findings"][4]["at"] == {"file": "README.md", "line": 58}
    assert report["remedy"]["requirements"] == ["numpy<2", "pandas<2", "pyarrow<21", "setuptools<82"]
    assert report["machine"]["accelerators"][0]["memory_bytes"] == 16106127360


def test_an_ignored_finding_is_a_finding_with_its_reason():
    (ignored,) = strictly(render(document(IGNORING)))["reports"][0]["ignored"]
    assert ignored.pop("reason") == "we never call .numpy()"
    assert ignored.pop("until") == "2027-01-31"
    assert ignored == strictly(encode(NUMPY))


def test_what_is_no_number_is_null_and_what_is_no_text_is_escaped():
    card = strictly(render(DOCUMENTS["hostile"]))["reports"][0]["card"]
    assert card["metrics"] == {"loss": None, "f1": None}
    assert card["name"] == EVIL.replace("\udc80", "\\udc80")
    assert 2**70 in next(iter(card["hyperparameters"].values()))


def test_a_score_that_is_no_number_validates():
    score = ScoreRow("loss", 0.4, float("nan"), None, "unknown")
    report = msgspec.structs.replace(DOCUMENTS["hostile"].reports[0], run=Comparison("out", scores=(score,)))
    made = valid("report", render(document(report)))
    assert made["reports"][0]["run"]["scores"][0]["run"] is None


def test_the_schema_catches_a_wrong_document():
    made = strictly(render(document(policy=Policy())))
    made["counts"]["error"] = "two"
    with pytest.raises(jsonschema.ValidationError, match="two"):
        jsonschema.Draft202012Validator(document_schema("report")).validate(made)
    del made["counts"]
    with pytest.raises(jsonschema.ValidationError, match="'counts' is a required property"):
        jsonschema.Draft202012Validator(document_schema("report")).validate(made)
