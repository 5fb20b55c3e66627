"""`results/`: are the scores what the card reports; does the curve overfit, stall or break off?

Without a run, the card's own table is the curve: what it shows is a note to whoever trains after it.
"""

from __future__ import annotations

import math
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from card_doctor.checks.card import place
from card_doctor.checks.registry import check
from card_doctor.checks.statistics import MEASURE, guessing_loss, tolerance
from card_doctor.model import (
    Card,
    Case,
    Evaluation,
    Finding,
    NotApplicable,
    Place,
    Point,
    Remedy,
    Run,
    ScoreRow,
    Severity,
    Unknown,
)

RISEN = 1.10  # the validation loss, over its lowest: less is the noise of an evaluation
FALLING = 0.02  # of the loss, from one evaluation to the next: then training was not at its end
FLAT = 0.01
_MAIN = ("accuracy", "f1", "macro_f1", "f1_macro", "weighted_f1", "f1_weighted", "recall", "precision", "exact_match")
_COUNTERS = {"epoch", "step", "training_loss", "validation_loss", "loss"}


class Curve(NamedTuple):
    """Evaluations in their order. `own`: of the run that is judged, else of the card's table."""

    rows: Tuple[Evaluation, ...]
    own: bool
    at: Optional[Place]

    @property
    def subject(self) -> str:
        return "validation" if self.own else "the card's table"

    @property
    def with_loss(self) -> Tuple[Evaluation, ...]:
        return tuple(row for row in self.rows if row.loss is not None and math.isfinite(row.loss))


class Overfit(NamedTuple):
    best: Evaluation
    last: Evaluation

    @property
    def rise(self) -> float:
        return (self.last.loss or 0) / (self.best.loss or 1) - 1


def curve_of(case: Case) -> Curve:
    """The run's evaluations, or the card's; NotApplicable where there are none."""
    if case.run is not None:
        if not case.run.evaluations:
            raise NotApplicable("the run has no evaluations")
        return Curve(case.run.evaluations, True, None)
    card = case.needs_card()
    if not card.results:
        raise NotApplicable("neither a run nor a table of results")
    return Curve(tuple(map(_evaluation, card.results)), False, place(card, "results"))


def _evaluation(row: Dict[str, Any]) -> Evaluation:
    numbers = {key: float(one) for key, one in row.items() if isinstance(one, (int, float)) and one is not True}
    scores = {key: one for key, one in numbers.items() if key not in _COUNTERS}
    loss = numbers.get("validation_loss", numbers.get("loss"))
    return Evaluation(numbers.get("step"), numbers.get("epoch"), loss, numbers.get("training_loss"), scores)


def is_proportion(metric: str) -> bool:
    """Is it a part of the rows, or an average of such parts, so that the size of the evaluation set says how far it
    varies?
    """
    return any(part in {"accuracy", "f1", "precision", "recall", "em"} for part in metric.split("_")) and (
        "loss" not in metric
    )


def main_score(scores: Dict[str, float]) -> Optional[str]:
    return next((name for name in _MAIN if name in scores), None)


def score_rows(card: Card, run: Run) -> Tuple[ScoreRow, ...]:
    """Every score that both have; one in percent is taken for its part of one."""
    rows = []
    for metric, stated in card.metrics.items():
        measured = run.scores.get(metric)
        if stated is None or measured is None or not math.isfinite(stated):
            continue
        theirs, ours = stated, measured
        if is_proportion(metric):
            theirs, ours = (value / 100 if 1 < value <= 100 else value for value in (stated, measured))
        rows.append(_score_row(metric, theirs, ours, run.evaluated_rows))
    return tuple(rows)


def _score_row(metric: str, theirs: float, ours: float, evaluated: Optional[int]) -> ScoreRow:
    if not is_proportion(metric) or not evaluated or not (0 <= theirs <= 1 and 0 <= ours <= 1):
        return ScoreRow(metric, theirs, ours, None, "unknown")
    allowed = tolerance(theirs, ours, evaluated)
    if abs(ours - theirs) <= allowed:
        return ScoreRow(metric, theirs, ours, allowed, "within")
    return ScoreRow(metric, theirs, ours, allowed, "above" if ours > theirs else "below")


