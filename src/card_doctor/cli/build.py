"""`card-doctor build CARD DIR`: make the planned environment in a new folder, then train in it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
import msgspec

from card_doctor.cli import options
from card_doctor.cli.plan import make, renderers, take, what_to_plan
from card_doctor.cli.session import Look, Output, Session
from card_doctor.model import Proof


@click.command("build", short_help="Make the planned environment in a new folder, and train in it.")
@click.argument("card", shell_complete=options.complete_cards)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@what_to_plan()
@options.everywhere(timeout="For each Python that is read (default: 20).")
@click.pass_obj
def command(session: Session, /, card: str, folder: Path, **flags: Any) -> int:
    """The environment that `card-doctor plan CARD` finds, in the new folder DIR; then a few steps are trained in it.

    DIR is there when everything is installed in it, and not before: what is interrupted leaves nothing behind. Exit
    code 1: nothing resolves, or it does not train.
    """
    from card_doctor.environment.choose import interpreter_in  # noqa: PLC0415
    from card_doctor.planning.building import build, must_be_new  # noqa: PLC0415
    from card_doctor.trial import run_trial  # noqa: PLC0415

    own = take(flags)
    settings = session.settings(flags)
    output = Output(settings)
    must_be_new(folder)
    planned = make(session, card, settings, own)
    if planned.plan.blocked_by:
        output.deliver(renderers(planned, settings, hashes=False, build=None))
        return 1
    session.tell(f"planned {len(planned.plan.pins)} packages for Python {planned.plan.python}")
    plan = build(planned.plan, folder, planned.uv, timeout=settings.timeout, say=session.tell)
    session.tell("training a few steps in it")
    with session.progress() as show:
        tried = run_trial(Path(str(interpreter_in(folder))), planned.card, progress=show)
    proof = Proof("trained", tried.device) if tried.works else plan.proof
    planned = planned._replace(plan=msgspec.structs.replace(plan, proof=proof, trial=tried))
    told = renderers(planned, settings, hashes=False, build=None)

    def text(look: Look) -> str:
        from card_doctor.reporting.trial import render  # noqa: PLC0415

        check = shlex.join(["card-doctor", "check", card, "--python", str(folder)])
        trained = render(
            tried,
            subject=f"{planned.card.name} in {folder}",
            check=check,
            width=look.width,
            color=look.color,
            encoding=look.encoding,
            verbose=settings.verbose,
            quiet=settings.quiet,
        )
        return told["text"](look) + ("" if settings.quiet else "\n") + trained

    output.deliver({**told, "text": text})
    return 0 if tried.works else 1
