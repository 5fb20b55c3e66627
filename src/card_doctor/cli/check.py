"""`card-doctor check [CARD...]`: the cards against the environment."""

from __future__ import annotations

import datetime as dt
import os
import shlex
from functools import partial
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence, Tuple

import click

from card_doctor.cli import ids, options
from card_doctor.cli.session import Look, Output, Progress, Session, show
from card_doctor.errors import CardDoctorError, UsageError
from card_doctor.model import Case, Data, Document, Plan, Run
from card_doctor.reporting import FORMATS, renderer
from card_doctor.settings import Settings


@click.command("check", short_help="The cards against the environment.")
@click.argument("cards", nargs=-1, metavar="[CARD]...", shell_complete=options.complete_cards)
@click.option("--all", "every", is_flag=True, help="Every card of the catalogue, or of each folder named.")
@click.option("-k", "pattern", metavar="PATTERN", help="Of them, those whose name has this in it, or matches it.")
@options.which_environment()
@click.option(
    "--gpu", multiple=True, metavar="SPEC", help="Judge for this GPU: T4, 8xH100, sm_90:80GiB, none. Repeatable."
)
@click.option("--driver", metavar="VERSION", help="Judge for this driver.")
@click.option("--precision", type=click.Choice(["fp32", "fp16", "bf16"]), help="Judge for this instead of the card's.")
@click.option(
    "--match",
    type=click.Choice(["compatible", "series", "exact", "any"]),
    help="How near to the card's versions (default: compatible).",
)
@click.option("--plan", is_flag=True, help="Add the nearest environment that works, as `card-doctor plan` finds it.")
@click.option("--deep", is_flag=True, help="Also import torch there, and try a step of training.")
@options.what_to_check()
@click.option("--script", metavar="FILE", type=click.Path(), help="The training script: what it imports is judged too.")
@options.which_run()
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "unknown", "never"]),
    help="From what on the exit code is 1 (default: error).",
)
@options.everywhere(*FORMATS)
@click.pass_obj
def command(session: Session, /, cards: Tuple[str, ...], *, every: bool, pattern: Optional[str], **flags: Any) -> int:
    """What will break when you train with each CARD here, why, and what to do.

    A CARD is a name of `card-doctor cards`, a file, a model's folder, or an id of the hub; without one, the
    environment itself is checked.
    """
    from card_doctor.checkup import run  # noqa: PLC0415
    from card_doctor.reporting.json import Stream  # noqa: PLC0415

    settings = session.settings(flags, reports=True)
    output = Output(settings, FORMATS)
    ids.expect(settings.select, settings.matrices)
    policy, ended = settings.policy(dt.datetime.now().astimezone().date())
    for ignore in ended:
        session.warn(
            f"the ignore of {ignore.id} ended on {ignore.until}" + (f" ({ignore.reason})" if ignore.reason else "")
        )
    matrices = [Path(folder) for folder in settings.matrices]
    references = _references(cards, matrices, every=every, pattern=pattern)
    counted = Progress(len(references), "cards", quiet=settings.quiet or len(references) < 2)
    training, data = _training(settings.run, settings.data, settings.label)
    stream = Stream(partial(show, ended=False)) if output.is_json_alone and len(references) > 1 else None
    document = run(
        references or [None],
        python=settings.python,
        environment=settings.environment,
        platform=settings.platform,
        gpus=settings.gpu,
        driver=settings.driver,
        policy=policy,
        script=settings.script,
        matrices=matrices,
        timeout=settings.timeout,
        offline=settings.offline,
        started_with_m=session.started_with_m,
        deep=settings.deep,
        plan=_planner(session, settings) if settings.plan else None,
        progress=counted,
        training=training,
        data=data,
        hand_over=stream.add if stream else None,
    )
    counted.end()
    if stream:
        stream.end(document)
        return document.exit_code

    def text(look: Look) -> str:
        from card_doctor.checks.registry import FAMILIES  # noqa: PLC0415
        from card_doctor.reporting.text import render  # noqa: PLC0415

        return render(
            document,
            width=look.width,
            color=look.color,
            encoding=look.encoding,
            verbose=settings.verbose,
            quiet=settings.quiet,
            command="python -m card_doctor check" if session.started_with_m else "card-doctor check",
            flags=_again(flags),
            families=FAMILIES,
        )

    def rendered(name: str) -> Callable[[Look], str]:
        return lambda _: renderer(name)(document)

    output.deliver({**{name: rendered(name) for name in FORMATS}, "text": text})
    if settings.format == "github":
        _summarise(document)
    return document.exit_code


def _planner(session: Session, settings: Settings) -> Callable[[Case], Optional[Plan]]:
    """Plans for a case; where no answer can be given, the report stands without a plan, and it is said why."""
    from card_doctor.planning.uv import Uv  # noqa: PLC0415
    from card_doctor.plans import Wish, plan_for  # noqa: PLC0415

    def plan(case: Case) -> Optional[Plan]:
        wish = Wish(policy=case.policy, offline=settings.offline, timeout=settings.timeout)
        try:
            return plan_for(case, wish, Uv(offline=settings.offline))
        except CardDoctorError as error:
            session.warn(f"no plan for {case.needs_card().name}: {error.message}")
            return None

    return plan


def _summarise(document: Document) -> None:
    """Add to the summary of the step, where a runner of GitHub Actions gives a file for it."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    from card_doctor.reporting.github import summary  # noqa: PLC0415

    try:
        with Path(path).open("ab") as file:
            file.write(summary(document, taken=file.tell()).encode())
    except OSError as error:
        raise CardDoctorError(f"{path}: can't be written: {error.strerror or error}") from None


def _references(
    cards: Sequence[str], matrices: Sequence[Path], *, every: bool, pattern: Optional[str]
) -> Sequence[str]:
    if not every and pattern is None:
        return cards
    from card_doctor.cards.many import every_card, picked  # noqa: PLC0415
    from card_doctor.knowledge import Matrices  # noqa: PLC0415

    if not every and not cards:
        raise UsageError("-k picks among several cards, and none are named", "Add --all, or name some.")
    found = every_card(cards, Matrices(matrices).directories) if every else cards
    return picked(found, pattern) if pattern is not None else found


def _training(
    folder: Optional[str], files: Sequence[str], label: Optional[str]
) -> Tuple[Optional[Run], Optional[Data]]:
    """The run and the data that were named."""
    from card_doctor.runs.folder import read_run  # noqa: PLC0415

    training = read_run(Path(folder)) if folder else None
    if label and not files:
        raise UsageError("--label names a column of the data", "add --data FILE")
    if not files:
        return training, None
    from card_doctor.runs.data import read_data  # noqa: PLC0415

    return training, read_data([Path(file) for file in files], label, longest=training.longest if training else None)


def _again(flags: Mapping[str, Any]) -> str:
    """What names the same environment and machine once more; settings apply again by themselves."""
    words = []
    named = (
        "python",
        "environment",
        "platform",
        "gpu",
        "driver",
        "precision",
        "script",
        "matrices",
        "run",
        "data",
        "label",
    )
    for name in named:
        values = flags[name] if isinstance(flags[name], tuple) else [flags[name]]
        words += [word for value in values if value for word in (f"--{name}", value)]
    return " ".join(map(shlex.quote, words))
