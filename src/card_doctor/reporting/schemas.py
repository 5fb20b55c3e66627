"""The JSON schema of each document, made from the types that are emitted: there is no second copy to keep."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Type

import msgspec

from card_doctor import model
from card_doctor.reporting import json

DOCUMENTS: Mapping[str, Type[msgspec.Struct]] = {
    "report": json.ReportDocument,
    "card": model.Card,
    "snapshot": model.Snapshot,
    "trial": model.Trial,
    "error": json.ErrorDocument,
    "cards": json.CardsDocument,
    "checks": json.ChecksDocument,
    "explanation": json.Explanation,
    "comparison": json.ComparisonDocument,
    "diagnosis": json.DiagnosisDocument,
    "plan": json.PlanDocument,
    "watch": json.WatchDocument,
}


def document_schema(name: str) -> Dict[str, Any]:
    """The schema of the document called `name`, as card-doctor writes it."""
    made = schema_of(DOCUMENTS[name], name)
    for part_name, part in made["$defs"].items():
        properties = part["properties"]
        if not _struct(part_name).__struct_config__.omit_defaults:
            part["required"] = list(properties)  # what is always written, a reader may rely on
        for key, described in properties.items():
            default = described.pop("default", None)
            if key == "schema" and default:
                properties[key] = {"const": default}
        part["properties"] = _or_null(properties)
    return made


def _or_null(schema: Any) -> Any:
    """JSON has no NaN: where we write a number with a fraction, null may stand."""
    if isinstance(schema, list):
        return [_or_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "number":
        return {**schema, "type": ["number", "null"]}
    return {key: _or_null(value) for key, value in schema.items()}


def schema_of(kind: Type[msgspec.Struct], name: str) -> Dict[str, Any]:
    """The schema of what can be read as a `kind`."""
    (top,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for part in parts.values():
        if "description" in part:  # a docstring, with its line breaks
            part["description"] = " ".join(part["description"].split())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:card-doctor:{name}:1",
        "title": f"card-doctor {name}",
        **top,
        "$defs": parts,
    }


def _struct(name: str) -> Type[msgspec.Struct]:
    found: Type[msgspec.Struct] = getattr(json, name, None) or getattr(model, name)
    return found
