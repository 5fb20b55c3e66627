"""The report for a person: what was looked at, the verdict, what breaks first, one command that mends it."""

from __future__ import annotations

import shlex
from pathlib import PurePath
from typing import Collection, List, Optional, Sequence

from card_doctor.model import (
    Card,
    Document,
    Environment,
    Finding,
    Ignored,
    Machine,
    Plan,
    Report,
    TroubleshootingCase,
)
from card_doctor.reporting import run_text, words
from card_doctor.reporting.machines import by_card, in_common, machines
from card_doctor.reporting.overview import is_many, overview
from card_doctor.reporting.terminal import STYLES, Page, Span

ACCOUNT = "torch's own account"
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
            page.whole(words.one_line(report, document.environment), indent=0)
        return page.text()
    alone = len(document.reports) == 1
    if not alone:
        page.line(("In " + words.environment(document.environment), "bold"))
    brief = is_many(document.reports) and not verbose
    for group in () if brief else by_card(document.reports):
        if len(group) > 1 and not verbose:
            shared = in_common(group)
            page.gap()
            page.line((words.name(shared) or "On each machine", "bold"))
            if shared.card:
                page.gap()
                _matches(page, shared)
            machines(page, group)
            _findings(page, shared, verbose=False)
            _remedy(page, shared)
            _run_and_data(page, shared, verbose=False)
        else:
            for report in group:
                page.gap()
                _report(page, report, document, verbose=verbose)
        if group[0].card and group[0].error is None:
            again = f"{command} {shlex.quote(_reference(group[0].card))} {flags}".rstrip()
            judged = [one for one in document.reports if one.card == group[0].card]
            _troubleshooting(page, group[0].card, judged, again, families)
    page.gap()
    if is_many(document.reports):
        overview(page, document.reports)
    elif not alone and (verbose or len(by_card(document.reports)) > 1):
        _summary(page, document.reports)
    if verbose:
        _environment_details(page, document)
    _closing(page, document, verbose=verbose)
    return page.text()


def _report(page: Page, report: Report, document: Document, *, verbose: bool) -> None:
    _subject(page, report, document.environment if len(document.reports) == 1 else None)
    if report.error is not None:
        page.line(report.error, prefix=[_mark("[?]"), "not read: "])
        return
    _verdict(page, report, document.environment)
    _findings(page, report, verbose=verbose)
    _remedy(page, report)
    if report.plan:
        _plan(page, report.plan)
    _run_and_data(page, report, verbose=verbose)
    if verbose:
        _details(page, report)


def _run_and_data(page: Page, report: Report, *, verbose: bool) -> None:
    if report.run is not None:
        run_text.compared(page, report.run, verbose=verbose)
    if report.data is not None:
        run_text.data(page, report.data)


# What was looked at


def _subject(page: Page, report: Report, environment: Optional[Environment]) -> None:
    """On one line where it fits, else broken at its joints."""
    name, machine = words.name(report), words.machine(report.machine)
    place = words.environment(environment) if environment else None
    whole = words.looked_at(name, place, machine)
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


# The verdict


def _verdict(page: Page, report: Report, environment: Environment) -> None:
    page.gap()
    trains = report.verdict.trains
    wide = len(f"matches: {report.verdict.matches}") if report.card else 0
    _answer(page, words.MARKS[trains], f"trains: {trains}".ljust(wide), words.why_trains(report, environment))
    if report.card:
        _matches(page, report, len(f"trains: {trains}"))
    _tried(page, report, environment)
    _not_read(page, report, environment)
    told = _to_tell(report.machine, environment) if trains == "unknown" else []
    if told:
        page.line(f"To say what is not known: {', '.join(told)}", indent=5)


def _matches(page: Page, report: Report, wide: int = 0) -> None:
    answer = f"matches: {report.verdict.matches}".ljust(wide)
    _answer(page, words.matches_mark(report), answer, words.why_matches(report))


def _answer(page: Page, mark: str, answer: str, why: str) -> None:
    page.line(why, prefix=[_mark(mark), (answer, STYLES[mark]), "   "])


def _tried(page: Page, report: Report, environment: Environment) -> None:
    """What --deep did, where the machine that is judged is the one that it was done on."""
    account = environment.account
    if account is None or "gpu" in report.machine.assumed:
        return
    for step in account.steps:
        told = "failed" if step.error else "worked"
        if step.difference is not None and step.seconds and step.fp32_seconds:
            told += f", {step.difference:.1%} off fp32, in {step.seconds / step.fp32_seconds:.0%} of its time"
        page.line(f"tried: a step in {step.precision} on {step.device} {told}", indent=5)


def _not_read(page: Page, report: Report, environment: Environment) -> None:
    """What stands in the way of reading this machine, and what to do about it."""
    told = report.machine.assumed
    for gap in environment.gaps:
        of_gpus = not told and (gap.fact in {"accelerators", "driver"} or gap.fact.startswith("gpu "))
        lacks = gap.reason == "absent" and gap.fact.startswith("gpu ")  # a GPU that is not made for it
        if gap.reason != "not-asked" and not lacks and (of_gpus or gap.fact == ACCOUNT):
            page.line(gap.detail, prefix=["     not read: "])


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
        _body(page, finding, verbose=verbose, located=verbose or not words.in_catalogue(finding, report.card))
    crashed = [result for result in report.checks if result.outcome == "crashed"]
    if crashed:
        page.gap()
    for result in crashed:
        page.line(f"{result.id}: {result.reason} (please report it)", prefix=[_mark("[?]"), "crashed: "])


