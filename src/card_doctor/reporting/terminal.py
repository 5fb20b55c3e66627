"""Lines for a terminal: wrapped, with hanging indents and colour, commands kept whole. The only user of rich."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple, Union

from rich.text import Text

from card_doctor.reporting.plain import plain

# A run of text, and how it is shown where there is colour; the words must say the same without it.
Span = Union[str, Tuple[str, str]]
# Colour only repeats what a mark or a word says.
STYLES = {
    "[ok]": "bold green",
    "[!]": "bold yellow",
    "[x]": "bold red",
    "[?]": "bold magenta",
    "error": "bold red",
    "warning": "bold yellow",
    "note": "cyan",
}
NARROWEST = 40
# What `Text.wrap` passes on to a justification that we never ask for.
_NO_CONSOLE: Any = None


class Page:
    """Collects lines and gives them as one string. Every text that it is given is made harmless first."""

    def __init__(self, width: int = 80, color: bool = False, encoding: str = "utf-8") -> None:
        self.width = max(width, NARROWEST)
        self._encoding = encoding
        self._console = _console(self.width) if color else None
        self._lines: List[Text] = []

    def line(self, *spans: Span, prefix: Sequence[Span] = (), indent: int = 0) -> None:
        """A paragraph, wrapped; its further lines start where its text does, after `indent` and `prefix`."""
        head = Text(" " * indent).append_text(self._text(prefix))
        room = max(self.width - head.cell_len, NARROWEST // 2)
        for piece in self._text(spans).wrap(_NO_CONSOLE, room, overflow="fold") or [Text()]:
            self._print(head.copy().append_text(piece))
            head = Text(" " * head.cell_len)

    def whole(self, text: str, style: str = "bold", *, indent: int = 4) -> None:
        """A command to copy, or a link: never wrapped, however narrow the terminal."""
        self._print(Text(" " * indent).append_text(self._text([(text, style)])))

    def evidence(self, text: str, *, indent: int = 0) -> None:
        """A link stays whole, since it breaks where it is wrapped; words are wrapped."""
        if " " in text:
            self.line(text, indent=indent)
        else:
            self.whole(text, "", indent=indent)

    def fits(self, *spans: Span) -> bool:
        return self._text(spans).cell_len <= self.width

    def gap(self) -> None:
        """An empty line, unless there is one already or nothing above."""
        if self._lines and self._lines[-1].plain:
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
        if self._console is None:
            return "".join(f"{line.plain}\n" for line in self._lines)
        with self._console.capture() as capture:
            for line in self._lines:
                self._console.print(line, soft_wrap=True)
        return str(capture.get())

    def _print(self, line: Text) -> None:
        line.rstrip()
        self._lines.append(line)

    def _text(self, spans: Sequence[Span]) -> Text:
        text = Text()
        for span in spans:
            words, style = (span, "") if isinstance(span, str) else span
            text.append(plain(words, self._encoding), style=style or None)
        return text


def _console(width: int) -> Any:
    # Half of what rich costs to import, and only colour needs it.
    from rich.console import Console  # noqa: PLC0415

    # no_color: whether $NO_COLOR counts was decided before.
    return Console(width=width, color_system="standard", force_terminal=True, no_color=False, legacy_windows=False)