def measure_of(run: Run) -> Optional[str]:
    """How the tolerance was reckoned, for a reader."""
    if not run.evaluated_rows:
        return None
    return f"{MEASURE}, n = {run.evaluated_rows:,} evaluated rows; another seed may differ by more"


def overfit_of(rows: Sequence[Evaluation]) -> Optional[Overfit]:
    """The validation loss has risen by a tenth over its lowest, for two evaluations or more, while the training loss
    went on falling (where it is known).
    """
    if len(rows) < 3:
        return None
    best = min(range(len(rows)), key=lambda at: rows[at].loss or 0)
    lowest, last = rows[best], rows[-1]
    if lowest.loss is None or last.loss is None or len(rows) - best < 3 or lowest.loss <= 0:
        return None
    risen = last.loss >= lowest.loss * RISEN and (rows[-2].loss or 0) >= lowest.loss * (1 + (RISEN - 1) / 2)
    learned = _not_above(last.training_loss, lowest.training_loss)
    return Overfit(lowest, last) if risen and learned else None


def _not_above(last: Optional[float], earlier: Optional[float]) -> bool:
    return last is None or earlier is None or last <= earlier * (1 + FLAT)


def where(row: Evaluation) -> str:
    """``epoch 2``, or the step where no epoch is known."""
    return f"epoch {row.epoch:.3g}" if row.epoch is not None else f"step {row.step:g}" if row.step else "its row"


@check("results/overfitting", severity="warning")
def overfitting(case: Case) -> Iterator[Finding]:
    """Does the validation loss rise while training goes on?

    The lowest validation loss is where the model told most about rows it had not seen. Where it has risen by a tenth
    or more since, for two evaluations or more, the model learns the training rows by heart; accuracy may stand still
    meanwhile. A note where the card's own table does the same, unless the score has fallen by more than chance since.

    Example: lowest in epoch 2 (0.6619), 0.9138 at the end, accuracy the same: two of eight epochs would have done.
    Remedy: keep the best checkpoint (load_best_model_at_end=True), stop there (EarlyStoppingCallback), or more data.
    """
    curve = curve_of(case)
    found = overfit_of(curve.with_loss)
    if found is None:
        if len(curve.with_loss) < 3:
            raise NotApplicable("fewer than three evaluations with a loss")
        return
    best, last = found.best, found.last
    details = []
    fallen = False
    name = main_score({key: one for key, one in best.scores.items() if key in last.scores})
    if name:
        details.append(f"{name} went from {best.scores[name]:.4f} to {last.scores[name]:.4f} meanwhile")
        evaluated = case.run.evaluated_rows if case.run else None
        before, after = best.scores[name], last.scores[name]
        fallen = bool(evaluated and is_proportion(name) and before - after > tolerance(before, after, evaluated))
    card = case.card
    theirs = overfit_of(tuple(map(_evaluation, card.results))) if card and curve.own else None
    if theirs:
        details.append(f"the card's own table does the same: lowest in {where(theirs.best)}, {theirs.rise:+.0%} after")
    yield Finding(
        id="results/overfitting",
        severity="note" if (theirs and not fallen) or not curve.own else "warning",
        subject=curve.subject,
        found=f"{last.loss:.4f}",
        message=f"the loss was lowest in {where(best)} ({best.loss:.4f}) and ends at {last.loss:.4f} in {where(last)} "
        f"({found.rise:+.0%}): overfitting",
        because="After its lowest point the model learns the training rows by heart.",
        details=tuple(details),
        remedies=(
            Remedy(
                "setting",
                text=f"keep the model of {where(best)}: TrainingArguments(load_best_model_at_end=True, "
                "metric_for_best_model='loss'), with EarlyStoppingCallback(2) to end there",
            ),
        ),
        at=curve.at,
    )


