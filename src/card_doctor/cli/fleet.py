"""`card-doctor fleet --ray [ADDRESS]`: every node of a running cluster asked, and compared."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any, Optional, Tuple

import click

from card_doctor.cli import options
from card_doctor.cli.comparing import Comparing
from card_doctor.cli.session import Session
from card_doctor.errors import EnvironmentReadError, UsageError
from card_doctor.reporting import FORMATS


@click.command("fleet", short_help="What differs between the nodes of a running cluster.")
@click.option(
    "--ray",
    is_flag=False,
    flag_value="auto",
    metavar="[ADDRESS]",
    help="A Ray cluster (default: the one that runs here).",
)
@options.each_card()
@click.option(
    "--expect",
    multiple=True,
    metavar="N|NODE",
    callback=options.parts,
    help="How many nodes there should be, or the name of one; waited for, and reported where missing. Repeatable.",
)
@options.which_python()
@options.everywhere(*FORMATS, timeout="For a node to come, and to answer (default: 20).")
@click.pass_obj
def command(
    session: Session, /, *, ray: Optional[str], card: Optional[str], expect: Tuple[str, ...], **flags: Any
) -> int:
    """Asks every node of a cluster about its environment and GPUs, and compares them as `compare` does.

    Nothing is installed on the nodes, and no GPU or CPU is taken from running work. --python names an interpreter that
    has the cluster's Ray, where card-doctor's own has not. Exit codes: 1 a difference breaks a distributed run, or the
    card does not train on a node; else 2 where a node gave no answer.
    """
    if ray is None:
        raise UsageError(
            "which cluster?", "card-doctor fleet --ray, or --ray HOST:PORT; without one: card-doctor compare"
        )
    from card_doctor.environment import choose  # noqa: PLC0415
    from card_doctor.fleet.ray import ask_cluster, expected_of  # noqa: PLC0415

    comparing = Comparing(session, flags, card)
    settings = comparing.settings
    own = settings.python is None and find_spec("ray") is not None
    executable = None if own else choose(settings.python, started_with_m=session.started_with_m)
    with session.progress() as show:
        show("connecting to Ray")
        fleet = comparing.fleet(
            ask_cluster(
                ray,
                executable or sys.executable,
                timeout=settings.timeout,
                expected=expected_of(expect),
                progress=lambda done, total: show(f"{done} of {total} nodes have answered"),
            )
        )
    if not fleet.groups and not fleet.silent:
        raise EnvironmentReadError("the cluster has no node", "see `ray status`")
    return comparing.deliver(fleet)
