"""`card-doctor schema NAME`: the JSON schema of a document or of a matrix file."""

from __future__ import annotations

from typing import Any, Dict, Type

import click
import msgspec

from card_doctor.cli import options
from card_doctor.cli.session import Output, Session
from card_doctor.model import Release
from card_doctor.reporting.json import encode
from card_doctor.reporting.schemas import DOCUMENTS, document_schema, schema_of

HARDWARE = ("gpus", "cuda", "torch-builds", "precision")  # matrices/hardware/<name>.toml
MATRICES = (
    "card-matrix",
    "hazards-matrix",
    "releases-matrix",
    "signatures-matrix",
    *(f"{name}-matrix" for name in HARDWARE),
)

HELP = f"""The JSON schema (draft 2020-12) of the document, or of the matrix file, called NAME.

Documents: {", ".join(DOCUMENTS)}.

Matrix files: {", ".join(MATRICES)}. Releases are JSON lines: theirs is the schema of one line.
"""


@click.command("schema", help=HELP, short_help="The JSON schema of a document or of a matrix file.")
@click.argument("name", metavar="NAME", type=click.Choice([*DOCUMENTS, *MATRICES]))
@options.everywhere("json")
@click.pass_obj
def command(session: Session, /, name: str, **flags: Any) -> None:
    output = Output(session.settings(flags), formats=("json",))
    output.deliver({"json": lambda _: encode(schema(name))})


def schema(name: str) -> Dict[str, Any]:
    return document_schema(name) if name in DOCUMENTS else schema_of(matrix_type(name), name)


def matrix_type(name: str) -> Type[msgspec.Struct]:
    """What a matrix file of that kind is read as."""
    kind = name[: -len("-matrix")]
    if kind == "card":
        from card_doctor.cards.matrix import CardMatrix  # noqa: PLC0415

        return CardMatrix
    if kind == "hazards":
        from card_doctor.knowledge.hazards import HazardFile  # noqa: PLC0415

        return HazardFile
    if kind == "signatures":
        from card_doctor.knowledge.signatures import SignatureFile  # noqa: PLC0415

        return SignatureFile
    if kind == "releases":
        return Release
    from card_doctor.knowledge.hardware import SHAPES  # noqa: PLC0415

    return SHAPES[f"{kind}.toml"]
