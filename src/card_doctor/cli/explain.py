"""`card-doctor explain ID`: what a check asks, why, an example, the remedy; or the same of one hazard."""

from __future__ import annotations

import re
from typing import Any, List

import click

from card_doctor.checks.registry import CheckInfo, all_checks
from card_doctor.cli import ids, options
from card_doctor.cli.session import Look, Output, Session
from card_doctor.model import Hazard
from card_doctor.reporting.json import Explanation, encode
from card_doctor.settings import Settings


@click.command("explain", short_help="What a check asks, why, an example, the remedy.")
@click.argument("id", shell_complete=options.complete_ids)
@options.everywhere()
@click.pass_obj
def command(session: Session, /, id: str, **flags: Any) -> None:  # noqa: A002  the argument's name in the usage line
    """What the check or hazard called ID asks, why, an example, and the remedy."""
    settings = session.settings(flags)
    output = Output(settings)
    explanation = explain(id, settings)

    def text(look: Look) -> str:
        from card_doctor.reporting.terminal import Page  # noqa: PLC0415

        page = Page(*look)
        page.line((explanation.id, "bold"), f" ({explanation.kind})")
        if settings.quiet:
            return page.text()
        page.gap()
        page.line(explanation.question)
        for paragraph in _paragraphs(explanation.text):
            page.gap()
            page.line(paragraph)
        rows = [("When", ", ".join(explanation.when))] if explanation.when else []
        rows += [("Fails with", explanation.symptom)] if explanation.symptom else []
        rows += [("Remedy", ", or ".join(explanation.remedies))] if explanation.remedies else []
        page.gap()
        page.table(rows)
        if explanation.evidence:
            page.gap()
            page.line("Evidence")
        for evidence in explanation.evidence:
            page.evidence(evidence, indent=2)
        return page.text()

    output.deliver({"text": text, "json": lambda _: encode(explanation)})


def explain(name: str, settings: Settings) -> Explanation:
    for check in all_checks():
        if check.id == name:
            return _of_check(check)
    for hazard in ids.hazards(settings.matrices):
        if f"packages/{hazard.id}" == name:
            return _of_hazard(hazard)
    raise ids.unknown(name, ids.known(settings.matrices))


def _of_check(check: CheckInfo) -> Explanation:
    return Explanation(id=check.id, kind="check", question=check.question, text=check.text)


def _of_hazard(hazard: Hazard) -> Explanation:
    when = [f"{name}{' ' + versions if versions else ' installed'}" for name, versions in hazard.when.items()]
    when += [f"{name} not installed" for name in hazard.missing]
    when += [f"Python {hazard.python}"] if hazard.python else []
    when += [hazard.marker] if hazard.marker else []
    return Explanation(
        id=f"packages/{hazard.id}",
        kind=f"hazard, breaks {_SCOPES.get(hazard.scope, hazard.scope.partition(':')[2])}, {hazard.proof}",
        question=_ranges(hazard),
        text=hazard.because,
        when=tuple(when),
        symptom=hazard.symptom,
        remedies=tuple(f"remove {text[1:]}" if text.startswith("-") else text for text in hazard.remedies),
        evidence=hazard.evidence,
    )


_SCOPES = {"import": "at import", "train": "in training"}


def _ranges(hazard: Hazard) -> str:
    """The message, which names installed versions, with the ranges in their place."""
    return re.sub(r"\{([^{}]+)\}", lambda match: hazard.when.get(match[1]) or "(any)", hazard.message)


def _paragraphs(text: str) -> List[str]:
    """A docstring's, unwrapped: an empty line ends one, and so does a line that opens with a word and a colon."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n|\n(?=[A-Z][a-z]+: )", text) if part.strip()]
