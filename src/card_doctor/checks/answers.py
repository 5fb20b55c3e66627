"""Reasoned answers to the two complaints that cards foresee: low accuracy, and an F1 that does not fit.

Each possible cause is held against the run's own numbers: they support it, rule it out, or can't tell.
"""

from __future__ import annotations

import math
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from card_doctor.checks.classes import balance_of
from card_doctor.checks.registry import check
from card_doctor.checks.results import (
    broken_at,
    divergence,
    guesses,
    is_proportion,
    is_still_learning,
    main_score,
    measure_of,
    overfit_of,
    score_rows,
    where,
)
from card_doctor.checks.statistics import majority_macro_f1, majority_weighted_f1, spread, tolerance
from card_doctor.checks.training import MUCH, Compared, compared, parameter_rows, shown
from card_doctor.model import (
    Answer,
    Card,
    Case,
    Cause,
    Comparison,
    Evaluation,
    Finding,
    NotApplicable,
    Remedy,
    Run,
    ScoreRow,
    Source,
)

_SAME = 5e-4  # scores that are printed with four digits


class _Held(NamedTuple):
    """A cause with what to try for it. Of several supported ones, the earlier in a list goes first."""

    cause: Cause
    remedy: str


_MOST_RESULTS = 400  # rows: more than a plot shows


def comparison(case: Case) -> Optional[Comparison]:
    """The run beside the card, for the report; None without a run."""
    run = case.run
    if run is None:
        return None
    card = case.card or Card(name="", source=Source("none"))
    return Comparison(
        path=run.path,
        parameters=parameter_rows(card, run),
        scores=score_rows(card, run),
        measure=measure_of(run),
        answers=answers(case),
        results=_results(run),
        gaps=run.gaps,
    )


