"""A training run as its own files tell it, and what comes of holding it against a card."""

from __future__ import annotations

from typing import Any, Dict, Literal, Optional, Tuple

import msgspec

from card_doctor.model.snapshot import Gap


class Point(msgspec.Struct, frozen=True):
    """A line of the training log, or the mean of several: `step` and `learning_rate` are the last one's, `loss` is
    not finite if one of them was not, `grad_norm` is the largest.
    """

    step: int
    epoch: Optional[float] = None
    loss: Optional[float] = None
    learning_rate: Optional[float] = None
    grad_norm: Optional[float] = None


class Evaluation(msgspec.Struct, frozen=True):
    """One evaluation; `training_loss` is the last that was logged before it, `scores` are under a card's names."""

    step: Optional[float] = None
    epoch: Optional[float] = None
    loss: Optional[float] = None
    training_loss: Optional[float] = None
    scores: Dict[str, float] = {}


class Run(msgspec.Struct, frozen=True):
    """A run, or the settings of one. Hyperparameters are under a card's names; `read_from` says by those names which
    file told them ("default": nothing did, and the Trainer's default holds). `planned_steps` is what the schedule
    was made for, `finished` whether training returned (None: not known); rows are those of the data sets.
    """

    source: Literal["trainer", "settings"]
    path: Optional[str] = None
    hyperparameters: Dict[str, Any] = {}
    read_from: Dict[str, str] = {}
    precision: Optional[str] = None  # "fp16", "fp32", "fp32 or bf16"
    step: Optional[int] = None
    planned_steps: Optional[int] = None
    epoch: Optional[float] = None
    finished: Optional[bool] = None
    save_steps: Optional[int] = None
    steps_per_epoch: Optional[float] = None
    train_rows: Optional[int] = None
    evaluated_rows: Optional[int] = None
    labels: Optional[int] = None  # how many classes the model tells apart
    longest: Optional[int] = None  # tokens that the model takes
    training: Tuple[Point, ...] = ()
    evaluations: Tuple[Evaluation, ...] = ()
    scores: Dict[str, float] = {}
    gaps: Tuple[Gap, ...] = ()


class ParameterRow(msgspec.Struct, frozen=True):
    """One hyperparameter of the card beside the run's (None: the run's files do not tell), as they are shown;
    `source` is the file that told it.
    """

    parameter: str
    card: str
    run: Optional[str]
    level: Literal["same", "differs", "unknown"]
    source: Optional[str] = None


class ScoreRow(msgspec.Struct, frozen=True):
    """One score of the card beside the run's. `tolerance` is how far two runs of the same quality may lie apart by the
    size of the evaluation set alone (95 %); None where that is not known.
    """

    metric: str
    card: float
    run: float
    tolerance: Optional[float]
    level: Literal["within", "above", "below", "unknown"]


class Cause(msgspec.Struct, frozen=True):
    """One possible cause, and what the run's own numbers say of it."""

    cause: str
    verdict: Literal["supported", "ruled out", "not known"]
    because: str


class Answer(msgspec.Struct, frozen=True):
    """A reasoned answer to a complaint: `case` ("low accuracy"), what was seen, its causes, what to try first."""

    case: str
    seen: str
    causes: Tuple[Cause, ...]
    first: str


class Comparison(msgspec.Struct, frozen=True):
    """The run (or settings) at `path` held against the card; `results` is what it logged, as a card's table has it."""

    path: Optional[str]
    parameters: Tuple[ParameterRow, ...] = ()
    scores: Tuple[ScoreRow, ...] = ()
    measure: Optional[str] = None  # how the tolerance was reckoned
    answers: Tuple[Answer, ...] = ()
    results: Tuple[Dict[str, Any], ...] = ()
    gaps: Tuple[Gap, ...] = ()
