"""Many machines for a person: what most are like, and each group that is not, by what makes it odd."""

from __future__ import annotations

from typing import List, Optional, Sequence

from card_doctor.model import Deviation, Fleet, Group, Silent
from card_doctor.reporting import words
from card_doctor.reporting.terminal import Page, Span

GROUPS = 12  # before the rest is only counted; `-v` shows all
NAMES = 6
HARMLESS = 3

MARKS = {"breaks": "[x]", "may-break": "[!]", "unknown": "[?]", "slows": "[!]", "harmless": "[ok]", None: "[ok]"}
EFFECTS = {
    "breaks": "breaks a run over all nodes",
    "may-break": "may break a run over all nodes",
    "unknown": "not known whether it fits the others",
    "slows": "slows a run over all nodes",
    "harmless": "differs, harmless",
}
STYLES = {"breaks": "bold red", "may-break": "bold yellow", "slows": "yellow", "unknown": "bold magenta"}


def render(
    fleet: Fleet,
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
    verbose: bool = False,
    quiet: bool = False,
) -> str:
    """The fleet as text."""
    page = Page(width, color=color, encoding=encoding)
    if quiet:
        page.whole(_one_line(fleet), "", indent=0)
        return page.text()
    page.line((_counted(fleet), "bold"))
    odd = [group for group in fleet.groups if group.deviations]
    usual = [group for group in fleet.groups if not group.deviations]
    odd.sort(key=lambda group: list(MARKS).index(group.effect))  # the worst first; of these, the largest
    shown = [*usual, *odd]
    most = len(shown) if verbose else GROUPS
    for group in shown[:most]:
        _group(page, group, EFFECTS.get(group.effect or "", _usual(odd)), verbose=verbose)
    if len(shown) > most:
        page.gap()
        page.line(f"and {words.many(len(shown) - most, 'more group')}: -v or --format json shows them")
    _silent(page, fleet.silent, verbose=verbose)
    page.gap()
    page.line(_conclusion(fleet))
    return page.text()


def _usual(odd: Sequence[Group]) -> str:
    """What is said of the nodes that the others are compared with."""
    if not odd:
        return "all equal"
    tied = any(not one.majority for group in odd for one in group.deviations)
    return "that the others are compared with" if tied else "as most are"


def _group(page: Page, group: Group, what: str, *, verbose: bool) -> None:
    page.gap()
    mark = f"{MARKS[group.effect]} "
    page.line(f"{words.many(len(group.nodes), 'node')}, {what}: {_names(group.nodes, verbose)}", prefix=[mark])
    indent = 4
    if not group.deviations or verbose:
        page.line(_described(group), indent=indent)
    harmless = [one for one in group.deviations if one.effect == "harmless"]
    for one in group.deviations:
        if verbose or one.effect != "harmless" or one in harmless[:HARMLESS]:
            _deviation(page, one, indent)
    if len(harmless) > HARMLESS and not verbose:
        page.line(f"and {len(harmless) - HARMLESS:,} more that are harmless", indent=indent)
    report = group.report
    if report:
        page.line(
            f"trains: {report.verdict.trains}, matches: {report.verdict.matches}",
            prefix=[" " * indent + words.MARKS[report.verdict.trains] + " "],
        )
        if report.error:
            page.line(report.error, indent=indent + 4)
        for finding in report.findings:
            if finding.severity == "error" or verbose:
                page.line(f"{finding.subject}: {finding.message}", (f" [{finding.id}]", "dim"), indent=indent + 4)


def _deviation(page: Page, one: Deviation, indent: int) -> None:
    usual = "most have" if one.majority else "another has"
    prefix: List[Span] = [" " * indent, (f"{one.effect:<10}", STYLES.get(one.effect, ""))]
    why = "" if one.effect == "harmless" else f": {one.why}"
    page.line(f"{one.fact} {one.found or 'none'}, {usual} {one.usual or 'none'}{why}", prefix=prefix)


def _described(group: Group) -> str:
    environment, torch = group.environment, group.environment.torch
    parts = [f"Python {environment.python}" if environment.python else "Python not known"]
    parts += [f"torch {torch.version}" + (f" ({torch.build})" if torch.build else "")] if torch else []
    parts += [words.many(environment.packages, "package"), words.accelerators(group.accelerators)]
    parts += [f"driver {group.driver}"] if group.driver else []
    return ", ".join(parts)


def _silent(page: Page, silent: Sequence[Silent], *, verbose: bool) -> None:
    if not silent:
        return
    page.gap()
    page.line(f"{words.many(len(silent), 'node')} without an answer:", prefix=["[?] "])
    most = len(silent) if verbose else GROUPS
    for one in silent[:most]:
        page.line(f"{one.node} ({one.reason}): {one.message}", indent=4)
    if len(silent) > most:
        page.line(f"and {len(silent) - most:,} more", indent=4)


def _names(nodes: Sequence[str], verbose: bool) -> str:
    if verbose or len(nodes) <= NAMES:
        return ", ".join(nodes)
    return f"{', '.join(nodes[: NAMES - 1])} and {len(nodes) - NAMES + 1:,} more"


def _counted(fleet: Fleet) -> str:
    groups = words.many(len(fleet.groups), "group")
    return f"{fleet.nodes:,} node{'' if fleet.nodes == 1 else 's'} in {groups}"


def _worst(fleet: Fleet) -> Optional[str]:
    effects = [group.effect for group in fleet.groups if group.effect]
    return min(effects, key=list(MARKS).index, default=None)


def _conclusion(fleet: Fleet) -> str:
    worst = _worst(fleet)
    breaking = sum(group.effect == worst for group in fleet.groups)
    said = {
        "breaks": f"A run over all nodes breaks ({words.many(breaking, 'group')}).",
        "may-break": "A run over all nodes may break.",
        "unknown": "Whether a run over all nodes works is not known.",
        "slows": "A run over all nodes works, at the pace of the slowest.",
        "harmless": "Nothing differs that matters to a run over all nodes.",
    }
    silent = " Of the nodes without an answer nothing is known." if fleet.silent else ""
    return said.get(worst or "", "All nodes are equal in what was compared." if fleet.nodes else "") + silent


def _one_line(fleet: Fleet) -> str:
    mark = "[?]" if fleet.silent and _worst(fleet) != "breaks" else MARKS[_worst(fleet)]
    silent = f", {len(fleet.silent):,} without an answer" if fleet.silent else ""
    return f"{mark} {_counted(fleet)}{silent}: {_conclusion(fleet)}"
