"""`card-doctor snapshot`: the environment as JSON, for another machine or another day."""

from __future__ import annotations

from typing import Any

import click

from card_doctor.cli import options
from card_doctor.cli.session import Output, Session


@click.command("snapshot", short_help="The environment as JSON.")
@options.which_environment()
@options.everywhere("json")
@click.pass_obj
def command(session: Session, /, **flags: Any) -> None:
    """What was read of the environment and this machine's GPUs, for `check --environment FILE`."""
    from card_doctor.checkup import look  # noqa: PLC0415
    from card_doctor.reporting.json import encode  # noqa: PLC0415

    settings = session.settings(flags)
    output = Output(settings, formats=("json",))
    snapshot = look(
        python=settings.python,
        environment=settings.environment,
        platform=settings.platform,
        timeout=settings.timeout,
        started_with_m=session.started_with_m,
    )
    output.deliver({"json": lambda _: encode(snapshot)})
