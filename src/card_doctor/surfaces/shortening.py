"""A source → a shorter one with the same lines, which is parsed in less time: bodies of functions do not run at
import, and what a plain function defines is told by its text.
"""

from __future__ import annotations

import functools
import re
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from card_doctor.model.surface import Function

# The functions that a `pass` of the short form stands for, by its line.
Told = Dict[int, Function]

_DEF = re.compile(rb"def[ \t]+(?=\w)")
# The rest of the head of a function in whose parameters nothing is taken from a module, and so nothing can fail: of
# all that is parsed, such parameters and their annotations are two fifths.
_PLAIN_HEAD = re.compile(rb"(\w+)[ \t]*\((?:[^().]|(?<=\d)\.|\.\.\.)*\)[ \t]*(?:->[^().:]*)?:[ \t]*(?:\#[^\n]*)?\n")
_HEAD = re.compile(
    rb"(?:[^\n]*[(,][ \t]*(?:\#[^\n]*)?\n(?:(?![ \t]*(?:def|class)\b)[^\n]*\n){0,200}?[^\n]*?|[^\n]*)"
    rb":[ \t]*(?:\#[^\n]*)?\n"
)
_FIRST_OF_BODY = re.compile(rb"(?:[ \t]*(?:\#[^\n]*)?\n)*([ \t]*)[^\s#]")
_QUOTES_IN_COMMENT = re.compile(rb"#[^\n\"']*(?:\"\"\"|''')")
_LINE_OF_COMMENT = re.compile(rb"^[ \t]*#[^\n]*", re.MULTILINE)
_COMMENT_AFTER_CODE = re.compile(rb"[ \t]#[^\n\"']*(?:\"\"\"|''')")
# A name that a line of the outermost level defines, and names that it imports.
_DEFINED = re.compile(rb"\n(?:(?:def|class|async def) +(\w+)|(\w+) *(?::[^=\n]*)?=[^=])")
_TAKEN = re.compile(rb"\nfrom +[\w.]+ +import +(\([^)#]*\)|[\w ,]+)(?=\n)")


@functools.lru_cache(maxsize=64)
def _ends(indent: bytes) -> re.Pattern[bytes]:
    """The first line after a body: one that is no deeper than its `def`, and neither blank nor a comment."""
    return re.compile(rb"\n(?!" + indent + rb"[ \t])[ \t]*[^\s#]")


def shorten(source: bytes) -> Tuple[bytes, Told]:
    """The short form, and what was taken out of it. It need not be Python where the source is."""
    quotes = _quotes(source)
    if quotes is None:
        return source, {}
    told: Told = {}
    return _without_docstrings(_without_functions(source, quotes, told)), told


@functools.lru_cache(maxsize=64)
def _quotes(source: bytes) -> Optional[bytes]:
    """The source with blanks for the quotes in lines of comments, so that they can be counted; None where that does not
    tell which of them begin and end strings (a few of a thousand modules).
    """
    if b'\'"""' in source or b"\"'''" in source:
        return None
    if _QUOTES_IN_COMMENT.search(source) is None:
        return source
    source = _LINE_OF_COMMENT.sub(lambda line: line[0].replace(b'"""', b"   ").replace(b"'''", b"   "), source)
    odd = source.count(b'"""') % 2 or source.count(b"'''") % 2
    return None if odd or _COMMENT_AFTER_CODE.search(source) else source


def shown_names(source: bytes) -> Set[str]:
    """The names that its text shows a module to have, whatever its conditions come to."""
    names = {defined or assigned for defined, assigned in _DEFINED.findall(source)}
    for taken in _TAKEN.findall(source):
        names.update(part.split()[-1] for part in taken.strip(b"()").split(b",") if part.strip())
    return {name.decode() for name in names}


class _Part(NamedTuple):
    """Where a function stands in its source."""

    start: int  # of the line of its `def`
    body: int
    end: int
    indent: bytes
    inner: bytes  # the indentation of its body
    plain: Optional[bytes]  # its name, where nothing can fail in its head


def last_line(source: bytes, start: int, first: int, last: int) -> int:
    """The last line of a function that begins on the line `first`, which begins at `start`, and whose body was
    left out, so that it was thought to end with `last`.
    """
    at, quotes = start, _quotes(source)
    while quotes is not None:
        found = _DEF.search(source, at)
        if found is None or source.count(b"\n", start, found.start()) > last - first:
            return last
        part = _function(source, quotes, found)
        if part is not None:
            return max(last, first + source.count(b"\n", start, part.end) - 1)
        at = found.end()
    return last


