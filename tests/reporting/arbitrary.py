"""Any document at all: hypothesis strategies made from the types themselves."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from card_doctor.model import Document

# Whatever a file name, a METADATA file or a card may hold: control characters, markup, lone surrogates.
NASTY = st.sampled_from(["\x1b[31m", "[bold]", "[/]", "\r\n", "\udc80", "\u202e", "%0A::error::", "`", "日本", ""])
TEXTS = st.one_of(st.text(max_size=8), NASTY, st.text(st.characters(), max_size=4))
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)


def of(kind: Any) -> st.SearchStrategy[Any]:
    return _of(msgspec.inspect.type_info(kind))


def documents() -> st.SearchStrategy[Document]:
    return of(Document)


def _of(info: Any) -> st.SearchStrategy[Any]:
    name = type(info).__name__
    if name == "StructType":
        parts = {field.name: _of(field.type) for field in info.fields}
        return st.fixed_dictionaries(parts).map(lambda values: _made(info.cls, values)).filter(lambda made: made)
    if name == "Metadata":
        return _of(info.type)
    if name == "UnionType":
        return st.one_of(*map(_of, info.types))
    if name == "LiteralType":
        return st.sampled_from(info.values)
    if name == "VarTupleType":
        return st.lists(_of(info.item_type), max_size=1).map(tuple)  # of each, or generating takes minutes
    if name == "TupleType":
        return st.tuples(*map(_of, info.item_types))
    if name == "DictType":
        return st.dictionaries(_of(info.key_type), _of(info.value_type), max_size=1)
    simple = {
        "StrType": TEXTS,
        "IntType": st.integers(),
        "FloatType": st.floats(),
        "BoolType": st.booleans(),
        "NoneType": st.none(),
        "AnyType": ANYTHING,
    }
    return simple[name]


def _made(cls: Any, values: Any) -> Any:
    if "schema" in values:
        values = {**values, "schema": f"card-doctor/{cls.__name__.lower()}/1"}
    try:
        return cls(**values)
    except ValueError:  # a finding that contradicts itself
        return None


def filled(document: Document, text: str) -> Document:
    """The document with that text in every field that takes any text at all."""
    return _filled(document, msgspec.inspect.type_info(Document), text)


def _filled(value: Any, info: Any, text: str) -> Any:
    name = type(info).__name__
    if name == "Metadata":
        return _of(info.type)
    if name == "UnionType":
        (info,) = (one for one in info.types if type(one).__name__ != "NoneType")
        return value if value is None else _filled(value, info, text)
    if name == "StructType":
        parts = {
            field.name: _filled(getattr(value, field.name), field.type, text)
            for field in info.fields
            if field.name != "schema"
        }
        return info.cls(**parts)
    if name == "VarTupleType":
        return tuple(_filled(one, info.item_type, text) for one in value)
    if name == "DictType":
        return dict.fromkeys([text] if value else (), _filled(next(iter(value.values()), None), info.value_type, text))
    return text if name in {"StrType", "AnyType"} else value
