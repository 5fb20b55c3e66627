"""The words that every format shares: what was looked at, the verdict and why, a finding in one line, the way out."""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from card_doctor.model import (
    Accelerator,
    Card,
    Counts,
    Document,
    Environment,
    Finding,
    Ignore,
    Machine,
    Remedy,
    Report,
    VersionRow,
)
from card_doctor.model.report import DECISIVE

# What follows the name in a requirement (PEP 508)
_SPECIFIER = re.compile(r"[<>=!~\[;@ (]")

MARKS = {"yes": "[ok]", "at-risk": "[!]", "no": "[x]", "unknown": "[?]"}


def looked_at(name: Optional[str], place: Optional[str], machine: str) -> str:
    inside = f" in {place}" if name and place else place or ""
    return f"{name or ''}{inside} on {machine}".strip()


def name(report: Report) -> Optional[str]:
    return report.card.name if report.card else None


def environment(environment: Environment) -> str:
    python = f"Python {environment.python}" if environment.python else "Python not known"
    named = "" if environment.complete else " named"
    kind = "" if environment.source == "interpreter" else f"{environment.source}: "
    return f"{place(environment)} ({kind}{python}, {many(environment.packages, 'package')}{named})"


def place(environment: Environment) -> str:
    return environment.path or environment.source


def machine(machine: Machine) -> str:
    told = machine.assumed
    facts = [accelerators(machine.accelerators) + (" (assumed)" if "gpu" in told else "")]
    if machine.driver:
        facts.append(f"driver {machine.driver}" + (" (assumed)" if "driver" in told and "gpu" not in told else ""))
    if machine.precision:
        facts.append(machine.precision + (" (assumed)" if "precision" in told else ""))
    return ", ".join(facts)


def accelerators(accelerators: Optional[Sequence[Accelerator]]) -> str:
    if accelerators is None:
        return "an unknown GPU"
    if not accelerators:
        return "a machine without a GPU"
    numbers: Dict[str, int] = {}
    for one in accelerators:
        numbers[one.name] = numbers.get(one.name, 0) + 1
    return " + ".join(f"{number} x {name}" if number > 1 else name for name, number in numbers.items())


def one_line(report: Report, environment: Environment) -> str:
    """All of a report that fits on a line: the verdict, how much was found, what was looked at."""
    if report.error is not None:
        return f"[?] not read - {name(report)}: {report.error}"
    parts = [f"trains: {report.verdict.trains}"]
    parts += [f"matches: {report.verdict.matches}"] if report.card else []
    parts += [number] if (number := counted(count(report.findings))) else []
    what = looked_at(name(report), place(environment), accelerators(report.machine.accelerators))
    return f"{MARKS[report.verdict.trains]} {', '.join(parts)} - {what}"


# The verdict


def why_trains(report: Report, environment: Environment) -> str:
    for trains, breaks, singular, plural in (
        ("no", "yes", "breaks", "break"),
        ("at-risk", "maybe", "may break", "may break"),
    ):
        if report.verdict.trains == trains:
            ignored = sum(one.finding.breaks == breaks for one in report.ignored)
            number = ignored + sum(finding.breaks == breaks for finding in report.findings)
            verb = singular if number == 1 else plural
            return f"{many(number, 'finding')} {verb} training" + (f" ({ignored} of them ignored)" if ignored else "")
    if report.verdict.trains == "unknown":
        if report.card is None and environment.torch is None:
            return "there is neither a card nor a torch to judge"
        return lacking(report) or "nothing was checked that could tell"
    passed = sum(result.outcome in {"passed", "found"} for result in report.checks)
    return f"nothing found that breaks training ({many(passed, 'check')})"


def lacking(report: Report) -> str:
    """The facts that `trains` lacked, the plainest first, and the checks that crashed."""
    checks = [result for result in report.checks if result.id.partition("/")[0] in DECISIVE]
    reasons = {result.reason or result.id for result in checks if result.outcome == "unknown"}
    facts = sorted({reason.replace("not known: ", "", 1) for reason in reasons}, key=lambda fact: (len(fact), fact))
    more = [f"and {len(facts) - 3} more"] if len(facts) > 3 else []
    parts = ["not known: " + "; ".join([*facts[:3], *more])] if facts else []
    parts += [f"{result.id} crashed" for result in checks if result.outcome == "crashed"]
    return "; ".join(parts)


