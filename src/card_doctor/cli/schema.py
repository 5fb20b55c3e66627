"""`card-doctor schema NAME`: the JSON schema of a document or of a matrix file."""

from __future__ import annotations

from typing import Any, Dict, Type

import click
import msgspec

from card_doctor.cli import options
from card_doctor.cli.session import Output, Session
from card_doctor.reporting.json import encode
from card_doctor.reporting.schemas import DOCUMENTS, document_schema, schema_of

MATRICES = ("card-matrix", "hazards-matrix", "signatures-matrix")


@click.command("schema", short_help="The JSON schema of a document or of a matrix file.")
@click.argument("name", metavar="NAME", type=click.Choice([*DOCUMENTS, *MATRICES]))
@options.everywhere("json")
@click.pass_obj
def command(session: Session, /, name: str, **flags: Any) -> None:
    """The JSON schema (draft 2020-12) of the document, or of the matrix file, called NAME.

    Documents: report, card, snapshot, trial, error, cards, checks, explanation, diagnosis. Matrix files: card-matrix,
    hazards-matrix, signatures-matrix.
    """
    output = Output(session.settings(flags), formats=("json",))
    output.deliver({"json": lambda _: encode(schema(name))})


def schema(name: str) -> Dict[str, Any]:
    if name in DOCUMENTS:
        return document_schema(name)
    from card_doctor.cards.matrix import CardMatrix  # noqa: PLC0415
    from card_doctor.knowledge.hazards import HazardFile  # noqa: PLC0415
    from card_doctor.knowledge.signatures import SignatureFile  # noqa: PLC0415

    kinds: Dict[str, Type[msgspec.Struct]] = {
        "card-matrix": CardMatrix,
        "hazards-matrix": HazardFile,
        "signatures-matrix": SignatureFile,
    }
    return schema_of(kinds[name], name)
