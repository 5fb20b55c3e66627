"""`card-doctor schema NAME`: the JSON schema of a document."""

from __future__ import annotations

from typing import Any

import click

from card_doctor.cli import options
from card_doctor.cli.session import Output, Session
from card_doctor.reporting.json import encode
from card_doctor.reporting.schemas import DOCUMENTS, schema


@click.command("schema", short_help="The JSON schema of a document.")
@click.argument("name", type=click.Choice(list(DOCUMENTS)))
@options.everywhere("json")
@click.pass_obj
def command(session: Session, /, name: str, **flags: Any) -> None:
    """The JSON schema (draft 2020-12) of the document NAME."""
    output = Output(session.settings(flags), formats=("json",))
    output.deliver({"json": lambda _: encode(schema(name))})
