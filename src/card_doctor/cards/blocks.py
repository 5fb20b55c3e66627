"""A card's text as blocks, by lines and with their numbers: headings, list items, lines of prose, tables, code.

No Markdown library: lists indented by four spaces are code to it and carry facts to us, and what it renders has lost
its lines.
"""

from __future__ import annotations

import html
import re
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from card_doctor.cards.markup import Numbered, lines_of, without
from card_doctor.cards.text import printable

MAX_LINE = 20_000  # an article on one line is shorter; what is longer is data


class Heading(NamedTuple):
    level: int
    text: str
    number: int


class Line(NamedTuple):
    """A list item (`bullet`) or a line of prose."""

    text: str
    number: int
    bullet: bool


class Blank(NamedTuple):
    number: int


class Table(NamedTuple):
    """Cells by row; the first row is the header if `header`."""

    rows: List[List[str]]
    numbers: List[int]
    header: bool


class Code(NamedTuple):
    language: str
    lines: List[Numbered]


Block = Union[Heading, Line, Blank, Table, Code]

_FENCE = re.compile(r"[ \t>]{0,40}(`{3,20}|~{3,20})[ \t]{0,10}([\w+.-]{0,40})")
_HEADING = re.compile(r"[ \t>]{0,12}(#{1,6})[ \t]+(.*)")
_UNDERLINE = re.compile(r"[ \t]{0,3}(?:={3,}|-{3,})[ \t]*$")
_BULLET = re.compile(r"[ \t>]*(?:[-*+•‣◦▪●■∙·–○⁃]|\(?\d{1,3}[.)])(?:[ \t]+|(?=\*\*))")
_DELIMITER = re.compile(r"[\s:|+-]+$")
_BIBTEX = re.compile(r"\s{0,20}@[a-zA-Z]{3,20}\{")
_TAGS = re.compile(r"</?[a-zA-Z][^<>]{0,1000}>")
_IMAGE = re.compile(r"!\[[^\[\]]{0,300}\]\([^()]{0,1000}\)")
_LINK = re.compile(r"\[([^\[\]]{0,300})\]\([^()\s]{0,1000}(?:\s\"[^\"]{0,200}\")?\)")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|~>$%])")
_EMPHASIS = re.compile(r"\*\*+|`+|(?<!\w)__(?=\w)|(?<=\w)__(?!\w)|(?<![\w*])\*(?=\S)|(?<=[\w.:)])\*(?![\w*])")
_MATH = re.compile(r"\\[()]")
_PAIR = re.compile(r"[^:=]{1,80}[:=]\s{0,3}[\d.+-]")  # a line of a report, ruled off: no heading
_MARKED = re.compile(r"[*`_\\\[<&$（）：，。％＝～＋－\u00a0\u2212\u3000]")
_WIDE = str.maketrans("（）：，％＝～＋－｜\u00a0\u2212\u3000", "():,%=~+-|\u0020-\u0020")
_GLUED = re.compile(r"(?i)(?<![\w.-])(python|pytorch|torch|cuda|tensorflow|transformers)(?=\d{1,2}\.\d)")


def clean(text: str) -> str:
    """A line as a reader sees it: links to their text, no emphasis, no tags, full-width signs as ASCII."""
    if _MARKED.search(text):
        if "<" in text:
            text = _TAGS.sub(" ", text)
        if "&" in text:
            text = printable(html.unescape(text))
        if "[" in text:
            text = _LINK.sub(r"\1", _IMAGE.sub("", text))
        math = "$" in text or "\\(" in text
        if math and "^" in text:
            text = _MATH.sub("", text)
        text = _ESCAPED.sub(r"\1", text)
        text = text.translate(_WIDE)
        text = _EMPHASIS.sub("", text)
        if math:
            text = text.replace("\\times", "x").replace("\\approx", "≈").replace("$", "")
    return _GLUED.sub(r"\1 ", text).strip()


