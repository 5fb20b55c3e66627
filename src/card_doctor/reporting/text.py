"""The report for a person: what was looked at, the verdict, what breaks first, one command that mends it."""

from __future__ import annotations

import shlex
from pathlib import PurePath
from typing import Collection, Dict, Iterable, List, Optional, Sequence

from card_doctor.model import (
    Accelerator,
    Card,
    Counts,
    Document,
    Environment,
    Finding,
    Ignored,
    Machine,
    Remedy,
    Report,
    TroubleshootingCase,
    VersionRow,
)
from card_doctor.reporting.terminal import Page, Span

# Colour only repeats what a mark or a word says.
MARKS = {"yes": "[ok]", "at-risk": "[!]", "no": "[x]", "unknown": "[?]"}
STYLES = {
    "[ok]": "bold green",
    "[!]": "bold yellow",
    "[x]": "bold red",
    "[?]": "bold magenta",
    "error": "bold red",
    "warning": "bold yellow",
    "note": "cyan",
}
MORE = 10  # findings in one line each, before they are only counted


def render(
    document: Document,
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
    verbose: bool = False,
    quiet: bool = False,
    command: str = "card-doctor check",
    flags: str = "",
    families: Optional[Collection[str]] = None,
) -> str:
    """The document as text. `command` and `flags` are how to ask for it again, of the same environment and
    machine; `families` is what this version can be asked for: the answers to the card's troubleshooting cases
    (None: the families that were).
    """
    page = Page(width, color=color, encoding=encoding)
    if quiet:
        for report in document.reports:
            _one_line(page, document.environment, report)
        return page.text()
    alone = len(document.reports) == 1
    if not alone:
        page.line(("In " + _environment(document.environment), "bold"))
    for number, report in enumerate(document.reports):
        page.gap()
        _subject(page, report, document.environment if alone else None)
        if report.error is not None:
            page.line(report.error, prefix=[_mark("[?]"), "not read: "])
            continue
        _verdict(page, report, document.environment)
        _findings(page, report, verbose=verbose)
        _remedy(page, report)
        if verbose:
            _details(page, report)
        following = document.reports[number + 1 : number + 2]
        if report.card and not (following and following[0].card == report.card):
            again = f"{command} {shlex.quote(_reference(report.card))} {flags}".rstrip()
            judged = [one for one in document.reports if one.card == report.card]
            _troubleshooting(page, report.card, judged, again, families)
    page.gap()
    if not alone:
        _summary(page, document.reports)
    if verbose:
        _environment_details(page, document)
    _closing(page, document, verbose=verbose)
    return page.text()


def _one_line(page: Page, environment: Environment, report: Report) -> None:
    if report.error is not None:
        page.whole(f"[?] not read - {_name(report)}: {report.error}", indent=0)
        return
    words = [f"trains: {report.verdict.trains}"]
    words += [f"matches: {report.verdict.matches}"] if report.card else []
    words += [counted] if (counted := _counted(_counts(report.findings))) else []
    what = _looked_at(_name(report), _place(environment), _accelerators(report.machine.accelerators))
    page.whole(f"{MARKS[report.verdict.trains]} {', '.join(words)} - {what}", indent=0)


# What was looked at


def _subject(page: Page, report: Report, environment: Optional[Environment]) -> None:
    """On one line where it fits, else broken at its joints."""
    name, machine = _name(report), _machine(report.machine)
    place = _environment(environment) if environment else None
    whole = _looked_at(name, place, machine)
    if report.error is not None:
        page.line((name or "", "bold"))
    elif page.fits(whole):
        page.line((whole, "bold"))
    else:
        joints = [f"in {place}" if name else place] if place else []
        first, *others = [*([name] if name else []), *joints, f"on {machine}"]
        page.line((first, "bold"))
        for other in others:
            page.line(other, indent=2)


def _looked_at(name: Optional[str], place: Optional[str], machine: str) -> str:
    inside = f" in {place}" if name and place else place or ""
    return f"{name or ''}{inside} on {machine}".strip()


def _name(report: Report) -> Optional[str]:
    return report.card.name if report.card else None


def _environment(environment: Environment) -> str:
    python = f"Python {environment.python}" if environment.python else "Python not known"
    named = "" if environment.complete else " named"
    kind = "" if environment.source == "interpreter" else f"{environment.source}: "
    return f"{_place(environment)} ({kind}{python}, {_many(environment.packages, 'package')}{named})"


def _place(environment: Environment) -> str:
    return environment.path or environment.source


