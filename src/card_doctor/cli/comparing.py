"""What the commands have in common that compare machines: a card judged on each, the answer, its exit code."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional, Sequence, Union

from card_doctor import __version__
from card_doctor.cli.session import Look, Output, Session
from card_doctor.knowledge import Matrices
from card_doctor.model import Fleet, Node, Silent, Tool
from card_doctor.reporting import FORMATS, renderer


class Comparing:
    """Made before the nodes are asked, so that a wrong flag or card costs nothing."""

    def __init__(self, session: Session, flags: Mapping[str, Any], card: Optional[str]) -> None:
        from card_doctor.fleet.judging import judge_with  # noqa: PLC0415

        self.settings = settings = session.settings(flags)
        self._output = Output(settings, FORMATS)
        self._knowledge = Matrices([Path(folder) for folder in settings.matrices])
        self._policy, _ = settings.policy(dt.datetime.now().astimezone().date())
        # Text and JSON say what differs; the others are made of reports, and have one for each group.
        named = {settings.format, *(output.partition("=")[0] for output in settings.output)}
        judged = card is not None or not named <= {"text", "json"}
        self._judge = judge_with(card, self._knowledge, self._policy, offline=settings.offline) if judged else None

    def fleet(self, answers: Iterable[Union[Node, Silent]], expected: Sequence[str] = ()) -> Fleet:
        from card_doctor.fleet import compare  # noqa: PLC0415

        return compare(answers, expected=expected, judge=self._judge)

    def deliver(self, fleet: Fleet) -> int:
        """Print it, and give the exit code."""
        from card_doctor.reporting.json import comparison_document, encode  # noqa: PLC0415

        tool = Tool("card-doctor", __version__, self._knowledge.digest)

        def text(look: Look) -> str:
            from card_doctor.reporting.comparison import render  # noqa: PLC0415

            return render(fleet, **look._asdict(), verbose=self.settings.verbose, quiet=self.settings.quiet)

        def rendered(name: str) -> str:
            from card_doctor.fleet.reports import document_of  # noqa: PLC0415

            return renderer(name)(document_of(fleet, tool, self._policy))

        others = {name: lambda _, name=name: rendered(name) for name in FORMATS if name not in {"text", "json"}}
        self._output.deliver({**others, "text": text, "json": lambda _: encode(comparison_document(fleet, tool))})
        return fleet.exit_code
