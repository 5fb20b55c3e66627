"""A trial for a person: did it train, which stages ended how, what was not as the card states, and why it failed."""

from __future__ import annotations

from typing import Optional

from card_doctor.model import Stage, Trial
from card_doctor.reporting import words
from card_doctor.reporting.terminal import Page

STYLES = {"[ok]": "bold green", "[x]": "bold red", "[-]": "dim"}
_MARKS = {True: "[ok]", False: "[x]", None: "[-]"}
SEVERITIES = {"error": "bold red", "warning": "bold yellow", "note": "cyan"}


def render(
    trial: Trial,
    *,
    subject: str,
    check: str,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
    verbose: bool = False,
    quiet: bool = False,
) -> str:
    """The trial as text. `subject` is what was tried, `check` the command that tells the way out."""
    page = Page(width, color=color, encoding=encoding)
    answer = f"works: {'yes' if trial.works else 'no'}"
    mark = _MARKS[trial.works]
    if quiet:
        page.whole(f"{mark} {answer}, {_summary(trial)} - {subject}", "", indent=0)
        return page.text()
    page.line((subject, "bold"))
    page.gap()
    page.line(_summary(trial), prefix=[(mark.ljust(5), STYLES[mark]), (answer, STYLES[mark]), "   "])
    page.gap()
    wide = max(len(stage.stage) for stage in trial.stages) + 2
    for stage in trial.stages:
        if verbose or stage.ok is not None:
            _stage(page, stage, wide, verbose=verbose)
    left = [stage for stage in trial.stages if stage.ok is None and not verbose]
    if left:
        names = ", ".join(stage.stage for stage in left) if trial.failed else "; ".join(map(_left, left))
        page.line(names, prefix=[("[-]".ljust(5), STYLES["[-]"]), "not run: "])
    _trained(page, trial, verbose=verbose)
    if not trial.works:
        _diagnosis(page, trial, check, verbose=verbose)
    return page.text()


def _summary(trial: Trial) -> str:
    seconds = f"{sum(stage.seconds for stage in trial.stages):.0f} s"
    device = f" on {trial.device}" if trial.device else ""
    if trial.works:
        passed = sum(stage.ok is True for stage in trial.stages)
        return f"{words.many(passed, 'stage')} passed{device} in {seconds}"
    return f"failed: {', '.join(stage.stage for stage in trial.failed)}"


def _stage(page: Page, stage: Stage, wide: int, *, verbose: bool) -> None:
    mark = _MARKS[stage.ok]
    taken = f"{stage.seconds:6.1f} s  " if stage.ok is not None else " " * 10
    page.line(stage.error or "", prefix=[(mark.ljust(5), STYLES[mark]), stage.stage.ljust(wide), taken])
    for line in stage.traceback.splitlines() if verbose else ():
        page.whole(line, "", indent=7)


def _left(stage: Stage) -> str:
    return f"{stage.stage} ({stage.error})"


def _trained(page: Page, trial: Trial, *, verbose: bool) -> None:
    model = trial.trained.get("model")
    if model:
        parts = [model, trial.trained.get("task"), trial.trained.get("precision"), trial.device]
        page.gap()
        page.line(", ".join(str(part) for part in parts if part), prefix=[("Tried", "bold"), "  "])
    arguments = trial.trained.get("arguments")
    if arguments and verbose:
        page.line(", ".join(f"{name}={value}" for name, value in arguments.items()), indent=7)
    for note in trial.notes:
        page.line(note, prefix=["       "])


def _diagnosis(page: Page, trial: Trial, check: str, *, verbose: bool) -> None:
    page.gap()
    if not trial.diagnosis:
        page.line("No known failure explains it." + ("" if verbose else " The whole error: add -v."))
        return
    page.line(("Why", "bold"))
    for finding in trial.diagnosis:
        severity = finding.severity
        known_as = (f" [{finding.id}]", "dim")
        page.line(words.headline(finding), known_as, prefix=[(severity.ljust(9), SEVERITIES[severity])])
        said: Optional[str] = finding.message if finding.needs is not None else finding.because
        if said:
            page.line(said, indent=9)
    page.gap()
    first = trial.diagnosis[0]
    if first.family != "trial":
        page.line("What mends it all together:")
        page.whole(check)
        return
    for remedy in first.remedies:  # no check tells of it, so there is no more to say than what is known of the failure
        page.line(f"Known remedy: {remedy.text}")
        if remedy.command:
            page.whole(remedy.command)