def _machine(machine: Machine) -> str:
    told = machine.assumed
    facts = [_accelerators(machine.accelerators) + (" (assumed)" if "gpu" in told else "")]
    if machine.driver:
        facts.append(f"driver {machine.driver}" + (" (assumed)" if "driver" in told and "gpu" not in told else ""))
    if machine.precision:
        facts.append(machine.precision + (" (assumed)" if "precision" in told else ""))
    return ", ".join(facts)


def _accelerators(accelerators: Optional[Sequence[Accelerator]]) -> str:
    if accelerators is None:
        return "an unknown GPU"
    if not accelerators:
        return "a machine without a GPU"
    numbers: Dict[str, int] = {}
    for one in accelerators:
        numbers[one.name] = numbers.get(one.name, 0) + 1
    return " + ".join(f"{number} x {name}" if number > 1 else name for name, number in numbers.items())


# The verdict


def _verdict(page: Page, report: Report, environment: Environment) -> None:
    page.gap()
    trains, matches = report.verdict.trains, report.verdict.matches
    rows = [(MARKS[trains], f"trains: {trains}", _why_trains(report, environment))]
    if report.card:
        rows.append((_matches_mark(report), f"matches: {matches}", _why_matches(report)))
    wide = max(len(answer) for _, answer, _ in rows)
    for mark, answer, why in rows:
        page.line(why, prefix=[_mark(mark), (answer.ljust(wide), STYLES[mark]), "   "])
    told = _to_tell(report.machine, environment) if trains == "unknown" else []
    if told:
        page.line(f"To say what is not known: {', '.join(told)}", indent=5)


def _to_tell(machine: Machine, environment: Environment) -> List[str]:
    """The flags, with examples, for facts that could not be read."""
    flags = []
    if machine.accelerators is None:
        flags.append("`--gpu T4` or `--gpu none`")
    elif machine.accelerators and machine.driver is None:
        flags.append("`--driver 535.54`")
    flags += ["`--python 3.9`"] if environment.python is None else []
    flags += ["`--platform manylinux2014_x86_64`"] if environment.platform is None else []
    return flags


def _why_trains(report: Report, environment: Environment) -> str:
    for trains, breaks, singular, plural in (
        ("no", "yes", "breaks", "break"),
        ("at-risk", "maybe", "may break", "may break"),
    ):
        if report.verdict.trains == trains:
            ignored = sum(one.finding.breaks == breaks for one in report.ignored)
            number = ignored + sum(finding.breaks == breaks for finding in report.findings)
            verb = singular if number == 1 else plural
            return f"{_many(number, 'finding')} {verb} training" + (f" ({ignored} of them ignored)" if ignored else "")
    if report.verdict.trains == "unknown":
        if report.card is None and environment.torch is None:
            return "there is neither a card nor a torch to judge"
        return _lacking(report) or "nothing was checked that could tell"
    passed = sum(result.outcome in {"passed", "found"} for result in report.checks)
    return f"nothing found that breaks training ({_many(passed, 'check')})"


def _lacking(report: Report) -> str:
    """The facts that were missing, the plainest first, and the checks that crashed."""
    reasons = {result.reason or result.id for result in report.checks if result.outcome == "unknown"}
    facts = sorted({reason.replace("not known: ", "", 1) for reason in reasons}, key=lambda fact: (len(fact), fact))
    more = [f"and {len(facts) - 3} more"] if len(facts) > 3 else []
    parts = ["not known: " + "; ".join([*facts[:3], *more])] if facts else []
    parts += [f"{result.id} crashed" for result in report.checks if result.outcome == "crashed"]
    return "; ".join(parts)


def _matches_mark(report: Report) -> str:
    """As strict as the policy was: the findings of `versions/` are what it made of the differences."""
    severities = {finding.severity for finding in report.findings if finding.family == "versions"}
    if "error" in severities:
        return "[x]"
    if "warning" in severities:
        return "[!]"
    return "[?]" if report.verdict.matches == "unknown" else "[ok]"


def _why_matches(report: Report) -> str:
    if not report.versions:
        return "no version that the card states could be compared"
    differing = [row for row in report.versions if row.level not in {"exact", "same-release", "range-met"}]
    if not differing:
        return f"the {_many(len(report.versions), 'version')} that the card states"
    return ", ".join(map(_difference, differing))


def _difference(row: VersionRow) -> str:
    return f"{row.distribution} {row.installed or 'missing'} (card: {row.card})"


