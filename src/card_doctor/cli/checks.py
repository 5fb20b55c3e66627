"""`card-doctor checks`: every check, its family, severity and whether it is on."""

from __future__ import annotations

import datetime as dt
from typing import Any

import click

from card_doctor.checks.engine import names
from card_doctor.checks.registry import all_checks
from card_doctor.cli import ids, options
from card_doctor.cli.session import Look, Output, Session
from card_doctor.reporting.json import ChecksDocument, ListedCheck, encode
from card_doctor.settings import Settings


@click.command("checks", short_help="Every check, and whether it is on.")
@options.what_to_check()
@options.everywhere()
@click.pass_obj
def command(session: Session, /, **flags: Any) -> None:
    """Every check, its family, the worst that it reports, and whether `check` would run it with these settings."""
    settings = session.settings(flags)
    output = Output(settings)
    ids.expect(settings.select, settings.matrices)
    listed = tuple(
        ListedCheck(check.id, check.family, check.severity, _is_on(check.id, settings), check.question)
        for check in all_checks()
    )

    def text(look: Look) -> str:
        from card_doctor.reporting.terminal import Page  # noqa: PLC0415

        page = Page(*look)
        if settings.quiet:
            page.line(f"{len(listed)} checks, {sum(check.on for check in listed)} of them on")
            return page.text()
        rows = [(check.id, check.severity, "on" if check.on else "off", check.question) for check in listed]
        page.table(rows, header=("check", "worst", "", "asks"))
        return page.text()

    output.deliver({"text": text, "json": lambda _: encode(ChecksDocument(listed))})


def _is_on(check_id: str, settings: Settings) -> bool:
    selected = [ids.check_of(selector) for selector in settings.select]
    policy, _ = settings.policy(dt.datetime.now().astimezone().date())
    return (not selected or any(names(selector, check_id) for selector in selected)) and not any(
        ignore.subject is None and names(ignore.id, check_id) for ignore in policy.ignore
    )
