from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import card_doctor.surfaces.source as reader
from card_doctor.model.surface import Function, ModuleSurface
from card_doctor.surfaces.source import DoesNotParse, Unreadable, read_function, read_module
from card_doctor.surfaces.walk import walk
from installed import environment

PYTHON = sys.version_info[:2]
SOURCES = sorted(path for path in Path(ast.__file__).parent.glob("*.py") if path.stat().st_size < 200_000)

FUNCTIONS = '''
import a
def plain(x): return x
def one(
    x,
    y=1,  # with a comment:
):
    """Doc.

import not_an_import
    """
    def inner():
        return y
    return inner
class C:
    @property
    async def method(self) -> int:

# a comment at the margin
        text = """
def not_a_function():
    pass
"""
        return text

    def last(self):
        pass
after = 1
'''


def test_leaving_out_bodies_leaves_the_rest():
    surface = read_module(FUNCTIONS.encode(), PYTHON)
    kinds = [type(stmt).__name__ for stmt in surface.body]
    assert kinds == ["Import", "Function", "Function", "Class", "Assign"]
    assert [stmt.name for stmt in surface.body[3].body] == ["method", "last"]


def test_a_function_is_read_where_it_stands():
    surface = read_module(FUNCTIONS.encode(), PYTHON)
    one = surface.body[2]
    function = read_function(FUNCTIONS.encode(), one.first, one.last)
    assert function.parameters.positional == ["x", "y"]
    assert [type(stmt).__name__ for stmt in function.body] == ["Function", "Return"]
    method, last = surface.body[3].body
    assert len(read_function(FUNCTIONS.encode(), method.first, method.last).body) == 2
    assert read_function(FUNCTIONS.encode(), last.first, last.last).parameters.positional == ["self"]


@pytest.mark.parametrize(
    "head",
    [
        "def f(a, b=1.5, *c, d='x', **e) -> None:",
        "async def f(\n    a: int,  # of many\n    b: 'B' = ...,\n) -> Dict[str, int]:  # or none",
        "def f(a=module.taken):",
        "def f(a: module.Taken, b=(1, 2)):",
        "def f(a) -> module.Taken:",
        "def f(a=(b := module)):",
        "def f(a='''\n'''):",
        "def f(): return [x for x in (\n    module.taken, 2)]\nif module:",
    ],
)
def test_a_short_head_takes_the_same(head, monkeypatch):
    source = f"import module\n@module.decorates\n{head}\n    x = 1\n    y = x\nafter = module.last\n".encode()
    short, parameters = read_module(source, PYTHON), []
    for text_of in (reader.shorten, lambda text: (text, {})):
        monkeypatch.setattr(reader, "shorten", text_of)
        surface = read_module(source, PYTHON)
        assert without_ends(surface) == without_ends(short)
        functions = [stmt for stmt in surface.body if isinstance(stmt, Function)]
        parameters.append([read_function(source, one.first, one.last).parameters for one in functions])
    assert parameters[0] == parameters[1]
    assert parameters[0]


@pytest.mark.parametrize("path", SOURCES[::4], ids=lambda path: path.name)
def test_short_and_whole_say_the_same(path, monkeypatch):
    """Against the standard library's own sources: leaving out bodies changes nothing but where functions end."""
    source = path.read_bytes()
    short = read_module(source, PYTHON)
    monkeypatch.setattr(reader, "shorten", lambda text: (text, {}))
    assert without_ends(short) == without_ends(read_module(source, PYTHON))


def without_ends(value):
    if isinstance(value, Function):
        return (value.name, value.first)
    if isinstance(value, msgspec.Struct):
        return (type(value).__name__, *(without_ends(getattr(value, name)) for name in value.__struct_fields__))
    return [without_ends(item) for item in value] if isinstance(value, (list, tuple)) else value


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
@example("def f(\n" * 30)
@example("class A(" * 50)
@example("x = 1\x00")
@example("# coding: utf-16\nx")
@example("\ufeffx = 1")
@example("if 1:\n\tx\n        y")
@example("def f():\n'''\n    pass\n'''\n")
@example("x = '\ud800'".encode("utf-8", "surrogatepass").decode("latin-1"))
def test_no_text_is_too_odd(text):
    for python in ((3, 7), (3, 9), PYTHON, (3, 99)):
        try:
            surface = read_module(text.encode("utf-8", "surrogatepass"), python)
        except (Unreadable, DoesNotParse):
            continue
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(surface), type=ModuleSurface) == surface