# What was found


def _findings(page: Page, report: Report, *, verbose: bool) -> None:
    """The first in full, the others in a line each; notes, reasons and evidence only on request."""
    shown = [finding for finding in report.findings if verbose or finding.severity != "note"]
    if shown:
        page.gap()
    for number, finding in enumerate(shown):
        if number > MORE and not verbose:
            page.line(f"and {len(shown) - number} more: add -v to see them", prefix=["         "])
            break
        if number and not verbose:
            _brief(page, finding)
            continue
        _headline(page, finding)
        _body(page, finding, verbose=verbose, located=verbose or not _in_catalogue(finding, report.card))
    crashed = [result for result in report.checks if result.outcome == "crashed"]
    if crashed:
        page.gap()
    for result in crashed:
        page.line(f"{result.id}: {result.reason} (please report it)", prefix=[_mark("[?]"), "crashed: "])


def _headline(page: Page, finding: Finding) -> None:
    page.line(_headline_of(finding), (f" [{finding.id}]", "dim"), prefix=[_severity(finding)])


def _headline_of(finding: Finding) -> str:
    if finding.needs is None:
        return f"{finding.subject}: {finding.message}"
    found = f"found {finding.found}" if finding.found is not None else "not found"
    return f"{finding.subject}: {found}, needs {finding.needs}"


def _brief(page: Page, finding: Finding) -> None:
    """With the message where the line has room for it."""
    headline, known_as = _headline_of(finding), f" [{finding.id}]"
    prefix = [_severity(finding)]
    if finding.needs is not None and page.fits(*prefix, headline, f" - {finding.message}", known_as):
        headline += f" - {finding.message}"
    page.line(headline, (known_as, "dim"), prefix=prefix)


def _in_catalogue(finding: Finding, card: Optional[Card]) -> bool:
    """Does it stem from a card of ours, whose file the reader did not write?"""
    return bool(card and card.source.kind == "catalogue" and finding.at and finding.at.file == card.source.path)


def _body(page: Page, finding: Finding, *, verbose: bool, located: bool) -> None:
    lines: List[Span] = [finding.message] if finding.needs is not None else []
    lines += finding.details if verbose else finding.details[:3]
    lines += [finding.because] if finding.because else []
    if finding.at and located:
        lines.append(f"at {finding.at.file}" + (f":{finding.at.line}" if finding.at.line else ""))
    if verbose and finding.remedies:
        lines.append("remedy: " + ", or ".join(map(_remedy_words, finding.remedies)))
    for line in lines:
        page.line(line, indent=9)
    for evidence in finding.evidence if verbose else ():
        page.evidence(evidence, indent=9)


def _remedy(page: Page, report: Report) -> None:
    joined = report.remedy
    if joined is not None:
        page.gap()
        if joined.proven:
            page.line("One command fixes it all (its result was judged by the same checks):")
        elif joined.left:
            page.line(f"This command fixes a part; what stays is {', '.join(joined.left)}:")
        else:
            page.line("This command should fix it (not every release in it is known, so its result is not judged):")
        page.whole(joined.command)
        return
    serious = [finding for finding in report.findings if finding.severity != "note"]
    remedies = [remedy for finding in serious for remedy in finding.remedies]
    if not remedies:
        return
    page.gap()
    pythons = [
        f"{one.text} for {finding.subject}" for finding in serious for one in finding.remedies if one.kind == "python"
    ]
    if pythons:
        page.line(f"It takes another Python: {', '.join(pythons)}.")
        return
    remedy = remedies[0]
    what = "it" if len(serious) == 1 else "the first that can be"
    page.line(f"To fix {what}:" if remedy.command else f"To fix {what}: {_remedy_words(remedy)}")
    if remedy.command:
        page.whole(remedy.command)


def _remedy_words(remedy: Remedy) -> str:
    words = f"remove {remedy.requirement}" if remedy.kind == "remove" else remedy.requirement
    return remedy.text or words or remedy.kind


# The card's own advice


def _troubleshooting(
    page: Page, card: Card, reports: Sequence[Report], again: str, families: Optional[Collection[str]]
) -> None:
    if not card.troubleshooting:
        return
    asked = families if families is not None else {one.id.partition("/")[0] for r in reports for one in r.checks}
    page.gap()
    page.line(("The card's own troubleshooting", "bold"))
    unanswered: List[TroubleshootingCase] = []
    for case in card.troubleshooting:
        answering = [family for family in case.answers if family in asked]
        if not answering:
            unanswered.append(case)
            continue
        serious = (one for report in reports for one in report.findings if one.severity != "note")
        here = _counts(one for one in serious if one.family in answering)
        page.line(f"{case.case}: {_counted(here) or 'nothing found'} here", indent=2)
        page.whole(f"{again} --select {shlex.quote(','.join(answering))}")
    if unanswered:
        names = ", ".join(case.case for case in unanswered)
        page.line(f"{names}: not checked by this version", indent=2)


