from __future__ import annotations

import json

import jsonschema
import pytest

from card_doctor.reporting.schemas import DOCUMENTS, document_schema


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_is_a_schema_with_a_name_of_its_own(name):
    made = document_schema(name)
    jsonschema.Draft202012Validator.check_schema(made)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert made["$id"] == f"urn:card-doctor:{name}:1"
    assert name in made["title"]
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_says_which_schema_it_follows(name):
    made = document_schema(name)
    top = made["$defs"][made["$ref"].rpartition("/")[2]]
    said = top["properties"]["schema"]
    assert said in ({"const": f"card-doctor/{name}/1"}, {"enum": [f"card-doctor/{name}/1"]})


def test_a_key_that_is_always_written_is_required_and_one_that_is_left_out_is_not():
    parts = document_schema("card")["$defs"]
    assert "conflicts" in parts["Card"]["required"]
    assert parts["Source"]["required"] == ["kind"]
