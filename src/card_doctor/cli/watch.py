"""`card-doctor watch [CARD] -- COMMAND...`: pre-flight, run the command, watch the hardware, diagnose a failure."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Tuple

import click

from card_doctor import __version__
from card_doctor.cli import options
from card_doctor.cli.session import Look, Output, Session, show
from card_doctor.errors import CardDoctorError, CardError, UsageError
from card_doctor.knowledge import Matrices
from card_doctor.model import Capacity, Diagnosis, Document, Ended, Sample, Tool
from card_doctor.reporting.plain import plain
from card_doctor.settings import Settings

INTERVAL = 2.0  # seconds between two samples


class Watch(click.Command):
    """What comes after `--` is the command's own, and nothing of it is an option of ours."""

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        if "--" in args:
            position = args.index("--")
            ctx.meta["card_doctor.command"] = args[position + 1 :]
            args = args[:position]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> List[str]:
        return [*super().collect_usage_pieces(ctx), "-- COMMAND..."]


@click.command("watch", cls=Watch, short_help="Run a command: check before, watch it, diagnose a failure.")
@click.argument("card", required=False, shell_complete=options.complete_cards)
@click.option("--python", metavar="PATH|VERSION|DIR", help="The interpreter to check, if the command does not tell.")
@options.everywhere("text")
@click.pass_context
def command(ctx: click.Context, /, card: Optional[str], **flags: Any) -> int:
    """Check the interpreter of COMMAND (against CARD), run it, and say what it made of the machine.

    COMMAND has its own terminal and signals, and its exit code is ours. What we say goes to standard error. The samples
    are in the file of `--output json=PATH`, and drawn in that of `--output html=PATH`.
    """
    words: List[str] = ctx.meta.get("card_doctor.command", [])
    if not words:
        raise UsageError("there is no command to watch", "card-doctor watch [CARD] -- COMMAND...")
    if os.name != "posix":
        raise UsageError("commands are watched on Linux and macOS", "elsewhere: card-doctor check, then the command")
    session: Session = ctx.obj
    settings = session.settings(flags)
    output = Output(settings, formats=("text", "json", "html"))
    knowledge = Matrices([Path(folder) for folder in settings.matrices])
    checked = _preflight(session, settings, card, words, knowledge)
    watched, diagnosis = _watch(words, knowledge)
    try:
        _summary(output, settings, watched, card=card, checked=checked, diagnosis=diagnosis, knowledge=knowledge)
    except Exception as error:  # noqa: BLE001  whatever it is, the command's exit code is what counts
        session.warn(f"no summary of the run: {error}")
    if watched.number:
        _die_of(watched.number)
    return watched.code


def _preflight(
    session: Session, settings: Settings, card: Optional[str], words: List[str], knowledge: Matrices
) -> Optional[Document]:
    """What `check` says of the command's interpreter, in a line or three; the command runs whatever that is."""
    from card_doctor.checkup import run  # noqa: PLC0415
    from card_doctor.reporting.text import render  # noqa: PLC0415
    from card_doctor.watching.command import interpreter_of  # noqa: PLC0415

    policy, _ = settings.policy(dt.datetime.now().astimezone().date())
    try:
        checked = run(
            [card],
            python=settings.python or interpreter_of(words),
            policy=policy,
            matrices=knowledge.directories[1:],
            timeout=settings.timeout,
            offline=settings.offline,
            started_with_m=session.started_with_m,
        )
    except CardError:
        raise
    except CardDoctorError as error:
        session.warn(f"not checked before the run: {error.message}")
        return None
    if settings.quiet:
        return checked
    lines = [render(checked, quiet=True).rstrip()]
    serious = next((one for one in checked.reports[0].findings if one.breaks != "no"), None)
    if serious:
        lines.append(f"    {serious.subject}: {plain(serious.message)}")
        asked = f"{card} " if card else ""
        lines.append(f"    more: card-doctor check {asked}--python {checked.environment.path}")
    show("\n".join(lines), aside=True)
    return checked


