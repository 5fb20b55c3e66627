"""`card-doctor cards [list|show CARD|import SOURCE]`: the catalogue; one card as it was read; a matrix of it."""

from __future__ import annotations

from typing import Any, List, Mapping, Tuple

import click

from card_doctor.cli import options
from card_doctor.cli.session import Look, Output, Session
from card_doctor.model import Card
from card_doctor.settings import Settings


class _ListByDefault(click.Group):
    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group("cards", cls=_ListByDefault, short_help="The catalogue; one card as it was read.")
def command() -> None:
    """The catalogue, or one card as it was read. `card-doctor cards` alone is `card-doctor cards list`."""


@command.command("list", short_help="Every card of the catalogue.")
@options.everywhere()
@click.pass_obj
def list_cards(session: Session, /, **flags: Any) -> None:
    """Every card that can be named without a path, and what it was trained with; those with advice first."""
    from card_doctor.cards import catalogue, read_named  # noqa: PLC0415
    from card_doctor.reporting.json import CardsDocument, ListedCard, encode  # noqa: PLC0415

    settings = session.settings(flags)
    output = Output(settings)
    found = {name: read_named(path) for name, path in catalogue(_directories(settings)).items()}
    ordered = sorted(found.items(), key=lambda item: not item[1].troubleshooting)
    cards = [ListedCard(name, card.date, card.versions) for name, card in ordered]

    def text(look: Look) -> str:
        from card_doctor.reporting.terminal import Page  # noqa: PLC0415

        page = Page(*look)
        for card in cards:
            page.whole(card.name, indent=0)
            if not settings.quiet:
                stated = [card.date] if card.date else []
                versions = [*map(" ".join, card.versions.items())] or ["no versions stated"]
                page.line(", ".join([*stated, *versions]), indent=4)
        return page.text()

    output.deliver({"text": text, "json": lambda _: encode(CardsDocument(tuple(cards)))})


@command.command("show", short_help="One card as it was read.")
@click.argument("card", shell_complete=options.complete_cards)
@options.everywhere()
@click.pass_obj
def show_card(session: Session, /, card: str, **flags: Any) -> None:
    """What CARD, a name of the catalogue or a file, states; with -v also where each fact was read."""
    from card_doctor.cards import find_card  # noqa: PLC0415
    from card_doctor.reporting.json import encode  # noqa: PLC0415

    settings = session.settings(flags)
    output = Output(settings)
    found = find_card(card, _directories(settings), offline=settings.offline)

    def text(look: Look) -> str:
        from card_doctor.reporting.terminal import Page  # noqa: PLC0415

        page = Page(*look)
        page.line((found.name, "bold"), f" ({found.source.kind})")
        if settings.quiet:
            return page.text()
        page.table(_summary(found), indent=2)
        for title, stated in (
            ("Versions", found.versions),
            ("Hyperparameters", found.hyperparameters),
            ("Metrics", found.metrics),
            ("Hardware", found.hardware),
            ("Dataset", found.dataset),
        ):
            if stated:
                page.gap()
                page.line((title, "bold"))
                page.table([(key, _value(value)) for key, value in stated.items()], indent=2)
        if found.results:
            page.gap()
            page.line(("Results", "bold"))
            columns = tuple(dict.fromkeys(column for row in found.results for column in row))
            page.table(
                [[_value(row.get(column)) for column in columns] for row in found.results], header=columns, indent=2
            )
        if found.troubleshooting:
            page.gap()
            page.line(("Troubleshooting", "bold"))
            for case in found.troubleshooting:
                page.line(f"{case.case}: {case.advice}", indent=2)
        for conflict in found.conflicts:
            page.gap()
            page.line(f"{conflict.key} is stated in {len(conflict.values)} ways: {', '.join(conflict.values)}")
        if settings.verbose and found.facts:
            page.gap()
            page.line(("Read", "bold"))
            page.table([_fact(fact.key, fact.line, fact.raw) for fact in found.facts], indent=2)
        return page.text()

    output.deliver({"text": text, "json": lambda _: encode(found)})


@command.command("import", short_help="A matrix (TOML) from any card.")
@click.argument("source", shell_complete=options.complete_cards)
@options.everywhere("toml", "json")
@click.pass_obj
def import_card(session: Session, /, source: str, **flags: Any) -> None:
    """The facts of SOURCE (a README, an article, a model's folder, an id of the hub) as a matrix, which is a card too:

    card-doctor cards import README.md --output toml=my-model.toml
    """
    from card_doctor.cards import find_card  # noqa: PLC0415
    from card_doctor.cards.export import to_toml  # noqa: PLC0415
    from card_doctor.reporting.json import encode  # noqa: PLC0415

    settings = session.settings(flags)
    output = Output(settings, ("toml", "json"))
    found = find_card(source, _directories(settings), offline=settings.offline)
    output.deliver({"toml": lambda _: to_toml(found, source), "json": lambda _: encode(found)})


def _directories(settings: Settings) -> Tuple[Any, ...]:
    from pathlib import Path  # noqa: PLC0415

    from card_doctor.knowledge import Matrices  # noqa: PLC0415

    return Matrices([Path(folder) for folder in settings.matrices]).directories


def _summary(card: Card) -> List[Tuple[str, str]]:
    precision = card.precision
    rows = [
        ("source", card.source.url or card.source.path),
        ("date", card.date),
        ("base model", card.base_model),
        ("precision", f"{precision.mode or 'not known'} ({precision.raw})" if precision else None),
    ]
    return [(name, value) for name, value in rows if value]


def _fact(key: str, line: object, raw: str) -> Tuple[str, str, str]:
    return key, f"line {line}" if line else "", raw


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_value(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(_value, value))})"
    return "" if value is None else str(value)
