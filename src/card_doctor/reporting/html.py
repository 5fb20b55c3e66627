"""One page that holds all of a report: no network, no script, readable without its style.

The verdict comes first; then what was found, the card beside the environment, and its curves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple
from xml.etree import ElementTree as ET

import msgspec

from card_doctor.model import Document, Finding, Report
from card_doctor.reporting import json, words
from card_doctor.reporting.curves import beside, chart, curves
from card_doctor.reporting.markup import Node, append, element, written
from card_doctor.reporting.plain import plain

MANY = 4  # reports that stand open; more are folded under their overview
GROUPS = (("yes", "Breaks training"), ("maybe", "May break training"), ("no", "Differs"))
# What would end the element that holds the JSON, or is no JavaScript: https://html.spec.whatwg.org/#restrictions-for-contents-of-script-elements
UNSAFE = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


def render(document: Document) -> str:
    title = "card-doctor: " + _title(document)
    main = element("main", id="report")
    if len(document.reports) > 1:
        append(main, *_overview(document))
    for number, report in enumerate(document.reports):
        append(main, _section(report, document, number))
    lead = element("p", "In ", words.environment(document.environment), ". ", words.tally(document))
    return page(title, lead, main, _footer(document), json.render(document))


def page(title: str, lead: ET.Element, main: ET.Element, footer: Optional[ET.Element], data: str) -> str:
    """A page around what was found; `data` is the same as JSON."""
    style = ET.Element("style")
    style.text = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    held = ET.Element("script", {"type": "application/json", "id": "card-doctor-report"})
    held.text = data.translate(UNSAFE)
    made = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", title),
            style,
        ),
        element(
            "body",
            element("a", "Skip to the report", href="#report", class_="skip"),
            element("header", element("h1", title), lead),
            main,
            footer,
            held,
        ),
        lang="en",
    )
    return "<!DOCTYPE html>\n" + written(made) + "\n"


def _title(document: Document) -> str:
    """The answer in a line."""
    if len(document.reports) == 1 and document.reports[0].error is None:
        (report,) = document.reports
        return f"{words.name(report) or 'this environment'} - trains: {report.verdict.trains}"
    numbers: Dict[str, int] = {}
    for report in document.reports:
        answer = "not read" if report.error is not None else report.verdict.trains
        numbers[answer] = numbers.get(answer, 0) + 1
    return "trains: " + ", ".join(f"{number} x {answer}" for answer, number in numbers.items())


# Several reports


def _overview(document: Document) -> Iterable[ET.Element]:
    """Which card runs where; and what of which family stands against each."""
    cards = list(dict.fromkeys(words.name(report) or "this environment" for report in document.reports))
    machines = list(dict.fromkeys(_computer(report) for report in _read(document)))
    if len(machines) > 1:
        cells: Dict[Tuple[str, str], ET.Element] = {}
        for number, report in enumerate(document.reports):
            key = words.name(report) or "this environment", _computer(report)
            cells.setdefault(key, _answer(report, number))
        rows = [[card, *(cells.get((card, machine)) for machine in machines)] for card in cards]
        yield _table("Will it train? Each card on each machine", ("card", *machines), rows)
    if len(cards) > 1:
        families = list(dict.fromkeys(finding.family for report in document.reports for finding in report.findings))
        rows = [
            _heat(report, number, families, several=len(machines) > 1) for number, report in enumerate(document.reports)
        ]
        yield _table("What stands against each card, by family of checks", ("card", "trains", *families), rows)


def _read(document: Document) -> List[Report]:
    return [report for report in document.reports if report.error is None]


def _computer(report: Report) -> str:
    """The machine without what its card says of the precision: cards that differ in that share a column."""
    machine = report.machine
    told = "precision" in machine.assumed
    return words.machine(machine if told else msgspec.structs.replace(machine, precision=None))


def _answer(report: Report, number: int) -> ET.Element:
    trains = report.verdict.trains
    if report.error is not None:
        return element("td", element("a", "[?] not read", href=f"#report-{number}"), class_="unknown")
    return element("td", element("a", f"{words.MARKS[trains]} {trains}", href=f"#report-{number}"), class_=trains)


def _heat(report: Report, number: int, families: Sequence[str], *, several: bool) -> List[Node]:
    name = words.name(report) or "this environment"
    of = f"{name} on {_computer(report)}" if several and report.error is None else name
    row: List[Node] = [of, _answer(report, number)]
    for family in families:
        found = words.count(finding for finding in report.findings if finding.family == family)
        worst = "error" if found.error else "warning" if found.warning else "note" if found.note else None
        row.append(element("td", words.counted(found) or "-", class_=worst))
    return row


# One report


def _section(report: Report, document: Document, number: int) -> ET.Element:
    machine = words.machine(report.machine)
    title = words.looked_at(words.name(report), None, machine) if report.error is None else words.name(report)
    heading = element("h2", title or "", id=f"report-{number}-title")
    folded = len(document.reports) > MANY
    made = element("section", id=f"report-{number}", aria_labelledby=f"report-{number}-title")
    inside = made
    if folded:
        made.set("class", "folded")
        inside = element("details", element("summary", heading))
        append(made, inside)
    else:
        append(made, heading)
    if report.error is not None:
        append(inside, element("p", f"[?] not read: {report.error}", class_="unknown"))
        return made
    append(inside, _verdict(report, document), *_advice(report), *_findings(report))
    append(inside, _beside(report), *_run(report), *_curves(report, number), _checks(report))
    return made


def _verdict(report: Report, document: Document) -> ET.Element:
    trains, matches = report.verdict.trains, report.verdict.matches
    mark = words.MARKS[trains]
    made = element(
        "div",
        element(
            "p",
            element("strong", f"{mark} trains: {trains}"),
            element("span", words.why_trains(report, document.environment)),
            class_=trains,
        ),
        class_="verdict",
    )
    if report.card:
        mark = words.matches_mark(report)
        kind = next(name for name, known in words.MARKS.items() if known == mark)
        told = element("strong", f"{mark} matches: {matches}"), element("span", words.why_matches(report))
        append(made, element("p", *told, class_=kind))
    return made


def _advice(report: Report) -> Iterable[ET.Element]:
    advice = words.advice(report)
    if advice:
        sentence, command = advice
        yield element("p", sentence)
        if command:
            yield element("pre", element("code", command))


def _findings(report: Report) -> Iterable[ET.Element]:
    """Grouped by what they do to the training, the worst first; notes are folded."""
    for breaks, title in GROUPS:
        group = [one for one in report.findings if one.breaks == breaks and one.severity != "note"]
        if group:
            yield element("h3", f"{title} ({len(group)})")
            yield from (_finding(one, report) for one in group)
    notes = [one for one in report.findings if one.severity == "note"]
    for title, group in (("Notes", notes), ("Ignored", [one.finding for one in report.ignored])):
        if group:
            folded = element("details", element("summary", f"{title} ({len(group)})"))
            append(folded, *(_finding(one, report) for one in group))
            yield folded


def _finding(finding: Finding, report: Report) -> ET.Element:
    made = element(
        "article",
        element("h4", element("span", finding.severity, class_=f"badge {finding.severity}"), words.headline(finding)),
        class_=finding.severity,
    )
    if finding.needs is not None:
        append(made, element("p", finding.message))
    if finding.because:
        append(made, element("p", finding.because))
    if finding.details:
        append(made, element("ul", *(element("li", detail) for detail in finding.details)))
    facts = element("dl")
    for remedy in finding.remedies:
        text = remedy.command or words.remedy_words(remedy)
        append(facts, element("dt", "Remedy"), element("dd", element("code", text) if remedy.command else text))
    if finding.at and not words.in_catalogue(finding, report.card):
        line = f", line {finding.at.line}" if finding.at.line else ""
        append(facts, element("dt", "Stated at"), element("dd", f"{finding.at.file}{line}"))
    for evidence in finding.evidence:
        append(facts, element("dt", "Evidence"), element("dd", _link(evidence)))
    append(facts, element("dt", "Known as"), element("dd", element("code", finding.id)))
    append(made, facts)
    return made


def _link(text: str) -> Node:
    """An address that leads to the web is followed; whatever else is only shown."""
    return element("a", text, href=text, rel="noreferrer") if text.startswith("https://") and text.isascii() else text


def _beside(report: Report) -> Optional[ET.Element]:
    """The card beside the environment and the machine, difference by difference."""
    rows: List[List[Node]] = [
        [row.distribution, row.card, row.installed or "missing", _level(row.level)] for row in report.versions
    ]
    card = report.card
    if card is None:
        return None
    precision = card.precision.raw or card.precision.mode if card.precision else None
    rows.append(["precision", precision or "not stated", report.machine.precision or "not known", ""])
    stated = ", ".join(f"{key}: {value}" for key, value in card.hardware.items())
    rows.append(["GPU", stated or "not stated", words.accelerators(report.machine.accelerators), ""])
    title = f"{card.name} beside this environment"
    return _table(title, ("", "the card", "here", "difference"), rows, heading="The card beside the environment")


def _level(level: str) -> ET.Element:
    kinds = {"missing": "no", "range-missed": "at-risk", "unreadable": "unknown"}
    same = level in {"exact", "same-release", "range-met"}
    return element("td", level, class_="yes" if same else kinds.get(level, "at-risk"))


def _run(report: Report) -> Iterable[ET.Element]:
    """The run beside the card: each parameter and each score."""
    run = report.run
    if run is None:
        return
    marks = {"same": "yes", "within": "yes", "unknown": "unknown"}
    parameters: List[List[Node]] = [
        [
            row.parameter,
            row.card,
            row.run or "not known",
            element("td", row.level, class_=marks.get(row.level, "at-risk")),
        ]
        for row in run.parameters
    ]
    scores: List[List[Node]] = [
        [
            row.metric,
            f"{row.card:.4g}",
            f"{row.run:.4g}",
            element("td", row.level, class_=marks.get(row.level, "at-risk")),
        ]
        for row in run.scores
    ]
    if parameters:
        yield _table("Its parameters", ("", "the card", "the run", ""), parameters, heading="The run beside the card")
    if scores:
        yield _table("Its scores", ("", "the card", "the run", ""), scores)
    for answer in run.answers:
        causes = (element("li", f"{one.verdict}: {one.cause} ({one.because})") for one in answer.causes)
        yield element("p", f"{answer.case}: {answer.seen}. Try first: {answer.first}")
        yield element("ul", *causes)


def _curves(report: Report, number: int) -> Iterable[ET.Element]:
    card, run = report.card, report.run
    results = card.results if card else ()
    drawn = beside(results, run.results) if run and run.results else curves(results)
    if not drawn:
        return
    yield element("h3", "The run's curves beside the card's" if run and run.results else "The card's results")
    for index, (title, lines) in enumerate(drawn.items()):
        yield element("p", title, class_="soft")
        yield chart(title, lines, f"chart-{number}-{index}")
    tables = [(f"Results of {card.name}", card.results)] if card else []
    tables += [("Results of the run", run.results)] if run else []
    numbers = [_numbers(title, rows) for title, rows in tables if rows]
    yield element("details", element("summary", "The same as numbers"), *numbers)


def _numbers(title: str, results: Sequence[Mapping[str, Any]]) -> ET.Element:
    columns = list(dict.fromkeys(name for row in results for name in row))
    rows: List[List[Node]] = [["" if row.get(name) is None else str(row[name]) for name in columns] for row in results]
    return _table(title, columns, rows)


def _checks(report: Report) -> Optional[ET.Element]:
    if not report.checks:
        return None
    rows: List[List[Node]] = [[one.id, one.outcome, one.reason or ""] for one in report.checks]
    name = words.looked_at(words.name(report), None, words.machine(report.machine))
    table = _table(f"Checks of {name}", ("check", "outcome", "reason"), rows)
    return element("details", element("summary", f"Every check ({len(rows)})"), table)


def _footer(document: Document) -> ET.Element:
    tool, policy = document.tool, document.policy
    made = element(
        "footer",
        element("p", f"Judged by {tool.name} {tool.version}, matrices {tool.matrices}; match {policy.match}."),
    )
    gaps = document.environment.gaps
    if gaps:
        items = (element("li", f"{gap.fact}: {gap.reason} {gap.detail}") for gap in gaps)
        append(made, element("details", element("summary", f"Not read ({len(gaps)})"), element("ul", *items)))
    for ignore in document.unused_ignores:
        append(made, element("p", f"[!] {words.unused(ignore)}"))
    return made


def _table(
    title: str, header: Sequence[str], rows: Iterable[Sequence[Node]], heading: Optional[str] = None
) -> ET.Element:
    """A table in a frame of its own, which scrolls where the screen is narrow. A row's first cell is its heading."""
    body = element("tbody")
    for first, *others in rows:
        cells = (cell if isinstance(cell, ET.Element) and cell.tag == "td" else element("td", cell) for cell in others)
        append(body, element("tr", element("th", first, scope="row"), *cells))
    head = (element("th", name, scope="col") if name else element("td") for name in header)
    table = element("table", element("caption", title), element("thead", element("tr", *head)), body)
    frame = element("div", table, class_="wide", tabindex="0", role="region", aria_label=plain(title))
    return element("div", element("h3", heading), frame) if heading else frame