class _Watched(NamedTuple):
    """A run as it was; `number` is the signal that ended it."""

    words: List[str]
    code: int
    number: int
    ended: Ended
    capacity: Capacity
    samples: Tuple[Sample, ...]
    overhead: float  # percent of a processor


def _watch(words: List[str], knowledge: Matrices) -> Tuple[_Watched, Diagnosis]:
    import time  # noqa: PLC0415

    from card_doctor.logs import Scanner  # noqa: PLC0415
    from card_doctor.reporting.watch import live  # noqa: PLC0415
    from card_doctor.watching import machine  # noqa: PLC0415
    from card_doctor.watching.command import Command  # noqa: PLC0415
    from card_doctor.watching.gpus import Gpus  # noqa: PLC0415
    from card_doctor.watching.series import Series  # noqa: PLC0415

    scanner, series, computer = Scanner(knowledge.signatures), Series(), machine.Machine()
    killed = machine.killed_for_memory()
    before, taken = time.monotonic(), machine.own_processor_seconds()
    gpus = Gpus(INTERVAL)

    def tick() -> str:
        sample = computer.sample(gpus.look())
        series.add(sample)
        return live(sample, computer.capacity(gpus.described))

    try:
        end = Command(words, scanner.feed, tick, INTERVAL).run()
        tick()
    finally:
        took = gpus.end()
    took += machine.own_processor_seconds() - taken
    number = os.WTERMSIG(end.status) if os.WIFSIGNALED(end.status) else 0
    code = 0 if number else os.WEXITSTATUS(end.status)
    ended = Ended(
        code=None if number else code,
        signal=signal.Signals(number).name if number else None,
        seconds=round(end.seconds, 3),
        processor_seconds=round(end.processor_seconds, 3),
        largest_memory_bytes=end.largest_memory_bytes,
        killed_for_memory=number == signal.SIGKILL
        and killed is not None
        and (machine.killed_for_memory() or 0) > killed,
    )
    overhead = round(100 * took / max(time.monotonic() - before, 0.001), 2)
    capacity = computer.capacity(gpus.described)
    return _Watched(words, code, number, ended, capacity, series.samples(), overhead), scanner.result()


def _summary(
    output: Output,
    settings: Settings,
    watched: _Watched,
    *,
    card: Optional[str],
    checked: Optional[Document],
    diagnosis: Diagnosis,
    knowledge: Matrices,
) -> None:
    from card_doctor.cli.diagnose import document_of  # noqa: PLC0415
    from card_doctor.reporting.json import WatchDocument, encode  # noqa: PLC0415
    from card_doctor.watching.judge import observe  # noqa: PLC0415

    failed = watched.ended.failed
    document = WatchDocument(
        tool=Tool("card-doctor", __version__, knowledge.digest),
        command=tuple(watched.words),
        card=card,
        preflight=checked.reports[0].verdict if checked else None,
        ended=watched.ended,
        interval=INTERVAL,
        overhead_percent=watched.overhead,
        capacity=watched.capacity,
        observations=observe(watched.samples, watched.capacity),
        samples=watched.samples,
        diagnosis=diagnosis if failed else None,
    )
    explained = document_of(diagnosis, "-", knowledge, checked) if failed else None

    def text(look: Look) -> str:
        from card_doctor.reporting.watch import render  # noqa: PLC0415

        return render(document, explained, **look._asdict(), verbose=settings.verbose, quiet=settings.quiet)

    def html(_: Look) -> str:
        from card_doctor.reporting.watch_html import render  # noqa: PLC0415

        return render(document)

    output.deliver({"text": text, "json": lambda _: encode(document), "html": html}, aside=True)


def _die_of(number: int) -> None:
    """As the command did: whoever started us sees the same as without us."""
    import resource  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    sys.stdout.flush()
    os.kill(os.getpid(), number)
