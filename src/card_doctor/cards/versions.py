"""Versions in a line: a known name, a separator that cards use, and a version or a range.

From the version backwards: what stands before it must be a name, whole, so that neither ``PyTorch Lightning 1.8.6``
nor ``pytorch-fid 0.3.0`` is torch.
"""

from __future__ import annotations

import re
from typing import Iterator, List, NamedTuple, Optional, Tuple

from card_doctor.cards.names import DISTRIBUTIONS, LONGEST, SCORED, normal


class Stated(NamedTuple):
    """`name` a distribution, or ``cuda``; `version` as printed, ``>=`` for "or higher"; `raw` the words of the card."""

    name: str
    version: str
    raw: str
    start: int


_RELEASE = r"\d{1,8}(?:\.\d{1,10}){1,5}"
_PARTS = r"(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|post|dev|nv)\.?\d{0,10}(?:\.\d{1,4})?){0,3}"
_LOCAL = r"(?:\+[A-Za-z0-9]{1,40}(?:[._-][A-Za-z0-9]{1,40}){0,6}|\s?\+\s?(?:cu\d{2,3}|cpu|rocm[\d.]{1,8})(?![\w.]))?"
_VERSION = rf"{_RELEASE}(?:{_PARTS}(?![A-Za-z_])){_LOCAL}"
_OPERATOR = r"(?:===|==|~=|!=|>=|<=|=>|≥|≤|>|<|\^)"
_FOUND = re.compile(
    rf"(?:(?P<operator>{_OPERATOR})\s{{0,3}})?"
    rf"(?<![\w+])(?<!\d\.)v?(?P<version>{_VERSION}|(?:(?<=[<>=≥≤^])|(?<=[<>=≥≤^]\s)|(?<=[Pp]ython\s))\d{{1,4}}(?![\w.]))"
    rf"(?P<more>(?:\s{{0,2}},\s{{0,2}}{_OPERATOR}\s{{0,2}}{_RELEASE}\w{{0,10}}){{0,4}})"
)
_BRACKET = re.compile(rf"\s{{0,2}}\(\s{{0,2}}v?({_VERSION})\s{{0,2}}\)")
_FLOOR = re.compile(
    r"\+(?![\w.])|\s{0,3}\(?(?:or (?:higher|later|newer|above|greater|more recent|up)"
    r"|and (?:above|higher|later|newer|up|over)|及以上|以上|或更高|以降|이상|или выше|и выше|ou superior"
    r"|ou plus|o superior|oder höher|oder neuer|trở lên)",
    re.IGNORECASE,
)
_ARROW = re.compile(rf"\s{{0,3}}(?:→|->|=>|⟶|➜)\s{{0,3}}v?({_VERSION})")
# Between a name and its version.
_SEPARATOR = re.compile(
    r"(?:\s|[:=|(\[`'\"*]|\bv\b\.?|\bversions?\b|\bver\.|版本|버전|バージョン|版){0,12}$", re.IGNORECASE
)
_WORDS = re.compile(r"[A-Za-z][\w.+&-]*")
# A word before a name that does not make it another name.
_BEFORE_NAME = {
    "a", "and", "are", "at", "as", "by", "for", "from", "frameworks", "framework", "hf", "hugging", "face",
    "huggingface", "in", "is", "install", "installed", "least", "libraries", "library", "needs", "of", "on", "or",
    "package", "packages", "requires", "require", "running", "run", "software", "tested", "that", "the", "this", "to",
    "under", "use", "used", "uses", "using", "version", "versions", "via", "with", "e", "et", "y", "und", "com",
    "mit", "backend", "pip", "conda", "dependencies", "environment", "requirements", "stack", "local", "trained",
    "base", "ml", "cpu", "gpu", "cuda", "official", "nvidia",
}  # fmt: skip
_WINDOW = 64


def versions_in(text: str) -> Iterator[Stated]:
    """Every version that stands behind a known name."""
    position = 0
    for found in _FOUND.finditer(text):
        if found.start() < position:
            continue
        window = max(position, found.start() - _WINDOW)
        name, begin = _name_before(text, window, found.start(), glued=found.group("operator") is not None)
        if name is None:
            continue
        version, end = _whole(text, found)
        if name in SCORED and found.group("operator") is None and found.group("version").count(".") < 2:
            continue
        position = end
        if version:
            for one in version:
                yield Stated(name, one, text[begin:position].strip(), begin)


def plain_version(text: str, *, bare: bool = False) -> Optional[str]:
    """The version that `text` begins with; `bare` takes a single number too (a table cell, ``Python: 3``)."""
    found = _FOUND.match(text.strip(" `'\"(["))
    if found is None:
        return None
    if not bare and "." not in found.group("version"):
        return None
    version, _ = _whole(found.string, found)
    return version[0] if len(version) == 1 else None


def _whole(text: str, found: re.Match[str]) -> Tuple[List[str], int]:
    """The version or range that begins here as a card states it, and where it ends; two for ``4.18 → 4.20``."""
    version = re.sub(r"\s", "", found.group("version"))
    operator = {None: "", "==": "", "===": "", "=>": ">=", "≥": ">=", "≤": "<=", "^": "~="}.get(
        found.group("operator"), found.group("operator") or ""
    )
    end = found.end()
    more = re.sub(r"\s", "", found.group("more") or "")
    arrow = _ARROW.match(text, end)
    if arrow:
        return [version, arrow.group(1)], arrow.end()
    bracket = _BRACKET.match(text, end)
    if bracket and not operator and not more:  # Python 3 (3.8.3)
        return [bracket.group(1)], bracket.end()
    floor = _FLOOR.match(text, end)
    if floor and not operator:
        return [f">={version}"], floor.end()
    if "." not in version and not operator and not floor:
        return [], end
    return [f"{operator}{version}{more}"], end


def _name_before(text: str, start: int, end: int, *, glued: bool) -> Tuple[Optional[str], int]:
    """The known name whose last word ends, but for a separator, at `end`, and where it begins; `glued`: needs none."""
    window = text[start:end]
    separator = _SEPARATOR.search(window)
    if separator is None:
        return None, end
    window = window[: separator.start()]
    alias = re.search(r"\(([A-Za-z][\w .-]{0,30})\)\s?$", window)  # torch (PyTorch) 1.9
    if alias:
        window = window[: alias.start()].rstrip()
    words = list(_WORDS.finditer(window))
    if not (separator.group() or glued) or not words or words[-1].end() != len(window):
        return None, end
    if words[-1].group().endswith((".", "&")):
        return None, end
    for count in range(min(LONGEST, len(words)), 0, -1):
        first = words[-count]
        called = window[first.start() :]
        if count > 1 and re.search(r"[^\w .&-]", called):
            continue
        name = "cuda" if normal(called) in {"cuda", "cuda-toolkit", "cudatoolkit", "nvidia-cuda"} else None
        name = name or DISTRIBUTIONS.get(normal(called))
        if name is not None:
            return (None, end) if _part_of_another(window, words, count) else (name, start + first.start())
    return None, end


def _part_of_another(window: str, words: List[re.Match[str]], count: int) -> bool:
    """Does what stands before make it another package: ``open-clip-torch``, ``Foo Transformers``?"""
    begin = words[-count].start()
    if begin and window[begin - 1] in "-_./@#":
        return True
    if len(words) == count:
        return False
    before = words[-count - 1]
    between = window[before.end() : begin]
    word = before.group()
    if between.strip(" "):
        return False
    return word[0].isupper() and word.lower() not in _BEFORE_NAME