def _headline(page: Page, finding: Finding) -> None:
    page.line(words.headline(finding), (f" [{finding.id}]", "dim"), prefix=[_severity(finding)])


def _brief(page: Page, finding: Finding) -> None:
    """With the message where the line has room for it."""
    headline, known_as = words.headline(finding), f" [{finding.id}]"
    prefix = [_severity(finding)]
    if finding.needs is not None and page.fits(*prefix, headline, f" - {finding.message}", known_as):
        headline += f" - {finding.message}"
    page.line(headline, (known_as, "dim"), prefix=prefix)


def _body(page: Page, finding: Finding, *, verbose: bool, located: bool) -> None:
    lines: List[Span] = [finding.message] if finding.needs is not None else []
    lines += finding.details if verbose else finding.details[:3]
    lines += [finding.because] if finding.because else []
    if finding.at and located:
        lines.append(f"at {finding.at.file}" + (f":{finding.at.line}" if finding.at.line else ""))
    if verbose and finding.remedies:
        lines.append("remedy: " + ", or ".join(words.ways_out(finding.remedies)))
    for line in lines:
        page.line(line, indent=9)
    for evidence in finding.evidence if verbose else ():
        page.evidence(evidence, indent=9)


def _plan(page: Page, plan: Plan) -> None:
    from card_doctor.reporting.plan import brief  # noqa: PLC0415  few ask for one

    page.gap()
    brief(page, plan)


def _remedy(page: Page, report: Report) -> None:
    advice = words.advice(report)
    if advice is None:
        return
    sentence, command = advice
    page.gap()
    page.line(sentence)
    if command:
        page.whole(command)


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
        missing = _missing(reports, answering)
        if missing:
            page.line(f"{case.case}: not looked at: {missing}", indent=2)
            continue
        serious = (one for report in reports for one in report.findings if one.severity != "note")
        here = words.count(one for one in serious if one.family in answering)
        unknown = _unknown(reports, answering)
        page.line(f"{case.case}: {words.counted(here) or 'nothing found'} here{unknown}", indent=2)
        page.whole(f"{again} --select {shlex.quote(','.join(answering))}")
    if unanswered:
        names = ", ".join(case.case for case in unanswered)
        page.line(f"{names}: not checked by this version", indent=2)


def _unknown(reports: Sequence[Report], families: Collection[str]) -> str:
    """Which of their checks could not tell, once for several machines."""
    could_not = {
        one.id
        for report in reports
        for one in report.checks
        if one.outcome in {"unknown", "crashed"} and one.id.partition("/")[0] in families
    }
    return f", {words.many(len(could_not), 'check')} could not tell" if could_not else ""


def _missing(reports: Sequence[Report], families: Collection[str]) -> str:
    """What to give so that these families have something to look at; empty where one of their checks had."""
    results = [one for report in reports for one in report.checks if one.id.partition("/")[0] in families]
    reasons = {one.reason: None for one in results if one.reason and one.reason.startswith(("no run: ", "no data: "))}
    looked = any(one.outcome != "skipped" for one in results)
    return "" if looked else ", ".join(reason.partition(": ")[2] for reason in reasons)


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
        verdict, mark = report.verdict, words.MARKS[report.verdict.trains]
        if report.error is not None:
            rows.append((mark, "not read", "", words.name(report) or ""))
        else:
            of = words.looked_at(words.name(report), None, words.machine(report.machine))
            rows.append((mark, verdict.trains, verdict.matches if report.card else "", of))
    page.table(rows, header=("", "trains", "matches", "of"))
    page.gap()


def _closing(page: Page, document: Document, *, verbose: bool) -> None:
    counts = document.counts
    hidden = counts.note or counts.ignored or counts.unknown or counts.error + counts.warning
    page.line(words.tally(document) + (" More: add -v, or card-doctor explain ID." if hidden and not verbose else ""))
    for ignore in document.unused_ignores:
        page.line(words.unused(ignore), prefix=[_mark("[!]")])


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
    if environment.account and environment.account.version:
        account = environment.account
        facts = (("torch", account.version), ("cuDNN", account.cudnn), ("NCCL", account.nccl))
        told = ", ".join(f"{name} {fact}" for name, fact in facts if fact)
        rows.append(("Imported", told + (f" in {account.seconds:.1f} s" if account.seconds else "")))
        rows += [("torch warns", text) for text in account.warnings]
    rows += [("Not read", f"{gap.fact}: {gap.reason} {gap.detail}") for gap in environment.gaps]
    rows.append(("Judged by", f"{document.tool.name} {document.tool.version}, matrices {document.tool.matrices}"))
    page.table(rows)
    page.gap()


# Words


def _mark(mark: str) -> Span:
    return mark.ljust(5), STYLES[mark]


def _severity(finding: Finding) -> Span:
    return finding.severity.ljust(9), STYLES[finding.severity]