@check("results/not-best", severity="note")
def not_best(case: Case) -> Iterator[Finding]:
    """Is the last evaluation the best one?

    What is saved at the end is the last model, not the best. The score of a run (or of a card) is then that of a worse
    model than it had. A difference within the tolerance of the evaluation set is no difference.

    Example: accuracy 0.7121 in epoch 5, 0.7094 at the end.
    Remedy: TrainingArguments(load_best_model_at_end=True, metric_for_best_model='accuracy').
    """
    curve = curve_of(case)
    last = curve.rows[-1]
    name = main_score(last.scores)
    if name is None:
        raise NotApplicable("no accuracy or F1 in the evaluations")
    best = max(curve.rows, key=lambda row: row.scores.get(name, -math.inf))
    lead = best.scores[name] - last.scores[name]
    evaluated = case.run.evaluated_rows if case.run else None
    allowed = tolerance(best.scores[name], last.scores[name], evaluated) if evaluated and is_proportion(name) else 0.0
    if lead > allowed:
        size = "" if evaluated else "; how much of that is chance, the size of the evaluation set would tell"
        yield Finding(
            id="results/not-best",
            severity="note",
            subject=curve.subject,
            found=f"{last.scores[name]:.4f}",
            message=f"{name} was {best.scores[name]:.4f} in {where(best)}, and ends at {last.scores[name]:.4f}{size}",
            because="What is saved at the end is the last model.",
            remedies=(Remedy("setting", text=_argument_of_best(name)),),
            at=curve.at,
        )


def _argument_of_best(name: str) -> str:
    return f"TrainingArguments(load_best_model_at_end=True, metric_for_best_model={name!r})"


@check("results/ended-early", severity="warning")
def ended_early(case: Case) -> Iterator[Finding]:
    """Did training go on to the end of its plan?

    The learning rate falls along all planned steps. A run that breaks off before has been trained at high rates alone,
    and was never refined at low ones: it is not a shorter run.

    A note where the card's own scores are from no later an epoch.

    Example: step 150 of 500, the learning rate still at 70 % of its peak.
    Remedy: train on (`trainer.train(resume_from_checkpoint=True)`), or plan fewer epochs.
    """
    if case.run is None:
        yield from _card_ended_early(case.needs_card())
        return
    run = case.run
    if not run.planned_steps or run.step is None:
        raise NotApplicable("the run's files do not tell its steps")
    left = run.planned_steps - run.step
    if left <= 0:
        return
    if run.finished is None and (run.save_steps is None or left <= run.save_steps):
        raise Unknown("whether training ended at its last checkpoint")
    theirs = _card_end(case.card) if case.card else None
    as_card = theirs is not None and run.epoch is not None and run.epoch >= (theirs.epoch or math.inf) * 0.99
    rates = [point.learning_rate for point in run.training if point.learning_rate]
    rate = f": the learning rate was still at {rates[-1] / max(rates):.0%} of its peak" if rates else ""
    yield Finding(
        id="results/ended-early",
        severity="note" if as_card else "warning",
        subject="training",
        found=f"step {run.step}",
        message=f"ended at step {run.step:,} of {run.planned_steps:,}{_of_epochs(run)}{rate}",
        because="The schedule was made for all steps; what it does at low rates did not happen.",
        details=(f"the card's own scores are those of {where(theirs)}",) if theirs else (),
        remedies=(
            Remedy("setting", text="trainer.train(resume_from_checkpoint=True), or plan as many epochs as are run"),
        ),
    )


def _of_epochs(run: Run) -> str:
    planned = run.hyperparameters.get("num_epochs")
    return f" (epoch {run.epoch:.3g} of {planned:g})" if run.epoch and isinstance(planned, (int, float)) else ""