def indent(text: str) -> str:
    return textwrap.indent(text, "    ")


NAMES = st.sampled_from(["a", "b", "sys", "__all__", "TYPE_CHECKING", "__getattr__"])
EXPRESSIONS = st.recursive(
    NAMES | st.sampled_from(["1", "'x'", "None", "(3, 8)", "['a', 'b']", "{'k': ['v']}", "sys.version_info"]),
    lambda inner: st.one_of(
        st.builds("{}.{}".format, inner, NAMES),
        st.builds("({})({}, k={})".format, inner, inner, inner),
        st.builds("({} and {} or not {})".format, inner, inner, inner),
        st.builds("({} < {} in {})".format, inner, inner, inner),
        st.builds("[{} for a in {} if {}]".format, inner, inner, inner),
        st.builds("({})[{}:]".format, inner, inner),
        st.builds("({} + {} if {} else {})".format, inner, inner, inner, inner),
        st.builds("(lambda a={}: {})".format, inner, inner),
    ),
    max_leaves=6,
)
STATEMENTS = st.recursive(
    st.one_of(
        st.builds("import {} as {}".format, NAMES, NAMES),
        st.builds("from . import {}".format, NAMES),
        st.just("from b import *"),
        st.builds("{} = {}".format, NAMES, EXPRESSIONS),
        st.builds("{} += {}".format, NAMES, EXPRESSIONS),
        st.builds("raise ImportError({})".format, EXPRESSIONS),
        st.builds("sys.modules[{}] = {}".format, EXPRESSIONS, EXPRESSIONS),
        st.builds("{}".format, EXPRESSIONS),
        st.builds("del {}".format, NAMES),
    ),
    lambda inner: st.one_of(
        st.builds("if {}:\n{}\nelse:\n{}".format, EXPRESSIONS, inner.map(indent), inner.map(indent)),
        st.builds("try:\n{}\nexcept {}:\n{}".format, inner.map(indent), EXPRESSIONS, inner.map(indent)),
        st.builds("for {} in {}:\n{}".format, NAMES, EXPRESSIONS, inner.map(indent)),
        st.builds("while {}:\n{}".format, EXPRESSIONS, inner.map(indent)),
        st.builds("class {}({}):\n{}".format, NAMES, EXPRESSIONS, inner.map(indent)),
        st.builds("def {}({}=1):\n{}\n    return {}".format, NAMES, NAMES, inner.map(indent), EXPRESSIONS),
        st.builds("{}\n{}".format, inner, inner),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STATEMENTS, max_size=4).map("\n".join), st.lists(STATEMENTS, max_size=4).map("\n".join))
def test_no_program_is_too_odd_to_follow(tmp_path, one, other):
    site = tmp_path / str(uuid.uuid4())
    packages = {"torch==1.0": {"torch/__init__.py": one}, "b==1.0": {"b/__init__.py": other, "b/a.py": one}}
    for need in walk(environment(site, packages))[0].needs:
        assert need.at.line >= 0


@pytest.mark.skipif(PYTHON < (3, 11), reason="older parsers nest their C stack as deep as the source")
@pytest.mark.parametrize("source", ["x = a" + ".b" * 1_900_000, "x = a" + "+a" * 1_900_000, "x = " + "(" * 2_000_000])
def test_no_nesting_ends_the_process(source):
    with pytest.raises((Unreadable, DoesNotParse)):
        read_module(source.encode(), PYTHON)


def test_what_is_larger_than_any_module_is_not_parsed():
    with pytest.raises(Unreadable, match="50 MB"):
        read_module(b"x = 1\n" * (50_000_000 // 6), PYTHON)


def test_reading_many_functions_that_never_end_takes_no_time():
    program = (
        "import sys; from card_doctor.surfaces.source import *\n"
        "try: read_module(b'def f(\\n' * 100_000, sys.version_info[:2])\nexcept Exception: pass"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