def matches_mark(report: Report) -> str:
    """As strict as the policy was: the findings of `versions/` are what it made of the differences."""
    severities = {finding.severity for finding in report.findings if finding.family == "versions"}
    if "error" in severities:
        return "[x]"
    if "warning" in severities:
        return "[!]"
    return "[?]" if report.verdict.matches == "unknown" else "[ok]"


def why_matches(report: Report) -> str:
    if not report.versions:
        return "no version that the card states could be compared"
    differing = [row for row in report.versions if row.level not in {"exact", "same-release", "range-met"}]
    if not differing:
        return f"the {many(len(report.versions), 'version')} that the card states"
    return ", ".join(map(_difference, differing))


def _difference(row: VersionRow) -> str:
    return f"{row.distribution} {row.installed or 'missing'} (card: {row.card})"


# What was found


def headline(finding: Finding) -> str:
    if finding.needs is None:
        return f"{finding.subject}: {finding.message}"
    found = f"found {finding.found}" if finding.found is not None else "not found"
    return f"{finding.subject}: {found}, needs {finding.needs}"


def in_catalogue(finding: Finding, card: Optional[Card]) -> bool:
    """Does it stem from a card of ours, whose file the reader did not write?"""
    return bool(card and card.source.kind == "catalogue" and finding.at and finding.at.file == card.source.path)


def advice(report: Report) -> Optional[Tuple[str, Optional[str]]]:
    """The way out: a sentence, and the command that it announces, where there is one."""
    joined = report.remedy
    if joined is not None:
        if joined.proven:
            sentence = "One command fixes it all (its result was judged by the same checks):"
        elif joined.left:
            sentence = f"This command fixes a part; what stays is {', '.join(joined.left)}:"
        else:
            sentence = "This command should fix it (too little is known to judge its result):"
        return sentence, joined.command
    serious = [finding for finding in report.findings if finding.severity != "note"]
    remedies = [remedy for finding in serious for remedy in finding.remedies]
    if not remedies:
        return None
    pythons = [
        f"{one.text} for {finding.subject}" for finding in serious for one in finding.remedies if one.kind == "python"
    ]
    if pythons:
        return f"It takes another Python: {', '.join(pythons)}.", None
    remedy = remedies[0]
    what = "it" if len(serious) == 1 else "the first that can be"
    return f"To fix {what}:" + ("" if remedy.command else f" {remedy_words(remedy)}"), remedy.command


def ways_out(remedies: Iterable[Remedy]) -> List[str]:
    """One for each distribution: what several findings that were joined ask of the same one is told once."""
    first: Dict[Tuple[str, str], str] = {}
    for remedy in remedies:
        said = remedy_words(remedy)
        first.setdefault((remedy.kind, _SPECIFIER.split(remedy.requirement or said, 1)[0]), said)
    return list(first.values())


def remedy_words(remedy: Remedy) -> str:
    words = f"remove {remedy.requirement}" if remedy.kind == "remove" else remedy.requirement
    return remedy.text or words or remedy.kind


# Numbers


def tally(document: Document) -> str:
    """How much was found in all of it: "2 errors, 1 note, 1 check unknown."."""
    counts = document.counts
    parts = [counted(counts) or "No findings"]
    unread = sum(report.error is not None for report in document.reports)
    parts += [f"{many(unread, 'card')} not read"] if unread else []
    parts += [f"{counts.ignored} ignored"] if counts.ignored else []
    parts += [f"{many(counts.unknown, 'check')} unknown"] if counts.unknown else []
    parts += [f"{many(counts.crashed, 'check')} crashed"] if counts.crashed else []
    return ", ".join(parts) + "."


def unused(ignore: Ignore) -> str:
    subject = f":{ignore.subject}" if ignore.subject else ""
    reason = f" ({ignore.reason})" if ignore.reason else ""
    return f"ignore {ignore.id}{subject}{reason} matches nothing any more: remove it"


def count(findings: Iterable[Finding]) -> Counts:
    severities = [finding.severity for finding in findings]
    return Counts(severities.count("error"), severities.count("warning"), severities.count("note"))


def counted(counts: Counts) -> str:
    numbers = ((counts.error, "error"), (counts.warning, "warning"), (counts.note, "note"))
    return ", ".join(many(number, word) for number, word in numbers if number)


def many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