def _card_end(card: Card) -> Optional[Evaluation]:
    """The row of its table that a card's scores are from, where that is before the end of its plan."""
    planned, loss = card.hyperparameters.get("num_epochs"), card.metrics.get("loss")
    if not isinstance(planned, (int, float)) or loss is None:
        return None
    rows = [_evaluation(row) for row in card.results]
    matching = [row for row in rows if row.loss == loss and row.epoch is not None and row.epoch < planned * 0.99]
    return matching[-1] if matching else None


def _card_ended_early(card: Card) -> Iterator[Finding]:
    if not card.results:
        raise NotApplicable("neither a run nor a table of results")
    end = _card_end(card)
    if end is not None:
        planned = card.hyperparameters["num_epochs"]
        yield Finding(
            id="results/ended-early",
            severity="note",
            subject="the card's table",
            found=where(end),
            message=f"the card's scores are those of {where(end)} of {planned:g} planned",
            because="It stopped there, or the model of that epoch was kept. The learning rate falls along all planned "
            "epochs: who plans fewer has another schedule.",
            remedies=(Remedy("setting", text=f"plan {planned:g} epochs, and stop early: EarlyStoppingCallback"),),
            at=place(card, "results"),
        )


@check("results/not-a-number", severity="error")
def not_a_number(case: Case) -> Iterator[Finding]:
    """Did the loss stop being a number?

    NaN or infinity in the loss does not heal: all that is trained after it is lost. The Trainer hides it in the
    training loss (logging_nan_inf_filter), where it shows as exactly 0, but not in the evaluation.

    Example: loss 0.0 from step 1,200 on, eval_loss NaN.
    Remedy: a lower learning rate, warmup, bf16 instead of fp16; look for broken rows in the data.
    """
    run = case.needs_run()
    broken = broken_at(run)
    if broken is None:
        if not run.training and not run.evaluations:
            raise NotApplicable("the run has no log")
        return
    step, what = broken
    yield Finding(
        id="results/not-a-number",
        severity="error",
        subject="loss",
        found=what,
        message=f"{what} from step {step:,} on",
        because="It does not heal: what is trained after it is lost.",
        remedies=(
            Remedy(
                "setting",
                text="a lower learning rate or more warmup; bf16 or fp32 instead of fp16; "
                "torch.autograd.set_detect_anomaly(True) names the operation",
            ),
        ),
    )


def broken_at(run: Run) -> Optional[Tuple[int, str]]:
    """The first step whose loss is no number, and how that shows."""
    found: List[Tuple[int, str]] = []
    for row in run.evaluations:
        if row.loss is not None and not math.isfinite(row.loss):
            found.append((int(row.step or 0), "the validation loss is no number"))
            break
    for point in run.training:
        if point.loss is not None and not math.isfinite(point.loss):
            found.append((point.step, "the training loss is no number"))
            break
    zeros = _zeros(run.training)
    if zeros is not None:
        found.append((zeros, "the training loss is exactly 0, as the Trainer shows NaN"))
    return min(found, default=None)


def _zeros(points: Sequence[Point]) -> Optional[int]:
    """The first step of an exact 0 that stays until the end, for three lines of the log or more."""
    losses = [(point.step, point.loss) for point in points if point.loss is not None]
    ending = 0
    while ending < len(losses) and losses[-1 - ending][1] == 0:
        ending += 1
    before = losses[: len(losses) - ending]
    fell = before and (before[-1][1] or 0) > 0.05  # not a model that has simply learned all of it
    return losses[-ending][0] if ending >= 3 and fell else None


@check("results/diverged", severity="error")
def diverged(case: Case) -> Iterator[Finding]:
    """Does the training loss end above where it was?

    It may jump, but it falls in the long run. Where the last tenth of the log lies half over its lowest part, or a
    fifth over its first tenth, training has run away.

    Example: loss 0.9 after an epoch, 2.4 at the end.
    Remedy: a lower learning rate, warmup, clipping (max_grad_norm=1.0).
    """
    run = case.needs_run()
    found = divergence(run.training)
    if found is None:
        return
    lowest, end = found
    yield Finding(
        id="results/diverged",
        severity="error",
        subject="training loss",
        found=f"{end:.4g}",
        message=f"ends at {end:.4g}, after it was at {lowest:.4g}: training diverged",
        because="Steps that are too large carry the weights away from what was learned.",
        remedies=(Remedy("setting", text="a third of the learning rate, with warmup_ratio=0.06; max_grad_norm=1.0"),),
    )


