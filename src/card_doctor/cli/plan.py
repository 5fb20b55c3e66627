"""`card-doctor plan CARD`: the nearest environment that works here, resolved; changes nothing."""

from __future__ import annotations

import datetime as dt
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, TypeVar

import click

from card_doctor.cli import options
from card_doctor.cli.session import Look, Output, Renderers, Session
from card_doctor.settings import Settings

if TYPE_CHECKING:
    from card_doctor.plans import Planned, Wish

FORMATS = ("text", "json", "requirements", "pylock", "script", "dockerfile")
# Flags of these commands alone: no setting of the same name stands for them.
OWN = ("date", "near", "python_downloads", "hashes")
F = TypeVar("F", bound=Callable[..., Any])


def _day(ctx: click.Context, param: click.Parameter, value: Optional[str]) -> Optional[str]:
    if value in {None, "none"}:
        return value
    try:
        return dt.date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise click.BadParameter("expected a day like 2022-05-08, or none", ctx, param) from None


def what_to_plan() -> Callable[[F], F]:
    """The flags that `plan` and `build` share."""

    def decorate(function: F) -> F:
        for option in reversed(
            (
                options.which_environment(),
                click.option("--gpu", multiple=True, metavar="SPEC", help="Plan for this GPU: T4, 8xH100, none."),
                click.option("--driver", metavar="VERSION", help="Plan for this driver."),
                click.option(
                    "--precision",
                    type=click.Choice(["fp32", "fp16", "bf16"]),
                    help="Plan for this instead of the card's.",
                ),
                click.option(
                    "--date",
                    callback=_day,
                    metavar="DATE|none",
                    help="Take nothing newer; none: as new as possible (default: the card's time).",
                ),
                click.option("--python-downloads", is_flag=True, help="Let uv fetch a Python that is not installed."),
            )
        ):
            function = option(function)
        return function

    return decorate


@click.command("plan", short_help="The nearest environment that works here.")
@click.argument("card", shell_complete=options.complete_cards)
@what_to_plan()
@click.option("--near", is_flag=True, help="Keep what can be kept of the environment, and print what changes.")
@click.option("--hashes", is_flag=True, help="With the hash of every file, in requirements.")
@options.everywhere(*FORMATS)
@click.pass_obj
def command(session: Session, /, card: str, **flags: Any) -> int:
    """The releases nearest to what CARD states that can be installed and run here, found by a resolver (uv).

    Nothing is installed or changed. What is not the card's stands there with its reason. Exit code 1: nothing resolves.
    """
    own = take(flags)
    settings = session.settings(flags)
    output = Output(settings, FORMATS)
    planned = make(session, card, settings, own)
    plan = planned.plan
    build = None if own["near"] else again(card, flags, own)
    if plan.blocked_by and settings.format not in {"text", "json"}:
        for wall in plan.blocked_by:
            session.warn(f"{wall.subject}: {wall.message}")
    output.deliver(renderers(planned, settings, hashes=own["hashes"], build=build))
    return 1 if plan.blocked_by else 0


def take(flags: Dict[str, Any]) -> Dict[str, Any]:
    """The flags that are no settings, out of all."""
    return {name: flags.pop(name, None) for name in OWN}


def make(session: Session, reference: str, settings: Settings, own: Mapping[str, Any]) -> Planned:
    """The plan for a card."""
    from card_doctor.cards import find_card  # noqa: PLC0415
    from card_doctor.knowledge import Matrices  # noqa: PLC0415
    from card_doctor.planning.index import stray_settings  # noqa: PLC0415
    from card_doctor.plans import plan_card, plan_near  # noqa: PLC0415

    knowledge = Matrices([Path(folder) for folder in settings.matrices])
    card = find_card(reference, knowledge.directories, offline=settings.offline)
    stray = stray_settings()
    if stray is not None:
        session.warn(f"{stray} is not asked where releases come from; UV_CONFIG_FILE names it for that")
    wish = wish_of(settings, own)
    with session.progress() as show:
        if not own["near"]:
            return plan_card(card, wish, knowledge, show)
        from card_doctor.checkup import look  # noqa: PLC0415

        snapshot = look(
            python=settings.python,
            environment=settings.environment,
            timeout=settings.timeout,
            started_with_m=session.started_with_m,
            hardware=not settings.gpu,
        )
        return plan_near(card, wish, knowledge, snapshot, show)


def wish_of(settings: Settings, own: Mapping[str, Any]) -> Wish:
    from card_doctor.plans import Wish  # noqa: PLC0415

    policy, _ = settings.policy(dt.datetime.now().astimezone().date())
    return Wish(
        python=settings.python,
        environment=settings.environment,
        platform=settings.platform,
        gpus=settings.gpu,
        driver=settings.driver,
        policy=policy,
        date=own["date"],
        offline=settings.offline,
        downloads=bool(own["python_downloads"]),
        timeout=settings.timeout,
    )


def renderers(planned: Planned, settings: Settings, *, hashes: bool, build: Optional[str]) -> Renderers:
    plan = planned.plan

    def text(look: Look) -> str:
        from card_doctor.reporting import words  # noqa: PLC0415
        from card_doctor.reporting.plan import render  # noqa: PLC0415

        return render(
            plan,
            width=look.width,
            color=look.color,
            encoding=look.encoding,
            verbose=settings.verbose,
            quiet=settings.quiet,
            machine=words.machine(planned.machine),
            build=build,
        )

    def json(_: Look) -> str:
        from card_doctor.reporting.json import encode, plan_document  # noqa: PLC0415

        return encode(plan_document(plan))

    def recipe(name: str) -> Callable[[Look], str]:
        def written(_: Look) -> str:
            from card_doctor.reporting import recipes  # noqa: PLC0415

            if plan.blocked_by:
                return "# nothing resolves"
            if name == "requirements":
                return recipes.requirements(plan, hashes=hashes)
            return plan.pylock if name == "pylock" else str(getattr(recipes, name)(plan))

        return written

    return {"text": text, "json": json, **{name: recipe(name) for name in FORMATS[2:]}}


def again(card: str, flags: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """How to build it, for the same machine and by the same wishes."""
    words: List[str] = ["card-doctor", "build", card, "DIR"]
    for name in ("python", "environment", "platform", "gpu", "driver", "precision", "matrices"):
        values = flags[name] if isinstance(flags[name], tuple) else [flags[name]]
        words += [word for value in values if value for word in (f"--{name}", value)]
    words += ["--date", own["date"]] if own["date"] else []
    words += ["--offline"] * flags["offline"] + ["--python-downloads"] * own["python_downloads"]
    return " ".join(map(shlex.quote, words))
