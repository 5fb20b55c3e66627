"""`card-doctor compare SNAPSHOT...`: what differs between machines, and which one is the odd one out."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import click

from card_doctor.cli import options
from card_doctor.cli.comparing import Comparing
from card_doctor.cli.session import Session
from card_doctor.errors import EnvironmentReadError
from card_doctor.reporting import FORMATS


@click.command("compare", short_help="What differs between machines, and which is the odd one out.")
@click.argument("snapshots", nargs=-1, required=True, metavar="SNAPSHOT...", type=click.Path(allow_dash=True))
@options.each_card()
@click.option(
    "--expect",
    multiple=True,
    metavar="NODE",
    callback=options.parts,
    help="A node that should be among them; missing, it is reported. Repeatable, or with commas.",
)
@options.everywhere(*FORMATS)
@click.pass_obj
def command(
    session: Session, /, snapshots: Tuple[str, ...], *, card: Optional[str], expect: Tuple[str, ...], **flags: Any
) -> int:
    """Groups equal nodes, and says what differs on the others and what that does to a run over all of them.

    A SNAPSHOT is a file of `card-doctor snapshot` (its name is the node's), a folder of them, a .jsonl file, or `-`:
    JSON lines, each a snapshot with a key "node". Exit codes: 1 a difference breaks a distributed run, or the card
    does not train on a node; else 2 where a node gave no answer.
    """
    from card_doctor.fleet import read_snapshots  # noqa: PLC0415

    comparing = Comparing(session, flags, card)
    fleet = comparing.fleet(read_snapshots(snapshots), expect)
    if not fleet.groups and not fleet.silent:
        raise EnvironmentReadError("no snapshot there", "Write one on each node: card-doctor snapshot > NODE.json")
    return comparing.deliver(fleet)
