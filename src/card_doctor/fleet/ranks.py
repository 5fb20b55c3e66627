"""Inside a job: every rank's environment, gathered over the process group that is there, judged once for all."""

from __future__ import annotations

import datetime as dt
import os
import socket
import sys
from typing import Any, List, Optional, Tuple

from card_doctor.errors import CardDoctorError, UsageError


def answer_here() -> Tuple[str, str]:
    """Take this rank's snapshot: its name, and the JSON of it or of an error document."""
    from card_doctor.checkup import look  # noqa: PLC0415
    from card_doctor.reporting.json import ErrorDocument, encode  # noqa: PLC0415

    name = f"rank {os.environ.get('RANK', '0')} on {socket.gethostname()}"
    try:
        return name, encode(look(started_with_m=True))
    except CardDoctorError as error:
        return name, encode(ErrorDocument(error.kind, error.message, error.hint))
    except Exception as error:  # noqa: BLE001  the others wait for an answer, whatever went wrong here
        return name, encode(ErrorDocument("internal", f"{type(error).__name__}: {error}"))


def judged(answers: List[Tuple[str, str]], card: Optional[str], match: str) -> Tuple[bool, str]:
    """Whether a run over all of them can go on, and the comparison as text."""
    import msgspec  # noqa: PLC0415

    from card_doctor.fleet import compare  # noqa: PLC0415
    from card_doctor.fleet.judging import judge_with  # noqa: PLC0415
    from card_doctor.fleet.reading import answer_of  # noqa: PLC0415
    from card_doctor.knowledge import Matrices  # noqa: PLC0415
    from card_doctor.model import Policy  # noqa: PLC0415
    from card_doctor.reporting.comparison import render  # noqa: PLC0415

    judge = judge_with(card, Matrices(), msgspec.convert({"match": match}, Policy)) if card else None
    fleet = compare((answer_of(name, name, text) for name, text in answers), judge=judge)
    return fleet.exit_code == 0, render(fleet)


def require_ranks(card: Optional[str] = None, *, match: str = "compatible", timeout: float = 120.0) -> None:
    """Stop all ranks together where their environments would break the run, or where `card` does not train in one.

    To be called on every rank, after `torch.distributed.init_process_group` (Accelerate's `PartialState` does that).
    The answers pass over a gloo group of their own, on the CPU. Rank 0 prints the comparison on standard error; then
    every rank raises IncompatibleRanks. A rank that died, or does not answer within `timeout` seconds, makes the
    others raise CardDoctorError. In a script that was started alone, it is judged alone.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        _stop(*judged([answer_here()], card, match), speak=True)
        return
    try:
        import torch.distributed as dist  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError as error:
        raise CardDoctorError(f"torch can't be imported on this rank: {error}") from None
    if not dist.is_available() or not dist.is_initialized():
        raise UsageError(
            "the ranks are not connected yet", "call torch.distributed.init_process_group() before require_ranks"
        )
    answer = answer_here()
    try:
        going, text = _together(dist, answer, card, match, timeout)
    except (RuntimeError, OSError) as error:  # what torch's backends and its store raise
        first = str(error).strip().splitlines()[:1]
        raise CardDoctorError(
            f"{answer[0]}: a rank died, or did not answer within {timeout:g} seconds ({', '.join(first)})",
            "the launcher's log says which process ended first",
        ) from None
    _stop(going, text, speak=False)


def _together(dist: Any, answer: Tuple[str, str], card: Optional[str], match: str, timeout: float) -> Tuple[bool, str]:
    """Gathered on rank 0, judged there, and sent to all: what is received grows on one rank alone."""
    group = dist.new_group(backend="gloo", timeout=dt.timedelta(seconds=timeout))
    first = dist.get_rank() == 0
    answers: Optional[List[Any]] = [None] * dist.get_world_size() if first else None
    dist.gather_object(answer, answers, dst=0, group=group)
    verdict: List[Any] = [_verdict(answers, card, match) if answers is not None else None]
    dist.broadcast_object_list(verdict, src=0, group=group)
    going, text = verdict[0]
    return going, text


def _verdict(answers: List[Tuple[str, str]], card: Optional[str], match: str) -> Tuple[bool, str]:
    """What rank 0 has to tell the others, who wait for it whatever goes wrong here."""
    try:
        going, text = judged(answers, card, match)
    except CardDoctorError as error:  # no such card
        going, text = False, f"card-doctor: {error.message}"
    except Exception as error:  # noqa: BLE001
        going, text = False, f"card-doctor: unexpected {type(error).__name__}: {error}"
    if not going:  # before the others know, and a launcher ends this process for what they raise
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    return going, text


def _stop(going: bool, text: str, *, speak: bool) -> None:
    if going:
        return
    from card_doctor import IncompatibleRanks  # noqa: PLC0415

    if speak:
        sys.stderr.write(text + "\n")
    raise IncompatibleRanks(text)
