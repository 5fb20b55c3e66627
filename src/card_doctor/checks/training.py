"""`training/`: do the run's parameters agree with the card's?"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from card_doctor.checks.card import place
from card_doctor.checks.registry import check
from card_doctor.model import Card, Case, Finding, NotApplicable, ParameterRow, Remedy, Run, Severity, Unknown

MUCH = 2.0  # a factor from which on a parameter is another one, not a variation of it
_CLOSE = 0.01  # relative; a rate that the log shows is known so well
# The Trainer's AdamW, which cards before transformers 4.46 call Adam, and its implementations.
_ADAM = {
    "adam", "adamw", "adamw_hf", "adamw_torch", "adamw_torch_fused", "adamw_apex_fused", "adamw_torch_xla",
    "adamw_torch_npu_fused",
}  # fmt: skip


class Compared(NamedTuple):
    """One hyperparameter of the card, and the run's: None where its files do not tell."""

    key: str
    card: Any
    run: Any
    same: Optional[bool]
    source: Optional[str]

    @property
    def factor(self) -> Optional[float]:
        """The run's by the card's."""
        ours, theirs = _number(self.run), _number(self.card)
        return ours / theirs if ours and theirs else None


def batch_of(hyperparameters: Mapping[str, Any]) -> Optional[float]:
    """The effective batch size, in rows: per device x devices x accumulated steps. A device's number that nothing
    says is one.
    """
    total = _number(hyperparameters.get("total_train_batch_size"))
    each = _number(hyperparameters.get("train_batch_size"))
    if total is not None or each is None:
        return total
    devices = _number(hyperparameters.get("num_devices")) or 1
    return each * devices * (_number(hyperparameters.get("gradient_accumulation_steps")) or 1)


def compared(card: Card, run: Run) -> Tuple[Compared, ...]:
    """Every hyperparameter that the card states and a run can have, in the order of a card."""
    theirs, ours = card.hyperparameters, run.hyperparameters

    def one(key: str, same: Callable[[Any, Any], bool] = _close) -> Iterator[Compared]:
        if key in theirs:
            value = ours.get(key)
            yield Compared(key, theirs[key], value, None if value is None else same(theirs[key], value), told(key))

    def told(*keys: str) -> Optional[str]:
        return next((run.read_from[key] for key in keys if key in run.read_from), None)

    rows = [*one("learning_rate")]
    batches = batch_of(theirs), batch_of(ours)
    if batches[0] is not None:
        source = told("total_train_batch_size", "train_batch_size")
        rows.append(Compared("batch_size", *batches, _maybe(_close, *batches), source))
    rows += [*one("num_epochs"), *one("training_steps"), *one("lr_scheduler_type", _same_word), *_warmup(card, run)]
    rows += [*one("optimizer", _same_optimizer), *one("weight_decay"), *one("label_smoothing_factor"), *one("seed")]
    mode = card.precision.mode if card.precision else None
    if mode is not None:
        same = mode in run.precision.split(" or ") if run.precision else None
        rows.append(Compared("precision", mode, run.precision, same, None))
    rows += _rows_of_epoch(card, run)
    return tuple(rows)


def _warmup(card: Card, run: Run) -> Iterator[Compared]:
    """Steps and ratio are compared as steps where the number of all steps is known."""
    steps, ratio = "lr_scheduler_warmup_steps", "lr_scheduler_warmup_ratio"
    theirs, ours = card.hyperparameters, run.hyperparameters
    stated = next((key for key in (steps, ratio) if key in theirs), None)
    if stated is None:
        return
    if stated in ours:
        yield Compared(
            stated, theirs[stated], ours[stated], _close(theirs[stated], ours[stated]), run.read_from[stated]
        )
        return
    other = ratio if stated == steps else steps
    value = _number(ours.get(other))
    if value is not None and run.planned_steps:
        value = value * run.planned_steps if stated == steps else value / run.planned_steps
        yield Compared(stated, theirs[stated], value, abs(value - theirs[stated]) < 1, run.read_from[other])
    elif value is None and run.read_from.get("lr_scheduler_type") not in {None, "the log"}:
        yield Compared(stated, theirs[stated], 0, not theirs[stated], "default")  # the Trainer names it where it is set
    else:
        yield Compared(stated, theirs[stated], None, None, None)