def divergence(points: Sequence[Point]) -> Optional[Tuple[float, float]]:
    """The lowest and the last of the training loss, both smoothed over a tenth of the log."""
    losses = [point.loss for point in points if point.loss is not None]
    if len(losses) < 6 or not all(map(math.isfinite, losses)):
        return None
    size = max(2, len(losses) // 10)
    means = [sum(losses[at : at + size]) / size for at in range(0, len(losses) - size + 1, size)]
    end = sum(losses[-size:]) / size
    ran_away = end > 1.5 * min(means) and end > min(means) + 0.1
    return (min(means), end) if ran_away or end > 1.2 * means[0] else None


@check("results/still-learning", severity="note")
def still_learning(case: Case) -> Iterator[Finding]:
    """Was there more to learn when training ended?

    The last evaluation has the lowest loss, and it was still falling by 2 % or more an evaluation: underfitting. More
    epochs, or a higher rate, would have got further.

    Example: validation loss 0.92, 0.81, 0.74 in three epochs.
    Remedy: more epochs; then a higher learning rate.
    """
    curve = curve_of(case)
    rows = curve.with_loss
    if len(rows) < 3:
        raise NotApplicable("fewer than three evaluations with a loss")
    if is_still_learning(rows):
        yield Finding(
            id="results/still-learning",
            severity="note",
            subject=curve.subject,
            found=f"{rows[-1].loss:.4f}",
            message=f"the loss was still falling at the end: {rows[-2].loss:.4f} in {where(rows[-2])}, "
            f"{rows[-1].loss:.4f} in {where(rows[-1])}",
            because="More epochs, or a higher learning rate, would have got further.",
            remedies=(Remedy("setting", text="TrainingArguments(num_train_epochs=...): more of them"),),
            at=curve.at,
        )


def is_still_learning(rows: Sequence[Evaluation]) -> bool:
    losses = [row.loss for row in rows if row.loss is not None]
    return len(losses) >= 3 and losses[-1] == min(losses) and losses[-1] < losses[-2] * (1 - FALLING)


@check("results/learned-nothing", severity="warning")
def learned_nothing(case: Case) -> Iterator[Finding]:
    """Is the model better than guessing?

    The cross-entropy of guessing among k classes is ln(k). A training loss that ends there has learned nothing from the
    rows; nor has an evaluation that finds one class alone.

    Example: three classes, the loss stays at 1.0986.
    Remedy: look at a batch (are labels and texts those of one row?); a lower learning rate; are all weights trained?
    """
    run = case.needs_run()
    why = guesses(run)
    if why is None:
        if guessing_loss(run.labels) is None:
            raise Unknown("the number of classes (config.json)")
        return
    yield Finding(
        id="results/learned-nothing",
        severity="warning",
        subject="training loss",
        message=why,
        because="The model tells nothing from the rows; it has learned at most how frequent the classes are.",
        remedies=(
            Remedy("setting", text="look at a batch as the model gets it: are text and label those of one row?"),
            Remedy("setting", text="a third of the learning rate, with warmup"),
        ),
    )


def guesses(run: Run) -> Optional[str]:
    chance = guessing_loss(run.labels)
    losses = [point.loss for point in run.training if point.loss is not None and math.isfinite(point.loss)]
    if chance is None or len(losses) < 3:
        return None
    end = sum(losses[-3:]) / 3
    accuracy = run.scores.get("accuracy")
    if accuracy is not None and run.labels and run.evaluated_rows:
        told_apart = accuracy > 1 / run.labels + tolerance(accuracy, 1 / run.labels, run.evaluated_rows)
        if told_apart:  # the loss starts to fall after the guesses do
            return None
    if chance * 0.98 <= end <= chance * 1.1:
        return f"ends at {end:.4f}: guessing among {run.labels} classes gives {chance:.4f}"
    return None


@check("results/plateau", severity="note")
def plateau(case: Case) -> Iterator[Finding]:
    """Did the second half of training gain anything?

    Where the validation loss of the whole second half stays within 1 % of the best that the first half had, those
    epochs cost time and gained nothing. Where it rises, that is overfitting.

    Example: 0.6642 after 4 epochs, between 0.6640 and 0.6650 until epoch 20.
    Remedy: fewer epochs, or EarlyStoppingCallback.
    """
    curve = curve_of(case)
    rows = curve.with_loss
    if len(rows) < 6:
        raise NotApplicable("fewer than six evaluations with a loss")
    half = len(rows) // 2
    best = min(rows[:half], key=lambda row: row.loss or 0)
    losses = [row.loss or 0 for row in rows[half:]]
    if best.loss and min(losses) >= best.loss * (1 - FLAT) and max(losses) <= best.loss * (1 + FLAT):
        yield Finding(
            id="results/plateau",
            severity="note",
            subject=curve.subject,
            found=f"{rows[-1].loss:.4f}",
            message=f"the loss has not moved by more than 1 % since {where(best)} ({best.loss:.4f}); the end is "
            f"{where(rows[-1])}",
            because="The epochs since then gained nothing.",
            remedies=(Remedy("setting", text="fewer epochs, or EarlyStoppingCallback(2)"),),
            at=curve.at,
        )


@check("results/below-card", severity="warning")
def below_card(case: Case) -> Iterator[Finding]:
    """Are the scores as high as the card's?

    A score that was measured on n rows varies by chance: two runs of the same quality differ by less than
    1.96 * sqrt(2 p (1 - p) / n) in 19 of 20 cases (p their mean; the card's evaluation is taken to have as many rows).
    For F1, precision and recall the same is an approximation. What lies within is no difference. Losses are shown, not
    judged: their spread is not in the files.

    Example: accuracy 0.53 on 2,000 rows, the card's 0.5819: 0.052 below, 0.031 would be chance.
    Remedy: what the answers under the report say, the best supported cause first.
    """
    yield from _scored(case, "below", "warning")


@check("results/above-card", severity="note")
def above_card(case: Case) -> Iterator[Finding]:
    """Are the scores higher than the card's?

    By more than chance allows (see results/below-card). Good news, or another question: other rows to evaluate on, an
    easier balance of the classes, rows of the evaluation among the training's (data/leakage asks).

    Example: accuracy 0.91 on 2,000 rows, the card's 0.5819.
    Remedy: evaluate on the card's data before it is believed.
    """
    yield from _scored(case, "above", "note")


def _scored(case: Case, level: str, severity: Severity) -> Iterator[Finding]:
    card, run = case.needs_card(), case.needs_run()
    rows = score_rows(card, run)
    if not rows:
        raise NotApplicable("no score that both the card and the run have")
    off = [row for row in rows if row.level == level]
    if off:
        first = off[0]
        side = "below" if level == "below" else "above"
        yield Finding(
            id=f"results/{side}-card",
            severity=severity,
            subject=first.metric,
            found=f"{first.run:.4f}",
            needs=f"{first.card:.4f}",
            message=f"{first.metric} is {first.run:.4f}, {abs(first.run - first.card):.4f} {side} the card's "
            f"{first.card:.4f}; {first.tolerance:.4f} would be chance",
            because=f"On {run.evaluated_rows:,} rows, two equal models differ by less in 19 of 20 cases.",
            details=tuple(f"{row.metric} {row.run:.4f}, the card's {row.card:.4f}" for row in off[1:]),
            at=place(card, f"metrics.{first.metric}"),
        )
    if any(is_proportion(row.metric) and row.level == "unknown" for row in rows):
        raise Unknown("the size of the evaluation set")
