"""The short form of a source: fewer lines say something, none moves."""

from __future__ import annotations

import ast
from typing import Set

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_doctor.model.surface import Function
from card_doctor.surfaces.shortening import last_line, shorten, shown_names

SOURCE = b'''"""A module."""
import os

class A:
    """Of many
    lines.
    """

    def plain(self, a: int = 1) -> None:
        if a:
            return os

    @property
    def decorated(self):
        return 1

    async def later(self):
        pass

    def takes(self, a=os.sep):
        return a

TEXT = """
def in_a_string():
    return 1
"""
'''


def test_lines_stay_where_they_are():
    short, told = shorten(SOURCE)
    assert short.count(b"\n") == SOURCE.count(b"\n")
    assert told == {9: Function("plain", 9, 10, []), 17: Function("later", 17, 18, [])}
    lines = short.splitlines()
    assert lines[8] == lines[16] == b"    pass"
    assert lines[13] == b"    def decorated():"  # what decorates needs something to decorate
    assert lines[19] == b"    def takes(self, a=os.sep):"  # what fails may stand in its head
    assert b"    return os" not in short
    assert b"Of many" not in short
    assert SOURCE[SOURCE.index(b"TEXT") :] in short  # a program in a string is none of this module


@pytest.mark.parametrize(("start", "last"), [(b"    def plain", 11), (b"    @property", 15), (b"    def takes", 21)])
def test_a_function_ends_with_its_body(start, last):
    at = SOURCE.index(start)
    first = SOURCE.count(b"\n", 0, at) + 1
    assert last_line(SOURCE, at, first, first + 2) == last + 1  # with the blank line after it


def test_names_that_a_text_shows():
    source = (
        b"import os\nfrom a import (\n    b,\n    c as d,\n)\nfrom e import f, g as h\n"
        b"class I: ...\ndef j(): ...\nasync def k(): ...\nl: int = 1\nm = 2\nif n == 3:\n    o = 4\n"
    )
    assert shown_names(source) == set("bdfhijklm".replace("i", "I"))


BLOCKS = st.lists(
    st.sampled_from(
        [
            "x = 1",
            "def f(a):\n    return a",
            "@g\ndef f(a):\n    return a",
            "@g(\n    1\n)\ndef f(a): return a",
            "class A:\n    '''x'''\n    def f(self):\n        '''y\n\nz'''\n        return 1\n    b = 2",
            'class A:\n    """x\n    def g():\n        pass\n    """',
            "def f(\n    a,  # of many\n    b=(1, 2),\n):\n# a comment\n    return a\n\n# after",
            'y = """\ndef g():\n    return """',
            "if x:\n    def f(): pass\nelse:\n    async def f():\n        pass",
            "def f(a=lambda b: b, *c, d: 'e' = {1: 2}) -> 'f':\n    return a",
            '# """',
            'f = \'"""\'',
        ]
    )
)


@settings(deadline=None)
@given(BLOCKS)
def test_what_is_python_stays_python_with_the_same_names(blocks):
    """Or is no Python any more, which is seen: never is a name lost, or found."""
    source = "\n".join([*blocks, ""]).encode()
    short, told = shorten(source)
    assert short.count(b"\n") == source.count(b"\n")
    try:
        tree = ast.parse(short)
    except SyntaxError:
        return
    kept = outermost(tree) | {function.name for line, function in told.items() if is_outermost(short, line)}
    assert kept == outermost(ast.parse(source))


def outermost(tree: ast.Module) -> Set[str]:
    """What the statements of a module bind, but for those in other statements."""
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.add(node.targets[0].id)
    return names


def is_outermost(short: bytes, line: int) -> bool:
    return short.splitlines()[line - 1] == b"pass"
