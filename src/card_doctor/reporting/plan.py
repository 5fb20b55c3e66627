"""A plan for a person: what to install, what was given up for it and why, and how far it is proven."""

from __future__ import annotations

from typing import List, Optional, Sequence

from card_doctor.model import Difference, Plan
from card_doctor.reporting.terminal import Page
from card_doctor.reporting.words import many

SHOWN = 12  # lines of a resolver's words, before the rest is left to -v
PROOFS = {
    "unproven": "nothing was tried",
    "resolved": "a resolver found the set, and our checks find nothing that breaks it; it was not installed",
    "built": "installed and checked; nothing was trained in it",
    "trained": "trained, evaluated, saved and loaded",
}


def render(
    plan: Plan,
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
    verbose: bool = False,
    quiet: bool = False,
    machine: str = "",
    build: Optional[str] = None,
) -> str:
    """`machine` names what it is for; `build` is the command that makes the environment."""
    page = Page(width, color=color, encoding=encoding)
    if quiet:
        page.whole(_one_line(plan), indent=0)
        return page.text()
    page.line((f"{plan.card} on {machine}" if machine else plan.card, "bold"))
    page.gap()
    if plan.blocked_by:
        _walls(page, plan, verbose=verbose)
    else:
        _set(page, plan)
        _differences(page, plan) if plan.changes is None else _changes(page, plan, plan.changes)
        _left(page, plan, verbose=verbose)
        _how(page, plan, build, verbose=verbose)
    if verbose:
        page.gap()
        page.line(f"{plan.resolver} was asked {plan.calls} {'time' if plan.calls == 1 else 'times'}")
    return page.text()


def brief(page: Page, plan: Plan) -> None:
    """What a report says of it: the set in a line, what is not the card's, or the first wall."""
    page.line(("A new environment", "bold"))
    if plan.blocked_by:
        page.line(plan.blocked_by[0].message, prefix=[f"  none: {plan.blocked_by[0].subject}: "])
        return
    day = f", as of {plan.date}" if plan.date else ""
    page.line(f"{plan.proof.level}: {len(plan.pins)} packages for Python {plan.python}{day}", indent=2)
    for one in plan.differences:
        page.line(f"{_change(one)}: {one.because}", indent=2)
    page.whole(f"card-doctor build {plan.card} DIR")


def _one_line(plan: Plan) -> str:
    if plan.blocked_by:
        return f"[x] no plan - {plan.card}: {plan.blocked_by[0].message}"
    moved = [one.subject for one in plan.differences if one.card is not None]
    what = f"not the card's: {', '.join(moved)}" if moved else "the card's own releases"
    return f"[ok] plan: {plan.proof.level}, Python {plan.python}, {len(plan.pins)} packages - {plan.card}, {what}"


def _set(page: Page, plan: Plan) -> None:
    day = (
        f"as of {plan.date}" if plan.date else "as new as possible" if plan.changes is None else "what is there is kept"
    )
    page.line(
        f"{len(plan.pins)} packages for Python {plan.python}, {day}",
        prefix=[("[ok] ", "bold green"), (f"plan: {plan.proof.level}", "bold green"), "   "],
    )
    told = PROOFS[plan.proof.level] + (f", on {plan.proof.device}" if plan.proof.device else "")
    page.line(f"proof: {told}", indent=5)
    if plan.interpreter:
        page.line(f"Python {plan.python} is {plan.interpreter}", indent=5)


def _differences(page: Page, plan: Plan) -> None:
    moved = [one for one in plan.differences if one.card is not None]
    added = [one for one in plan.differences if one.card is None]
    page.gap()
    if not moved:
        page.line("Every release that the card states is in it.")
    for title, differences in (("Not as the card states it", moved), ("Added or held back", added)):
        if differences:
            page.line((title, "bold"))
            for one in differences:
                page.line(one.because, prefix=[f"  {_change(one)}: "] if len(_change(one)) < 40 else [])


def _changes(page: Page, plan: Plan, changes: Sequence[Difference]) -> None:
    """Of a plan that keeps an environment: what it changes there."""
    page.gap()
    if not changes:
        page.line("The card can be trained in this environment as it is.")
        return
    page.line((f"{many(len(changes), 'package')} of it to change", "bold"))
    for one in changes:
        page.line(one.because, prefix=[f"  {_change(one)}: "] if len(_change(one)) < 40 else [])
    page.gap()
    for command in plan.commands:
        page.whole(command)


def _change(one: Difference) -> str:
    if one.card is None:
        return f"{one.subject} {one.planned}"
    return f"{one.subject} {one.card} \u2192 {one.planned or 'not installed'}"


def _left(page: Page, plan: Plan, *, verbose: bool) -> None:
    if plan.findings:
        page.gap()
        page.line(("What no release mends", "bold"))
        for finding in plan.findings:
            page.line(finding.message, prefix=[f"  {finding.severity}: "])
            if verbose and finding.because:
                page.line(finding.because, indent=4)
    if plan.notes:
        page.gap()
        for note in plan.notes:
            page.line(note)


def _how(page: Page, plan: Plan, build: Optional[str], *, verbose: bool) -> None:
    page.gap()
    if verbose and plan.pins:
        page.line(("The whole set", "bold"))
        for pin in plan.pins:
            page.line(pin.requirement, indent=2)
        page.gap()
        page.line(("By hand", "bold"))
        for command in plan.commands:
            page.whole(command)
        page.gap()
    if plan.environment:
        page.line("It is in:")
        page.whole(plan.environment)
    elif build:
        page.line("To make it, in a new folder, and train in it:")
        page.whole(build)
        if not verbose:
            page.line("With -v every release; --format requirements, pylock, script or dockerfile writes it down.")


def _walls(page: Page, plan: Plan, *, verbose: bool) -> None:
    page.line("nothing resolves", prefix=[("[x] plan: none", "bold red"), "   "])
    for wall in plan.blocked_by:
        page.gap()
        page.line(wall.message, prefix=[(f"{wall.subject}: ", "bold")])
        words: List[str] = wall.words.splitlines()
        for line in words if verbose else words[:SHOWN]:
            page.line(line, indent=4)
        if len(words) > SHOWN and not verbose:
            page.line("...", indent=4)
        if wall.way:
            page.line(f"What would move it: {wall.way}", indent=2)
