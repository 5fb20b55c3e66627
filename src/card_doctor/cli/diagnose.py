"""`card-doctor diagnose LOG`: which known failure a log shows, and its remedy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Any, Optional, Tuple

import click

from card_doctor import __version__
from card_doctor.cli import options
from card_doctor.cli.session import Look, Output, Session
from card_doctor.errors import LogError
from card_doctor.knowledge import Matrices
from card_doctor.logs import Scanner
from card_doctor.logs.encoding import open_log
from card_doctor.model import Diagnosis, Document, Finding, Tool
from card_doctor.reporting.json import DiagnosisDocument, encode


@click.command("diagnose", short_help="Which known failure a log shows, and its remedy.")
@click.argument("log", metavar="LOG", type=click.Path(allow_dash=True))
@click.option("--card", metavar="CARD", shell_complete=options.complete_cards, help="What was trained.")
@options.which_environment()
@options.everywhere()
@click.pass_obj
def command(session: Session, /, log: str, card: Optional[str], **flags: Any) -> int:
    """What the run whose output is in LOG (`-`: standard input) failed of first, and what to do.

    With --python, --environment or --card, that environment is checked too: which of its findings explains the
    failure, and the command that mends it. Exit code 1: a failure was recognised.
    """
    settings = session.settings(flags)
    output = Output(settings)
    knowledge = Matrices([Path(folder) for folder in settings.matrices])
    diagnosis = read(log, knowledge)
    checked = None
    if diagnosis.failure and (card or flags["python"] or flags["environment"]):
        from card_doctor.checkup import run  # noqa: PLC0415

        checked = run(
            [card],
            python=settings.python,
            environment=settings.environment,
            platform=settings.platform,
            matrices=knowledge.directories[1:],
            timeout=settings.timeout,
            offline=settings.offline,
            started_with_m=session.started_with_m,
        )
    document = document_of(diagnosis, log, knowledge, checked)

    def text(look: Look) -> str:
        from card_doctor.reporting.diagnosis import render  # noqa: PLC0415

        return render(document, **look._asdict(), verbose=settings.verbose, quiet=settings.quiet)

    output.deliver({"text": text, "json": lambda _: encode(document)})
    return document.exit_code


def read(log: str, knowledge: Matrices) -> Diagnosis:
    """The diagnosis of a file, or of standard input."""
    if log == "-":
        return _scan(sys.stdin.buffer, "standard input", knowledge)
    try:
        with Path(log).open("rb") as stream:
            return _scan(stream, log, knowledge)
    except OSError as error:
        raise LogError(f"{log}: can't be read: {error.strerror or error}") from None


def _scan(stream: IO[bytes], name: str, knowledge: Matrices) -> Diagnosis:
    scanner = Scanner(knowledge.signatures)
    for piece in open_log(stream, name):
        scanner.feed(piece)
    return scanner.result()


def document_of(
    diagnosis: Diagnosis, log: str, knowledge: Matrices, checked: Optional[Document] = None
) -> DiagnosisDocument:
    """The diagnosis as it is printed, with what explains it in the environment that was `checked`."""
    failure = diagnosis.failure
    findings: Tuple[Finding, ...] = ()
    if checked and failure:
        from card_doctor.logs.explain import explaining  # noqa: PLC0415

        symptoms = {f"packages/{hazard.id}": hazard.symptom for hazard in knowledge.hazards()}
        findings = explaining(failure, checked.reports[0].findings, symptoms)
    return DiagnosisDocument(
        tool=Tool("card-doctor", __version__, knowledge.digest),
        log=log,
        exit_code=1 if failure else 0,
        lines=diagnosis.lines,
        failures=diagnosis.failures,
        symptoms=diagnosis.symptoms,
        noticed=diagnosis.noticed,
        unrecognised=diagnosis.unrecognised,
        environment=checked.environment if checked else None,
        findings=findings,
        remedy=checked.reports[0].remedy if checked and findings else None,
    )
