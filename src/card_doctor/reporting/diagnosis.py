"""A diagnosis for a person: what a run failed of, the lines that say so, why, and the way out."""

from __future__ import annotations

from typing import List, Optional, Sequence

from card_doctor.model import Line, Recognised
from card_doctor.reporting.json import DiagnosisDocument
from card_doctor.reporting.terminal import Page, Span

NOTICED = 5  # of what did not end the run, before the rest is only counted


def render(
    document: DiagnosisDocument,
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
    verbose: bool = False,
    quiet: bool = False,
) -> str:
    """The document as text."""
    page = Page(width, color=color, encoding=encoding)
    if quiet:
        page.whole(_one_line(document), "", indent=0)
        return page.text()
    name = "standard input" if document.log == "-" else document.log
    page.line((f"{name} ({_many(document.lines, 'line')})", "bold"))
    page.gap()
    describe(page, document, verbose=verbose)
    return page.text()


def describe(page: Page, document: DiagnosisDocument, *, verbose: bool = False) -> None:
    """The diagnosis, on a page that says what was looked at."""
    failure = next(iter((*document.failures, *document.symptoms)), None)
    if failure is None:
        _nothing(page, document.unrecognised)
    else:
        _failure(page, failure, named=verbose)
        _environment(page, document)
        _way_out(page, failure, document)
        if document.unrecognised:
            page.gap()
            page.line("The exception at the end is not known by itself:")
            _line(page, document.unrecognised)
    _briefly(page, "It ended in", [one for one in document.symptoms if one is not failure])
    _briefly(page, "Further causes in it", document.failures[1:])
    _briefly(page, "Noticed, but the run went on", document.noticed)


def _nothing(page: Page, unrecognised: Optional[Line]) -> None:
    if unrecognised is None:
        page.line("no known failure in it", prefix=[("[ok] ", "bold green")])
        return
    page.line("it ends with an exception that is not known:", prefix=[("[?] ", "bold magenta")])
    _line(page, unrecognised)


def _failure(page: Page, failure: Recognised, *, named: bool) -> None:
    spans: List[Span] = [failure.cause, (f" [{failure.signature}]", "dim")]
    page.line(*spans, prefix=[("[x] ", "bold red")])
    _line(page, failure.line)
    if failure.count > 1 and named:
        page.line(f"{failure.count} times", indent=4)
    if failure.became:
        page.line("which became", indent=4)
        _line(page, failure.became)


def _environment(page: Page, document: DiagnosisDocument) -> None:
    if document.environment is None:
        return
    page.gap()
    place = document.environment.path or document.environment.source
    if not document.findings:
        page.line(f"Nothing found in {place} explains it.")
        return
    page.line(f"Explained by what {place} has:")
    for finding in document.findings:
        needs = f"found {finding.found or 'none'}, needs {finding.needs}" if finding.needs else finding.message
        page.line(f"{finding.subject}: {needs}", (f" [{finding.id}]", "dim"), indent=4)


def _way_out(page: Page, failure: Recognised, document: DiagnosisDocument) -> None:
    page.gap()
    if document.findings and document.remedy:
        page.line("To fix it there, with all else that was found:")
        page.whole(document.remedy.command)
        return
    page.line(f"To fix it: {failure.remedy}")
    if failure.command:
        page.whole(failure.command)


def _briefly(page: Page, title: str, seen: Sequence[Recognised]) -> None:
    if not seen:
        return
    page.gap()
    page.line(f"{title}:")
    for one in seen[:NOTICED]:
        page.line(f"{one.cause}", (f" [{one.signature}]", "dim"), prefix=[f"  line {one.line.number}: "])
    if len(seen) > NOTICED:
        page.line(f"and {len(seen) - NOTICED} more", indent=2)


def _line(page: Page, line: Line) -> None:
    rank = f" ({line.rank if ' ' in line.rank else f'rank {line.rank}'})" if line.rank else ""
    page.line(line.text, prefix=[f"    line {line.number}{rank}: "])


def _one_line(document: DiagnosisDocument) -> str:
    failure = next(iter((*document.failures, *document.symptoms)), None)
    if failure:
        return f"[x] {failure.signature} at line {failure.line.number}: {failure.cause}"
    if document.unrecognised:
        return f"[?] not known: line {document.unrecognised.number}: {document.unrecognised.text}"
    return "[ok] no known failure"


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