def _rows_of_epoch(card: Card, run: Run) -> Iterator[Compared]:
    """How many rows an epoch went through: exact, or between two numbers where only its steps are known."""
    theirs = rows_by_steps(steps_per_epoch(card), batch_of(card.hyperparameters))
    if theirs is None:
        return
    ours = (run.train_rows, run.train_rows) if run.train_rows else None
    ours = ours or rows_by_steps(run.steps_per_epoch, batch_of(run.hyperparameters))
    if ours is None:
        yield Compared("rows", theirs, None, None, None)
        return
    slack = batch_of(card.hyperparameters) or 0  # the last, incomplete batch may have been dropped
    same = ours[0] <= theirs[1] + slack and theirs[0] <= ours[1] + slack
    yield Compared("rows", theirs, ours, same, "the log")


def steps_per_epoch(card: Card) -> Optional[float]:
    """Of the card's own table."""
    for row in reversed(card.results):
        step, epoch = _number(row.get("step")), _number(row.get("epoch"))
        if step and epoch and epoch > 0:
            return step / epoch
    return None


def rows_by_steps(steps: Optional[float], batch: Optional[float]) -> Optional[Tuple[int, int]]:
    """The fewest and the most rows of which an epoch has so many steps."""
    if not steps or not batch or steps < 1:
        return None
    return round((math.ceil(steps) - 1) * batch) + 1, round(steps * batch)


def parameter_rows(card: Card, run: Run) -> Tuple[ParameterRow, ...]:
    """As a person reads them."""
    return tuple(
        ParameterRow(
            one.key,
            shown(one.card),
            None if one.run is None else shown(one.run),
            "unknown" if one.same is None else "same" if one.same else "differs",
            one.source,
        )
        for one in compared(card, run)
    )


def shown(value: Any) -> str:
    """A value as a card has it: ``0.0005``, ``26,273 to 26,304``, ``adam betas 0.9, 0.999, epsilon 1e-08``."""
    if isinstance(value, tuple):
        low, high = value
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"
    if isinstance(value, Mapping):
        words = [str(value.get("name", "not named"))]
        words += [f"{key} {shown(one)}" for key, one in value.items() if key != "name" and one is not None]
        return " ".join(words)
    if isinstance(value, (list,)):
        return ", ".join(map(shown, value))
    number = _number(value)
    return str(value) if number is None else f"{number:.15g}" if number == int(number) else f"{number:.4g}"


def find(case: Case, key: str) -> Compared:
    """The row of that parameter; NotApplicable where the card does not state it, Unknown where the run does not."""
    card, run = case.needs_card(), case.needs_run()
    row = next((one for one in compared(card, run) if one.key == key), None)
    if row is None:
        raise NotApplicable(f"the card states no {_words(key)}")
    if row.same is None:
        raise Unknown(f"the run's {_words(key)}")
    return row


def _words(key: str) -> str:
    return (
        "scheduler"
        if key == "lr_scheduler_type"
        else key.replace("lr_scheduler_", "").replace("num_", "").replace("_", " ")
    )


def _differs(
    case: Case,
    slug: str,
    row: Compared,
    because: str,
    *,
    severity: Severity = "warning",
    remedy: Optional[str] = None,
) -> Finding:
    card = case.needs_card()
    factor = row.factor
    times = f", {_times(factor)}" if factor is not None and not 0.8 < factor < 1.25 else ""
    return Finding(
        id=f"training/{slug}",
        severity=severity,
        subject=_words(row.key),
        found=shown(row.run),
        needs=shown(row.card),
        message=f"the run has {shown(row.run)}{_by(row)}, the card {shown(row.card)}{times}",
        because=because,
        remedies=(Remedy("setting", text=remedy),) if remedy else (),
        at=place(card, f"hyperparameters.{row.key}"),
    )


def _by(row: Compared) -> str:
    return " (the default)" if row.source == "default" else f" (by {row.source})" if row.source else ""


def _times(factor: float) -> str:
    return f"{factor:.3g} times the card's"


def _argument(name: str, value: Any) -> str:
    return f"TrainingArguments({name}={value!r})"


