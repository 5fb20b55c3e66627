"""card-doctor: what will break before you train, from a model card, your environment and your GPU.

>>> import card_doctor
>>> report = card_doctor.check("distilbert-allsides")  # this interpreter
>>> report.verdict.trains, report.findings
>>> card_doctor.require("distilbert-allsides")  # raises IncompatibleEnvironment, its text the report
>>> card_doctor.require_ranks("distilbert-allsides")  # under torchrun: all ranks stop together
>>> Trainer(..., callbacks=[card_doctor.TrainerCallback("distilbert-allsides")])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from card_doctor.callback import TrainerCallback
    from card_doctor.fleet.ranks import require_ranks
    from card_doctor.model import Document, Report

__all__ = ["IncompatibleEnvironment", "IncompatibleRanks", "TrainerCallback", "check", "require", "require_ranks"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what few scripts need, and `TrainerCallback`, made from transformers' own, when it is asked for."""
    if name == "TrainerCallback":
        from card_doctor.callback import TrainerCallback  # noqa: PLC0415

        return TrainerCallback
    if name == "require_ranks":
        from card_doctor.fleet.ranks import require_ranks  # noqa: PLC0415

        return require_ranks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class IncompatibleEnvironment(RuntimeError):  # noqa: N818  named for what it says
    """Training with the card will not work here; `report` says why, and the message is it as text."""

    def __init__(self, text: str, report: Report) -> None:
        super().__init__(text)
        self.report = report


class IncompatibleRanks(RuntimeError):  # noqa: N818  named for what it says
    """A run over these ranks will not work; the message is the comparison as text."""


def _document(
    card: Optional[str], gpu: Optional[str], driver: Optional[str], precision: Optional[str], match: str
) -> Document:
    import msgspec  # noqa: PLC0415  importing card_doctor costs nothing until it is used

    from card_doctor.checkup import run  # noqa: PLC0415
    from card_doctor.model import Policy  # noqa: PLC0415

    policy = msgspec.convert({"match": match, "precision": precision}, Policy)
    return run([card], gpus=[gpu] if gpu else [], driver=driver, policy=policy, started_with_m=True)


def check(
    card: Optional[str] = None,
    *,
    gpu: Optional[str] = None,
    driver: Optional[str] = None,
    precision: Optional[str] = None,
    match: str = "compatible",
) -> Report:
    """Judge `card` (a name in the catalogue or a path; None: the environment alone) against this interpreter.

    `gpu`, `driver` and `precision` describe another machine than this one, as the command's flags do. Raises
    CardDoctorError where no answer can be given.
    """
    return _document(card, gpu, driver, precision, match).reports[0]


def require(
    card: Optional[str] = None,
    *,
    gpu: Optional[str] = None,
    driver: Optional[str] = None,
    precision: Optional[str] = None,
    match: str = "compatible",
) -> Report:
    """As `check`, and raise IncompatibleEnvironment where the command would exit with 1."""
    document = _document(card, gpu, driver, precision, match)
    if document.exit_code:
        from card_doctor.reporting.text import render  # noqa: PLC0415

        raise IncompatibleEnvironment(render(document), document.reports[0])
    return document.reports[0]
