"""`card/`: do the numbers of a card agree with each other?"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from card_doctor.checks.card import place
from card_doctor.checks.registry import check
from card_doctor.model import Accelerator, Card, Case, Fact, Finding, NotApplicable, Severity

PRINTED = 6e-5  # cards print four digits after the point
AWAY = 0.01  # by how much, relatively, a row must be better before it is told
# In parallel, these cut the batch in ways that the three printed numbers do not tell.
OTHER_FACTORS = {"IPU", "ipu", "sagemaker_model_parallel"}
FALLING = ("loss", "wer", "cer", "mae", "mse", "rmse", "perplexity", "ter", "eer", "fid")
RISING = (
    "accuracy", "f1", "precision", "recall", "rouge", "bleu", "sacrebleu", "meteor", "auc", "map", "mrr", "ndcg",
    "exact", "matthews", "spearman", "pearson", "r2", "iou", "dice", "chrf", "bertscore",
)  # fmt: skip
ADAM_MOST = 0.05  # tuned soft prompts aside, Adam diverges far below
_COUNT = re.compile(r"^\s*\d{1,4}\s*[x*\u00d7]?\s*(?=[A-Za-z])|\b(?:gpus?|graphics cards?)\b", re.IGNORECASE)

Row = Mapping[str, Any]


class _Batch(NamedTuple):
    device: int
    devices: Optional[int]
    accumulation: int
    total: int


def _found(check_id: str, card: Card, key: str, *, message: str, because: str, severity: Severity = "note") -> Finding:
    subject = key.rpartition(".")[2]
    return Finding(check_id, severity, subject, message, because=because, at=place(card, key))


@check("card/batch-size", severity="warning")
def batch_size(case: Case) -> Iterator[Finding]:
    """Is the total batch size what its factors make?

    It is the batch of one device, times the devices, times the steps that are accumulated. Who trains with other
    factors than the card did trains with another batch, and the learning rate no longer fits it.

    Example: train_batch_size 8, gradient_accumulation_steps 4, and total_train_batch_size 64, with no second device.
    Remedy: correct the factor that is wrong, or state the one that is missing (num_devices).
    """
    card = case.needs_card()
    if card.hyperparameters.get("distributed_type") in OTHER_FACTORS:
        raise NotApplicable("its batch has factors that a card does not print")
    batch = _batch(card.hyperparameters)
    if batch is None:
        raise NotApplicable("the card does not state both batch sizes")
    made = batch.device * (batch.devices or 1) * batch.accumulation
    several = batch.devices is None and "distributed_type" in card.hyperparameters
    if made == batch.total or (several and batch.total % made == 0):
        return
    devices = f" x {batch.devices} devices" if batch.devices else ""
    yield _found(
        "card/batch-size",
        card,
        "hyperparameters.total_train_batch_size",
        message=(
            f"the card states {batch.total} in total, and {batch.device}{devices} x {batch.accumulation} steps "
            f"accumulated are {made}"
        ),
        because="One of the factors is wrong, or one is not stated.",
        severity="warning",
    )


def _batch(stated: Mapping[str, Any]) -> Optional[_Batch]:
    numbers = [
        stated.get(name, default)
        for name, default in (
            ("train_batch_size", None),
            ("num_devices", 0),
            ("gradient_accumulation_steps", 1),
            ("total_train_batch_size", None),
        )
    ]
    if not all(isinstance(one, int) and one >= 0 for one in numbers) or not (numbers[0] and numbers[2]):
        return None
    return _Batch(numbers[0], numbers[1] or None, numbers[2], numbers[3])


@check("card/metrics-disagree", severity="warning")
def metrics_disagree(case: Case) -> Iterator[Finding]:
    """Is every score stated once, and with one value?

    A card has its scores in its text, in its metadata (model-index) and in the files that the Trainer writes. Where
    they differ, one of them is of another run or another split.

    Example: ROUGE-2 is 13.62 in the text, and 19.19 in all_results.json.
    Remedy: keep the one that belongs to these weights.
    """
    card = case.needs_card()
    for conflict in card.conflicts:
        if conflict.key.startswith("metrics.") and len(conflict.values) == 2 and not _of_one_kind(card, conflict.key):
            yield _found(
                "card/metrics-disagree",
                card,
                conflict.key,
                message=f"stated as {' and as '.join(conflict.values)}",
                because="One of them is of other data, or of other weights.",
                # The Trainer writes these files beside the very weights; metadata may be of another split.
                severity="warning" if any(fact.confidence == "file" for fact in _facts(card, conflict.key)) else "note",
            )


@check("card/several-runs", severity="note")
def several_runs(case: Case) -> Iterator[Finding]:
    """Is the card about one training run?

    Where one list has a value twice, the card describes several runs, phases or data sets. What differs between them
    is taken from none, so that nothing is judged by a mixture that nobody trained.

    Example: num_epochs is 5 for the first phase and 1 for the second.
    Remedy: one card a run, or judge with the values of the run that you mean to repeat.
    """
    card = case.needs_card()
    several = [
        conflict
        for conflict in card.conflicts
        if conflict.key.startswith(("metrics.", "hyperparameters.")) and _of_one_kind(card, conflict.key)
    ]
    if several:
        told = "; ".join(f"{one.key.partition('.')[2]} {', '.join(one.values)}" for one in several[:4])
        more = f"; and {len(several) - 4} more" if len(several) > 4 else ""
        yield _found(
            "card/several-runs",
            card,
            several[0].key,
            message=f"stated with several values: {told}{more}",
            because="It is about several runs or data sets, so none of these values is taken.",
        )


def _of_one_kind(card: Card, key: str) -> bool:
    """Do all statements of `key` stand in the same kind of place, as two lists of one text do?"""
    kinds = {"text" if one.confidence in {"list", "table", "sentence"} else one.confidence for one in _facts(card, key)}
    return len(kinds) <= 1


def _facts(card: Card, key: str) -> List[Fact]:
    return [fact for fact in card.facts if fact.key == key]


@check("card/not-in-table", severity="note")
def not_in_table(case: Case) -> Iterator[Finding]:
    """Are the reported scores those of a row of the results?

    The Trainer reports the scores of the weights that it kept, so they stand in its table too. Scores that stand in
    no row were measured on other data, or belong to another run.

    Example: the card reports an accuracy of 0.95, and no row of its table has more than 0.91.
    Remedy: say what data they were measured on.
    """
    card = case.needs_card()
    shared = _shared(card)
    if not shared or any(conflict.key.startswith("metrics.") for conflict in card.conflicts):
        raise NotApplicable("no score is both reported and in a table")
    if not any(_is_reported(row, shared) for row in card.results) and not any(
        _same(value, row.get(column)) for row in card.results for column, value in shared.items()
    ):
        told = ", ".join(f"{name} {value:g}" for name, value in shared.items())
        yield _found(
            "card/not-in-table",
            card,
            f"metrics.{_name(next(iter(shared)))}",
            message=f"no row of the table has what the card reports ({told})",
            because="They were measured on other data, or are of another run.",
        )


@check("card/better-row", severity="note")
def better_row(case: Case) -> Iterator[Finding]:
    """Does the card report its best row?

    Without `load_best_model_at_end` the Trainer keeps the last weights, whatever came before them. Whoever trains to
    reach the reported scores may stop earlier, and get better ones.

    Example: the accuracy is 0.83 at epoch 3 and 0.79 at epoch 10, which the card reports.
    Remedy: train fewer epochs, or with load_best_model_at_end=True.
    """
    card = case.needs_card()
    shared = _shared(card)
    reported = next((row for row in card.results if _is_reported(row, shared)), None) if shared else None
    if reported is None:
        raise NotApplicable("the reported scores are those of no row")
    judged = next((name for name in shared if name != "validation_loss" and _direction(name)), None)
    column = judged or ("validation_loss" if "validation_loss" in shared else None)
    if column is None:
        raise NotApplicable("which way its scores are better is not known")
    sign = _direction(column)
    rows = [row for row in card.results if _is_number(row.get(column))]
    best = max(rows, key=lambda row: sign * row[column])
    if sign * (best[column] - reported[column]) > AWAY * abs(reported[column]):
        yield _found(
            "card/better-row",
            card,
            f"metrics.{_name(column)}",
            message=f"the card reports {reported[column]:g}{_at(reported)}; the table has {best[column]:g}{_at(best)}",
            because="The weights that were kept are not the best ones of the run.",
        )


@check("card/epochs-disagree", severity="note")
def epochs_disagree(case: Case) -> Iterator[Finding]:
    """Does the table of results go as far as the card says that it trained?

    A table that ends early is one of a run that was stopped (by hand, by early stopping, by a crash), or of another
    run; one that goes on for longer is of another run.

    Example: num_epochs is 20, and the last row is of epoch 8.
    Remedy: state the epochs that were trained, or that it stopped early.
    """
    card = case.needs_card()
    for key, column in (("training_steps", "step"), ("num_epochs", "epoch")):
        stated = card.hyperparameters.get(key)
        seen = [row[column] for row in card.results if _is_number(row.get(column))]
        if stated is None or not _is_number(stated) or len(seen) < 2 or stated <= 0:
            continue
        interval = max(after - before for before, after in zip(seen, seen[1:]))
        # Evaluated every so many steps, the last of them need not be the last of the training.
        slack = max(interval, 1.0 if column == "epoch" else 0.0)
        if abs(stated - seen[-1]) > slack:
            yield _found(
                "card/epochs-disagree",
                card,
                f"hyperparameters.{key}",
                message=f"the card states {stated:g}, and its table ends at {column} {seen[-1]:g}",
                because="It stopped early, or the table is of another run.",
            )
        return
    raise NotApplicable("the card has no table, or does not state how long it trained")


@check("card/precision-hardware", severity="note")
def precision_hardware(case: Case) -> Iterator[Finding]:
    """Can the GPU that the card names compute in the precision that it states?

    bf16 needs compute capability 8.0; older GPUs emulate it, or the Trainer refuses. One of the two was written down
    wrongly, or the training was slow.

    Example: "bf16 mixed precision" on a Tesla T4.
    Remedy: correct the one that is wrong; on that GPU, train in fp16.
    """
    card = case.needs_card()
    gpu, mode = card.hardware.get("gpu"), card.precision.mode if card.precision else None
    if not isinstance(gpu, str) or mode is None:
        raise NotApplicable("the card does not state both a GPU and a precision")
    named = Accelerator(_COUNT.sub("", gpu).strip())
    if case.knowledge.hardware().multiplies(mode, named) is False and mode != "fp16":
        yield _found(
            "card/precision-hardware",
            card,
            "precision",
            message=f"the card states {mode}, and {gpu}, which has no {mode} arithmetic",
            because="It was emulated, which is slow, or one of the two is not what it was trained with.",
        )


@check("card/learning-rate", severity="warning")
def learning_rate(case: Case) -> Iterator[Finding]:
    """Is the learning rate one that trains?

    A slip of the pen moves it by powers of ten. With Adam, whole networks diverge far below 0.05; what is not above
    zero teaches nothing.

    Example: learning_rate 5 with AdamW, where 5e-5 was meant.
    Remedy: look it up in the training script, or in training_args.
    """
    card = case.needs_card()
    rate = card.hyperparameters.get("learning_rate")
    if rate is None or not _is_number(rate):
        raise NotApplicable("the card states no learning rate")
    optimizer = card.hyperparameters.get("optimizer")
    name = str(optimizer.get("name", "")) if isinstance(optimizer, dict) else str(optimizer or "")
    prompts = "peft" in card.versions  # soft prompts are tuned with rates up to 0.3
    too_much = rate > 1 or ("adam" in name.lower() and rate > ADAM_MOST and not prompts)
    if rate <= 1e-10 or too_much:
        yield _found(
            "card/learning-rate",
            card,
            "hyperparameters.learning_rate",
            message=f"the card states {rate:g}" + (f" with {name}" if name and too_much else ""),
            because="Training diverges." if too_much else "Nothing is learnt.",
            severity="warning",
        )


@check("card/nothing-learnt", severity="note")
def nothing_learnt(case: Case) -> Iterator[Finding]:
    """Did the training change anything?

    Scores that are the same in every row, or a validation loss that is no number, show a run that learnt nothing:
    an overflow in fp16, a learning rate of 0, labels that are all masked.

    Example: validation loss nan and ROUGE 0 in all of 20 rows.
    Remedy: do not train as the card did before the cause is known.
    """
    card = case.needs_card()
    rows = card.results
    columns = [
        name
        for name in (rows[0] if rows else ())
        if name not in {"train_loss", "training_loss"} and (name == "validation_loss" or _direction(name))
    ]
    if len(rows) < 3 or not columns:
        raise NotApplicable("the card has no table of three rows")
    told = {name: [row.get(name) for row in rows] for name in columns}
    losses = told.get("validation_loss")
    if losses is not None and all(one is None for one in losses):
        message = f"the validation loss is no number in all {len(rows)} rows"
    elif all(len(set(values)) == 1 and values[0] is not None for values in told.values()):
        message = f"{', '.join(told)}: the same in all {len(rows)} rows"
    else:
        return
    yield _found("card/nothing-learnt", card, "results", message=message, because="The weights did not learn.")


@check("card/training-loss", severity="warning")
def training_loss(case: Case) -> Iterator[Finding]:
    """Is the reported loss that of the evaluation?

    The training loss is lower, and says nothing of other data: a card that reports it promises too much.

    Example: "Loss: 0.0061" on the evaluation set: the training loss of the last row, whose validation loss is 0.0838.
    Remedy: expect the validation loss.
    """
    card = case.needs_card()
    loss = card.metrics.get("loss")
    if loss is None or not any("validation_loss" in row for row in card.results):
        raise NotApplicable("no loss is both reported and in a table")
    if any(_same(loss, row.get("validation_loss")) for row in card.results):
        return
    others = {name: value for name, value in _shared(card).items() if name != "validation_loss"}
    for row in card.results if others else card.results[-1:]:
        trained, validated = row.get("training_loss", row.get("train_loss")), row.get("validation_loss")
        if _same(loss, trained) and _is_number(validated) and _is_reported(row, others):
            yield _found(
                "card/training-loss",
                card,
                "metrics.loss",
                message=f"the card reports {loss:g}, the training loss{_at(row)}; the validation loss is {validated:g}",
                because="Of other data the training loss says nothing.",
                severity="warning",
            )
            return


def _shared(card: Card) -> Dict[str, float]:
    """The reported scores that the table has too, by its column."""
    columns = {column for row in card.results for column in row}
    names = {("validation_loss" if name == "loss" else name): value for name, value in card.metrics.items()}
    return {name: value for name, value in names.items() if name in columns and value is not None}


def _name(column: str) -> str:
    return "loss" if column == "validation_loss" else column


def _is_reported(row: Row, shared: Mapping[str, float]) -> bool:
    return all(_same(value, row.get(column)) for column, value in shared.items())


def _same(value: float, other: Any) -> bool:
    """At the precision that cards print, as a fraction or in percent."""
    if not _is_number(other):
        return False
    return any(abs(value * scale - other) <= PRINTED * max(1.0, abs(other)) for scale in (1, 100, 0.01))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _direction(name: str) -> int:
    """1 where more is better, -1 where less is, 0 where that is not known."""
    parts: List[str] = re.split(r"[_\W]+", name.lower())
    words: Tuple[str, ...] = tuple(re.sub(r"\d+$", "", part) for part in parts)
    if any(word in FALLING for word in words):
        return -1
    return 1 if any(part in RISING or word in RISING for part, word in zip(parts, words)) else 0


def _at(row: Row) -> str:
    for column in ("epoch", "step"):
        if _is_number(row.get(column)):
            return f" at {column} {row[column]:g}"
    return ""