@check("training/learning-rate", severity="warning")
def learning_rate(case: Case) -> Iterator[Finding]:
    """Is the learning rate the card's?

    The rate is the parameter that the result depends on most. Twice the card's or half of it is a warning, less a note;
    so is a rate that was scaled along with the batch size.

    Example: the card says 0.0005, the log shows 0.005.
    Remedy: the card's, TrainingArguments(learning_rate=...).
    """
    row = find(case, "learning_rate")
    if row.same:
        return
    factor = row.factor or 1.0
    batch = next((one.factor for one in compared(case.needs_card(), case.needs_run()) if one.key == "batch_size"), None)
    scaled = batch is not None and not 0.8 < batch < 1.25 and 0.8 < factor / batch < 1.25
    if scaled:
        because = "The batch size differs by the same factor: the rate was scaled along with it."
    elif factor > 1:
        because = "Steps that are too large end in a worse place, forget what was pre-trained, or diverge."
    else:
        because = "Steps that are too small get less far in the same time: the run may end before it has learned."
    much = (factor >= MUCH or factor <= 1 / MUCH) and not scaled
    yield _differs(
        case,
        "learning-rate",
        row,
        because,
        severity="warning" if much else "note",
        remedy=_argument("learning_rate", row.card),
    )


@check("training/batch-size", severity="warning")
def batch_size(case: Case) -> Iterator[Finding]:
    """Does each step see as many rows as the card's?

    That is the batch size of a device, times the devices, times the steps that are accumulated. Where it differs, so do
    the number of steps and the noise of each, and the card's learning rate is no longer the right one.

    Example: 64 on the card, 8 x 2 accumulated steps on one GPU: 16.
    Remedy: gradient_accumulation_steps, until the product is the card's.
    """
    row = find(case, "batch_size")
    if row.same:
        return
    factor = row.factor or 1.0
    ours = case.needs_run().hyperparameters
    each = _number(ours.get("train_batch_size")) or row.run
    per_step = each * (_number(ours.get("num_devices")) or 1)
    accumulated = row.card / per_step if per_step else 0
    remedy = _argument("per_device_train_batch_size", int(row.card))
    if accumulated >= 1 and accumulated == int(accumulated) and per_step < row.card:
        remedy = _argument("gradient_accumulation_steps", int(accumulated)) + f" with {each:g} a device"
    yield _differs(
        case,
        "batch-size",
        row,
        "It is what one step learns from: per device x devices x accumulated steps. The learning rate belongs to it.",
        severity="warning" if factor >= MUCH or factor <= 1 / MUCH else "note",
        remedy=remedy,
    )


@check("training/epochs", severity="warning")
def epochs(case: Case) -> Iterator[Finding]:
    """Is the training planned as long as the card's?

    The learning rate falls along the planned length, so that fewer epochs of a longer plan are not the same as a
    shorter plan. Whether the plan was carried out is another question: results/ended-early.

    Example: the card says 4 epochs, the run was planned for 1.
    Remedy: TrainingArguments(num_train_epochs=...), or max_steps.
    """
    key = "training_steps" if "training_steps" in case.needs_card().hyperparameters else "num_epochs"
    row = find(case, key)
    if row.same:
        return
    factor = row.factor or 1.0
    yield _differs(
        case,
        "epochs",
        row,
        "Less training, on a schedule that falls sooner."
        if factor < 1
        else "More training: what the card had not yet learned, or had not yet learned by heart.",
        severity="warning" if factor >= MUCH or factor <= 1 / MUCH else "note",
        remedy=_argument("max_steps" if key == "training_steps" else "num_train_epochs", row.card),
    )


@check("training/schedule", severity="warning")
def schedule(case: Case) -> Iterator[Finding]:
    """Does the learning rate follow the card's schedule?

    Its kind (linear, cosine, constant) and its warmup, which a card gives in steps or as a part of all steps.

    Example: linear on the card, constant in the run.
    Remedy: TrainingArguments(lr_scheduler_type=..., warmup_steps=...).
    """
    card, run = case.needs_card(), case.needs_run()
    rows = [one for one in compared(card, run) if one.key.startswith("lr_scheduler_")]
    if not rows:
        raise NotApplicable("the card states no schedule")
    for row in rows:
        if row.same is False:
            kind = row.key == "lr_scheduler_type"
            yield _differs(
                case,
                "schedule",
                row,
                "How the rate falls decides how far the run gets, and how calmly it ends."
                if kind
                else "Warmup keeps the first steps small, while the optimizer's averages are still rough.",
                severity="warning" if kind else "note",
                remedy=_argument(row.key.replace("lr_scheduler_warmup", "warmup"), row.card),
            )
    for row in rows:
        if row.same is None:
            raise Unknown(f"the run's {_words(row.key)}")