def _function(source: bytes, quotes: bytes, found: re.Match[bytes]) -> Optional[_Part]:
    start = source.rfind(b"\n", 0, found.start()) + 1
    before = source[start : found.start()]
    if before.strip() not in {b"", b"async"}:
        return None
    plain = _PLAIN_HEAD.match(source, found.end())
    head = plain or _HEAD.match(source, found.end())
    if head is None:
        return None
    body = head.end()
    text = source[start:body]
    if plain and (b":=" in text or b'"""' in text or b"'''" in text):
        plain = None
    if plain is None and not _closes_last(text):
        return None  # a head of one line, whose body stands on it, and what follows it
    indent = before[: len(before) - len(before.lstrip())]
    first = _FIRST_OF_BODY.match(source, body)
    if first is None or len(first[1]) <= len(indent) or not first[1].startswith(indent):
        return None
    after = _ends(indent).search(source, first.end() - 1)
    end = after.start() + 1 if after else len(source)
    if quotes.count(b'"""', body, end) % 2 or quotes.count(b"'''", body, end) % 2:
        return None  # it ends inside of a string
    return _Part(start, body, end, indent, first[1], plain[1] if plain else None)


def _without_functions(source: bytes, quotes: bytes, told: Told) -> bytes:
    """Bodies make up two thirds of what is parsed."""
    pieces: List[bytes] = []
    kept = at = 0  # copied up to here; where to look on
    line, counted = 1, 0
    double = single = 0  # odd inside of a string of three quotes: a program in it is no function of this module
    while True:
        found = _DEF.search(source, at)
        if found is None:
            pieces.append(source[kept:])
            return b"".join(pieces)
        part = _function(source, quotes, found)
        if part is None:
            at = found.end()
            continue
        line += source.count(b"\n", counted, part.start)
        double += quotes.count(b'"""', counted, part.start)
        single += quotes.count(b"'''", counted, part.start)
        counted = part.start
        if double % 2 or single % 2:
            at = found.end()
            continue
        lines = source.count(b"\n", part.body, part.end)
        pieces.append(source[kept : part.start])
        if part.plain is None:
            pieces += (source[part.start : part.body], part.inner, b"pass", b"\n" * lines)
        else:
            lines += source.count(b"\n", part.start, part.body)
            if _may_be_decorated(source, part.start):
                pieces += (part.indent, b"def ", part.plain, b"():\n", part.inner, b"pass", b"\n" * (lines - 1))
            else:
                told[line] = Function(part.plain.decode(), line, line + 1, [])
                pieces += (part.indent, b"pass", b"\n" * lines)
        kept = at = part.end


def _may_be_decorated(source: bytes, start: int) -> bool:
    """By the line before the `def`, which may be the last of a decorator's."""
    line = source[source.rfind(b"\n", 0, max(start - 1, 0)) + 1 : start].strip()
    return line.startswith((b"@", b"#")) or line.endswith(b")")


def _closes_last(head: bytes) -> bool:
    """Is the parenthesis of the parameters open to the last line of this head?"""
    depth, lines = 0, head.splitlines()
    for number, line in enumerate(lines, 1):
        depth += sum(map(line.count, (b"(", b"[", b"{"))) - sum(map(line.count, (b")", b"]", b"}")))
        if (depth > 0) is (number == len(lines)):
            return False
    return True


def _without_docstrings(source: bytes) -> bytes:
    """Of what is left, those of classes are a quarter."""
    quotes = _quotes(source)
    if quotes is None or b"'''" in quotes:
        return source  # which of the quotes are in a string of the other kind is not told
    pieces: List[bytes] = []
    kept = at = 0
    while True:
        opened = quotes.find(b'"""', at)
        closed = quotes.find(b'"""', opened + 3)
        if opened < 0 or closed < 0:
            pieces.append(source[kept:])
            return b"".join(pieces)
        at = closed + 3
        start = source.rfind(b"\n", 0, opened) + 1
        before = source[start:opened]
        if b"'" in before or b'"' in before or source[closed - 1 : closed] == b"\\":
            return source  # nor is it here
        above = source.rfind(b"\n", 0, max(start - 1, 0)) + 1
        if before.strip() in {b"", b"r"} and source[above:start].rstrip().endswith(b":"):
            indent = before[: len(before) - len(before.lstrip())]
            pieces += (source[kept:start], indent, b"pass", b"\n" * source.count(b"\n", opened, closed))
            kept = at