def blocks(lines: Sequence[Numbered]) -> Iterator[Block]:
    """The blocks in order; nothing is read twice."""
    ends = _fences(lines)
    index, bibtex = 0, False
    while index < len(lines):
        number, raw = lines[index]
        raw = raw[:MAX_LINE]
        index += 1
        if not raw or raw.isspace():
            bibtex = False
            yield Blank(number)
            continue
        fence = ends.get(index - 1)
        if fence is not None:
            end, closed = fence
            opening = _FENCE.match(raw)
            language = opening.group(2).lower() if opening else ""
            yield Code(language, list(lines[index:end]))
            index = end + closed
            continue
        if bibtex or _BIBTEX.match(raw):
            bibtex = raw.strip() != "}"
            continue
        heading = _HEADING.match(raw)
        if heading:
            yield Heading(len(heading.group(1)), clean(heading.group(2).rstrip("# ")), number)
            continue
        following = lines[index][1][:MAX_LINE] if index < len(lines) else ""
        if "|" in raw and (raw.lstrip().startswith("|") or _is_delimiter(following)):
            index, table = _table(lines, index - 1)
            if table.rows:
                yield table
            continue
        bullet = _BULLET.match(raw)
        text = clean(raw[bullet.end() :] if bullet else raw)
        ruled = bullet is None and _UNDERLINE.match(following) is not None and not _UNDERLINE.match(raw)
        if ruled and len(text) < 120 and not _PAIR.match(text):
            yield Heading(1 if "=" in following else 2, text, number)
            index += 1
            continue
        if text:
            yield Line(text, number, bullet is not None)


def numbered(text: str) -> List[Numbered]:
    """Markdown's lines from 1, without its comments; a table in HTML as its rows."""
    lines = list(enumerate(without(text, "<!--", "-->").split("\n"), start=1))
    if "<table" not in text:
        return lines
    found: List[Numbered] = []
    start: Optional[int] = None
    for index, (_, raw) in enumerate(lines):
        if start is None and "<table" in raw:
            start = index
        if start is None:
            found.append(lines[index])
        elif "</table" in raw:
            rows = lines_of("\n".join(line for _, line in lines[start : index + 1]))
            found += [(number + lines[start][0] - 1, row) for number, row in rows]
            start = None
    return found + (lines[start:] if start is not None else [])


def _fences(lines: Sequence[Numbered]) -> dict[int, Tuple[int, int]]:
    """Where each fence opens: the index that its code ends at, and 1 if a closing line stands there. One that is
    never closed ends at the first blank line: its facts are not to be lost with the mark.
    """
    ends = {}
    opened: Optional[Tuple[int, str]] = None
    for index, (_, raw) in enumerate(lines):
        if "```" not in raw[:80] and "~~~" not in raw[:80]:
            continue
        found = _FENCE.match(raw)
        if found is None or "`" in raw[found.end(1) : MAX_LINE]:
            continue
        mark, language = found.groups()
        if opened is None:
            opened = (index, mark)
        elif language and len(mark) <= len(opened[1]):  # one that closes names no language
            ends[opened[0]] = (_first_blank(lines, opened[0], index), 0)
            opened = (index, mark)
        elif mark[0] == opened[1][0] and len(mark) >= len(opened[1]):
            ends[opened[0]] = (index, 1)
            opened = None
    if opened is not None:
        ends[opened[0]] = (_first_blank(lines, opened[0], len(lines)), 0)
    return ends


def _first_blank(lines: Sequence[Numbered], start: int, end: int) -> int:
    return next((index for index in range(start, end) if not lines[index][1].strip()), end)


def _is_delimiter(raw: str) -> bool:
    return "-" in raw and ("|" in raw or "+" in raw) and _DELIMITER.match(raw) is not None


def _table(lines: Sequence[Numbered], index: int) -> Tuple[int, Table]:
    """The table that starts at `index`, and the index after it."""
    rows: List[List[str]] = []
    numbers: List[int] = []
    header = False
    while index < len(lines):
        number, raw = lines[index]
        raw = raw[:MAX_LINE]
        if "|" not in raw or _HEADING.match(raw):
            break
        if _is_delimiter(raw):
            header = header or len(rows) == 1
        else:
            rows.append(_cells(clean(raw.replace("\\|", "¦"))))
            numbers.append(number)
        index += 1
    if not header and len(rows) > 1:  # one without its delimiter: names above, numbers below
        header = not _has_number(rows[0]) and len(rows[0]) > 2 and _has_number(rows[1])
    return index, Table(rows, numbers, header)


def _cells(text: str) -> List[str]:
    text = text.strip()
    text = text.removeprefix("|")
    text = text.removesuffix("|")
    return [cell.strip().replace("¦", "|") for cell in text.split("|")]


def _has_number(cells: Sequence[str]) -> bool:
    return any(cell[:1].isdigit() or cell[:2].lstrip("-").isdigit() for cell in cells)
