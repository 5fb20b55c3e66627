"""GitHub Actions: workflow commands that become annotations, and the summary of the step.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from typing import List, NamedTuple, Sequence

from card_doctor.model import Document, Place
from card_doctor.reporting import markdown, words
from card_doctor.reporting.located import MANIFESTS, Located, located
from card_doctor.reporting.plain import short

MOST = 10  # annotations of one kind that a step may make: the runner drops the others in silence
MOST_NAMED = 40  # of those that are merged into the last one
MOST_TEXT = 4000  # characters of one annotation
# The documented cap is 1 MiB; what is slightly under it is dropped too (actions/runner#4337).
SUMMARY_BYTES = 1_000_000


class Annotation(NamedTuple):
    place: Place
    title: str
    parts: Sequence[str]  # the first says it in one line


def render(document: Document) -> str:
    """A line a report, the errors, the warnings, then the way out. Notes are only in the summary."""
    lines = [_log(words.one_line(report, document.environment)) for report in document.reports]
    found = located(document)
    unread = [
        Annotation(Place(MANIFESTS[0], 1), "card not read", [f"{words.name(report)}: {report.error}"])
        for report in document.reports
        if report.error is not None
    ]
    for severity in ("error", "warning"):
        of_findings = [_annotation(one) for one in found if one.finding.severity == severity]
        lines += _annotations(severity, [*unread, *of_findings] if severity == "error" else of_findings)
    for report in document.reports:
        advice = words.advice(report)
        lines += [_log(" ".join(filter(None, ("Remedy:", *advice))))] if advice else []
    lines += [_log("[!] " + words.unused(ignore)) for ignore in document.unused_ignores]
    lines.append(_log("card-doctor: " + words.tally(document)))
    return "".join(f"{line}\n" for line in lines)


def summary(document: Document, taken: int = 0) -> str:
    """Markdown for $GITHUB_STEP_SUMMARY, of which `taken` bytes are written already."""
    # Four bytes are the most that a character takes.
    text = markdown.render(document, most=max(SUMMARY_BYTES - taken, 0) // 4)
    return text if taken + len(text.encode()) <= SUMMARY_BYTES else ""


def _annotation(one: Located) -> Annotation:
    report, finding = one.report, one.finding
    parts = [words.headline(finding), finding.message if finding.needs is not None else "", finding.because]
    parts += [f"Card: {words.name(report)}" if report.card else ""]
    remedy = finding.remedies[0] if finding.remedies else None
    parts += [f"Remedy: {remedy.command or words.remedy_words(remedy)}"] if remedy else []
    return Annotation(one.place, finding.id, [part for part in parts if part])


def _annotations(severity: str, made: Sequence[Annotation]) -> List[str]:
    """One a finding; where there are more than the runner takes, the last one names all others."""
    alone = made if len(made) <= MOST else made[: MOST - 1]
    rest = made[len(alone) :]
    if rest:
        named = [f"{one.parts[0]} [{one.title}]" for one in rest[:MOST_NAMED]]
        named += ["..."] if len(rest) > MOST_NAMED else []
        alone = [*alone, Annotation(rest[0].place, f"{len(rest)} more {severity}s", named)]
    return [_command(severity, one) for one in alone]


def _command(name: str, one: Annotation) -> str:
    room = MOST_TEXT // len(one.parts)
    message = "\n".join(short(part, room) for part in one.parts)
    title = short(f"card-doctor: {one.title}", 200)
    properties = (("file", one.place.file), ("line", str(one.place.line)), ("title", title))
    return f"::{name} {','.join(f'{key}={_property(value)}' for key, value in properties)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _log(text: str) -> str:
    """A line that is no command: those begin with :: (this never does), or have ##[ anywhere."""
    return short(text, MOST_TEXT).replace("##[", "## [")
