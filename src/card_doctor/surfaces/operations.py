"""Operations on the values that are followed: what lists, dicts, strings and versions do."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional

from packaging.version import Version

from card_doctor.surfaces.values import CONSTANTS, UNKNOWN, Mapping, Method, Native, Sequence, Type

# Longer strings and sequences are data, not conditions.
SIZE_LIMIT = 20_000


class Partial:
    """A text of which parts are not known."""

    def __init__(self, text: str) -> None:
        self.text = text


_FIELD = re.compile(r"\{(\w*)\}")


def formatted(text: str, args: List[Any], keywords: Dict[str, Any]) -> Any:
    """What `str.format` makes of it, where only constants are put in as they are."""
    numbers = iter(range(len(args)))

    def put(match: re.Match[str]) -> str:
        name = match[1]
        number = next(numbers, len(args)) if not name else int(name) if name.isdigit() else None
        value = keywords[name] if number is None else args[number]
        return str(value) if isinstance(value, (str, int)) else "{}"

    try:
        out = _FIELD.sub(put, text)
    except LookupError:
        return Partial(text)
    return out if "{" not in out and len(out) <= SIZE_LIMIT else Partial(text)


def wrapped(value: Any, depth: int = 0) -> Any:
    """A Python value as one that is followed."""
    if isinstance(value, str):
        return value if len(value) <= SIZE_LIMIT else UNKNOWN
    if isinstance(value, (bool, int, float, type(None), Version)):
        return value
    if depth > 5 or not isinstance(value, (list, tuple, set, frozenset, dict)) or len(value) > SIZE_LIMIT:
        return UNKNOWN
    if isinstance(value, dict):
        return Mapping({key: wrapped(item, depth + 1) for key, item in value.items()})
    items = [wrapped(item, depth + 1) for item in value]
    if isinstance(value, tuple) and all(isinstance(item, CONSTANTS) for item in items):
        return tuple(items)
    kind = "list" if isinstance(value, list) else "tuple" if isinstance(value, tuple) else "set"
    return Sequence(kind, items)


def items_of(value: Any) -> Optional[List[Any]]:
    """The items that iterating gives, where all are known."""
    if isinstance(value, Sequence):
        return list(value.items) if value.exact else None
    if isinstance(value, Mapping):
        return list(value.items) if value.exact else None
    if isinstance(value, (tuple, list)):
        return list(value)
    if isinstance(value, str) and len(value) < 1000:
        return list(value)
    return None


def extend(value: Sequence, other: Any, *, sure: bool) -> None:
    items = items_of(other)
    if items is None or len(value.items) + len(items) > SIZE_LIMIT:
        if isinstance(other, (Sequence,)):
            value.items += other.items
        value.exact = False
    else:
        value.items += items
        value.exact = value.exact and (sure or not items)


def change_sequence(value: Sequence, name: str, args: List[Any], *, sure: bool) -> Any:
    if name in {"append", "add"} and len(args) == 1:
        value.items.append(args[0])
        value.exact = value.exact and sure
        return None
    if name in {"extend", "update"} and len(args) == 1:
        extend(value, args[0], sure=sure)
        return None
    if name == "remove" and len(args) == 1 and sure and value.exact and args[0] in value.items:
        value.items.remove(args[0])
        return None
    if name == "copy":
        return Sequence(value.kind, list(value.items), exact=value.exact)
    if name == "union":
        out = Sequence(value.kind, list(value.items), exact=value.exact)
        for arg in args:
            extend(out, arg, sure=True)
        return out
    if name in {"index", "count", "isdisjoint", "issubset", "issuperset", "difference", "intersection"}:
        return UNKNOWN
    value.exact = False  # pop, sort, clear, …
    return UNKNOWN


def change_mapping(value: Mapping, name: str, args: List[Any], keywords: Dict[str, Any], *, sure: bool) -> Any:
    if name == "get" and args and isinstance(args[0], (*CONSTANTS, tuple)):
        if args[0] in value.items:
            return value.items[args[0]]
        return (args[1] if len(args) > 1 else None) if value.exact else UNKNOWN
    if name == "items":
        return Sequence("list", [Sequence("tuple", [k, v]) for k, v in value.items.items()], exact=value.exact)
    if name == "keys":
        return Sequence("list", list(value.items), exact=value.exact)
    if name == "values":
        return Sequence("list", list(value.items.values()), exact=value.exact)
    if name == "copy":
        return Mapping(dict(value.items), exact=value.exact)
    if name == "update":
        new = dict(keywords)
        other = args[0] if args else None
        if isinstance(other, Mapping):
            new = {**other.items, **new}
            value.exact = value.exact and other.exact
        elif args:
            value.exact = False
        for key, item in new.items():
            value.items[key] = item if sure or key not in value.items else UNKNOWN
        value.exact = value.exact and (sure or not new)
        return None
    if name == "setdefault" and args and isinstance(args[0], (*CONSTANTS, tuple)):
        value.exact = value.exact and sure
        return value.items.setdefault(args[0], args[1] if len(args) > 1 else None)
    if name == "pop" and sure and args and isinstance(args[0], (*CONSTANTS, tuple)) and value.exact:
        return value.items.pop(args[0], args[1] if len(args) > 1 else UNKNOWN)
    value.exact = False
    return UNKNOWN


def binary(how: str, left: Any, right: Any) -> Any:
    if how == "+":
        if isinstance(left, Sequence) or isinstance(right, Sequence):
            out = Sequence(left.kind if isinstance(left, Sequence) else "list", list(items_of(left) or []))
            out.exact = items_of(left) is not None
            if isinstance(left, Sequence) and not left.exact:
                out.items = list(left.items)
            extend(out, right, sure=True)
            return out
        if isinstance(left, str) and isinstance(right, str):
            return left + right if len(left) + len(right) < SIZE_LIMIT else UNKNOWN
        if isinstance(left, tuple) and isinstance(right, tuple):
            return left + right if len(left) + len(right) < SIZE_LIMIT else UNKNOWN
        if isinstance(left, (str, Partial)) and isinstance(right, (str, Partial)):
            return Partial("".join(part if isinstance(part, str) else part.text for part in (left, right)))
    if how == "|" and is_classes(left) and is_classes(right):
        return Sequence("tuple", [*(items_of(left) or [left]), right])
    if how == "%" and isinstance(left, str):
        return Partial(left)
    numbers = (int, float)
    if isinstance(left, numbers) and isinstance(right, numbers) and max(abs(left), abs(right)) < 1e12:
        try:
            if how == "+":
                return left + right
            if how == "-":
                return left - right
            if how == "*":
                return left * right
        except (ArithmeticError, ValueError):
            return UNKNOWN
    return UNKNOWN


def is_classes(value: Any) -> bool:
    """Is it a class, or a union of classes?"""
    if isinstance(value, Sequence):
        return value.kind == "tuple" and all(map(is_classes, value.items))
    return isinstance(value, Type) or (isinstance(value, Native) and not value.path.endswith("()"))


def cut(value: Any, lower: Any, upper: Any) -> Any:
    if lower is UNKNOWN or upper is UNKNOWN or not all(isinstance(x, (int, type(None))) for x in (lower, upper)):
        return UNKNOWN
    if isinstance(value, (str, tuple)):
        return value[lower:upper]
    if isinstance(value, Sequence) and value.exact:
        return Sequence(value.kind, value.items[lower:upper])
    return UNKNOWN


_VERSION_PARTS = frozenset(
    (
        "major",
        "minor",
        "micro",
        "release",
        "base_version",
        "public",
        "local",
        "is_prerelease",
        "is_devrelease",
        "pre",
        "dev",
    )
)
_INFO_PARTS = {"major": 0, "minor": 1, "micro": 2, "releaselevel": 3}


def attribute(value: Any, name: str) -> Any:
    """An attribute of a value that is followed."""
    if isinstance(value, Version):
        return wrapped(getattr(value, name)) if name in _VERSION_PARTS else UNKNOWN
    if isinstance(value, (str, Sequence)):
        return Method(value, name)
    if isinstance(value, Mapping):
        if name == "version" and set(value.items) == {"version"}:
            return value.items["version"]  # a distribution's
        return Method(value, name)
    if isinstance(value, tuple):
        if name in _INFO_PARTS and len(value) == 5:
            return value[_INFO_PARTS[name]]
        return Method(value, name)
    return UNKNOWN
