"""`card-doctor trial [CARD]`: train a few real steps in an environment, with the card's settings."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any, Optional

import click

from card_doctor.cli import options
from card_doctor.cli.session import Look, Output, Session


@click.command("trial", short_help="Train a few real steps, with a card's settings.")
@click.argument("card", required=False, metavar="[CARD]", shell_complete=options.complete_cards)
@options.which_python()
@options.everywhere(timeout="For all stages together (default: 600).")
@click.pass_obj
def command(session: Session, /, card: Optional[str], **flags: Any) -> int:
    """Does training work in this environment? A small model of the card's family is trained for a few steps with the
    card's settings, evaluated, saved and loaded; what is tried is smaller than the card, and said. Nothing is
    downloaded and nothing is left behind. Without a CARD: a small BERT.
    """
    from card_doctor.cards import find_card  # noqa: PLC0415
    from card_doctor.environment import choose  # noqa: PLC0415
    from card_doctor.knowledge import Matrices  # noqa: PLC0415
    from card_doctor.trial import TIMEOUT, run_trial  # noqa: PLC0415

    settings = session.settings(flags)
    output = Output(settings)
    directories = Matrices([Path(folder) for folder in settings.matrices]).directories
    found = find_card(card, directories, offline=settings.offline) if card is not None else None
    python = Path(choose(settings.python, started_with_m=session.started_with_m) or sys.executable)
    with session.progress() as show:
        tried = run_trial(python, found, timeout=flags["timeout"] or TIMEOUT, progress=show)

    def text(look: Look) -> str:
        from card_doctor.reporting.trial import render  # noqa: PLC0415

        program = "python -m card_doctor" if session.started_with_m else "card-doctor"
        return render(
            tried,
            subject=f"{found.name} in {python}" if found else str(python),
            check=shlex.join([*program.split(), "check", *([card] if card else []), "--python", str(python)]),
            width=look.width,
            color=look.color,
            encoding=look.encoding,
            verbose=settings.verbose,
            quiet=settings.quiet,
        )

    def json(_: Look) -> str:
        from card_doctor.reporting.json import encode  # noqa: PLC0415

        return encode(tried)

    output.deliver({"text": text, "json": json})
    return 0 if tried.works else 1
