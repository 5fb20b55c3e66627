"""`card-doctor compare SNAPSHOT...`: what differs between machines, and which one is the odd one out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Optional, Tuple

import click

from card_doctor import __version__
from card_doctor.cli import options
from card_doctor.cli.session import Look, Output, Session
from card_doctor.errors import EnvironmentReadError
from card_doctor.knowledge import Matrices
from card_doctor.model import Tool


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
    from card_doctor.fleet.judging import judge_with  # noqa: PLC0415
    from card_doctor.reporting.json import comparison_document, encode  # noqa: PLC0415

    settings = session.settings(flags)
    output = Output(settings)
    knowledge = Matrices([Path(folder) for folder in settings.matrices])
    policy, _ = settings.policy(dt.datetime.now().astimezone().date())
    judge = judge_with(card, knowledge, policy, offline=settings.offline) if card else None
    fleet = compare(read_snapshots(snapshots), expected=expect, judge=judge)
    if not fleet.groups and not fleet.silent:
        raise EnvironmentReadError("no snapshot there", "Write one on each node: card-doctor snapshot > NODE.json")
    tool = Tool("card-doctor", __version__, knowledge.digest)

    def text(look: Look) -> str:
        from card_doctor.reporting.comparison import render  # noqa: PLC0415

        return render(fleet, **look._asdict(), verbose=settings.verbose, quiet=settings.quiet)

    output.deliver({"text": text, "json": lambda _: encode(comparison_document(fleet, tool))})
    return fleet.exit_code
