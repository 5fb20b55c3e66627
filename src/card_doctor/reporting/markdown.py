"""A report for a pull request, a step's summary or a merge request: tables of GitHub's Markdown."""

from __future__ import annotations

import re
from typing import Iterable, Iterator, List, Sequence

from card_doctor.model import Document, Finding, Report
from card_doctor.reporting import words
from card_doctor.reporting.plain import plain, short

MOST = 65_000  # characters: a comment on GitHub has 65536
MOST_ROWS = 40
MOST_CELL = 240
# What Markdown would obey inside a line; GitHub takes $ for mathematics.
ACTIVE = re.compile(r"([\\`*_\[\]|~$])")
# What would be HTML, a mention or a reference even with a backslash before it.
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "#": "&#35;"})
ID = re.compile(r"[a-z0-9/.-]+")


def render(document: Document, *, most: int = MOST) -> str:
    """Blocks, the most important first, as many as fit into `most` characters."""
    made: List[str] = []
    for block in _blocks(document):
        if sum(map(len, made)) + len(block) + len(made) * 2 + 100 > most:
            made.append("*The rest does not fit here.*")
            break
        made.append(block)
    return "\n\n".join(made) + "\n"


def _blocks(document: Document) -> Iterator[str]:
    yield f"### card-doctor: {escaped(words.tally(document))}"
    yield _table(("", "trains", "matches", "of"), [_verdict(report, document) for report in document.reports])
    several = len(document.reports) > 1
    for report in document.reports:
        shown = [finding for finding in report.findings if finding.severity != "note"]
        if several and (shown or words.advice(report)):
            name = words.looked_at(words.name(report), None, words.machine(report.machine))
            yield f"#### {escaped(name)}"
        if shown:
            yield _table(("", "what", "why", "id"), map(_finding, shown))
        advice = words.advice(report)
        if advice:
            sentence, command = advice
            yield escaped(sentence, 1000)
            if command:
                yield _code(command)
    for report in document.reports:
        if report.versions:
            rows = [
                [escaped(cell) for cell in (row.distribution, row.card, row.installed or "missing", row.level)]
                for row in report.versions
            ]
            table = _table(("version", "card", "installed", "level"), rows)
            title = f"Versions of {escaped(words.name(report) or '')}"
            yield f"<details><summary>{title}</summary>\n\n{table}\n\n</details>"
    for ignore in document.unused_ignores:
        yield escaped(words.unused(ignore))


def _verdict(report: Report, document: Document) -> Sequence[str]:
    of = words.looked_at(words.name(report), words.environment(document.environment), words.machine(report.machine))
    if report.error is not None:
        return tuple(map(escaped, ("[?]", "not read", report.error, of)))
    matches = f"{report.verdict.matches}: {words.why_matches(report)}" if report.card else ""
    why = words.why_trains(report, document.environment)
    cells = (words.MARKS[report.verdict.trains], f"{report.verdict.trains}: {why}", matches, of)
    return tuple(map(escaped, cells))


def _finding(finding: Finding) -> Sequence[str]:
    why = ". ".join(part.rstrip(". ") for part in (finding.message, finding.because) if part)
    why = why if finding.needs is not None else finding.because
    return finding.severity, escaped(words.headline(finding)), escaped(why), _id(short(finding.id, 200))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    made = list(rows)
    lines = [_row(header), "|" + " --- |" * len(header), *map(_row, made[:MOST_ROWS])]
    if len(made) > MOST_ROWS:
        lines += ["", f"and {len(made) - MOST_ROWS} more"]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def escaped(text: str, most: int = MOST_CELL) -> str:
    """Text that shows as it is, on one line, inside a table, a heading or a paragraph."""
    shown = ACTIVE.sub(r"\\\1", short(text, most).strip()).translate(ENTITIES)
    return shown.replace("://", "&#58;//")  # an address is shown, not followed


def _id(text: str) -> str:
    return f"`{text}`" if ID.fullmatch(text) else escaped(text)


def _code(command: str) -> str:
    """A block to copy, in a fence that nothing in it can close."""
    text = plain(command)
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}sh\n{text}\n{fence}"