def _reference(card: Card) -> str:
    """What names this card on the command line: in the catalogue its file's name, else the path."""
    path = card.source.path
    if path is None:
        return card.name
    return PurePath(path).stem if card.source.kind == "catalogue" else path


# Several at once, and the end


def _summary(page: Page, reports: Sequence[Report]) -> None:
    """One row a report, where a reader of many looks first: at the end."""
    rows = []
    for report in reports:
        verdict, mark = report.verdict, MARKS[report.verdict.trains]
        if report.error is not None:
            rows.append((mark, "not read", "", _name(report) or ""))
        else:
            of = _looked_at(_name(report), None, _machine(report.machine))
            rows.append((mark, verdict.trains, verdict.matches if report.card else "", of))
    page.table(rows, header=("", "trains", "matches", "of"))
    page.gap()


def _closing(page: Page, document: Document, *, verbose: bool) -> None:
    counts = document.counts
    parts = [_counted(counts) or "No findings"]
    unread = sum(report.error is not None for report in document.reports)
    parts += [f"{_many(unread, 'card')} not read"] if unread else []
    parts += [f"{counts.ignored} ignored"] if counts.ignored else []
    parts += [f"{_many(counts.unknown, 'check')} unknown"] if counts.unknown else []
    parts += [f"{_many(counts.crashed, 'check')} crashed"] if counts.crashed else []
    hidden = counts.note or counts.ignored or counts.unknown or counts.error + counts.warning
    page.line(", ".join(parts) + "." + (" More: add -v, or card-doctor explain ID." if hidden and not verbose else ""))
    for ignore in document.unused_ignores:
        subject = f":{ignore.subject}" if ignore.subject else ""
        reason = f" ({ignore.reason})" if ignore.reason else ""
        page.line(f"ignore {ignore.id}{subject}{reason} matches nothing any more: remove it", prefix=[_mark("[!]")])


# On request


def _details(page: Page, report: Report) -> None:
    if report.versions:
        page.gap()
        rows = [(row.distribution, row.card, row.installed or "missing", row.level) for row in report.versions]
        page.table(rows, header=("Version", "card", "installed", "level"))
    if report.ignored:
        page.gap()
        page.line(("Ignored", "bold"))
        for ignored in report.ignored:
            _ignored(page, ignored)
    page.gap()
    page.table(
        [(result.id, result.outcome, result.reason or "") for result in report.checks], header=("Check", "outcome", "")
    )


def _ignored(page: Page, ignored: Ignored) -> None:
    reason = f"because {ignored.reason}" if ignored.reason else "no reason given"
    until = f", until {ignored.until}" if ignored.until else ""
    _headline(page, ignored.finding)
    page.line(reason + until, indent=9)


def _environment_details(page: Page, document: Document) -> None:
    environment = document.environment
    torch = environment.torch
    rows = [("Platform", environment.platform or "not known")]
    if torch:
        build = ", ".join(filter(None, [torch.version, torch.cuda and f"CUDA {torch.cuda}", torch.hip]))
        rows.append(("torch", " ".join([build, *(torch.architectures or ())])))
    rows += [("Not read", f"{gap.fact}: {gap.reason} {gap.detail}") for gap in environment.gaps]
    rows.append(("Judged by", f"{document.tool.name} {document.tool.version}, matrices {document.tool.matrices}"))
    page.table(rows)
    page.gap()


# Words


def _mark(mark: str) -> Span:
    return mark.ljust(5), STYLES[mark]


def _severity(finding: Finding) -> Span:
    return finding.severity.ljust(9), STYLES[finding.severity]


def _counts(findings: Iterable[Finding]) -> Counts:
    severities = [finding.severity for finding in findings]
    return Counts(severities.count("error"), severities.count("warning"), severities.count("note"))


def _counted(counts: Counts) -> str:
    numbers = ((counts.error, "error"), (counts.warning, "warning"), (counts.note, "note"))
    return ", ".join(_many(number, word) for number, word in numbers if number)


def _many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
