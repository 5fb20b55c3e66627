from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_doctor.errors import RunError
from card_doctor.runs import stream
from card_doctor.runs.stream import BrokenError, members

TEXT = st.text('a\u00e9"\\\n{}[]:, \U0001f600', max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
OTHERS = st.dictionaries(TEXT, VALUES)  # no key of them is "log"


def read(path, log="log"):
    return list(members(path, log))


@settings(max_examples=60, deadline=None)
@given(
    value=OTHERS,
    log=st.lists(VALUES),
    chunk=st.integers(1, 50),
)
def test_reads_what_json_reads_whatever_the_chunks(tmp_path_factory, value, log, chunk):
    path = tmp_path_factory.mktemp("json") / "state.json"
    path.write_text(json.dumps({**value, "log": log}, ensure_ascii=False, indent=1), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "CHUNK", chunk)
        found = read(path)
    assert found == [*value.items(), *(("log", one) for one in log)]


def test_reads_nan_and_infinity_as_the_trainer_writes_them(tmp_path):
    path = tmp_path / "state.json"
    path.write_text('{"log": [{"loss": NaN}, {"loss": -Infinity}], "best": Infinity}')
    found = read(path)
    assert math.isnan(found[0][1]["loss"])
    assert found[1:] == [("log", {"loss": -math.inf}), ("best", math.inf)]


@pytest.mark.parametrize("cut", [1, 10, 40, 70, 100])
def test_says_where_a_truncated_file_ends_after_all_that_stands_before(tmp_path, cut):
    whole = json.dumps({"epoch": 1.0, "log": [{"loss": 1.0 / n, "step": n} for n in range(1, 5)]})
    path = tmp_path / "state.json"
    path.write_text(whole[:cut])
    found = []
    with pytest.raises(BrokenError, match=r"ends in the middle, after character \d+"):
        found.extend(members(path, "log"))
    path.write_text(whole)
    assert read(path)[: len(found)] == found


@pytest.mark.parametrize(
    "text", ["[1]", "{'a': 1}", '{"a" 1}', '{"a": 1} x', '{"a": [1 2]}', "", '{"a": ' + "[" * 5000]
)
def test_refuses_what_is_no_object(tmp_path, text):
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(RunError):
        read(path)


def test_refuses_binary_noise_and_missing_files(tmp_path):
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 10)
    for name in ("noise", "missing"):
        with pytest.raises(RunError):
            read(tmp_path / name)


def test_a_number_of_thousands_of_digits_is_no_number(tmp_path):
    path = tmp_path / "state.json"
    path.write_text('{"a": ' + "9" * 100_000 + "}")
    assert read(path) == [("a", None)]
