"""Lines for a terminal: wrapped, with hanging indents and colour, commands kept whole. The only user of rich."""

from __future__ import annotations

import io
from typing import Optional, Sequence, Tuple, Union

from rich.console import Console
from rich.text import Text

from card_doctor.reporting.plain import plain

# A run of text, and how it is shown where there is colour; the words must say the same without it.
Span = Union[str, Tuple[str, str]]
NARROWEST = 40


class Page:
    """Collects lines and gives them as one string. Every text that it is given is made harmless first."""

    def __init__(self, width: int = 80, color: bool = False, encoding: str = "utf-8") -> None:
        self.width = max(width, NARROWEST)
        self._encoding = encoding
        self._file = io.StringIO()
        self._console = Console(
            file=self._file,
            width=self.width,
            color_system="standard" if color else None,
            force_terminal=color,
            legacy_windows=False,
        )
        self._last = ""

    def line(self, *spans: Span, prefix: Sequence[Span] = (), indent: int = 0) -> None:
        """A paragraph, wrapped; its further lines start where its text does, after `indent` and `prefix`."""
        head = Text(" " * indent).append_text(self._text(prefix))
        room = max(self.width - head.cell_len, NARROWEST // 2)
        for piece in self._text(spans).wrap(self._console, room, overflow="fold") or [Text()]:
            self._print(head.copy().append_text(piece))
            head = Text(" " * head.cell_len)

    def whole(self, command: str, *, indent: int = 4) -> None:
        """A command to copy: never wrapped, however narrow the terminal."""
        self._print(Text(" " * indent).append_text(self._text([(command, "bold")])))

    def fits(self, *spans: Span) -> bool:
        return self._text(spans).cell_len <= self.width

    def gap(self) -> None:
        """An empty line, unless there is one already or nothing above."""
        if self._last:
            self._print(Text())

    def table(self, rows: Sequence[Sequence[str]], *, header: Optional[Sequence[str]] = None, indent: int = 0) -> None:
        """Columns as wide as what is in them, the last one wrapped."""
        shown = [[self._text([cell]) for cell in row] for row in ([header, *rows] if header else rows)]
        widths = [max(cell.cell_len for cell in column) + 2 for column in zip(*shown)]
        for number, row in enumerate(shown):
            style = "bold" if header and number == 0 else ""
            cells = [(cell.plain + " " * (width - cell.cell_len), style) for cell, width in zip(row, widths)]
            self.line((row[-1].plain, style), prefix=cells[:-1], indent=indent)

    def text(self) -> str:
        return self._file.getvalue()

    def _print(self, line: Text) -> None:
        line.rstrip()
        self._last = line.plain
        self._console.print(line, no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)

    def _text(self, spans: Sequence[Span]) -> Text:
        text = Text()
        for span in spans:
            words, style = (span, "") if isinstance(span, str) else span
            text.append(plain(words, self._encoding), style=style or None)
        return text
