"""`card-doctor compare SNAPSHOT...`: what differs between machines, and which one is the odd one out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Callable, Optional, Tuple

import click

from card_doctor import __version__
from card_doctor.cli import options
from card_doctor.cli.session import Look, Output, Session
from card_doctor.errors import EnvironmentReadError
from card_doctor.knowledge import Matrices
from card_doctor.model import Policy, Report, Snapshot, Tool, Verdict


@click.command("compare", short_help="What differs between machines, and which is the odd one out.")
@click.argument("snapshots", nargs=-1, required=True, metavar="SNAPSHOT...", type=click.Path(allow_dash=True))
@click.option("--card", metavar="CARD", shell_complete=options.complete_cards, help="Judge it in each group of nodes.")
@click.option(
    "--expect",
    multiple=True,
    metavar="NODE",
    callback=options.parts,
    help="A node that should be among them; missing, it is reported. Repeatable, or with commas.",
)
@options.everywhere()
@click.pass_obj
def command(
    session: Session, /, snapshots: Tuple[str, ...], *, card: Optional[str], expect: Tuple[str, ...], **flags: Any
) -> int:
    """Groups equal nodes, and says what differs on the others and what that does to a run over all of them.

    A SNAPSHOT is a file of `card-doctor snapshot` (its name is the node's), a folder of them, a .jsonl file, or `-`:
    JSON lines, each a snapshot with a key "node". Exit codes: 1 a difference breaks a distributed run, or the card
    does not train on a node; else 2 where a node gave no answer.
    """
    from card_doctor.fleet import compare, read_snapshots  # noqa: PLC0415
    from card_doctor.reporting.json import comparison_document, encode  # noqa: PLC0415

    settings = session.settings(flags)
    output = Output(settings)
    knowledge = Matrices([Path(folder) for folder in settings.matrices])
    policy, _ = settings.policy(dt.datetime.now().astimezone().date())
    judge = _judge(card, knowledge, policy, offline=settings.offline) if card else None
    fleet = compare(read_snapshots(snapshots), expected=expect, judge=judge)
    if not fleet.groups and not fleet.silent:
        raise EnvironmentReadError("no snapshot there", "Write one on each node: card-doctor snapshot > NODE.json")
    tool = Tool("card-doctor", __version__, knowledge.digest)

    def text(look: Look) -> str:
        from card_doctor.reporting.comparison import render  # noqa: PLC0415

        return render(fleet, **look._asdict(), verbose=settings.verbose, quiet=settings.quiet)

    output.deliver({"text": text, "json": lambda _: encode(comparison_document(fleet, tool))})
    return fleet.exit_code


def _judge(card: str, knowledge: Matrices, policy: Policy, *, offline: bool) -> Callable[[Snapshot], Report]:
    """The card's report for a snapshot, as `check --environment` would give it."""
    from card_doctor.cards import find_card  # noqa: PLC0415
    from card_doctor.checks.registry import all_checks  # noqa: PLC0415
    from card_doctor.checkup import judge, machines, with_precision  # noqa: PLC0415
    from card_doctor.model import Case  # noqa: PLC0415

    found, checks = find_card(card, knowledge.directories, offline=offline), all_checks()

    def report(snapshot: Snapshot) -> Report:
        (machine,) = machines(snapshot, (), None, knowledge)
        told = with_precision(machine, found, policy)
        try:
            return judge(Case(snapshot, told, policy, knowledge, found), checks)
        except Exception as error:  # noqa: BLE001  a damaged snapshot must not cost the answer for all others
            message = f"could not be judged: {type(error).__name__}: {error}"
            return Report(found, told, Verdict("unknown", "unknown"), error=message)

    return report