@check("training/optimizer", severity="warning")
def optimizer(case: Case) -> Iterator[Finding]:
    """Is the optimizer the card's?

    Adam and AdamW count as one: until transformers 4.46 the Trainer's cards called its AdamW so. Settings that the card
    does not name are not compared.

    Example: Adam with betas=(0.9,0.999) on the card, Adafactor in the run.
    Remedy: TrainingArguments(optim=...).
    """
    row = find(case, "optimizer")
    if not row.same:
        yield _differs(
            case, "optimizer", row, "Another optimizer wants another learning rate: the card's belongs to its own."
        )


@check("training/seed", severity="note")
def seed(case: Case) -> Iterator[Finding]:
    """Is the seed the card's?

    Another seed is another order of the rows and another new classification head. Scores differ by it even where all
    else is the same; on other hardware the same seed gives other numbers too.

    Example: 33 on the card, 42 (the default) in the run.
    Remedy: TrainingArguments(seed=...); to know how much it matters, a few runs with different seeds.
    """
    row = find(case, "seed")
    if not row.same:
        yield _differs(
            case,
            "seed",
            row,
            "Another order of the rows and another start of the new layers.",
            severity="note",
            remedy=_argument("seed", row.card),
        )


@check("training/precision", severity="note")
def precision(case: Case) -> Iterator[Finding]:
    """Was the run in the card's precision?

    fp16, bf16 and fp32 round differently. That seldom decides a score; it does decide speed and memory, and whether
    small gradients vanish. What this machine can do is asked by amp/.

    Example: Native AMP (fp16) on the card, fp32 in the run.
    Remedy: TrainingArguments(fp16=True) on a GPU that has it.
    """
    row = find(case, "precision")
    if not row.same:
        yield _differs(
            case, "precision", row, "It rounds differently; seldom does a score hang on it.", severity="note"
        )


@check("training/rows", severity="warning")
def rows(case: Case) -> Iterator[Finding]:
    """Are there as many rows to train on as the card had?

    The steps of an epoch, times the effective batch size, are the rows of the training set: the card's own table tells
    how many it had.

    Example: 822 steps an epoch at batch size 32 are 26,273 to 26,304 rows; the run had 5,000.
    Remedy: the card's data, whole.
    """
    row = find(case, "rows")
    if row.same:
        return
    (few, many), (low, high) = row.card, row.run
    yield Finding(
        id="training/rows",
        severity="warning",
        subject="training rows",
        found=shown(row.run),
        needs=shown(row.card),
        message=f"an epoch has {shown(row.run)} rows, the card's {shown(row.card)}: "
        f"{_times((low + high) / (few + many))}",
        because=f"The card's table has {steps_per_epoch(case.needs_card()):g} steps an epoch. Other data, or a part of "
        "it, explains other scores before any parameter does.",
        at=place(case.needs_card(), "results"),
    )


def _close(theirs: Any, ours: Any) -> bool:
    one, other = _number(theirs), _number(ours)
    if one is None or other is None:
        return bool(theirs == ours)
    return math.isclose(one, other, rel_tol=_CLOSE, abs_tol=1e-12) if not float(one).is_integer() else one == other


def _maybe(same: Callable[[Any, Any], bool], theirs: Any, ours: Any) -> Optional[bool]:
    return None if ours is None else same(theirs, ours)


def _same_word(theirs: Any, ours: Any) -> bool:
    return str(theirs).lower() == str(ours).lower()


def _same_optimizer(theirs: Any, ours: Any) -> bool:
    card, run = _optimizer(theirs), _optimizer(ours)
    named = _family(card.get("name")) == _family(run.get("name")) or None in {card.get("name"), run.get("name")}
    shared = {key for key in card if key in run and key in {"betas", "epsilon", "weight_decay"}}
    return named and all(_same_setting(card[key], run[key]) for key in shared)


def _same_setting(theirs: Any, ours: Any) -> bool:
    pairs: List[Tuple[Any, Any]] = [(theirs, ours)]
    if isinstance(theirs, (list, tuple)) and isinstance(ours, (list, tuple)) and len(theirs) == len(ours):
        pairs = list(zip(theirs, ours))
    return all(_close(one, other) for one, other in pairs)


def _optimizer(value: Any) -> Dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {"name": value}


def _family(name: Any) -> str:
    word = str(name).lower()
    return "adam" if word in _ADAM else word


def _number(value: Any) -> Optional[float]:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if usable and math.isfinite(value) else None
