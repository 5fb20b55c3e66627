"""What cards write for values: numbers in every notation, Python literals, nothing at all."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any, Optional, Tuple, Union

Number = Union[int, float]

# The lengths are bounded: a number of a million digits costs quadratic time, and is none.
NUMBER = (
    r"[-+]?(?:\d{1,3}(?:,\d{3}){1,6}(?![\d,])(?:\.\d{1,30})?|\d{1,20}(?:[.,]\d{1,30})?|\.\d{1,30})"
    r"(?:[eE][-+]?\d{1,4}(?!\d))?"
)
_POWER = re.compile(
    r"(?:([-+]?\d{1,9}(?:\.\d{1,9})?)\s?[x×*·]\s?)?10\s?(?:\^|\*\*)?\s?\{?\(?([-+⁻⁺]?[\d⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})\)?\}?"
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_NUMBER = re.compile(NUMBER)
_SUFFIX = re.compile(r"([kKM])(?![\w-])")
_BEFORE = re.compile(
    r"[\s≈~≃∼\"']*(?:(?:up to|about|approximately|approx\.?|around|roughly|nearly|circa|ca\.|over)\b\s*)?[≈~]?\s*",
    re.IGNORECASE,
)
_NAN = re.compile(r"(?:nan|inf|-inf|infinity)(?![\w-])", re.IGNORECASE)
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_INTEGER = re.compile(r"[-+]?\d+")
LARGEST = 2**53  # from here on JSON readers disagree about the value
ABSENT = {"", "none", "null", "n/a", "na", "-", "--", "—", "–", "~", "unknown", "tbd", "todo", "?", "...", "…"}
MORE_INFORMATION = re.compile(r"\[?more information needed\]?", re.IGNORECASE)
_MAX_LITERAL = 20_000
_MAX_DEPTH = 40


def number_at_start(text: str, *, comma: bool = False) -> Optional[Tuple[Number, str]]:
    """The number that `text` begins with, and what follows it. `comma`: the page writes 0,95 for 0.95."""
    start = _BEFORE.match(text)
    begin = start.end() if start else 0
    power = _POWER.match(text, begin)
    if power and (power.group(1) or "^" in power.group() or "⁻" in power.group() or "**" in power.group()):
        exponent = int(power.group(2).translate(_SUPERSCRIPTS))
        return float(f"{power.group(1) or 1}e{exponent}"), text[power.end() :]
    found = _NUMBER.match(text, begin)
    if found is None:
        return None
    value = to_number(found.group(), comma=comma)
    rest = text[found.end() :]
    if value is None or (rest[:1].isalnum() and not _SUFFIX.match(rest) and not _unit(rest)):
        return None  # 4bit, 2x, 1e5abc: a name, not a number
    suffix = _SUFFIX.match(rest)
    if suffix:
        value = round(value * (1000 if suffix.group(1) in "kK" else 1_000_000))
        rest = rest[suffix.end() :]
    return value, rest


def _unit(rest: str) -> bool:
    return not rest[0].isascii() and rest[0].isalpha()  # 3轮, 3エポック


def to_number(printed: str, *, comma: bool = False) -> Optional[Number]:
    """The value of what `NUMBER` matched: ``2,430`` is 2430, ``0,6876`` is 0.6876; None where it could be either of
    two, or is more than JSON can say.
    """
    if "," in printed:
        if comma or printed.lstrip("+-").startswith("0,"):
            printed = printed.replace(",", ".")
        elif _THOUSANDS.fullmatch(printed):
            printed = printed.replace(",", "")
        else:
            return None
    try:
        value: Number = int(printed) if _INTEGER.fullmatch(printed) else float(printed)
    except ValueError:
        return None
    return value if abs(value) < LARGEST else None


def is_nan(text: str) -> bool:
    return _NAN.match(text) is not None


def is_absent(text: str) -> bool:
    """Nothing is stated: empty, None, the hub's placeholder."""
    return (
        text.strip(" .'\"[]*").lower() in ABSENT
        or MORE_INFORMATION.match(text.strip()) is not None
        or text.strip().startswith("{{")
    )


def literal(text: str) -> Any:
    """A Python literal (a Keras optimizer, a tuple of SetFit), None where it is none: never evaluated."""
    text = text.strip()
    if not text or text[0] not in "([{'\"" or len(text) > _MAX_LITERAL or _depth(text) > _MAX_DEPTH:
        return None
    text = re.sub(r"(?<![\w'\"])(?:nan|inf)(?![\w'\"])", "None", text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the card's, not of ours
            return _plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _plain(value: Any) -> Any:
    """As JSON has it: lists for tuples and sets, text keys."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value if abs(value) < LARGEST else None
    return value if value is None or isinstance(value, (bool, str)) else str(value)


def scalar(text: str, *, comma: bool = False) -> Any:
    """What a generator printed after a key: a flag, a number, a tuple, else the text; None where it states nothing."""
    text = text.strip()
    if is_absent(text):
        return None
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    found = number_at_start(text, comma=comma)
    if found and not found[1].strip() and text[0] in "-+.0123456789":
        return found[0]
    value = literal(text)
    return text if value is None else value


def enum_value(text: str) -> str:
    """``OptimizerNames.ADAMW_TORCH`` is ``adamw_torch``; anything else as it is."""
    found = re.fullmatch(r"[A-Z]\w*\.([A-Z][A-Z0-9_]*)", text.strip())
    return found.group(1).lower() if found else text.strip()
