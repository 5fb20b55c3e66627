from __future__ import annotations

import sys
from typing import Any, Dict, Literal, Optional, Tuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_doctor.errors import MatrixError
from card_doctor.toml import key_lines, parse, read_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    speed: int
    colour: Literal["red", "green"] = "red"


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    limits: Dict[str, float] = {}
    parts: Tuple[Part, ...] = ()
    spare: Optional[Part] = None
    named: Dict[str, Tuple[Part, ...]] = {}
    anything: Dict[str, Any] = {}


def error_of(path, text):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MatrixError) as caught:
        read_toml(path, Machine)
    return caught.value


def test_a_right_file_becomes_the_value(tmp_path):
    path = tmp_path / "machine.toml"
    path.write_text('\ufeffname = "m"\nlimits = {a = 1}\n[[parts]]\nspeed = 3\n', encoding="utf-8")
    assert read_toml(path, Machine) == Machine("m", {"a": 1.0}, (Part(3),))


@pytest.mark.parametrize(
    ("text", "where", "said", "hint"),
    [
        ('name = "m"\nlimmits = {a = 1}\n', ":2: limmits: ", "did you mean `limits`?", "known here: name, limits"),
        ("name = 3\n", ":1: name: ", "expected a string, found a whole number", None),
        ('name = "m"\n\n[limits]\na = 1\n"b" = "x"\n', ":5: limits.b: ", "expected a number, found a string", None),
        ('name = "m"\n[limits]\na = {c = 1}\nb = 2\n', ":3: limits.a: ", "expected a number, found a table", None),
        ('name = "m"\n[limits]\na = 1\nb = "x"\n[[parts]]\nspeed = "x"\n', ":4: limits.b: ", "expected a number", None),
        ('name = "m"\n[[parts]]\nspeed = 1\n[[parts]]\nsped = 1\n', ":5: parts[1].sped: ", "`speed`", "speed, colour"),
        ('name = "m"\n[[parts]]\nspeed = 1\n[[parts]]\n', ":4: parts[1]: ", "the key `speed` is missing", None),
        ('name = "m"\nspare = {speed = 1, color = "red"}\n', ":2: spare.color: ", "did you mean `colour`?", "speed"),
        (
            'name = "m"\n[spare]\nspeed = 1\ncolour = "gren"\n',
            ":4: spare.colour: ",
            "did you mean `green`?",
            "red",
        ),
        (
            'name = "m"\n[named]\nfirst = [{speed = 1}]\nsecond = [{speed = 1}, {speed = 1.5}]\n',
            ":4: named.second[1].speed: ",
            "expected a whole number, found a number",
            None,
        ),
        ("limits = {}\n", ": ", "the key `name` is missing", None),
        ("name = 'm'\nname = 'n'\n", ": ", "not TOML", None),
    ],
)
def test_what_is_wrong_is_told_with_line_key_and_what_is_right(tmp_path, text, where, said, hint):
    path = tmp_path / "machine.toml"
    error = error_of(path, text)
    assert error.message.startswith(f"{path}{where}")
    assert said in error.message
    assert (hint in error.hint) if hint else error.hint is None


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(MatrixError, match=r"absent\.toml: can't be read: "):
        read_toml(tmp_path / "absent.toml", Machine)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b'name = "\xff"')
    with pytest.raises(MatrixError, match="not UTF-8"):
        read_toml(binary, Machine)


def test_nesting_without_end_is_an_error_of_the_file(tmp_path):
    with pytest.raises(MatrixError, match=r"deep\.toml"):
        parse("anything = " + "[" * 100_000, tmp_path / "deep.toml")


def test_lines_of_keys_pass_over_strings_comments_and_arrays():
    text = '''# x = 1
a = "b = [" # [c]
[table.inner]
"quoted.key" = [
  "]", # d = 2
  [3],
  ["four"],
]
text = """
e = 3
[f]
"""
[[rows]]
x = 1
[[rows]]
[rows.under]
y = {z = 1}
'''
    assert key_lines(text) == {
        "a": 2,
        "table.inner": 3,
        "table.inner.quoted.key": 4,
        "table.inner.text": 9,
        "rows[0]": 13,
        "rows[0].x": 14,
        "rows[1]": 15,
        "rows[1].under": 16,
        "rows[1].under.y": 17,
    }


NAMES = st.text("abc_-1", min_size=1, max_size=3)
VALUES = st.sampled_from(
    ['"a=[1"', "'#'", "[1, 2]", "[\n  1, # ]\n]", '"""\nx = 1\n"""', "{q = 1}", "2022-05-08", "nan"]
)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
def test_every_key_that_starts_a_line_is_found_on_its_line(tables):
    text = "".join(
        f"[{name}]  # {name} = 1\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
        for name, table in tables.items()
    )
    assert set(tomllib.loads(text)) == set(tables)
    lines = key_lines(text)
    assert set(lines) == set(tables) | {f"{name}.{key}" for name, table in tables.items() for key in table}
    for key, line in lines.items():
        assert text.split("\n")[line - 1].strip("[").startswith(key.rpartition(".")[2])


@given(st.text("ab=[]{}\"'#\n.\\ "))
def test_no_text_breaks_the_search_for_lines(text):
    assert all(0 < line <= text.count("\n") + 1 for line in key_lines(text).values())
