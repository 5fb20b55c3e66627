"""A rendered page (HTML) as the lines of Markdown that it was rendered from, each with its line in the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Dict, List, Optional, Tuple

Numbered = Tuple[int, str]

_PAGE = re.compile(
    r"\s{0,100}(?:<!--.{0,1000}?-->\s{0,100})?<(?:!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
# A "<" that begins no tag: html.parser would look for its end again and again, in quadratic time.
_NO_TAG = re.compile(r"<(?![a-zA-Z/!][^<>]*>)")
_HIDDEN = ("script", "style", "svg", "head", "template", "nav", "noscript")
_BLOCKS = {
    "p", "div", "section", "article", "ul", "ol", "dl", "dt", "dd", "table", "tr", "br", "hr", "details", "summary",
    "blockquote", "main", "header", "footer", "figure", "form", "aside",
}  # fmt: skip

# Those that end a line, but no paragraph.
_LINES = {"li", "dt", "dd", "tr", "br", "summary"}
_HEADINGS: Dict[str, str] = {f"h{level}": "#" * level + " " for level in range(1, 7)}


def is_html(text: str) -> bool:
    return _PAGE.match(text) is not None


def lines_of(text: str) -> List[Numbered]:
    """The page's text: headings with ``#``, list items with ``-``, table rows with ``|``, code in fences."""
    reader = _Reader()
    reader.feed(_NO_TAG.sub("&lt;", without(text, "<!--", "-->")))
    reader.close()
    reader.end_line()
    return reader.lines


def without(text: str, start: str, end: str) -> str:
    """`text` without what stands between `start` and `end`; its line ends stay. Linear, also where nothing ends."""
    if start not in text:
        return text
    kept, position = [], 0
    while True:
        begin = text.find(start, position)
        close = text.find(end, begin + len(start)) if begin >= 0 else -1
        if close < 0:
            kept.append(text[position:])
            return "".join(kept)
        kept.append(text[position:begin])
        kept.append("\n" * text.count("\n", begin, close))
        position = close + len(end)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: List[Numbered] = []
        self._parts: List[str] = []
        self._line = 1
        self._prefix = ""
        self._hidden = 0
        self._code = 0
        self._cells = 0

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:  # noqa: ARG002  html.parser's
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in {"td", "th"}:
            self._cells += 1
            self._add(" | ", self.getpos()[0])
        elif tag == "pre":
            self.end_line()
            self._code += 1
            self.lines.append((self.getpos()[0], "```"))
        elif tag == "li":
            self.end_line()
            self._prefix = "- "
        elif tag in _HEADINGS:
            self.end_line()
            self._prefix = _HEADINGS[tag]
        elif tag in _BLOCKS and self._cells and tag not in {"tr", "table"}:
            self._parts.append(" ")
        elif tag in _BLOCKS:
            self.end_line(blank=tag not in _LINES)

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag == "tr":
            if self._cells:
                self._parts.append(" |")
            self.end_line()
        elif tag == "pre" and self._code:
            self.end_line()
            self._code -= 1
            self.lines.append((self.getpos()[0], "```"))
        elif tag in _HEADINGS or tag == "li" or (tag in _BLOCKS and not self._cells):
            self.end_line(blank=tag not in _LINES)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        first = self.getpos()[0]
        for offset, piece in enumerate(data.split("\n")):
            if offset and (self._code or not (self._cells or self._prefix)):
                self.end_line()
            elif offset:
                self._parts.append(" ")
            if piece.strip():
                self._add(piece, first + offset)

    def _add(self, text: str, line: int) -> None:
        if not self._parts:
            self._line = line
        self._parts.append(text)

    def end_line(self, *, blank: bool = False) -> None:
        text = "".join(self._parts).strip()
        if text:
            self.lines.append((self._line, self._prefix + text))
            self._prefix = ""
        if blank and self.lines and self.lines[-1][1]:
            self.lines.append((self.getpos()[0], ""))
        self._parts = []
        self._cells = 0