def _results(run: Run) -> Tuple[Dict[str, Any], ...]:
    """Its evaluations, or, where it has none, its training log: every so many, so that they can be drawn."""
    rows: List[Dict[str, Any]] = [
        {
            "epoch": one.epoch,
            "step": one.step,
            "training_loss": one.training_loss,
            "validation_loss": one.loss,
            **one.scores,
        }
        for one in run.evaluations
    ] or [{"epoch": one.epoch, "step": one.step, "training_loss": one.loss} for one in run.training]
    every = -(-len(rows) // _MOST_RESULTS)
    chosen = rows if every < 2 else [*rows[::every], rows[-1]]
    return tuple({name: value for name, value in row.items() if value is not None} for row in chosen)


def answers(case: Case) -> Tuple[Answer, ...]:
    """The answers that the run and its data ask for; none where nothing is amiss."""
    if case.card is None or case.run is None or not case.run.scores:
        return ()
    found = (_low_accuracy(case, case.card, case.run), _inconsistent_f1(case, case.card, case.run))
    return tuple(answer for answer in found if answer)


def _answer(case: str, seen: str, held: Sequence[_Held], else_first: str) -> Answer:
    order = {"supported": 0, "not known": 1, "ruled out": 2}
    causes = sorted((one.cause for one in held), key=lambda cause: order[cause.verdict])
    first = next((one.remedy for one in held if one.cause.verdict == "supported"), else_first)
    return Answer(case, seen, tuple(causes), first)


# --- low accuracy ---------------------------------------------------------------------------------------------


def _low_accuracy(case: Case, card: Card, run: Run) -> Optional[Answer]:
    low = [row for row in score_rows(card, run) if row.level == "below"]
    row = next((row for row in low if row.metric == "accuracy"), low[0] if low else None)
    if row is None:
        return None
    parameters = {one.key: one for one in compared(card, run)}
    held = [
        _not_a_number(run),
        _mapping(run, row),
        _guessing(run),
        _diverging(run),
        _rate(parameters.get("learning_rate")),
        _ended(run),
        _overfitting(run),
        _length(parameters.get("num_epochs"), run),
        _batch(parameters.get("batch_size")),
        _amount(parameters.get("rows")),
        _classes(case, run),
        _seed(parameters.get("seed")),
    ]
    seen = f"{row.metric} is {row.run:.4f}, the card's {row.card:.4f}; {row.tolerance:.4f} would be chance"
    return _answer(
        f"Low {row.metric.replace('_', ' ')}",
        seen,
        [one for one in held if one],
        "nothing in the run's numbers says why: hold the data against the card's (--data FILE --label COLUMN), "
        "then train with two more seeds to see how far they differ",
    )


def _not_a_number(run: Run) -> _Held:
    broken = broken_at(run)
    if broken:
        said = Cause("the loss is no number", "supported", f"{broken[1]} from step {broken[0]:,} on")
    elif run.training or run.evaluations:
        said = Cause("the loss is no number", "ruled out", "every logged loss is finite")
    else:
        said = Cause("the loss is no number", "not known", "the run has no log")
    return _Held(said, "a lower learning rate, and bf16 or fp32 instead of fp16")


def _mapping(run: Run, row: ScoreRow) -> Optional[_Held]:
    """Worse than guessing is no lack of training: the labels' numbers are not the model's."""
    if row.metric != "accuracy" or not run.labels or not run.evaluated_rows:
        return None
    chance = 1 / run.labels
    worse = row.run < chance - tolerance(row.run, chance, run.evaluated_rows)
    said = Cause(
        "the labels are numbered otherwise",
        "supported" if worse else "ruled out",
        f"accuracy {row.run:.4f} is {'below' if worse else 'not below'} guessing among {run.labels} classes "
        f"({chance:.4f})",
    )
    return _Held(said, "compare the data's label numbers with the model's id2label (config.json)")


def _guessing(run: Run) -> Optional[_Held]:
    if run.labels is None or not run.training:
        return None
    why = guesses(run)
    losses = [point.loss for point in run.training if point.loss is not None]
    if not losses:
        return None
    because = f"the training loss {why}" if why else f"the training loss went from {losses[0]:.4f} to {losses[-1]:.4f}"
    said = Cause("the model learned nothing", "supported" if why else "ruled out", because)
    return _Held(said, "look at a batch as the model gets it, then try a third of the learning rate with warmup")


def _diverging(run: Run) -> Optional[_Held]:
    if len(run.training) < 6:
        return None
    found = divergence(run.training)
    because = (
        f"the training loss was {found[0]:.4g} and ends at {found[1]:.4g}"
        if found
        else "the training loss does not rise in the long run"
    )
    said = Cause("training diverged", "supported" if found else "ruled out", because)
    return _Held(said, "a third of the learning rate, with warmup")


def _rate(row: Optional[Compared]) -> _Held:
    name = "another learning rate"
    remedy = (
        f"the card's learning rate, {shown(row.card)}" if row else "another learning rate: a third, and three times"
    )
    if row is None:
        return _Held(Cause(name, "not known", "the card states none"), remedy)
    if row.same is None:
        return _Held(Cause(name, "not known", "the run's files do not tell it"), remedy)
    if row.same:
        return _Held(Cause(name, "ruled out", f"it is the card's, {shown(row.card)}"), remedy)
    factor = row.factor or 1.0
    because = f"{shown(row.run)} is {factor:.3g} times the card's {shown(row.card)}"
    return _Held(Cause(name, "supported" if factor >= MUCH or factor <= 1 / MUCH else "not known", because), remedy)


def _ended(run: Run) -> Optional[_Held]:
    if run.planned_steps is None or run.step is None:
        return None
    if run.step >= run.planned_steps:
        said = Cause("training ended early", "ruled out", f"it ran all of its {run.planned_steps:,} steps")
    elif run.finished is None and (run.save_steps is None or run.planned_steps - run.step <= run.save_steps):
        said = Cause(
            "training ended early", "not known", f"the last checkpoint is of step {run.step:,} of {run.planned_steps:,}"
        )
    else:
        said = Cause("training ended early", "supported", f"step {run.step:,} of {run.planned_steps:,}")
    return _Held(said, "train on to the end of the plan: trainer.train(resume_from_checkpoint=True)")


def _with_loss(run: Run) -> List[Evaluation]:
    return [row for row in run.evaluations if row.loss is not None and math.isfinite(row.loss)]


def _overfitting(run: Run) -> _Held:
    rows = _with_loss(run)
    remedy = "keep the model of the lowest validation loss (load_best_model_at_end=True)"
    if len(rows) < 3:
        return _Held(Cause("overfitting", "not known", "there are fewer than three evaluations with a loss"), remedy)
    found = overfit_of(rows)
    if found is None:
        because = (
            f"the validation loss ends at {rows[-1].loss:.4f}, and its lowest is {min(r.loss or 0 for r in rows):.4f}"
        )
        return _Held(Cause("overfitting", "ruled out", because), remedy)
    because = f"the validation loss is lowest in {where(found.best)}, {found.rise:+.0%} at the end"
    name = main_score({key: one for key, one in found.best.scores.items() if key in found.last.scores})
    lost = found.best.scores[name] - found.last.scores[name] if name else None
    if name and lost is not None and run.evaluated_rows and is_proportion(name):
        allowed = tolerance(found.best.scores[name], found.last.scores[name], run.evaluated_rows)
        if lost <= allowed:
            because += f", but {name} has not fallen since by more than chance"
            return _Held(Cause("overfitting", "not known", because), remedy)
    return _Held(Cause("overfitting", "supported", because), remedy)


def _length(row: Optional[Compared], run: Run) -> _Held:
    """Too few epochs show in a loss that still falls, whatever their number."""
    rows = _with_loss(run)
    remedy = "more epochs" + (f": the card's {shown(row.card)}" if row and row.same is False else "")
    if len(rows) < 3:
        return _Held(Cause("too few epochs", "not known", "there are fewer than three evaluations with a loss"), remedy)
    if is_still_learning(rows):
        return _Held(
            Cause("too few epochs", "supported", f"the validation loss still fell at the end, to {rows[-1].loss:.4f}"),
            remedy,
        )
    because = f"the validation loss no longer falls: {rows[-2].loss:.4f}, {rows[-1].loss:.4f} at the end"
    return _Held(Cause("too few epochs", "ruled out", because), remedy)


def _batch(row: Optional[Compared]) -> Optional[_Held]:
    if row is None:
        return None
    remedy = f"the card's batch size, {shown(row.card)} (gradient_accumulation_steps)"
    if row.same is None:
        return _Held(Cause("another batch size", "not known", "the run's files do not tell it"), remedy)
    because = f"{shown(row.run)} rows a step, the card's {shown(row.card)}"
    return _Held(Cause("another batch size", "ruled out" if row.same else "supported", because), remedy)


def _amount(row: Optional[Compared]) -> _Held:
    name, remedy = "less or other data", "the card's data, whole"
    if row is None or row.same is None:
        return _Held(Cause(name, "not known", "the card has no table of steps, or the run no rows, to compare"), remedy)
    low = f"an epoch has {shown(row.run)} rows, the card's {shown(row.card)}"
    if not row.same:
        return _Held(Cause(name, "supported", low), remedy)
    return _Held(
        Cause(name, "not known", f"{low}: as many, but whether they are the same the numbers can't tell"), remedy
    )


def _classes(case: Case, run: Run) -> _Held:
    name = "classes of unequal size"
    remedy = "weight the loss by class, or sample the rare classes more often"
    balance = balance_of(case.data)
    if balance is not None:
        return _Held(
            Cause(name, "supported" if balance.uneven else "ruled out", balance.words),
            remedy,
        )
    gap = _macro_gap(run.scores)
    if gap is None:
        return _Held(
            Cause(name, "not known", "no data file was given (--data), and no macro average is logged"), remedy
        )
    because = f"accuracy {run.scores['accuracy']:.4f}, macro F1 {run.scores['accuracy'] - gap:.4f}"
    return _Held(Cause(name, "supported" if gap > 0.1 else "ruled out", because), remedy)


def _seed(row: Optional[Compared]) -> Optional[_Held]:
    if row is None:
        return None
    because = (
        "one run can't tell how far seeds differ" if row.same is not None else "the run's files do not tell its seed"
    )
    if row.same is False:
        because = f"{shown(row.run)}, the card's {shown(row.card)}: {because}"
    return _Held(Cause("the seed", "not known", because), "two more seeds")


# --- F1 ---------------------------------------------------------------------------------------------------------


def _f1(scores: Dict[str, float]) -> Optional[str]:
    return next((name for name in ("f1", "weighted_f1", "f1_weighted", "macro_f1", "f1_macro") if name in scores), None)


def _macro_gap(scores: Dict[str, float]) -> Optional[float]:
    """How far the macro F1 lies under the accuracy, which is the micro F1."""
    macro = scores.get("macro_f1", scores.get("f1_macro"))
    return None if macro is None or "accuracy" not in scores else scores["accuracy"] - macro


def averaging(scores: Dict[str, float]) -> Optional[str]:
    """How precision, recall and F1 were averaged over classes, as far as they show it themselves: the recall that is
    weighted by class is the accuracy; micro averages are all the accuracy.
    """
    accuracy, recall, f1 = scores.get("accuracy"), scores.get("recall"), scores.get("f1")
    if accuracy is None or recall is None or f1 is None:
        return None
    if abs(recall - accuracy) > _SAME:
        return "macro or binary"
    same = abs(f1 - accuracy) <= _SAME and abs(scores.get("precision", f1) - accuracy) <= _SAME
    return "micro" if same else "weighted"


def _inconsistent_f1(case: Case, card: Card, run: Run) -> Optional[Answer]:
    name = _f1(run.scores)
    accuracy = run.scores.get("accuracy")
    if name is None:
        return None
    ours, f1 = averaging(run.scores), run.scores[name]
    theirs = averaging({key: one for key, one in card.metrics.items() if one is not None})
    gap = _macro_gap(run.scores)
    shift = _shift(card, run, name)
    seen: List[str] = []
    if ours and theirs and ours != theirs and "micro" not in (ours, theirs):
        seen.append(f"the card's averages are {theirs}, the run's {ours}")
    if gap is not None and gap > 0.1:
        seen.append(f"macro F1 is {gap:.4f} below the accuracy")
    elif accuracy is not None and accuracy - f1 > 0.1:
        seen.append(f"{name} {f1:.4f} is {accuracy - f1:.4f} below the accuracy")
    if shift is not None:
        seen.append(shift)
    swing = _swing(run, name)
    if swing:
        seen.append(swing)
    if not seen:
        return None
    held = [
        _balance(case, run, gap),
        _one_class(run),
        _averages(ours, theirs),
        _swinging(run, name, swing),
    ]
    return _answer(
        "Inconsistent F1",
        "; ".join(seen),
        [one for one in held if one],
        "give the data (--data FILE --label COLUMN): the numbers of the run alone don't say how its classes are "
        "balanced",
    )


def _shift(card: Card, run: Run, name: str) -> Optional[str]:
    """F1 differs from the card's by more than chance, and accuracy does not."""
    rows = {row.metric: row for row in score_rows(card, run)}
    f1, accuracy = rows.get(name), rows.get("accuracy")
    if f1 and accuracy and f1.level in {"below", "above"} and accuracy.level == "within":
        return f"{name} {f1.run:.4f} is {f1.level} the card's {f1.card:.4f}, and accuracy is not"
    return None


def _swing(run: Run, name: str) -> Optional[str]:
    """The largest jump between two evaluations of the second half, where it is more than twice what chance explains."""
    late = [row for row in run.evaluations[len(run.evaluations) // 2 :] if name in row.scores]
    if len(late) < 3 or not run.evaluated_rows:
        return None
    values = [row.scores[name] for row in late]
    jump, first, second = max((abs(b - a), a, b) for a, b in zip(values, values[1:]))
    if min(values) >= 0 and max(values) <= 1 and jump > 2 * tolerance(first, second, run.evaluated_rows):
        return f"{name} jumps between {first:.4f} and {second:.4f} from one evaluation to the next"
    return None


def _balance(case: Case, run: Run, gap: Optional[float]) -> _Held:
    name, remedy = "classes of unequal size", "weight the loss by class, or sample the rare classes more often"
    balance = balance_of(case.data)
    if balance is None:
        if gap is not None and gap > 0.1:
            because = (
                f"accuracy {run.scores['accuracy']:.4f} counts rows, macro F1 {run.scores['accuracy'] - gap:.4f} "
                "counts classes: rare classes are missed"
            )
            return _Held(Cause(name, "supported", because), remedy)
        return _Held(Cause(name, "not known", "no data file was given (--data)"), remedy)
    because = f"{balance.words}; by balance alone macro and weighted F1 can differ by {spread(balance.shares):.2f}"
    return _Held(Cause(name, "supported" if balance.uneven else "ruled out", because), remedy)


def _one_class(run: Run) -> Optional[_Held]:
    """A model that only ever says one class has an F1 that follows from its accuracy."""
    accuracy, classes = run.scores.get("accuracy"), run.labels
    macro = run.scores.get("macro_f1", run.scores.get("f1_macro"))
    if accuracy is None or not classes:
        return None
    pairs = [(macro, majority_macro_f1(accuracy, classes)), (run.scores.get("f1"), majority_weighted_f1(accuracy))]
    known = [(value, alone) for value, alone in pairs if value is not None]
    if not known:
        return None
    value, alone = known[0]
    hit = abs(value - alone) < 0.005
    said = Cause(
        "only one class is ever predicted",
        "supported" if hit else "ruled out",
        f"F1 is {value:.4f}, one class alone would give {alone:.4f}",
    )
    return _Held(said, "weight the loss by class; print the confusion matrix")


def _averages(ours: Optional[str], theirs: Optional[str]) -> _Held:
    name, remedy = "another average over the classes", f"average as the card does: average={(theirs or 'weighted')!r}"
    if ours is None or theirs is None:
        whose = "the run" if ours is None else "the card"
        return _Held(Cause(name, "not known", f"{whose} lacks accuracy, recall or F1 to tell by"), remedy)
    if ours == theirs:
        return _Held(Cause(name, "ruled out", f"both are {ours} (recall and accuracy tell)"), remedy)
    if "micro" in (ours, theirs):
        return _Held(
            Cause(name, "not known", "accuracy, recall and F1 are all the same: that can be by chance"), remedy
        )
    because = f"the card's recall and accuracy say {theirs}, the run's say {ours}"
    return _Held(Cause(name, "supported", because), remedy)


def _swinging(run: Run, name: str, swing: Optional[str]) -> _Held:
    remedy = "a lower learning rate, or more rows to evaluate on"
    if swing:
        return _Held(Cause("the score swings", "supported", swing), remedy)
    late = [row for row in run.evaluations[len(run.evaluations) // 2 :] if name in row.scores]
    known = len(late) >= 3 and run.evaluated_rows
    because = "the late evaluations agree within chance" if known else "there are too few late evaluations to tell"
    return _Held(Cause("the score swings", "ruled out" if known else "not known", because), remedy)


@check("results/low-accuracy", severity="note")
def low_accuracy(case: Case) -> Iterator[Finding]:
    """Why is the accuracy lower than the card's?

    Asked where a score lies below the card's by more than chance allows (results/below-card). Every cause that cards
    and their readers name is held against the run's own numbers: supported, ruled out, or not to be told from them.

    Example: supported: the learning rate is 10 times the card's; ruled out: overfitting, too few epochs.
    Remedy: the first of the supported causes.
    """
    yield from _as_finding(case, "Low ", "results/low-accuracy")


@check("results/inconsistent-f1", severity="note")
def inconsistent_f1(case: Case) -> Iterator[Finding]:
    """Why do F1 and accuracy not fit together, or F1 not the card's?

    Accuracy counts rows, macro F1 counts classes: where classes differ in size they differ by that alone. Weighted
    recall is the accuracy, which tells how a card's scores were averaged.

    Example: accuracy 0.92, macro F1 0.41: the rare classes are missed.
    Remedy: the first of the supported causes.
    """
    yield from _as_finding(case, "Inconsistent F1", "results/inconsistent-f1")


def _as_finding(case: Case, complaint: str, check_id: str) -> Iterator[Finding]:
    case.needs_card()
    if not case.needs_run().scores:
        raise NotApplicable("the run has no scores")
    for answer in answers(case):
        if answer.case.startswith(complaint):
            supported = [cause for cause in answer.causes if cause.verdict == "supported"]
            yield Finding(
                id=check_id,
                severity="note",
                subject="scores",
                message=answer.seen,
                because=f"Supported: {', '.join(cause.cause for cause in supported)}."
                if supported
                else "The run's numbers support none of the usual causes.",
                details=tuple(f"{cause.verdict}: {cause.cause} ({cause.because})" for cause in answer.causes),
                remedies=(Remedy("setting", text=answer.first),),
            )
