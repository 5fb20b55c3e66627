"""TOML that people write, read strictly: what is wrong is told with file, line, key and what was expected."""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Type, TypeVar, Union

import msgspec

from card_doctor.errors import MatrixError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
Step = Union[str, int]

_DATES = (dt.date, dt.time, dt.datetime)
_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "a table",
    "date": "a date like 2022-05-08, without quotes",
    "datetime": "a date with a time",
}
_WHERE = re.compile(r" - at `(?:key in )?\$(?P<path>.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(\.\.\.)\]")
_QUOTED = re.compile(r"`([^`]*)`")
_KEY_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')"""
_DOTTED = rf"{_KEY_PART}(?:\s*\.\s*{_KEY_PART})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)\s*({_DOTTED})\s*\]\]?")
_ASSIGNMENT = re.compile(rf"[ \t]*({_DOTTED})\s*=")
# What may hold a bracket or a line's end that counts for nothing, and those that count.
_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*|[\[\]{}\n]",
    re.DOTALL,
)


def read_toml(path: Path, kind: Type[T]) -> T:
    """The file as a `kind` of value; MatrixError where it can't be read or says what `kind` does not know."""
    return decode_toml(read_text(path), path, kind)


def decode_toml(text: str, path: Path, kind: Type[T]) -> T:
    """`text` as a `kind` of value; `path` is what errors name."""
    return convert(parse(text, path), kind, text, path)


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MatrixError(f"{path}: can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise MatrixError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None


def parse(text: str, path: Path) -> Dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MatrixError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise MatrixError(f"{path}: nested too deeply") from None


def convert(document: Dict[str, Any], kind: Type[T], text: str, path: Path) -> T:
    """The parsed `text` of `path` as a `kind` of value."""
    try:
        return msgspec.convert(document, kind, builtin_types=_DATES)
    except msgspec.ValidationError as error:
        steps, message, hint = _explain(document, kind, str(error))
    raise wrong_key(path, text, steps, message, hint)


def wrong_key(path: Path, text: str, steps: Iterable[Step], message: str, hint: Optional[str] = None) -> MatrixError:
    """The error about the key that `steps` lead to, with its line: of the key, or of the nearest table around it."""
    steps = tuple(steps)
    lines = key_lines(text)
    around = (dotted(steps[:end]) for end in range(len(steps), 0, -1))
    line = next((lines[key] for key in around if key in lines), None)
    where = f"{path}:{line}" if line else str(path)
    return MatrixError(f"{where}: {dotted(steps)}: {message}" if steps else f"{where}: {message}", hint)


def dotted(steps: Iterable[Step]) -> str:
    """``hazard[0].when.numpy``"""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def key_lines(text: str) -> Dict[str, int]:
    """The line (from 1) of every table and key of a TOML text by its dotted path; keys of inline tables have none."""
    lines: Dict[str, int] = {}
    table: Tuple[Step, ...] = ()
    counts: Dict[Tuple[Step, ...], int] = {}
    position, number = 0, 1
    while position < len(text):
        header = _HEADER.match(text, position)
        assignment = _ASSIGNMENT.match(text, position)
        if header:
            table = tuple(_indexed(_parts(header.group(2)), counts, header.group(1) == "[["))
            lines.setdefault(dotted(table), number)
        elif assignment:
            lines.setdefault(dotted((*table, *_parts(assignment.group(1)))), number)
        found = header or assignment
        end = _end_of_statement(text, found.end() if found else position)
        number += text.count("\n", position, end)
        position = end
    return lines


def _end_of_statement(text: str, position: int) -> int:
    """Past the first line's end that is in no string, array or inline table."""
    depth = 0
    for token in _TOKEN.finditer(text, position):
        found = token.group()
        if found == "\n" and depth <= 0:
            return token.end()
        depth += (found in {"[", "{"}) - (found in {"]", "}"})
    return len(text)


def _indexed(parts: List[str], counts: Dict[Tuple[Step, ...], int], opens: bool) -> Iterator[Step]:
    """The table's path with the index of each array of tables in it; `opens`: this header starts a new element."""
    path: Tuple[Step, ...] = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        yield part
        if opens and position == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            yield counts[path]
            path = (*path, counts[path])


def _parts(key: str) -> List[str]:
    return [part.strip("\"'") for part in re.findall(_KEY_PART, key)]


def _explain(document: Any, kind: Type[T], error: str) -> Tuple[Tuple[Step, ...], str, Optional[str]]:
    """Where msgspec's error is, what it says in our words, and what would be right."""
    where = _WHERE.search(error)
    said = error[: where.start()] if where else error
    tokens = _STEP.findall(where.group("path")) if where else []
    steps: List[Step] = []
    node = document
    for name, index, _ in tokens:
        if name or index:
            steps.append(name or int(index))
        else:
            steps.append(_culprit(document, kind, node, error))
        node = node[steps[-1]]
    expected = _type_at(msgspec.inspect.type_info(kind), steps)
    quoted = _QUOTED.findall(said)
    if said.startswith("Object contains unknown field"):
        near, hint = _nearest(quoted[0], _field_names(expected))
        return (*steps, quoted[0]), "unknown key" + near, hint
    if said.startswith("Object missing required field"):
        return tuple(steps), f"the key `{quoted[0]}` is missing", None
    if said.startswith("Invalid enum value"):
        near, hint = _nearest(str(node), _literals(expected))
        return tuple(steps), f"{node!r} is none of the known values" + near, hint
    types = re.fullmatch(r"Expected `(.*)`, got `(.*)`", said)
    if types:
        wanted, found = (
            " or ".join(_WORDS.get(one, one) for one in group.split(" | ") if one != "null") for group in types.groups()
        )
        return tuple(steps), f"expected {wanted}, found {found}", None
    return tuple(steps), said[:1].lower() + said[1:], None


def _culprit(document: Any, kind: Type[T], node: Dict[str, Any], error: str) -> str:
    """The error names no key of a mapping: find the one that fails alone. `node` (in `document`) keeps only it."""
    for key, value in list(node.items()):
        others = {name: node.pop(name) for name in list(node) if name != key}
        try:
            msgspec.convert(document, kind, builtin_types=_DATES)
        except msgspec.ValidationError as again:
            if str(again) == error:
                return key
        node.update(others)
        node[key] = value
    raise AssertionError(error)


def _type_at(expected: Any, steps: Iterable[Step]) -> Any:
    """The msgspec.inspect type that `steps` lead to, None where anything goes."""
    for step in steps:
        inner = None
        for one in _alternatives(expected):
            if isinstance(one, msgspec.inspect.StructType):
                inner = next((field.type for field in one.fields if field.encode_name == step), inner)
            elif isinstance(step, str):
                inner = getattr(one, "value_type", inner)
            else:
                inner = getattr(one, "item_type", inner)
        expected = inner
    return expected


def _alternatives(expected: Any) -> Tuple[Any, ...]:
    return getattr(expected, "types", (expected,))


def _field_names(expected: Any) -> List[str]:
    return [field.encode_name for one in _alternatives(expected) for field in getattr(one, "fields", ())]


def _literals(expected: Any) -> List[str]:
    return [str(value) for one in _alternatives(expected) for value in getattr(one, "values", ())]


def _nearest(word: str, known: List[str]) -> Tuple[str, Optional[str]]:
    from difflib import get_close_matches  # noqa: PLC0415  only for an error

    near = get_close_matches(word, known, n=1)
    return f", did you mean `{near[0]}`?" if near else "", "known here: " + ", ".join(known) if known else None
